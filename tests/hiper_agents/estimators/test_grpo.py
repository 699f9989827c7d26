from __future__ import annotations

from collections.abc import Callable

import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hiper_agents.estimators import Needs, TurnBatch, get_estimator

MakeRollouts = Callable[..., TurnBatch]

# Task 0: returns 1, 2, 3, mean 2, unbiased variance (1 + 0 + 1) / 2 = 1. Task 1: a single return.
REWARDS = [[1.0, 0.0], [0.0, 0.0, 2.0], [3.0], [0.0, 9.0]]
GROUPS = [0, 0, 0, 1]


def test_two_groups(make_rollouts: MakeRollouts) -> None:
    out = get_estimator("grpo")(make_rollouts(REWARDS, group_id=GROUPS))
    assert_allclose(out.low, [-1, -1, 0, 0, 0, 1, 0, 0], rtol=1.1e-6)
    # The reward to come, undiscounted.
    assert_array_equal(out.returns_low, [1, 0, 2, 2, 2, 3, 9, 9])
    assert out.flat


def test_without_the_division(make_rollouts: MakeRollouts) -> None:
    out = get_estimator("grpo")(make_rollouts([[1.0], [5.0], [3.0, 3.0]]), norm="mean")
    # Returns 1, 5, 6: mean 4. A trajectory counts once, however long it is.
    assert_array_equal(out.low, [-3, 1, 2, 2])


def test_gamma_discounts_the_value_targets_only(make_rollouts: MakeRollouts) -> None:
    batch = make_rollouts(REWARDS, group_id=GROUPS)
    out = get_estimator("grpo")(batch, gamma=0.5)
    assert_array_equal(out.returns_low, [1, 0, 0.5, 1, 2, 3, 4.5, 9])
    assert_array_equal(out.low, get_estimator("grpo")(batch).low)


def test_a_group_that_all_fail_or_all_solve_teaches_nothing(make_rollouts: MakeRollouts) -> None:
    batch = make_rollouts([[0.1] * 3, [0.3]] * 4, group_id=[0, 1] * 4)
    assert not get_estimator("grpo")(batch).low.any()


def test_what_it_needs() -> None:
    assert get_estimator("grpo").needs == Needs(group_size=8, critic=False)
    assert get_estimator("grpo").flat


def test_odd_input(make_rollouts: MakeRollouts) -> None:
    assert get_estimator("grpo")(make_rollouts([[]])).low.shape == (0,)
    with pytest.raises(ValueError, match="norm must be one of mean, mean_std, not 'std'"):
        get_estimator("grpo")(make_rollouts([[1.0]]), norm="std")
    with pytest.raises(ValueError, match=r"gamma must lie in \[0, 1\]"):
        get_estimator("grpo")(make_rollouts([[1.0]]), gamma=2.0)
