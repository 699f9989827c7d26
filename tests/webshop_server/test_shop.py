from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webshop_server.product import Goal
from webshop_server.shop import SEARCH_TEMPLATE, Shop, ShopState, parse_action


@pytest.fixture
def shop(shelf: Any, goal: Goal) -> Shop:
    return Shop(shelf, goal)


def play(shop: Shop, *actions: str) -> Shop:
    for action in actions:
        assert shop.act(action), action
    return shop


@pytest.mark.parametrize(
    ("action", "parsed"),
    [
        ("search[Red Shirt]", ("search", "red shirt")),
        ("click[Buy Now] and more", ("click", "buy now")),
        ("search[ ]", ("search", " ")),
        ("search[a] b]", ("search", "a] b")),
        ("search[]", None),
        ("SEARCH[table]", None),
        (" click[buy now]", None),
        ("search[\nshoes]", None),
        # The verb ends at the last bracket that leaves an argument: `search[a ` is no verb.
        ("search[a [b] c]", None),
        ("think[search]", None),
        ("", None),
    ],
)
def test_actions_are_read_as_upstream_reads_them(
    action: str, parsed: tuple[str, str] | None
) -> None:
    assert parse_action(action) == parsed


def test_the_search_page_has_a_template_and_nothing_to_click(shop: Shop) -> None:
    assert shop.admissible_actions == (SEARCH_TEMPLATE,)
    assert not shop.click("search")


def test_results_are_paged_without_end(shop: Shop) -> None:
    play(shop, "search[shirt]")
    assert [product.asin for product in shop.listed] == [f"B{n:09d}" for n in range(10)]
    assert shop.clickables[:3] == ("back to search", "next >", "b000000000")
    play(shop, "click[next >]")
    assert shop.clickables == ("back to search", "< prev", "next >", "b000000010")
    play(shop, "click[Next >]")
    assert shop.clickables == ("back to search", "< prev", "next >")
    play(shop, "click[< prev]", "click[< Prev]")
    assert "< prev" not in shop.clickables


def test_an_item_shows_its_buttons_before_its_option_values(shop: Shop) -> None:
    play(shop, "search[shirt]", "click[b000000003]")
    assert shop.clickables == (
        *("back to search", "< prev", "description", "features", "reviews", "buy now"),
        *("black", "red", "small"),
    )


def test_a_value_of_two_groups_belongs_to_the_last(shop: Shop) -> None:
    play(shop, "search[shirt]", "click[b000000003]", "click[BLACK]", "click[red]")
    assert shop.state.options == {"size": "black", "color": "red"}


def test_a_value_never_hides_a_button(shop: Shop) -> None:
    play(shop, "search[hat]", "click[b0lowercas]")
    assert shop.state.asin == "B0LOWERcas"
    assert shop.clickables[-1] == "</script>"
    play(shop, "click[features]")
    assert shop.state.sub_page == "Features"
    assert shop.state.options == {}


def test_options_survive_a_sub_page_and_not_the_way_back_to_the_results(shop: Shop) -> None:
    play(shop, "search[shirt]", "click[b000000003]", "click[red]", "click[description]")
    assert shop.clickables == ("back to search", "< prev")
    play(shop, "click[< prev]")
    assert shop.state.options == {"color": "red"}
    play(shop, "click[< prev]", "click[b000000003]")
    assert shop.state.options == {}
    assert shop.state.visited == {"B000000003"}


def test_back_to_search_forgets_everything(shop: Shop) -> None:
    play(shop, "search[shirt]", "click[b000000003]", "click[back to search]")
    assert shop.state == ShopState()


def test_attributes_are_a_sub_page_only_where_they_are_shown(shelf: Any, goal: Goal) -> None:
    shop = Shop(shelf, goal, show_attributes=True)
    play(shop, "search[shirt]", "click[b000000003]", "click[attributes]")
    assert shop.state.sub_page == "Attributes"


def test_nothing_happens_after_the_purchase(shop: Shop) -> None:
    play(shop, "search[shirt]", "click[b000000003]", "click[buy now]")
    assert shop.is_done
    assert shop.admissible_actions == ()
    before = shop.state.to_dict()
    for action in ("click[buy now]", "click[back to search]", "search[shirt]"):
        assert not shop.act(action)
    assert shop.state.to_dict() == before


STEPS = st.one_of(
    st.integers(0, 200),
    st.sampled_from(["search[shirt]", "search[hat]", "search[nothing]", "click[search]"]),
    st.text(max_size=30),
)


@given(st.lists(STEPS, max_size=25))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_any_sequence_leads_to_a_state_that_can_be_written_and_read(
    shelf: Any, goal: Goal, steps: list[int | str]
) -> None:
    shop = Shop(shelf, goal)
    for step in steps:
        if isinstance(step, int):
            clicks = shop.clickables
            action = f"click[{clicks[step % len(clicks)]}]" if clicks else "search[shirt]"
        else:
            action = step
        before = shop.state.to_dict()
        if not shop.act(action):
            assert shop.state.to_dict() == before
        again = ShopState.from_dict(json.loads(json.dumps(shop.state.to_dict())))
        assert Shop(shelf, goal, state=again).admissible_actions == shop.admissible_actions
