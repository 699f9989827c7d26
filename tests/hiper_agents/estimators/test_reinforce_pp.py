from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from hiper_agents.estimators import Needs, TurnBatch, get_estimator

MakeRollouts = Callable[..., TurnBatch]


def test_all_turns_are_normalised_together(make_rollouts: MakeRollouts) -> None:
    # gamma 1/2: G = 0 + 4 / 2 = 2, 4 and 2. Mean 8 / 3, deviations -2/3, 4/3, -2/3,
    # variance (4 + 16 + 4) / 27 = 8 / 9. -2/3 over sqrt(8/9) is -1 / sqrt(2), and 4/3 is sqrt(2).
    out = get_estimator("reinforce_pp")(make_rollouts([[0.0, 4.0], [2.0]]), gamma=0.5)
    assert_allclose(out.low, [-1 / np.sqrt(2), np.sqrt(2), -1 / np.sqrt(2)], rtol=1e-15)
    assert_array_equal(out.returns_low, [2, 4, 2])
    assert out.flat


def test_groups_do_not_matter(make_rollouts: MakeRollouts) -> None:
    rewards = [[0.0, 4.0], [2.0], [1.0, 1.0]]
    one, three = (
        get_estimator("reinforce_pp")(make_rollouts(rewards, group_id=group))
        for group in ([0, 0, 0], [0, 1, 2])
    )
    assert_array_equal(one.low, three.low)


def test_what_has_no_scale_is_zero(make_rollouts: MakeRollouts) -> None:
    for rewards in ([[]], [[3.0]], [[0.1], [0.1], [0.1]]):
        assert not get_estimator("reinforce_pp")(make_rollouts(rewards)).low.any()


def test_what_it_needs() -> None:
    assert get_estimator("reinforce_pp").needs == Needs(group_size=1, critic=False)
    assert get_estimator("reinforce_pp").flat
