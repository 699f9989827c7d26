from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiper_agents.llm.stems import Stem, Tokens, common, sort_key, stems

PROMPTS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=5), min_size=1, max_size=6)


def arrays(prompts: list[list[int]]) -> list[Tokens]:
    return [np.array(prompt, np.int32) for prompt in prompts]


def groupings(rows: list[int]) -> Iterator[list[list[int]]]:
    """All ways to put neighbours together."""
    for cuts in product([False, True], repeat=len(rows) - 1):
        ends = [place for place, cut in enumerate(cuts, start=1) if cut]
        yield [rows[start:end] for start, end in pairwise([0, *ends, len(rows)])]


def shared(prompts: list[Tokens]) -> int:
    """How many tokens all begin with, the last one of each not counted."""
    return min(common(one[:-1], other[:-1]) for one in prompts for other in prompts)


@settings(deadline=None)
@given(PROMPTS, st.integers(0, 2))
def test_no_other_stems_of_neighbours_save_more(prompts: list[list[int]], known: int) -> None:
    given_prompts = arrays([[7] * known + prompt for prompt in prompts])
    found = stems(given_prompts, known)
    rows = [row for stem in found for row in stem.rows]
    assert len(set(rows)) == len(rows)
    for stem in found:
        assert known < stem.length == shared([given_prompts[row] for row in stem.rows])
        assert len(stem.rows) > 1

    def savings(groups: list[list[int]]) -> int:
        lengths = [shared([given_prompts[row] for row in group]) for group in groups]
        pairs = zip(groups, lengths, strict=True)
        return sum((len(group) - 1) * max(0, length - known) for group, length in pairs)

    order = sorted(range(len(prompts)), key=lambda row: sort_key(given_prompts[row]))
    assert savings([stem.rows for stem in found]) == max(map(savings, groupings(order)))


def test_episodes_are_found_among_each_other() -> None:
    prompts = arrays([[1, 1, 5], [2, 2, 2, 6], [1, 1, 7], [3, 1], [2, 2, 2, 8], [1, 1, 9, 9]])
    assert stems(prompts, 0) == [Stem(2, [0, 2, 5]), Stem(3, [1, 4])]
    assert stems(prompts[:1], 0) == stems([], 0) == []


@pytest.mark.parametrize(
    ("one", "other", "length"),
    [([1, 2, 3], [1, 2, 4, 5], 2), ([1, 2], [1, 2, 3], 2), ([], [1], 0), ([2], [1], 0)],
)
def test_common_beginnings(one: list[int], other: list[int], length: int) -> None:
    first, second = arrays([one, other])
    assert common(first, second) == common(second, first) == length


@given(PROMPTS)
def test_sort_keys_sort_like_lists(prompts: list[list[int]]) -> None:
    large = [[300 * token for token in prompt] for prompt in prompts]
    ordered = sorted(arrays(large), key=sort_key)
    assert [array.tolist() for array in ordered] == sorted(large)
