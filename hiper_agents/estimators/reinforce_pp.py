"""REINFORCE++: reward to come, normalised over everything that was collected.

Source: Hu et al. (arXiv 2501.03262). Its penalty for leaving the reference policy belongs to the
reward or the loss, its clipping to the loss. It knows nothing about groups, options or values.
"""

from __future__ import annotations

from hiper_agents.estimators.advantages import Advantages, standardised
from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.groups import returns_to_go
from hiper_agents.estimators.needs import Needs
from hiper_agents.estimators.registry import check_unit_interval, register_estimator


@register_estimator("reinforce_pp", flat=True, needs=Needs(critic=False))
def reinforce_pp(
    batch: TurnBatch,
    *,
    gamma: float = 1.0,
    lam_low: float = 1.0,
    lam_high: float = 0.95,
    bootstrap_truncated: bool = True,
) -> Advantages:
    """Estimates one advantage a turn: `A(t) = (G(t) - mean(G)) / std(G)`.

    `G(t) = r(t) + gamma G(t + 1)` is the reward to come, 0 past the end of the trajectory; mean and
    standard deviation are those of all turns of the batch, whatever their task. Where all G are
    equal up to rounding, A is 0.

    Args:
        batch: N turns of whole trajectories.
        gamma: Discount a turn, in [0, 1].
        lam_low: Not read; every estimator accepts it.
        lam_high: Not read.
        bootstrap_truncated: Not read: without values, nothing is known about what comes after.

    Returns:
        One array for `low`, `high` and `switch`, and one, G, for all returns.

    Raises:
        ValueError: If gamma is outside [0, 1].
    """
    check_unit_interval(gamma=gamma)
    layout = batch.layout
    returns = returns_to_go(batch, gamma)
    # The sums run in the order of the layout, so that no rounding depends on the order of the rows.
    advantage = layout.unsort(standardised(layout.sort(returns)))
    return Advantages(advantage, advantage, advantage, returns, returns, returns)
