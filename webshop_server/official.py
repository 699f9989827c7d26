"""Which official WebShop files are used.

| file | what it holds |
|---|---|
| `items_shuffle<suffix>.json` | products |
| `items_ins_v2<suffix>.json` | hidden attributes and synthetic tasks; needed too |
| `items_human_ins.json` | tasks written by people; without it there are no human goals |
| `reviews.json` | ratings and reviews; not published, read where it is |

A catalogue is a pair with the same suffix. Where there are several, the 1,000 products of the
published agent results (`_1000`) come first; a single pair is taken whatever its suffix is; any
other choice has to be made by name. Nothing here looks into the files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from hiper_base.errors import DataError, DataNotFoundError
from hiper_base.paths import webshop_folder

__all__ = ["BENCHMARK_SUFFIX", "OfficialFiles", "find_all_files", "find_files"]

BENCHMARK_SUFFIX = "_1000"
"""Suffix of the files behind the published agent results."""

_PRODUCTS, _ATTRIBUTES = "items_shuffle", "items_ins_v2"
_HUMAN, _REVIEWS = "items_human_ins.json", "reviews.json"
_JSON = ".json"


@dataclass(frozen=True)
class OfficialFiles:
    """The files of one catalogue.

    Attributes:
        suffix: What tells the catalogue from others in the folder, such as `_1000` or "".
        products: `items_shuffle<suffix>.json`.
        attributes: `items_ins_v2<suffix>.json`.
        human: `items_human_ins.json`, None where it is missing.
        reviews: `reviews.json`, None where it is missing.
    """

    suffix: str
    products: Path
    attributes: Path
    human: Path | None = None
    reviews: Path | None = None

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self.products.parent

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files that there are."""
        optional = [path for path in (self.human, self.reviews) if path is not None]
        return (self.products, self.attributes, *optional)

    def fingerprint(self) -> str:
        """Changes when the content may have changed; looks at names, sizes and times only.

        Raises:
            DataError: If a file has gone.
        """
        digest = hashlib.sha256()
        for path in self.paths:
            try:
                stat = path.stat()
            except OSError as error:
                raise DataError(f"{path}: cannot be read: {error.strerror}") from error
            digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()


def find_files(root: Path | str | None = None, suffix: str | None = None) -> OfficialFiles:
    """The official files of one catalogue.

    Args:
        root: The data root; `$HIPER_DATA`, else the user's cache folder.
        suffix: Which catalogue: "" is `items_shuffle.json`. None chooses as the module says.

    Raises:
        DataNotFoundError: If there is no such catalogue.
        DataError: If there are several and none is the obvious one.
    """
    folder = webshop_folder(root)
    if suffix is None:
        suffix = _choose(folder)
    products, attributes = (folder / f"{name}{suffix}{_JSON}" for name in (_PRODUCTS, _ATTRIBUTES))
    for path in (products, attributes):
        if not path.is_file():
            raise DataNotFoundError(f"{path}: there is no such file. {_how_to_get(folder)}")
    human, reviews = (folder / name for name in (_HUMAN, _REVIEWS))
    return OfficialFiles(
        suffix,
        products,
        attributes,
        human if human.is_file() else None,
        reviews if reviews.is_file() else None,
    )


def find_all_files(root: Path | str | None = None) -> tuple[OfficialFiles, ...]:
    """The official files of every complete catalogue, by suffix; empty where there is none.

    Args:
        root: The data root; `$HIPER_DATA`, else the user's cache folder.
    """
    folder = webshop_folder(root)
    pairs = _suffixes(folder, _PRODUCTS) & _suffixes(folder, _ATTRIBUTES)
    return tuple([find_files(root, suffix) for suffix in sorted(pairs)])


def _choose(folder: Path) -> str:
    found = _suffixes(folder, _PRODUCTS)
    pairs = sorted(found & _suffixes(folder, _ATTRIBUTES))
    if BENCHMARK_SUFFIX in pairs:
        return BENCHMARK_SUFFIX
    if len(pairs) == 1:
        return pairs[0]
    if pairs:
        names = ", ".join(f"{_PRODUCTS}{suffix}{_JSON}" for suffix in pairs)
        raise DataError(f"{folder}: several catalogues ({names}); choose one by its suffix")
    if found:
        # The message names what is missing beside the products.
        return min(found)
    raise DataNotFoundError(f"no WebShop products in {folder}. {_how_to_get(folder)}")


def _suffixes(folder: Path, name: str) -> set[str]:
    return {path.name[len(name) : -len(_JSON)] for path in folder.glob(f"{name}*{_JSON}")}


def _how_to_get(folder: Path) -> str:
    return (
        f"Put {_PRODUCTS}{BENCHMARK_SUFFIX}{_JSON}, {_ATTRIBUTES}{BENCHMARK_SUFFIX}{_JSON} and "
        f"{_HUMAN} of the WebShop release into {folder}, or set HIPER_DATA to the folder above it"
    )
