from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiper_agents.llm.token_tree import Node, build

TOKENS = st.integers(0, 4)


def sequences(node: Node, before: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], str]]:
    """All sequences that a tree can spell, with their labels."""
    before += node.forced
    if node.leaf:
        yield before, node.leaf
    for token, branch in node.branches.items():
        yield from sequences(branch, (*before, token))


@settings(max_examples=50)
@given(st.sets(st.lists(TOKENS).map(lambda tokens: (*tokens, 9)), min_size=1, max_size=12))
def test_the_tree_spells_what_it_was_built_of(entries: set[tuple[int, ...]]) -> None:
    # A last token that occurs nowhere else: no sequence begins with another.
    labelled = {(tokens, f"label {len(tokens)}") for tokens in entries}
    assert set(sequences(build(labelled))) == labelled


@settings(max_examples=50)
@given(st.sets(st.lists(TOKENS).map(lambda tokens: (*tokens, 9)), min_size=1, max_size=12))
def test_what_is_offered_is_a_real_choice(entries: set[tuple[int, ...]]) -> None:
    nodes = [build((tokens, "x") for tokens in entries)]
    while nodes:
        node = nodes.pop()
        assert node.allowed.tolist() == sorted(node.branches)
        assert len(node.branches) != 1
        assert bool(node.leaf) == (not node.branches)
        nodes += node.branches.values()


def test_a_sequence_that_goes_on_after_another_has_ended_is_left_out() -> None:
    tree = build([((1, 2, 3), "long"), ((1, 2), "short")])
    assert list(sequences(tree)) == [((1, 2), "short")]


def test_a_tree_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        build([])
