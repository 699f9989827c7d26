"""The off-policy critic of turns for language models, for estimators that read Q-values.

How it learns is in :mod:`hiper_agents.training.twin_learner`. A state is read as the hidden state
at the prompt's last token, an action as the one at the response's last token, both of the frozen
start and without gradients: what was kept means the same however the policy has changed since. The
paper (arXiv 2402.19446) trains an encoder of its own instead.

Several processes that train together have one critic: each learns it anew from the turns of all.
Nothing here knows what the values are used for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.estimators import Needs
from hiper_agents.llm.columns import ColumnProvider
from hiper_agents.llm.memory import TokenBudget
from hiper_agents.llm.player import LanguagePlayer
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.reading import hidden_states, micro_batches
from hiper_agents.llm.turns import TurnTokens
from hiper_agents.training.ranks import Ranks, join
from hiper_agents.training.twin_learner import (
    TwinLearner,
    TwinLearnerConfig,
    TwinNetwork,
    TwinTurns,
    following,
)

if TYPE_CHECKING:
    from hiper_agents.llm.config import LanguageTrainConfig

__all__ = ["KeptTurns", "TwinCritic", "TwinCriticConfig", "TwinCriticProvider", "features"]


@dataclass(frozen=True)
class TwinCriticConfig(TwinLearnerConfig):
    """Every number of the off-policy critic."""

    hidden: int = 256
    """Width of the hidden layers."""
    learning_rate: float = 3e-4
    """Adam step size."""
    minibatch: int = 256
    """Turns in a step, of the kept ones for Q and of the newest for V."""


@dataclass(eq=False)
class KeptTurns(TwinTurns):
    """Turns as the critic reads them, n rows.

    Attributes:
        features: Of the state before each turn and of what was written, float16 [n, 2, H].
    """

    features: Tensor

    @classmethod
    def of(
        cls,
        buffer: OptionRolloutBuffer,
        features: Tensor,
        bootstrap_truncated: bool,
        ranks: Ranks,
    ) -> KeptTurns:
        """Takes the turns of an iteration, those of all processes.

        See `following` for episodes that were cut off.
        """
        counts = ranks.gather(len(buffer))
        after = following(buffer, bootstrap_truncated)
        after[after >= 0] += sum(counts[: ranks.rank])
        own = {
            "features": features.numpy(),
            "reward": buffer.reward[: len(buffer)].astype(np.float32),
            "following": after,
        }
        everyone = ranks.gather_arrays(own)
        return cls(**{name: torch.from_numpy(column) for name, column in everyone.items()})


class TwinCritic(TwinNetwork[KeptTurns]):
    """Two Q and two V.

    Args:
        size: Of a hidden state that they read.
        hidden: Width inside.
    """

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.v = nn.ModuleList(_network(size, hidden) for _ in range(2))
        self.q = nn.ModuleList(_network(2 * size, hidden) for _ in range(2))

    def values(self, turns: KeptTurns, rows: Tensor) -> Tensor:
        """[2, rows] V of the states before some turns."""
        features = self._read(turns, rows)
        return torch.cat([v(features[:, 0]) for v in self.v], 1).T

    def q_values(self, turns: KeptTurns, rows: Tensor) -> Tensor:
        """[2, rows] Q of some turns."""
        features = self._read(turns, rows)
        return torch.cat([q(features.flatten(1)) for q in self.q], 1).T

    def _read(self, turns: KeptTurns, rows: Tensor) -> Tensor:
        device = next(self.parameters()).device
        return turns.features[rows].to(device, torch.float32)


def _network(size: int, hidden: int) -> nn.Sequential:
    layers = nn.Linear(size, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
    return nn.Sequential(*layers, nn.Linear(hidden, 1))


class TwinCriticProvider(ColumnProvider):
    """Trains the critic in every iteration; fills `q_value`, and `value_low` with its V."""

    def __init__(
        self,
        config: LanguageTrainConfig,
        policy: LanguagePolicy,
        player: LanguagePlayer,
        needs: Needs,
    ) -> None:
        self._seed = config.seed
        self._bootstrap_truncated = config.bootstrap_truncated
        self._policy = policy
        self._max_tokens = config.update.micro_tokens
        self._ranks = join()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            network = TwinCritic(policy.hidden_size, config.twin_critic.hidden).to(policy.device)
        self.learner = TwinLearner(network, config.twin_critic, config.gamma)

    def annotate(
        self, buffer: OptionRolloutBuffer, turns: Sequence[TurnTokens], rng: np.random.Generator
    ) -> dict[str, float]:
        """Learns from the iteration, then sets `q_value` and replaces `value_low`."""
        own = features(self._policy, turns, max_tokens=self._max_tokens)
        newest = KeptTurns.of(buffer, own, self._bootstrap_truncated, self._ranks)
        # Not the run's own numbers, which may differ between processes.
        rng = np.random.default_rng([self._seed, self.learner.iterations])
        figures = self.learner.learn(newest, rng)
        first = sum(self._ranks.gather(len(buffer))[: self._ranks.rank])
        self.learner.fill(buffer, newest.part(first, len(buffer)))
        return figures

    def state(self) -> dict[str, Tensor]:
        """Networks, targets, optimizer, and the turns that are kept."""
        return self.learner.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from `state`."""
        self.learner.restore(state, KeptTurns)


def features(policy: LanguagePolicy, turns: Sequence[TurnTokens], *, max_tokens: int) -> Tensor:
    """What the critic reads of turns, on the CPU, float16 [turns, 2, H].

    The hidden states of the frozen start at the prompt's last token and at the response's last,
    each scaled to mean 0 and deviation 1.

    Args:
        policy: Has the frozen start.
        turns: As they were written.
        max_tokens: Tokens in a pass; fewer where memory does not suffice.

    Raises:
        DeviceMemoryError: If not even a single turn fits into memory.
    """

    def attempt(tokens: int) -> Tensor:
        found = torch.zeros(len(turns), 2, policy.hidden_size, dtype=torch.float16)
        for batch in micro_batches(policy, turns, tokens):
            part = [turns[row] for row in batch]
            hidden = hidden_states(policy, part)
            places = torch.tensor([[len(turn.prompt) - 1, len(turn) - 1] for turn in part])
            rows = torch.arange(len(part), device=hidden.device)[:, None]
            ends = hidden[rows, places.to(hidden.device)].float()
            ends = nn.functional.layer_norm(ends, ends.shape[-1:])
            found[torch.from_numpy(batch)] = ends.half().cpu()
        return found

    with policy.reference():
        return TokenBudget(max_tokens).run(attempt, longest=max(map(len, turns), default=1))
