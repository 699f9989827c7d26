"""The products of the shop, by position and by id; of any number, decoded when they are asked for.

A catalogue is read from the official files once and kept in a memory-mapped cache
(:mod:`webshop_server.stored`), or it is generated (:mod:`webshop_server.generated`). This module
does not know how products are searched, and makes no goals.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from webshop_server.listing import Listing
from webshop_server.product import Product

__all__ = ["TEXT_VERSION", "Catalog", "generate_catalog", "indexed_text", "load_catalog"]

TEXT_VERSION = 1
"""Changes with what :func:`indexed_text` returns: a search index of another version is not used."""

_MAX_LISTINGS_IN_MEMORY = 4096


class Catalog(ABC):
    """Products in a fixed order, which may be read by several threads.

    A few thousand of them are kept in memory, so that a small catalogue is decoded only once.

    Args:
        name: How the catalogue is called, such as `items_shuffle_1000.json`.
        sha256: Digest of the products and their tasks.

    Attributes:
        name: As given.
        sha256: As given.
    """

    def __init__(self, name: str, sha256: str) -> None:
        self.name = name
        self.sha256 = sha256
        self._remembered = lru_cache(maxsize=_MAX_LISTINGS_IN_MEMORY)(self._listing)

    def listing(self, position: int) -> Listing:
        """A product with its tasks.

        Args:
            position: From 0.

        Raises:
            IndexError: If there is no such position; negative ones do not count from the end.
            DataError: If its record in the cache is damaged.
        """
        if not 0 <= position < len(self):
            raise IndexError(f"no product {position}: {self.name} has {len(self)}")
        return self._remembered(position)

    def __getitem__(self, position: int, /) -> Product:
        """A product; raises as :meth:`listing` does."""
        return self.listing(position).product

    def __iter__(self) -> Iterator[Product]:
        """All products in order, without remembering them."""
        return (self._listing(position).product for position in range(len(self)))

    def indexed_text(self, position: int) -> str:
        """What the search index reads of a product; see :func:`indexed_text`."""
        return indexed_text(self._listing(position).product)

    @abstractmethod
    def __len__(self) -> int:
        """Number of products."""

    @abstractmethod
    def position(self, asin: str) -> int:
        """Position of a product.

        Raises:
            KeyError: If there is none with this id.
        """

    @property
    @abstractmethod
    def asins(self) -> Sequence[str]:
        """The ids of all products, in order."""

    @abstractmethod
    def _listing(self, position: int) -> Listing:
        """Makes the listing of a position that exists."""


def indexed_text(product: Product) -> str:
    """What upstream's search reads of a product.

    Returns:
        Title, description, first bullet and product options, joined by spaces, in lower case.
    """
    options = ", and ".join([f"{name}: {', '.join(v)}" for name, v in product.options.items()])
    parts = (product.title, product.description, product.bullet_points[0], options)
    return " ".join(parts).lower()


def load_catalog(root: Path | str | None = None, *, suffix: str | None = None) -> Catalog:
    """The official products; read from the cache if they were loaded before.

    Args:
        root: The data root; `$HIPER_DATA`, else the user's cache folder.
        suffix: Which of several catalogues: `_1000` is `items_shuffle_1000.json`, "" is
            `items_shuffle.json`. By default `_1000` if it is there, else the only one there is.

    Raises:
        DataNotFoundError: If there are no such files.
        DataError: If they cannot be used, or there are several and none is the obvious one.
    """
    from webshop_server.official import find_files
    from webshop_server.stored import open_stored

    return open_stored(find_files(root, suffix))


def generate_catalog(size: int = 1000, seed: int = 0) -> Catalog:
    """A catalogue that the package makes up; products appear when they are asked for.

    Product i depends on the seed and on i, not on the size: a larger catalogue extends a smaller.

    Args:
        size: Number of products, at least 1.
        seed: Any number from 0.

    Raises:
        ValueError: If size or seed is out of range.
    """
    from webshop_server.generated import GeneratedCatalog

    return GeneratedCatalog(size, seed)
