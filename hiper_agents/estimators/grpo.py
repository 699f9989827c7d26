"""Group Relative Policy Optimization: a trajectory is as good as it is better than its group.

Source: DeepSeekMath (arXiv 2402.03300), section 4.1.2, outcome supervision. It knows nothing about
turns, options or values: every turn of a trajectory gets the same advantage.
"""

from __future__ import annotations

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.groups import Norm, Trajectories, above_mean, without_critic
from hiper_agents.estimators.needs import Needs
from hiper_agents.estimators.registry import check_unit_interval, register_estimator


@register_estimator("grpo", flat=True, needs=Needs(group_size=8, critic=False))
def grpo(
    batch: TurnBatch,
    *,
    gamma: float = 1.0,
    lam_low: float = 1.0,
    lam_high: float = 0.95,
    bootstrap_truncated: bool = True,
    norm: Norm = "mean_std",
) -> Advantages:
    """Estimates one advantage a trajectory: `A = (R - mean(R)) / (std(R) + 1e-6)`.

    R is the undiscounted return; mean and unbiased standard deviation are those of the
    trajectories with the same `group_id`. Where all returns are equal, so also in a group of one,
    nothing was better than anything else and A is 0.

    Args:
        batch: N turns of whole trajectories.
        gamma: Discount of the value targets, in [0, 1]; the advantages do not read it.
        lam_low: Not read; every estimator accepts it.
        lam_high: Not read.
        bootstrap_truncated: Not read: a trajectory that was cut off has the return that it has.
        norm: "mean_std", or "mean" to leave out the division (Dr. GRPO, arXiv 2503.20783).

    Returns:
        One array for `low`, `high` and `switch`, and one, the reward to come, for all returns.

    Raises:
        ValueError: If gamma is outside [0, 1], there is no such norm, or a trajectory has turns of
            several groups.
    """
    check_unit_interval(gamma=gamma)
    trajectories = Trajectories.of(batch)
    advantage = above_mean(trajectories.returns, trajectories.group, norm)
    return without_critic(batch, trajectories.spread(advantage), gamma)
