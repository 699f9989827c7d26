"""Tests of WebShop's subgoal vocabulary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_envs.webshop.subgoals import KINDS, Subgoal, parse

ASINS = st.from_regex(r"B[0-9A-Z]{9}|[0-9]{10}", fullmatch=True)


@st.composite
def subgoals(draw: st.DrawFn) -> Subgoal:
    kind = draw(st.sampled_from(KINDS))
    return Subgoal(kind, draw(ASINS) if kind in ("inspect", "buy") else "")


@given(subgoals())
def test_parse_inverts_text(subgoal: Subgoal) -> None:
    assert parse(subgoal.text) == subgoal


@given(st.text() | st.from_regex(r"(find|inspect|choose|buy) .*"))
def test_parse_accepts_any_string(text: str) -> None:
    subgoal = parse(text)
    if subgoal is not None:
        assert parse(subgoal.text) == subgoal


@pytest.mark.parametrize(
    ("subgoal", "text"),
    [
        (Subgoal("find"), "find a product"),
        (Subgoal("inspect", "B012345678"), "inspect B012345678"),
        (Subgoal("choose"), "choose the options"),
        (Subgoal("buy", "B012345678"), "buy B012345678"),
    ],
)
def test_text(subgoal: Subgoal, text: str) -> None:
    assert subgoal.text == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Find a product.", "find a product"),
        ("  CHOOSE   the options ", "choose the options"),
        ("inspect the product b012345678", "inspect B012345678"),
        ("buy product B012345678.", "buy B012345678"),
    ],
)
def test_parse_forgives_small_variations(text: str, canonical: str) -> None:
    subgoal = parse(text)
    assert subgoal is not None
    assert subgoal.text == canonical


@pytest.mark.parametrize(
    "text", ["", "find", "inspect", "inspect the", "buy product", "buy B0123456789", "buy b-1"]
)
def test_parse_refuses_other_texts(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("kind", "argument"),
    [("look", ""), ("find", "B012345678"), ("choose", "red"), ("inspect", ""), ("buy", "b0")],
)
def test_meaningless_subgoals_are_refused(kind: str, argument: str) -> None:
    with pytest.raises(ValueError, match=r"subgoal|product"):
        Subgoal(kind, argument)


@pytest.mark.parametrize(
    ("subgoal", "action", "achieved", "pursued"),
    [
        ("find a product", "search[red shirt]", True, True),
        ("find a product", "click[Next >]", True, True),
        ("find a product", "click[back to search]", False, True),
        ("find a product", "click[b012345678]", False, False),
        ("find a product", "search[]", False, False),
        ("inspect B012345678", "click[b012345678]", True, True),
        ("inspect B012345678", "click[b012345679]", False, False),
        ("inspect B012345678", "search[b012345678]", False, False),
        ("inspect B012345678", "click[features]", False, True),
        ("inspect B012345678", "click[< prev]", False, True),
        ("choose the options", "click[kelly green]", True, True),
        ("choose the options", "click[large]", True, True),
        ("choose the options", "click[b012345678]", False, False),
        ("choose the options", "click[features]", False, False),
        ("choose the options", "search[large]", False, False),
        ("buy B012345678", "click[Buy Now]", True, True),
        ("buy B012345678", "click[< prev]", False, True),
        ("buy B012345678", "buy now", False, False),
    ],
)
def test_actions(subgoal: str, action: str, achieved: bool, pursued: bool) -> None:
    parsed = parse(subgoal)
    assert parsed is not None
    assert parsed.achieved_by(action) is achieved
    assert parsed.pursued_by(action) is pursued


@given(subgoals(), st.text() | st.from_regex(r"(click|search)\[.*\]"))
def test_what_achieves_a_subgoal_pursues_it(subgoal: Subgoal, action: str) -> None:
    assert subgoal.pursued_by(action) or not subgoal.achieved_by(action)
