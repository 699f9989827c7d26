from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hiper_agents.estimators import Needs, TurnBatch, get_estimator

MakeRollouts = Callable[..., TurnBatch]

# One task, two trajectories: three turns in the states s, t, s with return 4, and one turn in the
# state s with return 1. With gamma 1/2, G = 1, 2, 4 and 1.
REWARDS = [[0.0, 0.0, 4.0], [1.0]]
STATES = ["s", "t", "s", "s"]
HALF = {"gamma": 0.5}


def test_both_parts(make_rollouts: MakeRollouts) -> None:
    # episode  over turns 4, 4, 4, 1: mean 3.25, so 0.75 thrice and -2.25
    # step     s: G = 1, 4, 1, mean 2, so -1, 2, -1;  t: alone, 0
    batch = make_rollouts(REWARDS, state_key=STATES)
    out = get_estimator("gigpo")(batch, **HALF)
    assert_array_equal(out.low, [-0.25, 0.75, 2.75, -3.25])
    assert_array_equal(out.returns_low, [1, 2, 4, 1])
    assert out.flat
    assert_array_equal(get_estimator("gigpo")(batch, **HALF, w=2.0).low, [-1.25, 0.75, 4.75, -4.25])
    assert_array_equal(get_estimator("gigpo")(batch, **HALF, w=0.0).low, [0.75, 0.75, 0.75, -2.25])


def test_a_trajectory_counts_once(make_rollouts: MakeRollouts) -> None:
    # episode  over trajectories 4, 1: mean 2.5, so 1.5 and -1.5;  step as above
    out = get_estimator("gigpo")(make_rollouts(REWARDS, state_key=STATES), **HALF, per="trajectory")
    assert_array_equal(out.low, [0.5, 1.5, 3.5, -2.5])


def test_with_standard_deviations(make_rollouts: MakeRollouts) -> None:
    # episode  variance (3 * 0.75^2 + 2.25^2) / 3 = 2.25, std 1.5: 0.5 thrice and -1.5
    # step     variance (1 + 4 + 1) / 2 = 3: -1, 2, -1 over sqrt(3)
    out = get_estimator("gigpo")(make_rollouts(REWARDS, state_key=STATES), **HALF, norm="mean_std")
    root = 1 / np.sqrt(3)
    assert_allclose(out.low, [0.5 - root, 0.5, 0.5 + 2 * root, -1.5 - root], rtol=1e-5)


def test_a_state_is_compared_within_its_task(make_rollouts: MakeRollouts) -> None:
    # The same state in two tasks: nothing to compare with, and episodes alone in their task.
    batch = make_rollouts([[2.0], [5.0]], group_id=[0, 1], state_key=["s", "s"])
    assert_array_equal(get_estimator("gigpo")(batch).low, [2.0, 5.0])


def test_a_group_of_one_keeps_its_return(make_rollouts: MakeRollouts) -> None:
    # Two turns of one trajectory are two to the released code's mean, one to per="trajectory".
    batch = make_rollouts([[1.0, 2.0]], state_key=["s", "t"])
    for norm in ("mean", "mean_std"):
        one = get_estimator("gigpo")(make_rollouts([[3.0]]), norm=norm)
        assert_array_equal(one.low, [3.0])
        assert_array_equal(get_estimator("gigpo")(batch, norm=norm).low, [0.0, 0.0])
        once = get_estimator("gigpo")(batch, norm=norm, per="trajectory")
        assert_array_equal(once.low, [3.0, 3.0])


def test_rewards_past_a_cut_are_not_expected(make_rollouts: MakeRollouts) -> None:
    batch = make_rollouts([[1.0, 2.0]], value_low=[7.0, 7.0])
    assert_array_equal(get_estimator("gigpo")(batch).returns_low, [3.0, 2.0])


def test_what_it_needs() -> None:
    assert get_estimator("gigpo").needs == Needs(group_size=8, critic=False)
    assert get_estimator("gigpo").flat


def test_an_empty_batch(make_rollouts: MakeRollouts) -> None:
    assert get_estimator("gigpo")(make_rollouts([[]])).low.shape == (0,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"w": -1.0}, "w must be finite and at least 0, not -1.0"),
        ({"w": np.inf}, "w must be finite and at least 0, not inf"),
        ({"w": np.nan}, "w must be finite and at least 0, not nan"),
        ({"norm": "std"}, "norm must be one of mean, mean_std, not 'std'"),
        ({"per": "step"}, "per must be one of turn, trajectory, not 'step'"),
        ({"gamma": 1.5}, r"gamma must lie in \[0, 1\], not 1.5"),
    ],
)
def test_settings_out_of_range(
    make_rollouts: MakeRollouts, settings: dict[str, float | str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        get_estimator("gigpo")(make_rollouts(REWARDS), **settings)
