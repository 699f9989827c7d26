from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hiper_agents.estimators import EstimatorError, Needs, TurnBatch, get_estimator

MakeRollouts = Callable[..., TurnBatch]

ROOT = 1 / np.sqrt(2)
# One task, two strategies. "a": returns 0 and 4, "b": returns 2 and 2.
# strategy   best half of 0, 4 is 4; of 2, 2 is 2. Mean 3, std sqrt(2): 1/sqrt(2) and -1/sqrt(2)
# rollout    "a": mean 2, std sqrt(8): -2 / sqrt(8) = -1/sqrt(2) and 1/sqrt(2);  "b": 0 and 0
REWARDS = [[0.0, 0.0], [0.0, 4.0], [2.0], [1.0, 1.0]]
PLAN = {"strategy_id": ["a", "a", "b", "b"]}


def test_two_strategies(make_rollouts: MakeRollouts) -> None:
    batch = make_rollouts(REWARDS, **PLAN)
    out = get_estimator("strata")(batch)
    assert_allclose(out.low, [-ROOT, -ROOT, ROOT, ROOT, 0, 0, 0], rtol=1e-6)
    assert out.low is out.switch
    assert_allclose(out.high, [ROOT, 0, ROOT, 0, -ROOT, -ROOT, 0], rtol=1e-6)
    assert_array_equal(out.returns_high, [0, 0, 4, 4, 2, 2, 1])


def test_a_later_subgoal_is_part_of_following_the_strategy(make_rollouts: MakeRollouts) -> None:
    out = get_estimator("strata")(
        make_rollouts(REWARDS, **PLAN, boundary=[0, 1, 0, 1, 0, 0, 1], off_plan=[0, 1] + [0] * 5)
    )
    assert_allclose(out.high, [ROOT, -ROOT - 0.1, ROOT, ROOT, -ROOT, -ROOT, 0], rtol=1e-6)


def test_a_turn_that_leaves_the_strategy_costs(make_rollouts: MakeRollouts) -> None:
    batch = make_rollouts(REWARDS, **PLAN, off_plan=[1, 0, 0, 1, 1, 0, 0])
    out = get_estimator("strata")(batch)
    assert_allclose(out.low, [-ROOT - 0.1, -ROOT, ROOT, ROOT - 0.1, -0.1, 0, 0], rtol=1e-6)
    # The strategy is not to blame for turns that left it.
    assert_allclose(out.high, [ROOT, 0, ROOT, 0, -ROOT, -ROOT, 0], rtol=1e-6)
    free = get_estimator("strata")(batch, off_plan_cost=0.0)
    assert_array_equal(free.low, get_estimator("strata")(make_rollouts(REWARDS, **PLAN)).low)


@pytest.mark.parametrize(
    ("best", "worth"),
    [
        (0.01, [5, 4, 4]),  # always at least one
        (0.5, [3.5, 4, 4]),  # two of three, one of two, one of one
        (2 / 3, [3.5, 3, 4]),  # two of three, both of two
        (1.0, [2, 3, 4]),  # plain means
    ],
)
def test_the_best_share_of_returns(
    make_rollouts: MakeRollouts, best: float, worth: list[float]
) -> None:
    # Strategies with returns 2, -1, 5, then 2, 4, then 4.
    batch = make_rollouts(
        [[2.0], [2.0], [-1.0], [4.0], [5.0], [4.0]], strategy_id=[7, 8, 7, 8, 7, 9]
    )
    mean, std = np.mean(worth), np.std(worth, ddof=1)
    expected = (np.array(worth) - mean) / std
    out = get_estimator("strata")(batch, best=best)
    assert_allclose(out.high, expected[[0, 1, 0, 1, 0, 2]], rtol=1e-5, atol=1e-12)


def test_a_share_is_not_rounded_up_for_a_rounding_error(make_rollouts: MakeRollouts) -> None:
    assert 0.56 * 25 > 14.0
    # The best 14 of 0, 1, ..., 24 are 11 to 24, with mean 17.5, like the second strategy's return.
    returns = [*range(25), 17.5, 0]
    batch = make_rollouts([[value] for value in returns], strategy_id=[0] * 25 + [1, 2])
    high = get_estimator("strata")(batch, best=0.56).high
    assert high[0] == high[25] > high[26]


def test_a_strategy_of_one_task_is_not_that_of_another(make_rollouts: MakeRollouts) -> None:
    batch = make_rollouts(
        [[1.0], [3.0], [5.0], [5.0]], group_id=[0, 0, 1, 1], strategy_id=["a", "b", "a", "b"]
    )
    out = get_estimator("strata")(batch)
    assert_allclose(out.high, [-ROOT, ROOT, 0, 0], rtol=1e-6)
    assert not out.low.any()


def test_with_one_strategy_it_is_group_normalisation(make_rollouts: MakeRollouts) -> None:
    batch = make_rollouts([[1.0], [2.0], [3.0]], strategy_id=[5, 5, 5])
    out = get_estimator("strata")(batch)
    assert_allclose(out.low, [-1, 0, 1], rtol=1.1e-6)
    assert not out.high.any()


def test_an_empty_batch(make_rollouts: MakeRollouts) -> None:
    out = get_estimator("strata")(make_rollouts([[]], strategy_id=[0]))
    assert out.high.shape == out.low.shape == (0,)


def test_what_it_needs(make_rollouts: MakeRollouts) -> None:
    needs = Needs(group_size=32, strategies=4, critic=False, columns=("strategy_id",))
    assert get_estimator("strata").needs == needs
    assert not get_estimator("strata").flat
    with pytest.raises(EstimatorError, match="needs the column strategy_id"):
        get_estimator("strata")(make_rollouts(REWARDS))


def test_odd_input(make_rollouts: MakeRollouts) -> None:
    batch = make_rollouts(REWARDS, **PLAN)
    mixed = replace(batch, strategy_id=np.array(list("abaabbb")))
    with pytest.raises(ValueError, match="trajectory 0 has turns with different strategy_id"):
        get_estimator("strata")(mixed)
    for settings in ({"best": 0.0}, {"off_plan_cost": -0.1}, {"off_plan_cost": np.inf}):
        with pytest.raises(ValueError, match="best must be more than 0, and off_plan_cost"):
            get_estimator("strata")(batch, **settings)
    with pytest.raises(ValueError, match=r"best must lie in \[0, 1\]"):
        get_estimator("strata")(batch, best=1.5)
