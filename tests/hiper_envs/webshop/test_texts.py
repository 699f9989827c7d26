"""Tests of reading the shop's pages: whatever the shop shows is understood, in both modes."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiper_envs.webshop.texts import Listed, OptionGroup, Page, parse_page
from webshop_server.product import Product
from webshop_server.shop import Shop
from webshop_server.text import text, text_rich

INSTRUCTION = "Find me shirts with color: red"


ITEM = ("search[shirt]", "click[b000000000]")


def at(shop: Shop, *actions: str) -> Shop:
    for action in actions:
        assert shop.act(action)
    return shop


def read(shop: Shop) -> Page:
    """What `text_rich` says; `text` must say the same but for the marks of chosen values."""
    page = parse_page(text_rich(shop, 0.5), shop.admissible_actions)
    plain = parse_page(text(shop, 0.5), shop.admissible_actions)
    assert plain == page._replace(chosen=())
    return page


@pytest.fixture
def shop(make_shop: Callable[..., Shop], make_product: Callable[..., Product]) -> Shop:
    return make_shop([make_product(number) for number in range(12)], INSTRUCTION)


def test_search_page(shop: Shop) -> None:
    assert read(shop) == Page("search", INSTRUCTION)


def test_results(make_shop: Callable[..., Shop], make_product: Callable[..., Product]) -> None:
    products = [make_product(n, price_tag="$1,000.5 to $2000.0") for n in range(12)]
    shop = at(make_shop(products, INSTRUCTION), "search[shirt]", "click[next >]")
    page = read(shop)
    assert (page.kind, page.number, page.total) == ("results", 2, 12)
    assert page.instruction == INSTRUCTION
    price = ("$1,000.5 to $2000.0", 1000.5, 2000.0)
    assert page.listed == (
        Listed("B000000010", "Plain Shirt 10", *price),
        Listed("B000000011", "Plain Shirt 11", *price),
    )
    beyond = read(at(shop, "click[next >]"))
    assert (beyond.number, beyond.total, beyond.listed) == (3, 12, ())


def test_odd_titles(make_shop: Callable[..., Shop], make_product: Callable[..., Product]) -> None:
    products = [
        make_product(number, title=title)
        for number, title in enumerate(["", "Red\nShirt", "  Red   Shirt ", "SHIRT"])
    ]
    page = read(at(make_shop(products, INSTRUCTION), "search[red shirt]"))
    assert [listed.title for listed in page.listed] == ["Red Shirt", "Red Shirt", "SHIRT"]
    shop = at(make_shop(products, INSTRUCTION), "search[shirt]", "click[b000000001]")
    assert read(shop).title == "Red Shirt"


def test_item(shop: Shop) -> None:
    page = read(at(shop, *ITEM, "click[large]", "click[red]"))
    assert page == Page(
        "item",
        INSTRUCTION,
        groups=(
            OptionGroup("color", ("black", "red")),
            OptionGroup("size", ("small", "large")),
        ),
        chosen=("red", "large"),
        title="Plain Shirt 0",
        price_text="$10.5",
        low=10.5,
        high=10.5,
        rating="N.A.",
    )
    assert page.options == {"color": ("black", "red"), "size": ("small", "large")}


def test_item_without_options(
    make_shop: Callable[..., Shop], make_product: Callable[..., Product]
) -> None:
    page = read(at(make_shop([make_product(0, options={})], INSTRUCTION), *ITEM))
    assert (page.kind, page.groups, page.title) == ("item", (), "Plain Shirt 0")


def test_item_without_admissible_actions_is_read_by_usual_names(shop: Shop) -> None:
    at(shop, *ITEM)
    assert parse_page(text(shop)) == parse_page(text(shop), shop.admissible_actions)


@pytest.mark.parametrize(
    ("name", "body"),
    [("description", "Soft cloth."), ("features", "Machine wash"), ("reviews", "")],
)
def test_sub_pages(shop: Shop, name: str, body: str) -> None:
    assert read(at(shop, *ITEM, f"click[{name}]")) == Page("sub", INSTRUCTION, body=body)


def test_purchase(shop: Shop) -> None:
    page = read(at(shop, *ITEM, "click[red]", "click[buy now]"))
    assert page == Page("done", asin="B000000000", bought=(("color", "red"),), score=0.5)


@settings(max_examples=30)
@given(data=st.data(), rng=st.randoms(use_true_random=False))
def test_both_modes_say_what_the_shop_shows(
    make_shop: Callable[..., Shop],
    any_products: st.SearchStrategy[list[Product]],
    any_instruction: st.SearchStrategy[str],
    data: st.DataObject,
    rng: random.Random,
) -> None:
    instruction = data.draw(any_instruction)
    shop = make_shop(data.draw(any_products), instruction, show_attributes=True)
    for _ in range(12):
        page = read(shop)
        assert page.kind == shop.state.page
        if page.kind != "done":
            assert page.instruction == instruction
        assert [listed.asin for listed in page.listed] == [item.asin for item in shop.listed]
        if page.kind == "item":
            product = shop.product
            assert product is not None
            assert page.title == product.title
            assert page.price_text == product.price_tag
            assert page.options == product.options
            assert set(page.chosen) >= set(shop.state.options.values())
        choices = ["search[red mug]", *(f"click[{name}]" for name in shop.clickables)]
        shop.act(rng.choice(choices))


PIECES = st.sampled_from(
    [
        *("Instruction:", "WebShop", "Search", "Back to Search", "< Prev", "Next >", "Buy Now"),
        *("Page 1 (Total results: 50)", "Price: $5", "Rating: 4", "$1 to $2", "B012345678", ""),
        *("Thank you for shopping with us!", "options", "{", "[1]", "asin", "red", "$", "Price:"),
        *("Your score (min 0.0, max 1.0)", "[button] Back to Search [button_]", "[button] "),
        *("[button] < Prev [button_]", "[button] Buy Now [button_]", "  [button] red [button_]"),
    ]
)
BROKEN = st.tuples(st.sampled_from([" [SEP] ", "\n"]), st.lists(PIECES | st.text())).map(
    lambda drawn: drawn[0].join(drawn[1])
)


@given(st.text() | BROKEN, st.lists(st.text() | st.just("click[red]")))
def test_any_text_is_accepted(observation: str, admissible: list[str]) -> None:
    page = parse_page(observation, admissible)
    assert page.kind in ("search", "results", "item", "sub", "done", "other")
    assert all(listed.low >= 0 for listed in page.listed)


def test_recorded_pages() -> None:
    root = os.environ.get("HIPER_DATA")
    path = Path(root or ".") / "webshop" / "upstream" / "episodes.jsonl.gz"
    if not root or not path.is_file():
        pytest.skip("needs the recordings of upstream: HIPER_DATA has none")
    buttons = {"back to search", "< prev", "next >", "buy now"}
    buttons |= {"description", "features", "reviews", "attributes"}
    seen: Counter[str] = Counter()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        episodes = [json.loads(line) for line in lines]
    for state in [state for e in episodes for state in (e["reset"], *e["steps"])]:
        names = [name for name in state["available"]["clickables"] if name != "search"]
        admissible = [f"click[{name}]" for name in names]
        page = parse_page(state["obs"], admissible)
        assert parse_page(state["obs_rich"], admissible)._replace(chosen=()) == page
        seen[page.kind] += 1
        shown = [listed.asin.lower() for listed in page.listed]
        shown += [value for group in page.groups for value in group.values]
        assert set(shown) == set(names) - buttons
    assert min(seen[kind] for kind in ("search", "results", "item", "sub", "done")) > 20
    assert seen["other"] == 0
