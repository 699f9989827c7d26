"""REINFORCE Leave-One-Out: the baseline is the mean return of the *other* trajectories.

Source: Ahmadian et al. (arXiv 2402.14740), section 3. It knows nothing about turns, options or
values: every turn of a trajectory gets the same advantage.
"""

from __future__ import annotations

import numpy as np

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.groups import Trajectories, above_mean, members, without_critic
from hiper_agents.estimators.needs import Needs
from hiper_agents.estimators.registry import check_unit_interval, register_estimator


@register_estimator("rloo", flat=True, needs=Needs(group_size=8, critic=False))
def rloo(
    batch: TurnBatch,
    *,
    gamma: float = 1.0,
    lam_low: float = 1.0,
    lam_high: float = 0.95,
    bootstrap_truncated: bool = True,
) -> Advantages:
    """Estimates one advantage a trajectory: `A_i = R_i - sum_{j != i} R_j / (k - 1)`.

    R is the undiscounted return, j runs over the k trajectories with the same `group_id`. The same
    number is `k / (k - 1) (R_i - mean(R))`, which is how it is computed. A group of one has no
    others to compare with; its advantage is 0.

    Args:
        batch: N turns of whole trajectories.
        gamma: Discount of the value targets, in [0, 1]; the advantages do not read it.
        lam_low: Not read; every estimator accepts it.
        lam_high: Not read.
        bootstrap_truncated: Not read: a trajectory that was cut off has the return that it has.

    Returns:
        One array for `low`, `high` and `switch`, and one, the reward to come, for all returns.

    Raises:
        ValueError: If gamma is outside [0, 1], or a trajectory has turns of several groups.
    """
    check_unit_interval(gamma=gamma)
    trajectories = Trajectories.of(batch)
    group = trajectories.group
    k = members(group)
    advantage = above_mean(trajectories.returns, group) * (k / np.maximum(k - 1, 1))
    return without_critic(batch, trajectories.spread(advantage), gamma)
