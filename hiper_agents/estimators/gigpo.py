"""Group-in-Group Policy Optimization: trajectories are compared, and turns that met the same state.

Source: Feng et al. (arXiv 2505.10978), equations 3 to 8, with the choices of the released code,
whose numbers it reproduces. It knows nothing about options or values.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.groups import (
    Norm,
    Trajectories,
    above_mean,
    members,
    numbered,
    returns_to_go,
)
from hiper_agents.estimators.needs import Needs
from hiper_agents.estimators.registry import check_unit_interval, register_estimator
from hiper_agents.estimators.segments import FloatArray

Per = Literal["turn", "trajectory"]


@register_estimator("gigpo", flat=True, needs=Needs(group_size=8, critic=False))
def gigpo(
    batch: TurnBatch,
    *,
    gamma: float = 1.0,
    lam_low: float = 1.0,
    lam_high: float = 0.95,
    bootstrap_truncated: bool = True,
    w: float = 1.0,
    norm: Norm = "mean",
    per: Per = "turn",
) -> Advantages:
    """Estimates one advantage a turn: `A(t) = A_episode + w A_step(t)`.

    - Episode part (eq. 3): the trajectory's undiscounted return minus the mean of its task group.
    - Step part (eq. 5 to 7): `G(t) = r(t) + gamma G(t + 1)`, 0 past the end, minus the mean of G
      over the turns of the same task group with the same `state_key`.

    With `norm="mean_std"` each part is divided by the unbiased standard deviation of what its mean
    is taken of, plus 1e-6. The released code takes mean and deviation of the episode part over the
    group's *turns*, so that long trajectories weigh more; `per="trajectory"` counts each once.

    As there, what has nothing to compare with keeps its raw return in the episode part (a group
    of one turn, or of one trajectory with `per="trajectory"`), and gets 0 in the step part.

    Args:
        batch: N turns of whole trajectories.
        gamma: Discount a turn of the step part, in [0, 1].
        lam_low: Not read; every estimator accepts it.
        lam_high: Not read.
        bootstrap_truncated: Not read: without values, nothing is known about what comes after.
        w: Weight of the step part, at least 0.
        norm: "mean" or "mean_std".
        per: What counts once in the episode part: a "turn" or a "trajectory".

    Returns:
        One array for `low`, `high` and `switch`, and one, G, for all returns.

    Raises:
        ValueError: If gamma is outside [0, 1], w is negative or not finite, there is no such norm
            or per, or a trajectory has turns of several groups.
    """
    check_unit_interval(gamma=gamma)
    if not 0.0 <= w < np.inf:
        raise ValueError(f"w must be finite and at least 0, not {w!r}")
    if per not in get_args(Per):
        raise ValueError(f"per must be one of {', '.join(get_args(Per))}, not {per!r}")
    trajectories = Trajectories.of(batch)
    returns = returns_to_go(batch, gamma)
    step = _step(trajectories, returns, norm)
    advantage = trajectories.spread(_episode(trajectories, norm, per)) + w * step
    return Advantages(advantage, advantage, advantage, returns, returns, returns)


def _episode(trajectories: Trajectories, norm: Norm, per: Per) -> FloatArray:
    """The episode part of each trajectory, [E]."""
    group, returns = trajectories.group, trajectories.returns
    weight = trajectories.lengths if per == "turn" else np.ones_like(trajectories.lengths)
    alone = (members(group) == 1) & (weight == 1)
    return np.where(alone, returns, above_mean(returns, group, norm, weight))


def _step(trajectories: Trajectories, returns: FloatArray, norm: Norm) -> FloatArray:
    """The step part of each turn, [N]; `returns` is the reward to come."""
    layout = trajectories.batch.layout
    state = numbered(
        layout.sort(trajectories.batch.state_key),
        np.repeat(trajectories.group, trajectories.lengths),
    )
    step: FloatArray = layout.unsort(above_mean(layout.sort(returns), state, norm))
    return step
