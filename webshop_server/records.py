"""The official WebShop files: which there are, and what is in them.

Every record is validated, and an error names the file, the product and the field. The largest file
(1.18 million products, 5 GB) is read piece by piece. This module does not know what becomes of
the records: prices are drawn, goals are made and caches are kept elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hiper_base.errors import DataError
from webshop_server.official import OfficialFiles

__all__ = [
    "Attributes",
    "Entry",
    "HumanTask",
    "OptionValue",
    "RawProduct",
    "RawReview",
    "Reviews",
    "Stream",
    "read_attributes",
    "read_human_tasks",
    "read_products",
    "read_reviews",
]

_CHUNK = 1 << 22
_LONGEST_ENTRY = 1 << 26
_LONGEST_ASIN = 10
_NO_ASIN = "nan"
_DELIMITERS = tuple(",:]} \t\r\n")

_Model = TypeVar("_Model", bound="_Record")


class _Record(BaseModel):
    # Nothing is converted: a number where a text belongs is a mistake to be told about. What the
    # shop does not use is not looked at.
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class OptionValue(_Record):
    """One value of a product option."""

    value: str
    image: str | None = None


class RawProduct(_Record):
    """A product of `items_shuffle*.json`."""

    asin: str = Field(pattern=r"^[0-9A-Za-z]+$")
    name: str
    category: str
    query: str
    product_category: str
    full_description: str | None = None
    small_description: list[str | None] | str | None = None
    pricing: str | None = None
    customization_options: dict[str, list[OptionValue] | None] | str | None = None
    images: list[str | None] | None = None


class Attributes(_Record):
    """What `items_ins_v2*.json` says of a product: hidden attributes and a synthetic task."""

    attributes: list[str] | None = None
    instruction: str | None = None
    instruction_attributes: list[str] | None = None


class HumanTask(_Record):
    """One task of `items_human_ins.json`, written by a person for a product."""

    instruction: str
    instruction_attributes: list[str]
    instruction_options: list[str]


class RawReview(_Record):
    """One review; `stars` and `review` are older names of `score` and `body`."""

    title: str = ""
    score: str | float | None = None
    stars: str | float | None = None
    review: str = ""


class Reviews(_Record):
    """What the optional `reviews.json` says of a product."""

    asin: str
    average_rating: str | float | None = None
    reviews: list[RawReview] = []


def read_products(files: OfficialFiles) -> Iterator[RawProduct]:
    """The products in the order of the file, each id once.

    As upstream, repeated ids are skipped, and so are ids of more than ten characters and `nan`.

    Raises:
        DataError: If the file cannot be read or a product has not the expected fields.
    """
    seen = set()
    for number, (_, value) in enumerate(_stream(files.products, "[")):
        asin = value.get("asin") if isinstance(value, dict) else None
        if isinstance(asin, str):
            if asin == _NO_ASIN or len(asin) > _LONGEST_ASIN or asin in seen:
                continue
            seen.add(asin)
        where = f"product {asin}" if isinstance(asin, str) else f"product number {number}"
        yield _validate(RawProduct, value, files.products, where)


def read_attributes(files: OfficialFiles) -> dict[str, Attributes]:
    """Attributes and synthetic tasks by product id.

    Raises:
        DataError: If the file cannot be read or a record has not the expected fields.
    """
    return {
        asin: _validate(Attributes, value, files.attributes, f"product {asin}")
        for asin, value in _stream(files.attributes, "{")
    }


def read_human_tasks(files: OfficialFiles) -> dict[str, list[HumanTask]]:
    """Tasks written by people, by product id; empty without their file.

    Raises:
        DataError: If the file cannot be read or a record has not the expected fields.
    """
    path = files.human
    if path is None:
        return {}
    tasks = {}
    for asin, value in _stream(path, "{"):
        where = f"product {asin}"
        if not isinstance(value, list):
            raise DataError(f"{path}: {where}: is no list of tasks")
        tasks[asin] = [
            _validate(HumanTask, item, path, f"{where}, task {i}") for i, item in enumerate(value)
        ]
    return tasks


def read_reviews(files: OfficialFiles) -> dict[str, Reviews]:
    """Ratings and reviews by product id; empty without their file.

    Raises:
        DataError: If the file cannot be read or a record has not the expected fields.
    """
    path = files.reviews
    if path is None:
        return {}
    found = {}
    for number, (_, value) in enumerate(_stream(path, "[")):
        reviews = _validate(Reviews, value, path, f"entry {number}")
        found[reviews.asin] = reviews
    return found


def _validate(model: type[_Model], value: Any, path: Path, where: str) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # Without the alternatives of a union, which are no part of the file.
        field = ".".join([part for part in map(str, first["loc"]) if "[" not in part])
        raise DataError(f"{path}: {where}: {field or 'the record'}: {first['msg']}") from None


class Entry(NamedTuple):
    """An entry of a JSON object; in a list the key is ""."""

    key: str
    value: Any


def _stream(path: Path, opening: str) -> Iterator[Entry]:
    """The entries of a JSON list (`[`) or object (`{`), without ever holding all of them."""
    try:
        with path.open(encoding="utf-8") as file:
            yield from Stream(file, opening).entries()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is no valid JSON: {error}") from error


class Stream:
    """Decodes the entries of one JSON value one by one from a growing buffer.

    Args:
        file: The text.
        opening: `[` for a list, `{` for an object.
    """

    def __init__(self, file: IO[str], opening: str) -> None:
        self._file = file
        self._opening = opening
        self._decoder = json.JSONDecoder()
        self._buffer = ""
        self._at = 0
        self._is_all = False

    def entries(self) -> Iterator[Entry]:
        """All entries; keys are "" in a list.

        Raises:
            ValueError: If the text is no JSON, or not of the expected kind.
        """
        closing = "]" if self._opening == "[" else "}"
        self._expect(self._opening)
        is_first = True
        while self._peek() != closing:
            if not is_first:
                self._expect(",")
            yield Entry(self._key() if self._opening == "{" else "", self._decode())
            is_first = False
        self._at += 1
        if self._peek():
            raise ValueError("something follows the end")

    def _key(self) -> str:
        key = self._decode()
        if not isinstance(key, str):
            raise ValueError(f"expected a name, found {key!r}")
        self._expect(":")
        return key

    def _expect(self, character: str) -> None:
        found = self._peek()
        if found != character:
            raise ValueError(f"expected {character!r}, found {found or 'the end of the file'!r}")
        self._at += 1

    def _peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at].isspace():
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if self._is_all:
                return ""
            self._fill()

    def _decode(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError:
                # A mistake, and not the end of what was read so far.
                if self._is_all or len(self._buffer) - self._at > _LONGEST_ENTRY:
                    raise
            else:
                # A number may go on in the next chunk, also after what looks like its end.
                if self._is_all or self._buffer[end : end + 1] in _DELIMITERS:
                    self._at = end
                    return value
            self._fill()

    def _fill(self) -> None:
        # Twice as much each time, so that one long entry is not decoded over and over.
        rest = self._buffer[self._at :]
        more = self._file.read(max(_CHUNK, len(rest)))
        self._is_all = not more
        self._buffer, self._at = rest + more, 0
