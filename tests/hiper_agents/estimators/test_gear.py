from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hiper_agents.estimators import EstimatorError, Needs, TurnBatch, get_estimator

MakeRollouts = Callable[..., TurnBatch]

# Returns 1, 2, 3 are -1, 0, 1 to GRPO. The mean divergence over the eight turns is 1.
REWARDS = [[0.0, 0.0, 0.0, 1.0], [2.0], [1.0, 1.0, 1.0]]
DIVERGENCE = [0.0, 4.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]


def test_a_spike_shares_its_weight(make_rollouts: MakeRollouts) -> None:
    # Only 4 > 2 * 1 is a spike; with span 2 it reaches turns 1 and 2: D = 0, 4, 4, 0.
    # c = D / (D + 1) = 0, 0.8, 0.8, 0, mean 0.4; weights 1 + 0.5 * (-0.4, 0.4, 0.4, -0.4).
    # In the last trajectory c is 0.5 throughout, so its weights are 1.
    out = get_estimator("gear")(make_rollouts(REWARDS, divergence=DIVERGENCE), span=2)
    assert_allclose(out.low, [-0.8, -1.2, -1.2, -0.8, 0, 1, 1, 1], rtol=1.1e-6)
    assert_array_equal(out.returns_low, [1, 1, 1, 1, 2, 3, 2, 1])
    assert out.flat


def test_a_spike_is_more_than_its_threshold(make_rollouts: MakeRollouts) -> None:
    # 4 is not more than 4 * 1, so D = 0, 4, 0, 0 and c = 0, 0.8, 0, 0, with mean 0.2.
    out = get_estimator("gear")(make_rollouts(REWARDS, divergence=DIVERGENCE), spike=4.0)
    assert_allclose(out.low[:4], [-0.9, -1.3, -0.9, -0.9], rtol=1.1e-6)


def test_a_segment_ends_with_its_trajectory(make_rollouts: MakeRollouts) -> None:
    # Mean divergence 1, spikes above 2. span 5 would reach into the next trajectory.
    # D = 0, 3, 3 and 1, 0, 1, so c = 0, 0.75, 0.75 (mean 1/2) and 0.5, 0, 0.5 (mean 1/3).
    batch = make_rollouts(
        [[0.0, 0.0, 0.0], [0.0, 0.0, 2.0]], divergence=[0.0, 3.0, 1.0, 1.0, 0.0, 1.0]
    )
    out = get_estimator("gear")(batch, strength=1.0)
    ratio = out.low / (np.array([-1, -1, -1, 1, 1, 1]) / np.sqrt(2))
    third = 1 / 3
    assert_allclose(ratio, [0.5, 1.25, 1.25, 1.5 - third, 1 - third, 1.5 - third], rtol=1e-5)


def test_a_later_spike_opens_its_own_segment(make_rollouts: MakeRollouts) -> None:
    # Mean 2.25, spikes above 2.25 with spike=1: D = 3, 3, 6, 6 -> c = 4/7, 4/7, 8/11, 8/11.
    batch = make_rollouts([[0.0] * 4, [2.0] * 4], divergence=[3.0, 0, 6, 0, 2.25, 2.25, 2.25, 2.25])
    out = get_estimator("gear")(batch, spike=1.0, strength=1.0)
    gap = (8 / 11 - 4 / 7) / 2
    # Of returns 0 and 8, the first is -1 / sqrt(2) to GRPO.
    expected = np.array([1 - gap, 1 - gap, 1 + gap, 1 + gap]) * -1 / np.sqrt(2)
    assert_allclose(out.low[:4], expected, rtol=1e-6)


def test_without_strength_or_divergence_it_is_grpo(make_rollouts: MakeRollouts) -> None:
    grpo = get_estimator("grpo")(make_rollouts(REWARDS)).low
    loud = make_rollouts(REWARDS, divergence=DIVERGENCE)
    calm = make_rollouts(REWARDS, divergence=np.zeros(8))
    assert_array_equal(get_estimator("gear")(loud, strength=0.0).low, grpo)
    assert_array_equal(get_estimator("gear")(calm, strength=1.0).low, grpo)


def test_the_measure_of_divergence_does_not_matter(make_rollouts: MakeRollouts) -> None:
    first, second = (
        get_estimator("gear")(make_rollouts(REWARDS, divergence=scale * np.array(DIVERGENCE)))
        for scale in (1.0, 0.125)
    )
    assert_array_equal(first.low, second.low)


def test_an_empty_batch(make_rollouts: MakeRollouts) -> None:
    assert get_estimator("gear")(make_rollouts([[]], divergence=[])).low.shape == (0,)


def test_what_it_needs(make_rollouts: MakeRollouts) -> None:
    needs = Needs(group_size=8, critic=False, columns=("divergence",))
    assert get_estimator("gear").needs == needs
    assert get_estimator("gear").flat
    with pytest.raises(EstimatorError, match=r"needs the column divergence, .*teacher"):
        get_estimator("gear")(make_rollouts(REWARDS))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strength": 1.5}, r"strength must lie in \[0, 1\], not 1.5"),
        ({"spike": 0.0}, "spike must be more than 0, not 0.0"),
        ({"spike": np.nan}, "spike must be more than 0, not nan"),
        ({"span": 0}, "span must be at least 1, not 0"),
    ],
)
def test_settings_out_of_range(
    make_rollouts: MakeRollouts, settings: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        get_estimator("gear")(make_rollouts(REWARDS, divergence=DIVERGENCE), **settings)
