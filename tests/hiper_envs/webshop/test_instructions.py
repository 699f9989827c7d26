"""Tests of reading instructions."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_envs.webshop.instructions import Wanted, parse_instruction
from hiper_envs.webshop.texts import parse_instruction as also_in_texts


def test_it_is_found_beside_the_pages() -> None:
    assert also_in_texts is parse_instruction


@pytest.mark.parametrize(
    ("text", "product", "phrases"),
    [
        ("Find me mugs", "mugs", ()),
        ("Find me non slip mugs", "mugs", ("non slip",)),
        ("Find me non slip, easy use mugs with lid", "mugs with lid", ("non slip", "easy use")),
        ("Find me bar stools for living room", "bar stools", ("living room",)),
        ("Find me women's tops, tees & blouses", "women's tops, tees & blouses", ()),
        ("Find me pens & pencils", "pens & pencils", ()),
        ("Find me hair growth kits for hair growth", "hair growth kits", ("hair growth",)),
        (
            "Find me slim fit men's shirts with long sleeve, button closure for daily wear",
            "men's shirts",
            ("slim fit", "long sleeve", "button closure", "daily wear"),
        ),
    ],
)
def test_product_and_phrases(text: str, product: str, phrases: tuple[str, ...]) -> None:
    for end in ("", " with color: red", ", and price lower than 10.00 dollars"):
        wanted = parse_instruction(text + end)
        assert (wanted.product, wanted.phrases) == (product, phrases)


@pytest.mark.parametrize(
    "value", ["red, and blue", "a: b", "white with black", '28" x 28"', "b|c, d", "under $5"]
)
@pytest.mark.parametrize("limit", [None, 30.0, 1230.0])
def test_odd_values(value: str, limit: float | None) -> None:
    options = (("color", value), ("size", "large"))
    text = "Find me mugs with easy use with " + ", and ".join(f"{n}: {v}" for n, v in options)
    if limit is not None:
        text += f", and price lower than {limit:.2f} dollars"
    wanted = parse_instruction(text)
    if limit is not None or value != "under $5":
        assert (wanted.options, wanted.price_limit) == (options, limit)


def test_people_write_as_they_like() -> None:
    wanted = parse_instruction("hello, i'm looking for an Orange mug under $1,200 please.")
    assert wanted == Wanted(
        "hello, i'm looking for an Orange mug please.",
        "i'm orange mug",
        price_limit=1200.0,
        is_free_text=True,
    )
    assert parse_instruction("i want socks, and price lower than 20.00 dollars") == Wanted(
        "i want socks", "socks", price_limit=20.0, is_free_text=True
    )


@given(st.text() | st.text("Find me with: ,and$0123.dollars under").map("Find me ".__add__))
def test_any_text_is_accepted(text: str) -> None:
    wanted = parse_instruction(text)
    assert wanted.price_limit is None or wanted.price_limit >= 0


def test_recorded_goals() -> None:
    root = os.environ.get("HIPER_DATA")
    path = Path(root or ".") / "webshop" / "upstream" / "goals_first_100.jsonl.gz"
    if not root or not path.is_file():
        pytest.skip("needs the recordings of upstream: HIPER_DATA has none")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        goals = [json.loads(line) for line in lines]
    for goal in goals:
        wanted = parse_instruction(goal["instruction_text"])
        limit = goal["price_upper"]
        assert dict(wanted.options) == goal["goal_options"]
        assert wanted.price_limit == (limit if limit < 1e6 else None)
        assert set(wanted.phrases) == set(goal["attributes"])
        assert wanted.product == goal["query"]
    assert len(goals) == 100
