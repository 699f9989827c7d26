"""Generalised Advantage Estimation: the flat baseline, which sees a turn as one step.

It knows nothing about options: boundaries, the high and the switch head's values are not read.
"""

from __future__ import annotations

import numpy as np

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.registry import check_unit_interval, register_estimator
from hiper_agents.estimators.segments import backward_recursion


@register_estimator("gae", flat=True)
def gae(
    batch: TurnBatch,
    *,
    gamma: float = 1.0,
    lam_low: float = 1.0,
    lam_high: float = 0.95,
    bootstrap_truncated: bool = True,
) -> Advantages:
    """Estimates one advantage a turn over whole trajectories (Schulman et al., 2016, eq. 16).

    With d the terminal flag, `A(t) = delta(t) + gamma lam_low (1 - d) A(t + 1)` and
    `delta(t) = r(t) + gamma (1 - d) V(t + 1) - V(t)`. V is `value_low`. There is no value of the
    state after the last turn, so a truncated end takes V of the last turn itself in its place.

    Args:
        batch: N turns of whole trajectories.
        gamma: Discount a turn, in [0, 1].
        lam_low: Decay of the trace, in [0, 1]: 0 trusts the values, 1 the returns.
        lam_high: Not read; every estimator accepts it.
        bootstrap_truncated: Whether a truncated end is worth V of the last turn, or 0.

    Returns:
        One array for `low`, `high` and `switch`, and one, A + V, for all returns.

    Raises:
        ValueError: If gamma or lam_low is outside [0, 1].
    """
    check_unit_interval(gamma=gamma, lam_low=lam_low)
    layout = batch.layout
    value = layout.sort(batch.value_low)
    bootstrapped = layout.sort(~batch.terminated) & bootstrap_truncated
    end = layout.trajectory_end

    value_next = np.zeros_like(value)
    value_next[:-1] = value[1:]
    value_next[end] = np.where(bootstrapped, value, 0.0)[end]
    delta = layout.sort(batch.reward) + gamma * value_next - value
    longest = int(batch.turn.max(initial=-1)) + 1
    advantage = backward_recursion(delta, np.where(end, 0.0, gamma * lam_low), longest)

    returns = layout.unsort(advantage + value)
    advantage = layout.unsort(advantage)
    return Advantages(advantage, advantage, advantage, returns, returns, returns)
