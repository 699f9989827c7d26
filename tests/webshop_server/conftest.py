"""A small shop of made-up products."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from webshop_server.product import Goal, Product, Review


class SmallShelf:
    """Twelve products; a search finds those with a word of the query in the title, in order."""

    def __init__(self, products: Sequence[Product]) -> None:
        self.products = products

    def __getitem__(self, position: int) -> Product:
        return self.products[position]

    def position(self, asin: str) -> int:
        return [product.asin for product in self.products].index(asin)

    def search(self, query: str, limit: int) -> Sequence[int]:
        words = set(query.split())
        found = [
            position
            for position, product in enumerate(self.products)
            if words & set(product.title.lower().split())
        ]
        return found[:limit]


def make_product(number: int, **changes: object) -> Product:
    values: dict[str, object] = {
        "asin": f"B{number:09d}",
        "title": f"Plain Shirt {number}",
        "description": "Soft cloth.",
        "bullet_points": ("Machine wash ", ""),
        "category": "fashion",
        "query": "shirts",
        "product_category": "Clothing",
        "attributes": ("machine wash",),
        "price_tag": "$10.5",
        "price": 10.5,
        "options": {"color": ("black", "red"), "size": ("small", "black")},
    }
    return Product(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def shelf() -> SmallShelf:
    odd = make_product(
        11,
        asin="B0LOWERcas",
        title="Odd Hat",
        description="",
        options={"kind": ("buy now", "features", "</script>")},
        reviews=(Review("Fine", "4", "It fits."),),
    )
    return SmallShelf([*(make_product(number) for number in range(11)), odd])


@pytest.fixture
def goal() -> Goal:
    return Goal(
        "synthetic/3",
        "Find me a shirt with color: black",
        3,
        ("machine wash",),
        (("color", "black"),),
        20.0,
        "test",
    )
