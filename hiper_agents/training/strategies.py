"""Strategies for estimators that compare them: what StraTA (arXiv 2605.06642) does with sentences.

A strategy of the compact agent is a number with a learned embedding. One is chosen in an episode's
first turn and read by all decisions that follow. In training the G episodes of a task share N
strategies: 8 N are drawn from the policy and thinned to the N whose embeddings lie farthest apart,
and each is followed by G / N episodes. Outside of training an episode draws one, or takes the most
likely. What a strategy means is nowhere said: it is what the policy makes of the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.compact.player import Decisions, Player
from hiper_agents.compact.rows import FloatArray
from hiper_agents.compact.slot import Slot
from hiper_agents.estimators import Needs
from hiper_agents.training.columns import ColumnProvider

if TYPE_CHECKING:
    from hiper_agents.training.config import TrainConfig

TABLE = 16
"""Strategies that the policy knows, if the settings name no number."""
CANDIDATES = 8
"""Strategies that are drawn for each one that is kept (the paper's number)."""


class StrategyProvider(ColumnProvider):
    """Divides the episodes of each group among strategies and fills `strategy_id`."""

    def __init__(self, config: TrainConfig, player: Player, needs: Needs) -> None:
        self._player = player
        self._count = needs.strategies
        self._ids = np.zeros(0, np.int64)

    @classmethod
    def adapt(cls, config: TrainConfig, needs: Needs) -> TrainConfig:
        """Gives the network a table of strategies."""
        if config.network.strategies:
            return config
        return replace(config, network=replace(config.network, strategies=TABLE))

    def begin(
        self, slots: Sequence[Slot], groups: NDArray[np.int64], rng: np.random.Generator
    ) -> None:
        """Gives every episode its strategy."""
        self._ids = np.zeros(len(slots), np.int64)
        names, first, number = np.unique(groups, return_index=True, return_inverse=True)
        # Episodes of one task begin alike, so that one of them speaks for its group.
        log_probs = self._player.log_strategies([slots[i] for i in first.tolist()])
        for group in range(len(names)):
            members = np.flatnonzero(number == group)
            kept = self._propose(log_probs[group], rng)
            place = np.arange(len(members)) * self._count // len(members)
            self._ids[members] = group * self._count + place
            for member, strategy in zip(members.tolist(), kept[place].tolist(), strict=True):
                slots[member].strategy = strategy

    def annotate(
        self, buffer: OptionRolloutBuffer, decisions: Decisions, rng: np.random.Generator
    ) -> dict[str, float]:
        """Sets `strategy_id`: equal for the episodes of a group that share a strategy."""
        buffer.annotate(strategy_id=self._ids[buffer.trajectory_id[: len(buffer)]])
        chosen = decisions.before.state_types[decisions.begun, -1]
        return {"strategies": float(len(np.unique(chosen)))}

    def _propose(self, log_probs: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
        """[N] strategies for one group."""
        shares = np.exp(log_probs, dtype=np.float64)
        drawn = rng.choice(len(shares), CANDIDATES * self._count, p=shares / shares.sum())
        embeddings = self._player.network.embed_strategies.weight.detach().numpy()
        kept: NDArray[np.int64] = drawn[farthest_points(embeddings[drawn], self._count)]
        return kept


def farthest_points(points: FloatArray, count: int) -> NDArray[np.int64]:
    """Thins points to those that lie far apart, one after the other.

    The first point is kept; then, again and again, the one that is farthest from all that are kept
    (Gonzalez, 1985). Equal points are kept twice only if there are too few different ones.

    Args:
        points: [n, d], n at least `count`.
        count: How many to keep.

    Returns:
        Rows of `points`, [count], in the order in which they were kept.
    """
    kept = np.zeros(count, np.int64)
    distance = np.full(len(points), np.inf)
    for place in range(1, count):
        apart = np.linalg.norm(points - points[kept[place - 1]], axis=1)
        distance = np.minimum(distance, apart)
        distance[kept[:place]] = -1.0
        kept[place] = distance.argmax()
    return kept
