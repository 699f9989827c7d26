"""Exact values and the exact policy gradient, by dynamic programming.

The decision process of a turn has three nodes: the switch decision at (state, running subgoal), the
choice of a subgoal at (state), the action at (state, subgoal). Their values follow backwards from
the step limit, their probabilities forwards from the start; the policy gradient theorem joins them
(Sutton et al., 1999; Bacon et al., 2017, for options). Nothing here is sampled, and nothing knows
about advantage estimators.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from benchmarks.exact.policy import KEEP, SWITCH, Policy
from benchmarks.exact.process import Process
from hiper_agents.estimators.segments import FloatArray

__all__ = ["Occupancy", "Values", "gradient", "objective", "occupancy", "values"]


@dataclass(frozen=True, eq=False)
class Values:
    """Expected discounted return from each node on, at each of the H turns.

    Attributes:
        switch: V_T, before the switch decision, by state and running subgoal, float64 [H, S, G].
            At turn 0 no subgoal runs, and nothing reads it.
        high: V_H, before a subgoal is chosen, by state, float64 [H, S].
        low: V_L, before the action, by state and subgoal, float64 [H, S, G].
        action: After the action, by state, subgoal and action, float64 [H, S, G, A].
    """

    switch: FloatArray
    high: FloatArray
    low: FloatArray
    action: FloatArray

    def perturbed(self, deviation: float, rng: np.random.Generator) -> Values:
        """Values of a critic that errs: every entry is off by a fixed normal error.

        Args:
            deviation: Standard deviation of the errors.
            rng: Draws them, once for all.
        """
        tables = [getattr(self, field.name) for field in fields(self)]
        return Values(*(table + rng.normal(0.0, deviation, table.shape) for table in tables))

    def blind(self, visits: Occupancy) -> Values:
        """Values of a critic that is not told the turn: at each node, the mean over its visits.

        That is what least squares converge to. Where nobody ever comes, the plain mean.

        Args:
            visits: How likely each node is at each turn.
        """
        pairs = (
            (self.switch, visits.switch),
            (self.high, visits.high),
            (self.low, visits.low),
            (self.action, np.broadcast_to(visits.low[..., None], self.action.shape)),
        )
        return Values(*(_mean_over_turns(table, weight) for table, weight in pairs))


@dataclass(frozen=True, eq=False)
class Occupancy:
    """How likely each node is at each of the H turns; axes as in `Values`."""

    switch: FloatArray
    high: FloatArray
    low: FloatArray


def values(process: Process, policy: Policy) -> Values:
    """Computes the values of all nodes, backwards from the step limit."""
    states, subgoals, horizon = process.states, process.subgoals, process.horizon
    chance = policy.probability
    expected = np.einsum("sax,sax->sa", process.transition, process.reward)
    switch, low = (np.zeros((horizon, states, subgoals)) for _ in range(2))
    high = np.zeros((horizon, states))
    action = np.zeros((horizon, states, subgoals, process.actions))
    after = np.zeros((states, subgoals))
    for turn in reversed(range(horizon)):
        follow = np.einsum("sax,xg->sga", process.transition[:, :, :-1], after)
        action[turn] = expected[:, None, :] + process.discount * follow
        low[turn] = (chance["low"] * action[turn]).sum(-1)
        high[turn] = (chance["high"] * low[turn]).sum(-1)
        keep, leave = chance["switch"][..., KEEP], chance["switch"][..., SWITCH]
        switch[turn] = after = keep * low[turn] + leave * high[turn][:, None]
    return Values(switch, high, low, action)


def occupancy(process: Process, policy: Policy) -> Occupancy:
    """Computes the probabilities of all nodes, forwards from the start."""
    states, subgoals, horizon = process.states, process.subgoals, process.horizon
    chance = policy.probability
    switch, low = (np.zeros((horizon, states, subgoals)) for _ in range(2))
    high = np.zeros((horizon, states))
    high[0] = process.start
    for turn in range(horizon):
        if turn:
            taken = low[turn - 1][:, :, None] * chance["low"]
            switch[turn] = np.einsum("sga,sax->xg", taken, process.transition[:, :, :-1])
            high[turn] = (switch[turn] * chance["switch"][..., SWITCH]).sum(-1)
        kept = switch[turn] * chance["switch"][..., KEEP]
        low[turn] = kept + high[turn][:, None] * chance["high"]
    return Occupancy(switch, high, low)


def objective(process: Process, policy: Policy) -> float:
    """Expected discounted return of an episode."""
    return float(process.start @ values(process, policy).high[0])


def gradient(process: Process, policy: Policy) -> FloatArray:
    """The gradient of `objective` in the policy's parameters, float64 [P].

    For a softmax, a choice's logit has the derivative p (Q - V), summed over the visits of its node
    with their discount.
    """
    value, visits, chance = values(process, policy), occupancy(process, policy), policy.probability
    discounts = process.discount ** np.arange(process.horizon)
    gain_switch = np.stack(
        [value.low - value.switch, value.high[:, :, None] - value.switch], axis=-1
    )
    gain_high = value.low - value.high[:, :, None]
    gain_low = value.action - value.low[..., None]
    blocks = (
        chance["switch"] * np.einsum("t,tsg,tsgq->sgq", discounts, visits.switch, gain_switch),
        chance["high"] * np.einsum("t,ts,tsg->sg", discounts, visits.high, gain_high),
        chance["low"] * np.einsum("t,tsg,tsga->sga", discounts, visits.low, gain_low),
    )
    return np.concatenate([block.ravel() for block in blocks])


def _mean_over_turns(table: FloatArray, weight: FloatArray) -> FloatArray:
    # The trace of a weight at every turn decides only where there is no other.
    weight = weight + 1e-30
    mean = (weight * table).sum(0) / weight.sum(0)
    return np.broadcast_to(mean, table.shape)
