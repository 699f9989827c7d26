"""Made-up shops."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import strategies as st

from webshop_server.product import Goal, Product, Review
from webshop_server.shop import Shop

_WORDS = ("red", "blue", "shirt", "mug", "long", "sleeve", "cotton", "large", "xx-large", "lamp")


class SmallShelf:
    """Products, searched by the number of words of the query in the title."""

    def __init__(self, products: Sequence[Product]) -> None:
        self.products = products

    def __getitem__(self, position: int) -> Product:
        return self.products[position]

    def position(self, asin: str) -> int:
        return [product.asin for product in self.products].index(asin)

    def search(self, query: str, limit: int) -> Sequence[int]:
        words = set(query.split())

        def missing(position: int) -> int:
            return -len(words & set(self.products[position].title.lower().split()))

        found = [position for position in range(len(self.products)) if missing(position)]
        return sorted(found, key=missing)[:limit]


def _make_product(number: int, **changes: object) -> Product:
    values: dict[str, object] = {
        "asin": f"B{number:09d}",
        "title": f"Plain Shirt {number}",
        "description": "Soft cloth.",
        "bullet_points": ("Machine wash",),
        "category": "fashion",
        "query": "shirts",
        "product_category": "Clothing",
        "attributes": ("machine wash",),
        "price_tag": "$10.5",
        "price": 10.5,
        "options": {"color": ("black", "red"), "size": ("small", "large")},
    }
    return Product(**{**values, **changes})  # type: ignore[arg-type]


_PHRASES = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=4).map(" ".join)
_PRICES = st.floats(0, 2000, allow_nan=False).map(lambda price: f"${round(price, 2)}")


@st.composite
def _products(draw: st.DrawFn, number: int = 0) -> Product:
    """Any product whose option names are not values, and whose title is not one either."""
    names = draw(st.lists(st.sampled_from(["color", "size", "style"]), unique=True, max_size=3))
    options = {
        name: tuple(draw(st.lists(_PHRASES, min_size=1, max_size=5, unique=True))) for name in names
    }
    return _make_product(
        number,
        title=draw(_PHRASES).title(),
        description=draw(st.just("") | _PHRASES),
        bullet_points=tuple(draw(st.lists(_PHRASES, min_size=1, max_size=3))),
        price_tag=" to ".join(draw(st.lists(_PRICES, min_size=1, max_size=2))),
        options=options,
        reviews=tuple(draw(st.lists(st.builds(Review, _PHRASES, st.just("4"), _PHRASES)))),
    )


@st.composite
def _any_products(draw: st.DrawFn) -> list[Product]:
    size = draw(st.integers(1, 25))
    few = [draw(_products(number)) for number in range(min(size, 4))]
    return [*few, *(_make_product(number) for number in range(len(few), size))]


@pytest.fixture(scope="session")
def make_product() -> Callable[..., Product]:
    """Makes product n of a shop, a plain shirt but for what is said otherwise."""
    return _make_product


@pytest.fixture(scope="session")
def make_shop() -> Callable[..., Shop]:
    """Makes a shop from products, for a shopper with an instruction."""

    def make(products: Sequence[Product], instruction: str, **settings: bool) -> Shop:
        goal = Goal("synthetic/0", instruction, 0, ("machine wash",), (), 20.0, "test")
        return Shop(SmallShelf(products), goal, **settings)

    return make


@pytest.fixture(scope="session")
def any_products() -> st.SearchStrategy[list[Product]]:
    """Up to 25 products, the first few of any kind."""
    return _any_products()


@pytest.fixture(scope="session")
def any_instruction() -> st.SearchStrategy[str]:
    """What the benchmark says, and what people say."""
    return st.sampled_from(
        [
            "Find me long sleeve shirts with machine wash with color: red, and size: large, and "
            "price lower than 20.00 dollars",
            "Find me mugs",
            "i want a red cotton shirt in large, and price lower than 50.00 dollars",
            "",
        ]
    )
