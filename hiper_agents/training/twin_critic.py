"""The compact agent's off-policy critic of turns, for estimators that read Q-values.

How it learns is in :mod:`hiper_agents.training.twin_learner`. An action here is a whole turn: the
subgoal that is carried out and the move; the words of a composed action are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.compact.decisions import Decisions
from hiper_agents.compact.domain import Sizes
from hiper_agents.compact.network import mlp
from hiper_agents.compact.player import Player
from hiper_agents.estimators import Needs
from hiper_agents.training.columns import ColumnProvider
from hiper_agents.training.twin_learner import (
    TwinLearner,
    TwinLearnerConfig,
    TwinNetwork,
    TwinTurns,
    following,
)

if TYPE_CHECKING:
    from hiper_agents.training.config import TrainConfig


@dataclass(frozen=True)
class TwinCriticConfig(TwinLearnerConfig):
    """Every number of the off-policy critic."""

    hidden: int = 64
    """Width of every hidden layer."""
    learning_rate: float = 1e-3
    """Adam step size."""
    minibatch: int = 512
    """Turns in a step, of the kept ones for Q and of the newest for V."""
    embedding: int = 16
    """Size of a type word's embedding."""


@dataclass(eq=False)
class Turns(TwinTurns):
    """Turns as the critic reads them; n rows.

    Attributes:
        state: [n, S] float32: the situation before the turn, with the subgoal that was running.
        state_types: [n, s] int64 vocabulary numbers of it.
        action: [n, A] float32: the situation with the subgoal that is carried out, and the chosen
            move.
        action_types: [n, a] int64 vocabulary numbers of it.
    """

    state: Tensor
    state_types: Tensor
    action: Tensor
    action_types: Tensor

    @classmethod
    def of(
        cls,
        buffer: OptionRolloutBuffer,
        decisions: Decisions,
        sizes: Sizes,
        bootstrap_truncated: bool,
    ) -> Turns:
        """Takes the turns of an iteration; see `following` for those that were cut off."""
        before, after, moves = decisions.before, decisions.after, decisions.executed
        # A strategy's number is no vocabulary number.
        types = before.state_types[:, : sizes.state_types]
        chosen = np.flatnonzero(moves.position == 0) + decisions.action_choice
        action = [before.state, after.subgoal, moves.features[chosen]]
        action_types = [types, after.subgoal_types, moves.types[chosen]]
        return cls(
            reward=torch.from_numpy(buffer.reward[: len(buffer)].astype(np.float32)),
            following=torch.from_numpy(following(buffer, bootstrap_truncated)),
            state=torch.from_numpy(np.concatenate([before.state, before.subgoal], 1)),
            state_types=torch.from_numpy(np.concatenate([types, before.subgoal_types], 1)),
            action=torch.from_numpy(np.concatenate(action, 1)),
            action_types=torch.from_numpy(np.concatenate(action_types, 1)),
        )


class TwinCritic(TwinNetwork[Turns]):
    """Two Q and two V; each has embeddings of its own.

    Args:
        sizes: Widths of the inputs, as the domain gives them.
        config: Widths inside.
    """

    def __init__(self, sizes: Sizes, config: TwinCriticConfig) -> None:
        super().__init__()
        state = (sizes.state + sizes.subgoal, sizes.state_types + sizes.subgoal_types)
        action = (state[0] + sizes.move, state[1] + sizes.move_types)
        self.v = nn.ModuleList(_Head(*state, sizes.vocabulary, config) for _ in range(2))
        self.q = nn.ModuleList(_Head(*action, sizes.vocabulary, config) for _ in range(2))

    def values(self, turns: Turns, rows: Tensor) -> Tensor:
        """[2, rows] V of the states before some turns."""
        return torch.stack([v(turns.state[rows], turns.state_types[rows]) for v in self.v])

    def q_values(self, turns: Turns, rows: Tensor) -> Tensor:
        """[2, rows] Q of some turns."""
        return torch.stack([q(turns.action[rows], turns.action_types[rows]) for q in self.q])


class _Head(nn.Module):
    def __init__(self, numbers: int, types: int, vocabulary: int, config: TwinCriticConfig) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, config.embedding)
        self.out = mlp(numbers + types * config.embedding, config.hidden)

    def forward(self, numbers: Tensor, types: Tensor) -> Tensor:
        value: Tensor = self.out(torch.cat([numbers, self.embed(types).flatten(1)], 1))
        return value.squeeze(-1)


class TwinCriticProvider(ColumnProvider):
    """Trains the critic in every iteration; fills `q_value`, and `value_low` with its V."""

    def __init__(self, config: TrainConfig, player: Player, needs: Needs) -> None:
        self._bootstrap_truncated = config.bootstrap_truncated
        self._sizes = player.domain.sizes
        network = TwinCritic(self._sizes, config.twin_critic)
        self.learner = TwinLearner(network, config.twin_critic, config.gamma)

    def annotate(
        self, buffer: OptionRolloutBuffer, decisions: Decisions, rng: np.random.Generator
    ) -> dict[str, float]:
        """Learns from the iteration, then sets `q_value` and replaces `value_low`."""
        newest = Turns.of(buffer, decisions, self._sizes, self._bootstrap_truncated)
        figures = self.learner.learn(newest, rng)
        self.learner.fill(buffer, newest)
        return figures

    def state(self) -> dict[str, Tensor]:
        """Networks, targets, optimizer, and the turns that are kept."""
        return self.learner.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from `state`."""
        self.learner.restore(state, Turns)
