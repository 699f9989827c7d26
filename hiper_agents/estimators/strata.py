"""Strategic Trajectory Abstraction: strategies compete, and rollouts within their strategy.

Source: StraTA (arXiv 2605.06642). A strategy is sampled once, at the first state, and conditions
every turn: here, it is chosen in the subgoal block of turn 0. Sampling strategies, keeping those
that differ and judging turns is left to who plays; this module knows nothing about what a strategy
says, nor about values.
"""

from __future__ import annotations

import numpy as np

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.groups import (
    Trajectories,
    above_mean,
    members,
    numbered,
    returns_to_go,
)
from hiper_agents.estimators.needs import Needs
from hiper_agents.estimators.registry import check_unit_interval, register_estimator
from hiper_agents.estimators.segments import FloatArray, IntArray

_NEEDS = Needs(group_size=32, strategies=4, critic=False, columns=("strategy_id",))


@register_estimator("strata", needs=_NEEDS)
def strata(
    batch: TurnBatch,
    *,
    gamma: float = 1.0,
    lam_low: float = 1.0,
    lam_high: float = 0.95,
    bootstrap_truncated: bool = True,
    best: float = 0.5,
    off_plan_cost: float = 0.1,
) -> Advantages:
    """Estimates the advantages of a trajectory's strategy and of its turns.

    With R a trajectory's undiscounted return and `norm(x) = (x - mean(x)) / (std(x) + 1e-6)`, std
    unbiased:

    - strategy: `A(z) = norm(R(z))` over the strategies of the task group, where R(z) is the mean
      of the best half of the returns of the trajectories that followed z. The better half says
      what the strategy is good for, the other how badly it was followed.
    - trajectory: `A = norm(R)` over those that followed the same strategy in the same group; at a
      turn that `off_plan` marks, `off_plan_cost` less.

    Where there is nothing to compare with (one strategy in a group, one trajectory of a strategy)
    or all are equal, the advantage is 0. The paper takes the cost off the turn's reward; taken off
    the normalised advantage, it counts the same however much the returns differ, and stays finite
    where they do not.

    Args:
        batch: N turns of whole trajectories, with `strategy_id`; `off_plan` is read if there.
        gamma: Discount of the value targets, in [0, 1]; the advantages do not read it.
        lam_low: Not read; every estimator accepts it.
        lam_high: Not read.
        bootstrap_truncated: Not read: a trajectory that was cut off has the return that it has.
        best: Share of a strategy's returns that R(z) averages, the best of them, in (0, 1]; at
            least one return, and rounded up.
        off_plan_cost: Cost of a turn that leaves its strategy, at least 0.

    Returns:
        `high` is that of the strategy at turn 0, where it was chosen, that of the trajectory at
        later boundaries, and 0 elsewhere. `low` and `switch` are one array, that of the
        trajectory. All returns are one array, the reward to come.

    Raises:
        EstimatorError: If there is no `strategy_id`.
        ValueError: If a setting is out of range, or a trajectory has turns of several groups or
            strategies.
    """
    check_unit_interval(gamma=gamma, best=best)
    if best == 0.0 or not 0.0 <= off_plan_cost < np.inf:
        raise ValueError("best must be more than 0, and off_plan_cost finite and at least 0")
    trajectories = Trajectories.of(batch)
    strategy = numbered(trajectories.shared("strategy_id"), trajectories.group)
    rollout = above_mean(trajectories.returns, strategy, "mean_std")
    low = trajectories.spread(rollout)
    if batch.off_plan is not None:
        low = low - off_plan_cost * batch.off_plan
    chosen = trajectories.spread(_strategies(trajectories, strategy, best))
    high = np.where(batch.turn == 0, chosen, np.where(batch.boundary, low, 0.0))
    returns = returns_to_go(batch, gamma)
    return Advantages(low, high, low, returns, returns, returns)


def _strategies(trajectories: Trajectories, strategy: IntArray, best: float) -> FloatArray:
    """The advantage of each trajectory's strategy, [E]."""
    if not len(strategy):
        return np.zeros(0)
    worth = _best_mean(trajectories.returns, strategy, best)
    # One row a strategy; strategies are numbered by their group first.
    _, first = np.unique(strategy, return_index=True)
    return above_mean(worth, trajectories.group[first], "mean_std")[strategy]


def _best_mean(returns: FloatArray, strategy: IntArray, best: float) -> FloatArray:
    """Mean of the best returns of each strategy, by its number."""
    order = np.lexsort((-returns, strategy))
    followed = members(strategy)[order]
    start = np.concatenate([[True], np.diff(strategy[order]) > 0])
    rank = np.arange(len(order)) - np.maximum.accumulate(np.where(start, np.arange(len(order)), 0))
    # A share of a whole number of returns is not rounded up for a rounding error.
    kept = rank < np.maximum(np.ceil(best * followed - 1e-9), 1.0)
    number, value = strategy[order][kept], returns[order][kept]
    return np.asarray(np.bincount(number, value) / np.bincount(number))
