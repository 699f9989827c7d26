"""The official catalogue, read once and kept in a memory-mapped file.

The file holds one JSON record a product, where each begins, its checksum, and arrays of what is
needed without decoding: ids, prices, and how many tasks a product has. A process that opens it
reads a few pages; processes share them.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from hiper_base.errors import DataError
from hiper_base.paths import cache_folders
from webshop_server.catalog import Catalog
from webshop_server.listing import RECORD_VERSION, HumanTask, Listing, from_record, to_record
from webshop_server.official import OfficialFiles
from webshop_server.prices import parse_price, price_tag
from webshop_server.product import Product, Review
from webshop_server.storage import Container, ContainerWriter, cached

if TYPE_CHECKING:
    from webshop_server import records

__all__ = ["PRICE_SEED", "StoredCatalog", "open_stored"]

PRICE_SEED = 0
"""Seed of the one generator that draws prices and then limits, chosen by the published order."""

_NO_ATTRIBUTES = ("DUMMY_ATTR",)
_NO_RATING = "N.A."
_BLOCK = 1 << 20
_LARGEST_COUNT = (1 << 62) - 1


class StoredCatalog(Catalog):
    """Products in a memory-mapped file.

    Args:
        container: What :func:`open_stored` opened.

    Attributes:
        prices: Scoring price of every product, shape (products,), float64.
        combinations: Number of combinations of option values of every product that has a synthetic
            task, else 0; shape (products,), int64.
        human_tasks: Number of tasks that people wrote for a product, shape (products,), int32.
        price_draws: How many prices were drawn from a range.
    """

    def __init__(self, container: Container) -> None:
        header = container.header
        super().__init__(header["name"], header["sha256"])
        self._container = container
        self._records: NDArray[np.uint8] = container["records"]
        self._offsets: NDArray[np.int64] = container["offsets"]
        self._checksums: NDArray[np.uint32] = container["checksums"]
        self._sorted: NDArray[np.bytes_] = container["sorted"]
        self._order: NDArray[np.int32] = container["order"]
        self._asins = _Asins(container["asins"])
        self.prices: NDArray[np.float64] = container["prices"]
        self.combinations: NDArray[np.int64] = container["combinations"]
        self.human_tasks: NDArray[np.int32] = container["human_tasks"]
        self.price_draws: int = header["price_draws"]

    def __len__(self) -> int:
        """Number of products."""
        return len(self._asins)

    def position(self, asin: str) -> int:
        """Position of a product; KeyError if there is none with this id."""
        key = asin.encode()
        place = bisect_left(self._sorted, key)
        if place == len(self._sorted) or self._sorted[place] != key:
            raise KeyError(asin)
        return int(self._order[place])

    @property
    def asins(self) -> Sequence[str]:
        """The ids of all products, in order."""
        return self._asins

    @property
    def container(self) -> Container:
        """The file behind the catalogue."""
        return self._container

    def _listing(self, position: int) -> Listing:
        record = self._records[self._offsets[position] : self._offsets[position + 1]].tobytes()
        # Not everything is verified when a large file is opened.
        if zlib.crc32(record) != self._checksums[position]:
            raise DataError(f"{self._container.path}: is damaged; delete it, it is made again")
        return from_record(json.loads(record))


class _Asins(Sequence[str]):
    """Ids as texts, decoded when they are asked for."""

    def __init__(self, encoded: NDArray[np.bytes_]) -> None:
        self._encoded = encoded

    def __len__(self) -> int:
        return len(self._encoded)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return _Asins(self._encoded[index])
        return str(self._encoded[index], "ascii")

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _BLOCK):
            for encoded in self._encoded[start : start + _BLOCK].tolist():
                yield encoded.decode("ascii")


def open_stored(files: OfficialFiles, folders: Sequence[Path] | None = None) -> StoredCatalog:
    """The catalogue of some official files: from its cache, else read and then cached.

    Args:
        files: Which.
        folders: Where the cache may lie, best first; by default where all caches do.

    Raises:
        DataError: If the files cannot be read or hold something unexpected.
    """
    fingerprint = files.fingerprint()
    place = hashlib.sha256(str(files.folder.resolve()).encode()).hexdigest()[:12]
    container = cached(
        f"webshop{files.suffix}-{place}.catalogue",
        f"catalogue {RECORD_VERSION} {fingerprint}",
        cache_folders(files.folder) if folders is None else folders,
        lambda writer: _write(writer, files, fingerprint),
    )
    return StoredCatalog(container)


def _write(writer: ContainerWriter, files: OfficialFiles, fingerprint: str) -> Mapping[str, Any]:
    """Writes all sections; returns the header."""
    columns = _Columns()
    writer.stream("records", "|u1", columns.encode(_listings(files, columns)))
    if not columns.asins:
        raise DataError(f"{files.products}: holds no products")
    if files.fingerprint() != fingerprint:
        raise DataError(f"{files.products}: changed while it was being read; try again")
    asins = np.array(columns.asins, dtype=np.bytes_)
    order = np.argsort(asins, kind="stable").astype(np.int32)
    writer.array("offsets", np.array(columns.offsets, dtype=np.int64))
    writer.array("checksums", np.array(columns.checksums, dtype=np.uint32))
    writer.array("asins", asins)
    writer.array("sorted", asins[order])
    writer.array("order", order)
    writer.array("prices", np.array(columns.prices, dtype=np.float64))
    writer.array("combinations", np.array(columns.combinations, dtype=np.int64))
    writer.array("human_tasks", np.array(columns.human_tasks, dtype=np.int32))
    return {
        "name": files.products.name,
        "sha256": columns.digest.hexdigest(),
        "price_draws": columns.price_draws,
    }


class _Columns:
    """What is collected about the products while their records are written."""

    def __init__(self) -> None:
        self.asins: list[bytes] = []
        self.offsets = array("q", [0])
        self.checksums = array("L")
        self.prices = array("d")
        self.combinations = array("q")
        self.human_tasks = array("l")
        self.price_draws = 0
        self.digest = hashlib.sha256()

    def encode(self, listings: Iterator[Listing]) -> Iterator[bytes]:
        """The records as bytes; the columns grow with each."""
        for listing in listings:
            product = listing.product
            record = json.dumps(
                to_record(listing), ensure_ascii=False, separators=(",", ":")
            ).encode()
            self.asins.append(product.asin.encode("ascii"))
            self.offsets.append(self.offsets[-1] + len(record))
            self.checksums.append(zlib.crc32(record))
            self.prices.append(product.price)
            count = min(math.prod(map(len, product.options.values())), _LARGEST_COUNT)
            self.combinations.append(0 if listing.instruction is None else count)
            self.human_tasks.append(len(listing.human_tasks))
            self.digest.update(record)
            yield record


def _listings(files: OfficialFiles, columns: _Columns) -> Iterator[Listing]:
    """The products in order, with their prices drawn and their tasks beside them."""
    # pydantic takes longer to import than a cached catalogue to open.
    from webshop_server import records

    attributes = records.read_attributes(files)
    human = records.read_human_tasks(files)
    reviews = records.read_reviews(files)
    generator = random.Random(PRICE_SEED)
    for raw in records.read_products(files):
        where = f"{files.products}: product {raw.asin}"
        try:
            numbers = parse_price(raw.pricing)
        except ValueError as error:
            raise DataError(f"{where}: pricing: {error}") from error
        if len(numbers) == 1:
            price = numbers[0]
        else:
            price = generator.uniform(*numbers)
            columns.price_draws += 1
        known = attributes.get(raw.asin)
        tag = price_tag(numbers)
        product = _product(raw, known, reviews.get(raw.asin), tag, price, where)
        instruction, wanted = _instruction(known, f"{files.attributes}: product {raw.asin}")
        yield Listing(product, instruction, wanted, _human_tasks(human.get(raw.asin, ())))


def _instruction(
    known: records.Attributes | None, where: str
) -> tuple[str | None, tuple[str, ...]]:
    """The synthetic instruction of a product, and the attributes that it asks for."""
    if known is None or known.instruction is None:
        return None, ()
    if not known.instruction_attributes:
        raise DataError(f"{where}: instruction_attributes: an instruction needs at least one")
    return known.instruction, tuple(known.instruction_attributes)


def _human_tasks(tasks: Sequence[records.HumanTask]) -> tuple[HumanTask, ...]:
    return tuple(
        [
            HumanTask(
                raw.instruction, tuple(raw.instruction_attributes), tuple(raw.instruction_options)
            )
            for raw in tasks
            # As upstream: without attributes there would be nothing to look for.
            if raw.instruction_attributes
        ]
    )


def _product(
    raw: records.RawProduct,
    known: records.Attributes | None,
    reviewed: records.Reviews | None,
    tag: str,
    price: float,
    where: str,
) -> Product:
    options, option_images = _options(raw, where)
    bullets = raw.small_description
    attributes = None if known is None else known.attributes
    return Product(
        asin=raw.asin,
        title=raw.name,
        description=raw.full_description or "",
        bullet_points=tuple([bullet or "" for bullet in bullets] or [""])
        if isinstance(bullets, list)
        else (bullets or "",),
        category=raw.category,
        query=raw.query.lower().strip(),
        product_category=raw.product_category,
        attributes=_NO_ATTRIBUTES if attributes is None else tuple(attributes),
        price_tag=tag,
        price=price,
        options=options,
        images=tuple([image for image in raw.images or () if image]),
        option_images=option_images,
        rating=_rating(reviewed),
        reviews=() if reviewed is None else tuple(map(_review, reviewed.reviews)),
    )


def _options(
    raw: records.RawProduct, where: str
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Option values by name, and the picture of some values."""
    groups = raw.customization_options
    if not groups:
        return {}, {}
    if isinstance(groups, str):
        raise DataError(f"{where}: customization_options: neither empty nor an object")
    options, images = {}, {}
    for name, contents in groups.items():
        if not contents:
            continue
        values = []
        for content in contents:
            value = content.value.strip().replace("/", " | ").lower()
            values.append(value)
            if content.image:
                images[value] = content.image
        options[name.lower()] = tuple(values)
    return options, images


def _rating(reviewed: records.Reviews | None) -> str:
    rating = None if reviewed is None else reviewed.average_rating
    return _NO_RATING if rating is None or rating == "" else str(rating)


def _review(raw: records.RawReview) -> Review:
    score = raw.stars if raw.score is None else raw.score
    return Review(raw.title, "" if score is None else str(score), raw.review)
