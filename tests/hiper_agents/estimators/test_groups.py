from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from hiper_agents.estimators import TurnBatch
from hiper_agents.estimators.groups import Trajectories, above_mean, members, numbered

MakeBatch = Callable[..., TurnBatch]


def test_trajectories_are_found_in_rows_of_any_order(make_batch: MakeBatch) -> None:
    batch = make_batch(
        [1.0, 2.0, 4.0, 8.0],
        trajectory_id=["b", "a", "b", "b"],
        turn=[2, 0, 0, 1],
        group_id=["x", "y", "x", "x"],
    )
    trajectories = Trajectories.of(batch)
    assert trajectories.lengths.tolist() == [1, 3]
    assert trajectories.starts.tolist() == [0, 1]
    assert trajectories.returns.tolist() == [2.0, 13.0]
    assert trajectories.group.tolist() == [1, 0]
    assert trajectories.spread(np.array([5.0, 6.0])).tolist() == [6.0, 5.0, 6.0, 6.0]


def test_an_empty_batch_has_no_trajectories(make_batch: MakeBatch) -> None:
    trajectories = Trajectories.of(make_batch([]))
    assert trajectories.returns.shape == trajectories.group.shape == (0,)
    assert trajectories.spread(np.zeros(0)).shape == (0,)


def test_a_trajectory_belongs_to_one_group(make_batch: MakeBatch) -> None:
    batch = make_batch([0.0] * 3, trajectory_id=["b", "a", "b"], turn=[0, 0, 1], group_id=[1, 1, 2])
    with pytest.raises(ValueError, match="trajectory 'b' has turns with different group_id"):
        _ = Trajectories.of(batch).group


def test_rows_are_numbered_by_all_their_keys() -> None:
    # In the order of the last key, and of the first within it.
    numbers = numbered(np.array(["b", "a", "b", "a"]), np.array([0, 1, 0, 0]))
    assert numbers.tolist() == [1, 2, 1, 0]
    assert members(numbers).tolist() == [2, 1, 2, 1]


def test_above_the_mean_by_hand() -> None:
    # Group 0: mean 2, deviations -1, 0, 1, unbiased variance (1 + 0 + 1) / 2 = 1.
    # Group 1: mean 6, deviations -4, 4, unbiased variance (16 + 16) / 1, so std = 4 sqrt(2).
    values = np.array([1.0, 2.0, 2.0, 3.0, 10.0])
    group = np.array([0, 1, 0, 0, 1])
    assert above_mean(values, group).tolist() == [-1.0, -4.0, 0.0, 1.0, 4.0]
    half = 1 / np.sqrt(2)
    assert_allclose(above_mean(values, group, "mean_std"), [-1, -half, 0, 1, half], rtol=2e-6)


def test_a_weight_is_a_number_of_equal_values() -> None:
    values, weight = np.array([1.0, 4.0, 7.0]), np.array([3, 1, 2])
    group = np.array([0, 0, 1])
    # 1, 1, 1, 4: mean 1.75, deviations -0.75 thrice and 2.25, variance 6.75 / 3, std 1.5.
    assert above_mean(values, group, "mean", weight).tolist() == [-0.75, 2.25, 0.0]
    expected = [-0.5, 1.5, 0.0]
    assert_allclose(above_mean(values, group, "mean_std", weight), expected, rtol=2e-6)


@given(st.floats(-1e9, 1e9), st.integers(1, 50), st.sampled_from(["mean", "mean_std"]))
def test_equal_values_are_exactly_at_their_mean(value: float, n: int, norm: str) -> None:
    # 0.1 + 0.1 + 0.1 is not three times 0.1; divided by 1e-6, that would show.
    assert not above_mean(np.full(n, value), np.zeros(n, dtype=int), norm).any()


@given(arrays(np.float64, 20, elements=st.floats(-10, 10)))
def test_deviations_sum_to_zero(values: np.ndarray) -> None:
    group = np.zeros(20, dtype=int)
    assert_allclose(above_mean(values, group).sum(), 0.0, atol=1e-12)
    expected = (values - values.mean()) / (values.std(ddof=1) + 1e-6)
    assert_allclose(above_mean(values, group, "mean_std"), expected, rtol=1e-6, atol=1e-7)


def test_an_unknown_norm() -> None:
    with pytest.raises(ValueError, match="norm must be one of mean, mean_std, not 'max'"):
        above_mean(np.zeros(2), np.zeros(2, dtype=int), "max")  # type: ignore[arg-type]


def test_nothing_has_no_mean() -> None:
    assert_array_equal(above_mean(np.zeros(0), np.zeros(0, dtype=int)), np.zeros(0))
