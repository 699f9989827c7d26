"""Chains, their sentences, and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_envs.alfworld.chains import NO_PLACE, Chain, Item, Subtask, parse_chain

MUG, CUP = Item("mug"), Item("cup")
IN_CABINET = Subtask("put", 0, place=0)
LONG = (
    "clean a mug, then heat the mug, then put the mug in a cabinet, then put an apple in the same "
    "cabinet, then put another cool mug in a shelf, then clean the apple, then look at another "
    "apple under the desklamp."
)


def test_a_long_one_is_read_and_written() -> None:
    chain = parse_chain(f"Your task is to: {LONG}")
    assert chain is not None
    assert chain.sentence == LONG
    assert chain.items == (MUG, Item("apple"), Item("mug", True), Item("apple", True))
    assert chain.places == ("cabinet", "shelf")
    assert chain.needs == (("clean", "heat"), ("clean",), ("cool",), ())
    assert chain.homes == (0, 0, 1, NO_PLACE)
    assert chain.subtasks_of == ((0, 1, 2), (3, 5), (4,), (6,))
    assert (chain.looked_at, chain.lamp) == (3, "desklamp")
    assert chain.items_of_type == {"mug": (0, 2), "apple": (1, 3)}


def test_what_a_subtask_depends_on() -> None:
    chain = parse_chain(LONG)
    assert chain is not None
    # The same mug; the same cabinet; another mug; the same apple; another apple.
    assert chain.depends_on == ((), (0,), (0, 1), (2,), (0, 1, 2), (3,), (3, 5))


@pytest.mark.parametrize(
    "sentence",
    [
        "put a mug in a cabinet.",
        "put a mug in a cabinet",
        "put an mug in an cabinet.",
        "  put a hot mug in a cabinet.  ",
        "look at a clean mug under the floorlamp.",
        "clean a mug, then put the mug in a desk.",
        "put a mug in a cabinet, then put another mug in the same cabinet.",
    ],
)
def test_chains(sentence: str) -> None:
    chain = parse_chain(sentence)
    assert chain is not None
    assert parse_chain(chain.sentence) == chain


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "put a mug in cabinet.",
        "put a mug in a cabinet, put a cup in the same cabinet.",
        "put the mug in a cabinet.",
        "put another mug in a cabinet.",
        "put a mug in the same cabinet.",
        "put a mug in a cabinet, then put a cup in a cabinet.",
        "put a mug in a cabinet, then put a cup in a shelf.",
        "put a mug in a cabinet, then put a mug in the same cabinet.",
        "put a mug in a cabinet, then put the mug in a shelf.",
        "put a mug in a cabinet, then look at the mug under the desklamp.",
        "put a mug in a cabinet, then look at a cup under the desklamp.",
        "put a hot mug in a cabinet, then cool the mug.",
        "put a hot mug in a cabinet, then heat the mug.",
        "clean a mug, then put the clean mug in a cabinet.",
        "clean a mug, then heat the mug.",
        "clean a mug.",
        "look at a mug under the desklamp, then put another mug in a cabinet.",
        "put a mug in a cabinet, then put another mug in a shelf, then clean the mug.",
        "slice a mug, then put the mug in a cabinet.",
        "put a mug in a cabinet, then " * 8 + "clean the mug.",
    ],
)
def test_other_sentences_are_none(sentence: str) -> None:
    assert parse_chain(sentence) is None


PHRASES = st.sampled_from(
    (
        *("put a mug in", "put another mug in", "a cabinet", "the same cabinet", "clean the mug"),
        *(" ", ", then ", ".", "look at the mug under the", "desklamp", "hot", "0", "é"),
    )
)


@given(st.text() | st.lists(PHRASES, max_size=12).map("".join))
def test_no_string_crashes(text: str) -> None:
    chain = parse_chain(text)
    assert chain is None or parse_chain(chain.sentence) == chain


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        (((), (), ()), "0 subtasks"),
        (((IN_CABINET,) * 9, (MUG,), ("cabinet",)), "9 subtasks"),
        (((IN_CABINET,), (MUG, CUP), ("cabinet",)), "numbered as they are mentioned"),
        (((Subtask("put", 1, place=0),), (MUG, CUP), ("cabinet",)), "numbered"),
        (((IN_CABINET,), (Item("Mug"),), ("cabinet",)), "lower-case word"),
        (((IN_CABINET,), (Item("mug", another=True),), ("cabinet",)), "first mug"),
        (((Subtask("hide", 0),), (MUG,), ()), "unknown verb"),
        (((Subtask("put", 0),), (MUG,), ()), "has a place"),
        (((Subtask("put", 0, place=0, lamp="desklamp"),), (MUG,), ("bed",)), "has a lamp"),
        (((Subtask("put", 0, "dry", 0),), (MUG,), ("bed",)), "unknown transform"),
        (((Subtask("clean", 0, "heat"), IN_CABINET), (MUG,), ("bed",)), "its transform"),
    ],
)
def test_parts_that_form_no_chain(parts: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Chain(*parts)
