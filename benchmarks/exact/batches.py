"""From episodes to what estimators read, and from advantages to gradient estimates.

Values come out of tables, exact or with errors; so do the columns that only some estimators need.
The gradient estimate is the one that all of them share: advantage times the gradient of the log
probability, A_T on the switch block, A_H on the subgoal block of boundary turns, A_L on the action
block. How advantages come about is the estimators' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks.exact.gradient import Values
from benchmarks.exact.policy import Policy
from benchmarks.exact.rollouts import Rollouts
from hiper_agents.estimators import Advantages, TurnBatch
from hiper_agents.estimators.segments import FloatArray, IntArray

__all__ = ["Columns", "Scores", "flat_value"]


def flat_value(rollouts: Rollouts, value: Values) -> FloatArray:
    """The value before anything was decided in the turn, float64 [N].

    At turn 0 no subgoal runs and the switch is forced: there it is V_H, later V_T.
    """
    at_start = value.high[rollouts.turn, rollouts.state]
    later = value.switch[rollouts.turn, rollouts.state, rollouts.running]
    return np.where(rollouts.turn == 0, at_start, later)


@dataclass(frozen=True, eq=False)
class Columns:
    """What a `TurnBatch` of some episodes holds under a critic; N turns.

    Attributes:
        rollouts: The episodes.
        policy: The policy that played them.
        value: The critic's values.
        twin: Values of a second critic, whose minimum with the first is `q_value`.
    """

    rollouts: Rollouts
    policy: Policy
    value: Values
    twin: Values

    @cached_property
    def common(self) -> dict[str, Any]:
        """The required columns, and `divergence` and `q_value`, without `group_id`."""
        turns, value = self.rollouts, self.value
        nodes = (turns.turn, turns.state, turns.subgoal)
        return {
            "reward": turns.reward,
            "terminated": turns.terminated,
            "truncated": turns.last & ~turns.terminated,
            "boundary": turns.switch,
            "value_low": value.low[nodes],
            "value_high": value.high[nodes[:2]],
            # At turn 0 no subgoal runs; the only choice there is SWITCH.
            "value_switch": flat_value(turns, value),
            "trajectory_id": turns.episode,
            "turn": turns.turn,
            "state_key": turns.state,
            "divergence": self._divergence(),
            "q_value": np.minimum(
                value.action[(*nodes, turns.action)], self.twin.action[(*nodes, turns.action)]
            ),
        }

    def batch(self, *, flat: bool, group_size: int = 1, strategies: int = 1) -> TurnBatch:
        """The episodes as a batch.

        Args:
            flat: Whether `value_low` is the value before the turn; see `Estimator.flat`.
            group_size: So many episodes in a row form a group.
            strategies: So many strategies share a group, equally.
        """
        columns = dict(self.common)
        if flat:
            columns["value_low"] = columns["value_switch"]
        episode = self.rollouts.episode
        columns["group_id"] = episode // group_size
        columns["strategy_id"] = episode // (group_size // strategies)
        return TurnBatch(**columns)

    def head_batches(self) -> dict[str, TurnBatch]:
        """Three batches whose `value_low` is each head's own value; keys are the fields' names."""
        values = {"switch": "value_switch", "high": "value_high", "low": "value_low"}
        group = {"group_id": self.rollouts.episode}
        return {
            head: TurnBatch(**{**self.common, **group, "value_low": self.common[name]})
            for head, name in values.items()
        }

    def _divergence(self) -> FloatArray:
        """KL of the turn's action from the action under the subgoal that is worth most there."""
        turns, chance = self.rollouts, self.policy.probability["low"]
        plan = self.value.low[turns.turn, turns.state].argmax(-1)
        own, told = chance[turns.state, turns.subgoal], chance[turns.state, plan]
        divergence: FloatArray = (own * np.log(own / told)).sum(-1)
        return np.maximum(divergence, 0.0)  # rounding can make nothing negative


@dataclass(frozen=True, eq=False)
class Scores:
    """Sums advantage times score over turns; a softmax has the score 1(choice) - probability.

    Attributes:
        rollouts: The episodes, N turns.
        policy: The policy that played them, P parameters.
        unit: Which estimate each turn counts for, int64 [N].
        units: Number of estimates U.
        discount: Weight of turn t is discount^t.
    """

    rollouts: Rollouts
    policy: Policy
    unit: IntArray
    units: int
    discount: float = 1.0

    def estimate(self, advantages: Advantages) -> FloatArray:
        """Gradient estimates, sums over each unit's turns, float64 [U, P]."""
        turns, weight = self.rollouts, self._weight
        later, boundary = turns.turn > 0, turns.switch
        subgoals = self.policy.high.shape[1]
        running = turns.state * subgoals + turns.running
        chosen = turns.state * subgoals + turns.subgoal
        everywhere = np.ones(len(turns), dtype=bool)
        blocks = (
            # The first turn's SWITCH is no decision.
            self._head("switch", later, running, turns.switch, advantages.switch * weight),
            self._head("high", boundary, turns.state, turns.subgoal, advantages.high * weight),
            self._head("low", everywhere, chosen, turns.action, advantages.low * weight),
        )
        return np.concatenate(blocks, axis=1)

    @cached_property
    def _weight(self) -> FloatArray:
        return self.discount ** self.rollouts.turn.astype(np.float64)

    def _head(
        self, head: str, where: np.ndarray, row: IntArray, choice: np.ndarray, weight: FloatArray
    ) -> FloatArray:
        chance = self.policy.probability[head]
        choices = chance.shape[-1]
        chance = chance.reshape(-1, choices)
        key = (self.unit * len(chance) + row) * choices + choice
        sums = np.bincount(
            key[where], weights=weight[where], minlength=self.units * chance.size
        ).reshape(self.units, *chance.shape)
        scored: FloatArray = sums - chance * sums.sum(-1, keepdims=True)
        return scored.reshape(self.units, -1)
