from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_agents.llm.batching import split

LENGTHS = st.lists(st.integers(1, 30), max_size=9).map(sorted)


def cost(lengths: list[int], passes: list[slice], overhead: int) -> int:
    parts = [lengths[part] for part in passes]
    return sum(len(part) * max(part) + overhead for part in parts)


@given(LENGTHS, st.integers(0, 40), st.integers(1, 60))
def test_every_row_is_in_one_pass_of_permitted_size(
    lengths: list[int], overhead: int, limit: int
) -> None:
    passes = split(lengths, overhead=overhead, limit=limit)
    assert [row for part in passes for row in range(part.start, part.stop)] == [
        *range(len(lengths))
    ]
    for part in passes:
        rows = lengths[part]
        assert len(rows) * rows[-1] <= limit or len(rows) == 1


@given(LENGTHS.filter(bool), st.integers(0, 40))
def test_no_other_split_costs_less(lengths: list[int], overhead: int) -> None:
    found = cost(lengths, split(lengths, overhead=overhead, limit=10_000), overhead)
    for count in range(len(lengths)):
        for cuts in combinations(range(1, len(lengths)), count):
            bounds = [0, *cuts, len(lengths)]
            other = [slice(a, b) for a, b in pairwise(bounds)]
            assert found <= cost(lengths, other, overhead)


@pytest.mark.parametrize(("limit", "sizes"), [(100, [5]), (4, [2, 2, 1]), (1, [1] * 5)])
def test_equal_rows_are_only_divided_by_the_limit(limit: int, sizes: list[int]) -> None:
    passes = split([2] * 5, overhead=3, limit=limit)
    assert [part.stop - part.start for part in passes] == sizes
