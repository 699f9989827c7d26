from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from hiper_agents.estimators import TurnBatch, get_estimator

MakeBatch = Callable[..., TurnBatch]

# Three turns, gamma = lam = 1/2, so that gamma lam = 1/4 and every number is exact.
REWARD = [1.0, 0.0, 2.0]
VALUE = [1.0, 2.0, 4.0]
LAST = [False, False, True]
HALVES = {"gamma": 0.5, "lam_low": 0.5}


def test_a_terminated_trajectory(make_batch: MakeBatch) -> None:
    # delta(2) = 2 + 0       - 4 = -2      A(2) = -2
    # delta(1) = 0 + 1/2 * 4 - 2 =  0      A(1) =  0 + 1/4 * -2   = -0.5
    # delta(0) = 1 + 1/2 * 2 - 1 =  1      A(0) =  1 + 1/4 * -0.5 =  0.875
    batch = make_batch(REWARD, value_low=VALUE, terminated=LAST)
    out = get_estimator("gae")(batch, **HALVES)
    assert_array_equal(out.low, [0.875, -0.5, -2.0])
    assert_array_equal(out.returns_low, [1.875, 1.5, 2.0])


def test_a_truncated_trajectory_is_worth_its_last_value(make_batch: MakeBatch) -> None:
    # delta(2) = 2 + 1/2 * 4 - 4 = 0, delta(1) = 0 and delta(0) = 1 as above.
    batch = make_batch(REWARD, value_low=VALUE, truncated=LAST)
    out = get_estimator("gae")(batch, **HALVES, bootstrap_truncated=True)
    assert_array_equal(out.low, [1.0, 0.0, 0.0])
    assert_array_equal(out.returns_low, [2.0, 2.0, 4.0])


def test_without_bootstrap_truncation_is_worth_what_termination_is(make_batch: MakeBatch) -> None:
    batch = make_batch(REWARD, value_low=VALUE, truncated=LAST)
    out = get_estimator("gae")(batch, **HALVES, bootstrap_truncated=False)
    assert_array_equal(out.low, [0.875, -0.5, -2.0])


def test_two_trajectories_whose_turns_alternate(make_batch: MakeBatch) -> None:
    # Undiscounted, lam 1, no values: the advantage is the reward to come.
    batch = make_batch(
        [1.0, 5.0, 2.0, 7.0],
        trajectory_id=[1, 0, 1, 0],
        turn=[0, 1, 1, 0],
        terminated=[False, True, True, False],
    )
    assert_array_equal(get_estimator("gae")(batch).low, [3.0, 5.0, 2.0, 12.0])


def test_options_and_the_other_heads_are_not_read(make_batch: MakeBatch) -> None:
    plain = make_batch(REWARD, value_low=VALUE, terminated=LAST)
    other = make_batch(
        REWARD,
        value_low=VALUE,
        terminated=LAST,
        boundary=[True, True, False],
        value_high=[5.0, 6.0, 7.0],
        value_switch=[8.0, 9.0, 10.0],
    )
    first, second = (get_estimator("gae")(b, **HALVES, lam_high=0.1) for b in (plain, other))
    assert_array_equal(first.low, second.low)
    assert_array_equal(first.returns_low, second.returns_low)


def test_three_heads_share_one_advantage(make_batch: MakeBatch) -> None:
    out = get_estimator("gae")(make_batch(REWARD, terminated=LAST))
    assert out.low is out.high
    assert out.low is out.switch
    assert out.returns_low is out.returns_high
    assert out.returns_low is out.returns_switch
    assert out.flat


def test_an_empty_batch(make_batch: MakeBatch) -> None:
    assert get_estimator("gae")(make_batch([])).low.shape == (0,)


@pytest.mark.parametrize("setting", ["gamma", "lam_low"])
@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_settings_outside_the_unit_interval(
    make_batch: MakeBatch, setting: str, value: float
) -> None:
    with pytest.raises(ValueError, match=rf"{setting} must lie in \[0, 1\]"):
        get_estimator("gae")(make_batch(REWARD), **{setting: value})
