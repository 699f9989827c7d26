from __future__ import annotations

from collections.abc import Callable

import pytest
from numpy.testing import assert_array_equal

from hiper_agents.estimators import EstimatorError, Needs, TurnBatch, get_estimator

MakeRollouts = Callable[..., TurnBatch]


def test_the_action_beside_the_state(make_rollouts: MakeRollouts) -> None:
    batch = make_rollouts([[1.0, 9.0], [2.0]], q_value=[3.0, -1.0, 0.5], value_low=[1.0, 1.0, 2.0])
    out = get_estimator("archer")(batch)
    assert_array_equal(out.low, [2.0, -2.0, -1.5])
    assert_array_equal(out.returns_low, [3.0, -1.0, 0.5])
    assert out.flat


def test_a_critic_that_is_right_gives_one_step_errors(make_rollouts: MakeRollouts) -> None:
    # Q = r + gamma V(next), 0 past the end: with gamma 1/2, Q = 1 + 4 / 2 and 2.
    batch = make_rollouts([[1.0, 2.0]], q_value=[3.0, 2.0], value_low=[5.0, 4.0])
    one_step = get_estimator("gae")(batch, gamma=0.5, lam_low=0.0)
    assert_array_equal(get_estimator("archer")(batch).low, one_step.low)


def test_what_it_needs(make_rollouts: MakeRollouts) -> None:
    assert get_estimator("archer").needs == Needs(critic_warm_up=2, columns=("q_value",))
    assert get_estimator("archer").flat
    with pytest.raises(EstimatorError, match=r"needs the column q_value, .*twin critic"):
        get_estimator("archer")(make_rollouts([[1.0]]))
