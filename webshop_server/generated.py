"""Products that the package makes up, each from its number and a seed."""

from __future__ import annotations

from collections.abc import Sequence

from webshop_server.catalog import Catalog
from webshop_server.listing import Listing

__all__ = ["GeneratedCatalog"]


class GeneratedCatalog(Catalog):
    """Products that appear when they are asked for."""

    def __init__(self, size: int, seed: int) -> None:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def position(self, asin: str) -> int:
        """Position of a product."""
        raise NotImplementedError

    @property
    def asins(self) -> Sequence[str]:
        """The ids of all products, in order."""
        raise NotImplementedError

    def draw_goal(self, position: int) -> tuple[int, float]:
        """Combination and price limit of a product's goal."""
        raise NotImplementedError

    def _listing(self, position: int) -> Listing:
        raise NotImplementedError
