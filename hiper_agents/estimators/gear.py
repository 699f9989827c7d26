"""GEAR-style reweighting: where the policy departs from one that knows the plan, more is at stake.

Source: Granularity-adaptive Advantage Reweighting (arXiv 2605.11853), of which only the abstract is
followed: GRPO's trajectory advantage, times a local weight from the divergence between the policy
and the same policy told the ground truth. What the weight is, when a divergence is a spike and how
far its segment goes are choices made here, and turns take the place of tokens. The module knows
nothing about how the divergence was measured, nor about options or values.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.groups import Trajectories, above_mean, without_critic
from hiper_agents.estimators.needs import Needs
from hiper_agents.estimators.registry import check_unit_interval, register_estimator
from hiper_agents.estimators.segments import FloatArray


@register_estimator(
    "gear", flat=True, needs=Needs(group_size=8, critic=False, columns=("divergence",))
)
def gear(
    batch: TurnBatch,
    *,
    gamma: float = 1.0,
    lam_low: float = 1.0,
    lam_high: float = 0.95,
    bootstrap_truncated: bool = True,
    strength: float = 0.5,
    spike: float = 2.0,
    span: int = 5,
) -> Advantages:
    """Estimates one advantage a turn: `A(t) = weight(t) (R - mean(R)) / (std(R) + 1e-6)`.

    R, mean and deviation are GRPO's, see `grpo`. With d the divergence, m its mean over the batch:

    - A turn with `d > spike m` is a spike. It opens a segment of `span` turns (its own is the
      first), shorter if the trajectory ends or the next spike comes first.
    - D(t) is d of the spike in whose segment the turn lies, and d(t) itself elsewhere.
    - `weight(t) = 1 + strength (c(t) - mean(c))`, with `c = D / (D + m)` and the mean over the
      trajectory. Weights lie between 1 - strength and 1 + strength and are 1 on average over a
      trajectory: credit is moved between turns, not created.

    Where the divergence is the same everywhere, this is `grpo`.

    Args:
        batch: N turns of whole trajectories, with `divergence`.
        gamma: Discount of the value targets, in [0, 1]; the advantages do not read it.
        lam_low: Not read; every estimator accepts it.
        lam_high: Not read.
        bootstrap_truncated: Not read: a trajectory that was cut off has the return that it has.
        strength: How much the weights differ, in [0, 1]; 0 is `grpo`.
        spike: Divergence of a spike, in mean divergences of the batch, more than 0.
        span: Turns of a spike's segment, at least 1.

    Returns:
        One array for `low`, `high` and `switch`, and one, the reward to come, for all returns.

    Raises:
        EstimatorError: If there is no `divergence`.
        ValueError: If a setting is out of range, or a trajectory has turns of several groups.
    """
    check_unit_interval(gamma=gamma, strength=strength)
    if not spike > 0.0:
        raise ValueError(f"spike must be more than 0, not {spike!r}")
    if span < 1:
        raise ValueError(f"span must be at least 1, not {span!r}")
    trajectories = Trajectories.of(batch)
    advantage = above_mean(trajectories.returns, trajectories.group, "mean_std")
    weight = 1.0 + strength * _contrast(trajectories, spike, span)
    return without_critic(batch, trajectories.spread(advantage) * weight, gamma)


def _contrast(trajectories: Trajectories, spike: float, span: int) -> FloatArray:
    """`c(t) - mean(c)` of each turn, in the order of the batch, [N]."""
    layout, lengths = trajectories.batch.layout, trajectories.lengths
    divergence = layout.sort(cast("FloatArray", trajectories.batch.divergence))
    if not divergence.any():
        return np.zeros(len(divergence))
    mean = divergence.mean()
    position = np.arange(len(divergence))
    # The latest spike so far, or -1; it only reaches turns of its own trajectory.
    latest = np.maximum.accumulate(np.where(divergence > spike * mean, position, -1))
    reached = (latest >= np.repeat(trajectories.starts, lengths)) & (position - latest < span)
    shared = np.where(reached, divergence[latest], divergence)
    number = np.repeat(np.arange(len(lengths)), lengths)
    contrast = above_mean(shared / (shared + mean), number)
    return cast("FloatArray", layout.unsort(contrast))
