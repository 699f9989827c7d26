from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hiper_agents.estimators.segments import SegmentLayout, backward_recursion


def layout(ids: list[int], turns: list[int], boundary: list[bool]) -> SegmentLayout:
    return SegmentLayout.from_turns(
        np.array(ids, np.int64), np.array(turns, np.int64), np.array(boundary, np.bool_)
    )


def test_segments_of_two_trajectories_whose_turns_are_mixed() -> None:
    # In order: trajectory 3 with turns 0 | 1 2, trajectory 8 with turns 0 1.
    ids, turns = [8, 3, 3, 8, 3], [1, 2, 0, 0, 1]
    found = layout(ids, turns, [False, False, True, False, True])
    assert found.order is not None
    assert found.order.tolist() == [2, 4, 1, 3, 0]
    assert found.trajectory_end.tolist() == [False, False, True, False, True]
    assert found.segment_end.tolist() == [True, False, True, False, True]
    assert found.starts.tolist() == [0, 1, 3]
    assert found.lengths.tolist() == [1, 2, 2]
    assert found.ends.tolist() == [0, 2, 4]
    assert found.longest == 2
    assert found.sort(np.array(turns)).tolist() == [0, 1, 2, 0, 1]
    assert found.unsort(found.sort(np.array(turns))).tolist() == turns


def test_a_batch_that_is_in_order_is_not_moved() -> None:
    found = layout([1, 1, 4], [0, 1, 0], [False] * 3)
    column = np.arange(3)
    assert found.order is None
    assert found.sort(column) is column
    assert found.unsort(column) is column


def test_no_turns() -> None:
    found = layout([], [], [])
    assert found.longest == 0
    assert found.lengths.shape == found.ends.shape == (0,)


@pytest.mark.parametrize(
    ("ids", "turns", "message"),
    [
        ([5, 5, 5], [0, 2, 1], None),
        ([5, 5, 5], [0, 1, 1], "trajectory 5 has more than one turn 1"),
        ([5, 5], [0, 0], "trajectory 5 has more than one turn 0"),
        ([5, 5], [3, 0], "trajectory 5 has a gap: turn 0 is followed by turn 3"),
        ([2, 5, 5], [0, 2, 1], "trajectory 5 begins at turn 1"),
        ([5, 5], [-1, 0], "trajectory 5 begins at turn -1"),
    ],
)
def test_turns_are_counted_from_zero_without_gaps(
    ids: list[int], turns: list[int], message: str | None
) -> None:
    if message is None:
        assert layout(ids, turns, [False] * len(ids)).longest == 3
        return
    with pytest.raises(ValueError, match=message):
        layout(ids, turns, [False] * len(ids))


@given(st.lists(st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1)), min_size=1), max_size=6))
def test_the_recursion_equals_a_loop(runs: list[list[tuple[float, float]]]) -> None:
    delta = np.array([d for run in runs for d, _ in run], dtype=float)
    decay = np.array([c for run in runs for c in [*(c for _, c in run[1:]), 0.0]], dtype=float)
    expected = np.zeros(len(delta))
    following = 0.0
    for t in reversed(range(len(delta))):
        following = expected[t] = delta[t] + decay[t] * following
    kept = delta.copy(), decay.copy()
    found = backward_recursion(delta, decay, max(map(len, runs), default=0))
    assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert_array_equal(delta, kept[0])
    assert_array_equal(decay, kept[1])
