"""Tabular softmax policies with the three blocks of a HiPER turn.

At every turn but the first, the policy decides whether to keep the running subgoal; if not, and at
the first turn, it chooses a subgoal; then an action that suits state and subgoal. The parameters of
the three blocks are laid out in one vector, so that gradients are vectors. A policy knows nothing
about rewards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.exact.process import Process, kinds
from hiper_agents.estimators.segments import FloatArray

__all__ = ["HEADS", "KEEP", "SWITCH", "Policy", "random_policy", "skilled_policy"]

HEADS = ("switch", "high", "low")
"""The heads in the order of their blocks in a turn: switch, subgoal, action."""
KEEP, SWITCH = 0, 1


@dataclass(frozen=True, eq=False)
class Policy:
    """Logits of the three blocks, the same at every turn; S, G, A as in `Process`.

    Attributes:
        switch: KEEP and SWITCH, by state and running subgoal, float64 [S, G, 2].
        high: Subgoals, by state, float64 [S, G].
        low: Actions, by state and subgoal, float64 [S, G, A].
    """

    switch: FloatArray
    high: FloatArray
    low: FloatArray

    @cached_property
    def probability(self) -> dict[str, FloatArray]:
        """Probabilities of each head's choices, shaped like its logits."""
        return {head: _softmax(getattr(self, head)) for head in HEADS}

    @cached_property
    def vector(self) -> FloatArray:
        """All P parameters, head by head."""
        return np.concatenate([getattr(self, head).ravel() for head in HEADS])

    @cached_property
    def blocks(self) -> dict[str, slice]:
        """Where each head's parameters lie in a vector [P]."""
        sizes = [getattr(self, head).size for head in HEADS]
        ends = np.cumsum(sizes).tolist()
        return {
            head: slice(end - size, end) for head, size, end in zip(HEADS, sizes, ends, strict=True)
        }

    def with_vector(self, vector: FloatArray) -> Policy:
        """The policy of the same shape with other parameters [P]."""
        return Policy(
            *(vector[self.blocks[head]].reshape(getattr(self, head).shape) for head in HEADS)
        )


def skilled_policy(
    process: Process,
    rng: np.random.Generator,
    *,
    skill: float = 1.0,
    grip: float = 2.5,
    plan: float = 1.5,
    keep: float = 2.0,
    spread: float = 0.3,
) -> Policy:
    """A policy for `errands` that is halfway there.

    It follows its subgoal most of the time, chooses the fitting one more often than others, and
    tends to keep it as long as it fits. All logits are blurred, so that no two rows are alike.

    Args:
        process: Made by `errands`.
        rng: Blurs the logits; the blur does not depend on the other arguments.
        skill: Factor of the logits below: 0 is a policy that knows nothing.
        grip: Logit of the action that the subgoal names.
        plan: Logit of the subgoal that fits the stage.
        keep: Logit of KEEP while the subgoal fits, and of SWITCH when it does not, halved.
        spread: Standard deviation of the blur.
    """
    states, subgoals = process.states, process.subgoals
    fits = np.eye(subgoals)[kinds(states, subgoals)]
    switch = np.zeros((states, subgoals, 2))
    switch[:, :, KEEP] = keep * fits
    switch[:, :, SWITCH] = keep / 2.0 * (1.0 - fits)
    low = np.broadcast_to(grip * np.eye(subgoals), (states, subgoals, subgoals))
    tables = (switch, plan * fits, low)
    return Policy(*(skill * table + rng.normal(0.0, spread, table.shape) for table in tables))


def random_policy(process: Process, rng: np.random.Generator, spread: float = 1.0) -> Policy:
    """A policy with normal logits of the given standard deviation."""
    states, subgoals, actions = process.states, process.subgoals, process.actions
    shapes = ((states, subgoals, 2), (states, subgoals), (states, subgoals, actions))
    return Policy(*(rng.normal(0.0, spread, shape) for shape in shapes))


def _softmax(logits: FloatArray) -> FloatArray:
    weights: FloatArray = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return weights
