"""Tests of comparing what is shown with what is wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_envs.webshop.instructions import Wanted, parse_instruction
from hiper_envs.webshop.matching import (
    chance_of_price,
    plain,
    share_found,
    signs,
    values_to_choose,
)
from hiper_envs.webshop.texts import OptionGroup

COLORS = OptionGroup("color", ("red", "dark red", "large"))
SIZES = OptionGroup("size", ("large", "small", "120ml"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Easy to use", " easy use "),
        ("90% Cotton, 10% Polyester; Heathers: 50%", " cotton polyester heathers "),
        ("double-needle SLEEVE", " double needle sleeve "),
        ("", "  "),
        ("100", "  "),
    ],
)
def test_plain_words(text: str, words: str) -> None:
    assert plain(text) == words


def test_signs_are_properties_or_words() -> None:
    wanted = parse_instruction("Find me easy use mugs with 0g trans with color: red")
    assert signs(wanted) == (" easy use ", " 0g trans ")
    assert signs(parse_instruction("i want a red mug")) == (" red ", " mug ")


def test_share_found() -> None:
    assert share_found((), "") == 1.0
    assert share_found((" easy use ", " red "), plain("easy to use")) == 0.5
    assert share_found((" use ",), plain("used")) == 0.0


@pytest.mark.parametrize(
    ("low", "high", "limit", "chance"),
    [(5, 5, None, 1.0), (5, 5, 5, 1.0), (6, 6, 5, 0.0), (4, 8, 5, 0.25), (4, 8, 8, 1.0)],
)
def test_chance_of_price(low: float, high: float, limit: float | None, chance: float) -> None:
    assert chance_of_price(low, high, limit) == chance


def choose(*wanted: tuple[str, str]) -> dict[str, str]:
    return values_to_choose(Wanted("", "mugs", options=wanted), (COLORS, SIZES))


def test_wanted_values_are_chosen_where_they_are_offered() -> None:
    assert choose(("color", "red"), ("size", "small")) == {"color": "red", "size": "small"}
    assert choose(("color", "green"), ("size", "small")) == {"size": "small"}
    assert choose(("colour", "red")) == {"color": "red"}
    assert choose() == {}


def test_a_value_of_two_options_belongs_to_the_last_one() -> None:
    assert choose(("color", "large")) == {"size": "large"}
    assert choose(("color", "large"), ("size", "small")) == {"size": "small"}


@pytest.mark.parametrize("value", ["features", "< prev", "buy now", "a [b]", "[a", ""])
def test_a_value_that_no_click_chooses_is_left_out(value: str) -> None:
    wanted = Wanted("", "mugs", options=(("kind", value),))
    assert values_to_choose(wanted, (OptionGroup("kind", (value,)),)) == {}


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("i want a large dark red mug", {"color": "dark red", "size": "large"}),
        ("a red mug of 120 ml please", {"color": "red", "size": "120ml"}),
        ("a mug that never tired me", {}),
    ],
)
def test_free_text_names_values(text: str, choice: dict[str, str]) -> None:
    assert values_to_choose(parse_instruction(text), (COLORS, SIZES)) == choice


GROUPS = st.lists(
    st.builds(OptionGroup, st.text(max_size=3), st.lists(st.text(max_size=3)).map(tuple))
)


@given(
    st.text(), st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3))), GROUPS, st.booleans()
)
def test_only_what_is_offered_is_chosen(
    text: str, options: list[tuple[str, str]], groups: list[OptionGroup], is_free_text: bool
) -> None:
    wanted = Wanted(text, text, options=tuple(options), is_free_text=is_free_text)
    for name, value in values_to_choose(wanted, groups).items():
        assert any(group.name == name and value in group.values for group in groups)
