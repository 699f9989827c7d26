"""Tests of what an agent in the shop has been shown."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiper_envs.webshop.belief import Belief, Place
from webshop_server.product import Product
from webshop_server.shop import Shop
from webshop_server.text import text, text_rich

ITEM = ("search[shirt]", "click[b000000000]")


@pytest.fixture
def shop(make_shop: Callable[..., Shop], make_product: Callable[..., Product]) -> Shop:
    return make_shop([make_product(number) for number in range(12)], "Find me shirts")


def after(shop: Shop, *actions: str) -> Belief:
    belief = Belief()
    belief.digest(text(shop), "", shop.admissible_actions)
    for action in actions:
        shop.act(action)
        belief.digest(text(shop), action, shop.admissible_actions)
    return belief


def test_lists(shop: Shop) -> None:
    belief = after(shop, "search[Shirt]", "click[next >]")
    assert belief.place == Place("shirt", 2)
    assert belief.listings[belief.place] == ("B000000010", "B000000011")
    assert len(belief.listings[Place("shirt", 1)]) == 10
    assert belief.last_pages == {"shirt": 2}
    assert belief.cards["B000000003"].low == 10.5
    assert belief.titles["B000000003"] == " plain shirt "
    assert belief.turns == 3


def test_empty_pages_tell_where_a_list_ends(shop: Shop) -> None:
    belief = after(shop, "search[nothing]", "search[shirt]", *3 * ["click[next >]"])
    assert belief.last_pages == {"nothing": 1, "shirt": 2}


def test_products_and_choices(shop: Shop) -> None:
    belief = after(shop, *ITEM, "click[RED]", "click[features]", "click[< prev]", "click[black]")
    assert belief.asin == "B000000000"
    assert belief.chosen == {"color": "black"}
    assert belief.read == {"B000000000": {"features"}}
    assert belief.texts["B000000000"] == " plain shirt  machine wash "
    assert belief.items["B000000000"].title == "Plain Shirt 0"


def test_leaving_a_product_drops_what_was_chosen(shop: Shop) -> None:
    belief = after(shop, *ITEM, "click[red]", "click[< prev]")
    assert (belief.asin, belief.chosen, belief.place) == ("", {}, Place("shirt", 1))
    belief = after(shop, "search[shirt]", "click[b000000001]")
    assert (belief.asin, belief.chosen) == ("B000000001", {})


def test_what_changes_nothing_is_no_choice(shop: Shop) -> None:
    belief = after(shop, *ITEM, "red", "click[green]", "click[b000000001]", "click[]")
    assert (belief.asin, belief.chosen) == ("B000000000", {})
    assert list(belief.items) == ["B000000000"]


def test_choices_are_seen_in_rich_texts_even_if_the_action_was_not(shop: Shop) -> None:
    for action in (*ITEM, "click[red]", "click[large]"):
        shop.act(action)
    belief = Belief()
    belief.digest(text_rich(shop), "", shop.admissible_actions)
    assert belief.chosen == {"color": "red", "size": "large"}
    assert belief.asin == ""


@settings(max_examples=30)
@given(data=st.data(), rng=st.randoms(use_true_random=False))
def test_it_follows_any_agent(
    make_shop: Callable[..., Shop],
    any_products: st.SearchStrategy[list[Product]],
    data: st.DataObject,
    rng: random.Random,
) -> None:
    shop = make_shop(data.draw(any_products), "Find me shirts")
    belief = after(shop)
    for _ in range(15):
        action = rng.choice(["search[red mug]", "nonsense", *shop.admissible_actions])
        shop.act(action)
        belief.digest(text(shop), action, shop.admissible_actions)
        state = shop.state
        assert belief.page.kind == state.page
        assert belief.sub_page == state.sub_page.lower()
        if state.page != "done":
            assert belief.asin == state.asin
            assert belief.chosen == state.options
        if state.page == "results":
            assert belief.place == Place(state.query, state.number)
