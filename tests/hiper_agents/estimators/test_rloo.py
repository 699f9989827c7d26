from __future__ import annotations

from collections.abc import Callable

from numpy.testing import assert_array_equal

from hiper_agents.estimators import Needs, TurnBatch, get_estimator

MakeRollouts = Callable[..., TurnBatch]


def test_the_mean_of_the_others(make_rollouts: MakeRollouts) -> None:
    # Returns 1, 2, 6:  1 - (2 + 6) / 2 = -3,  2 - (1 + 6) / 2 = -1.5,  6 - (1 + 2) / 2 = 4.5.
    # Returns 5, 3 of another task: 5 - 3 and 3 - 5. Return 7 of a third: no others, so 0.
    rewards = [[1.0, 0.0], [2.0], [3.0, 3.0], [5.0], [3.0], [7.0, 0.0]]
    out = get_estimator("rloo")(make_rollouts(rewards, group_id=[4, 4, 4, 2, 2, 3]))
    assert_array_equal(out.low, [-3, -3, -1.5, 4.5, 4.5, 2, -2, 0, 0])
    assert_array_equal(out.returns_low, [1, 0, 2, 6, 3, 5, 3, 7, 0])
    assert out.flat


def test_an_empty_batch(make_rollouts: MakeRollouts) -> None:
    assert get_estimator("rloo")(make_rollouts([[]])).low.shape == (0,)


def test_what_it_needs() -> None:
    assert get_estimator("rloo").needs == Needs(group_size=8, critic=False)
    assert get_estimator("rloo").flat
