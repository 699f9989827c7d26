"""The advantages on the page are those of the project's estimator."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.viewer.credit import advantages_of, values_in
from hiper_agents.estimators import TurnBatch, hae

NUMBERS = st.floats(-10, 10)
TURNS = st.lists(
    st.tuples(st.tuples(NUMBERS, NUMBERS, NUMBERS), NUMBERS, st.booleans()), min_size=1, max_size=9
)


@given(TURNS, st.sampled_from([(True, False), (False, True), (False, False)]))
def test_they_equal_a_direct_call(
    turns: list[tuple[tuple[float, float, float], float, bool]], end: tuple[bool, bool]
) -> None:
    values, rewards, boundaries = (list(column) for column in zip(*turns, strict=True))
    size, (terminated, truncated) = len(turns), end
    found = advantages_of(values, rewards, boundaries, terminated=terminated, truncated=truncated)
    batch = TurnBatch(
        reward=rewards,
        terminated=[False] * (size - 1) + [terminated],
        truncated=[False] * (size - 1) + [truncated],
        boundary=boundaries,
        value_low=[low for low, _, _ in values],
        value_high=[high for _, high, _ in values],
        value_switch=[switch for _, _, switch in values],
        trajectory_id=[7] * size,
        turn=list(range(size)),
        group_id=[0] * size,
        state_key=[0] * size,
    )
    expected = hae.hae(batch, gamma=1.0, lam_low=1.0, lam_high=0.95)
    for turn, triple in enumerate(found):
        assert triple is not None
        low, high, switch = triple
        assert (low, switch) == (expected.low[turn], expected.switch[turn])
        assert high == (expected.high[turn] if turn == 0 or boundaries[turn] else None)


def test_by_hand() -> None:
    found = advantages_of(
        [(0.5, 0.4, 0.3), (0.6, 0.9, 0.7)],
        [0.0, 1.0],
        [True, True],
        terminated=True,
        truncated=False,
    )
    # Option 1 is worth V_H = 0.9 at its end; option 2 earns 1. High: 0.5 + 0.95 * 0.1.
    np.testing.assert_allclose(np.array(found, dtype=float), [[0.4, 0.595, 0.6], [0.4, 0.1, 0.3]])


@pytest.mark.parametrize(
    ("values", "rewards"),
    [
        ([], []),
        ([(0.0, 0.0, 0.0), None], [0.0, 1.0]),
        ([(0.0, 0.0, 0.0)], [1e200]),
        ([(0.0, 0.0, 0.0)], [math.inf]),
    ],
)
def test_there_are_none_without_all_values_and_rewards(
    values: list[tuple[float, float, float] | None], rewards: list[float]
) -> None:
    boundaries = [True] * len(values)
    found = advantages_of(values, rewards, boundaries, terminated=True, truncated=False)
    assert found == [None] * len(values)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_whatever_an_agent_says_is_three_numbers_or_nothing(told: object) -> None:
    found = values_in(told)
    if found is not None:
        assert isinstance(told, list)
        assert found == tuple(told)
        assert all(math.isfinite(value) for value in found)
