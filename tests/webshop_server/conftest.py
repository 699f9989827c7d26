"""A small shop of made-up products."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

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


def make_record(number: int, **changes: object) -> dict[str, object]:
    """A product as the official files have it."""
    values: dict[str, object] = {
        "asin": f"B{number:09d}",
        "name": f"Plain Shirt {number}",
        "full_description": "Soft cloth.",
        "small_description": ["Machine wash ", ""],
        "category": "fashion",
        "query": " Shirts ",
        "product_category": "Clothing",
        "pricing": "$10.50",
        "customization_options": "",
        "images": ["https://example.org/a.jpg"],
        "product_information": {"ignored": [1, {"deeply": None}]},
    }
    return {**values, **changes}


class OfficialFolder:
    """A data root with made-up files in the official layout.

    Five products: 0 has a synthetic task with two options, 1 one with neither options nor, at its
    price, a limit, 2 no task, 3 a price range and two human tasks of which one asks for nothing, 4
    no attributes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "webshop"
        groups = {
            "Size": [{"value": " S "}, {"value": "M/L", "price": 3}],
            "Color": [{"value": "Red", "image": "https://example.org/red.jpg"}, {"value": "Blue"}],
            "Fit": None,
            "Scent": [],
        }
        self.products = [
            make_record(0, customization_options=groups),
            make_record(1, pricing="$1,985.00"),
            make_record(2, pricing="", small_description="One bullet"),
            make_record(3, pricing="$5.00 - $15.99"),
            make_record(4, full_description=None, small_description=None, images=[]),
        ]
        task = {"instruction": "Find me soft shirts", "instruction_attributes": ["soft"]}
        self.attributes: dict[str, object] = {
            "B000000000": {"attributes": ["soft", "machine wash"], **task},
            "B000000001": {"attributes": ["soft"], **task},
            "B000000002": {"attributes": []},
            "B000000003": {"attributes": ["soft"]},
        }
        person = {"instruction": "i want a soft shirt.", "instruction_attributes": ["soft"]}
        self.human: dict[str, object] = {
            "B000000003": [
                {**person, "instruction_attributes": [], "instruction_options": []},
                {**person, "instruction_options": ["red"], "worker": 7},
            ],
            "B999999999": [{**person, "instruction_options": []}],
        }

    def write(self, suffix: str = "_1000") -> OfficialFolder:
        """Writes the three files as they are now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, value in (
            (f"items_shuffle{suffix}.json", self.products),
            (f"items_ins_v2{suffix}.json", self.attributes),
            ("items_human_ins.json", self.human),
        ):
            (self.folder / name).write_text(json.dumps(value), encoding="utf-8")
        return self


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OfficialFolder:
    """Made-up official files, written, with a cache of their own."""
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HIPER_DATA", str(tmp_path / "data"))
    return OfficialFolder(tmp_path / "data").write()
