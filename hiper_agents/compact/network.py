"""The compact agent's network: switch head, planner, executor, and a critic with three heads.

All choices are scored, not enumerated: the planner scores the candidate subgoals of a turn, the
executor the permitted actions, so that both sets may differ from turn to turn. The module knows
nothing about texts; what its inputs mean is said in `encoding.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hiper_agents.compact import encoding


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network."""

    hidden: int = 64
    """Width of every hidden layer."""
    embedding: int = 16
    """Size of a type word's embedding."""
    keep_bias: float = 4.0
    """Initial logit of KEEP against SWITCH: options begin long rather than one turn short."""
    achieve_bias: float = 3.0
    """Initial logit of the action that the subgoal names: an option begins by being meant."""


@dataclass
class Choices:
    """Rows to choose from, as tensors; see `encoding.Rows`."""

    features: Tensor
    types: Tensor
    owner: Tensor
    position: Tensor

    @classmethod
    def of(cls, rows: encoding.Rows) -> Choices:
        """Wraps numpy rows without copying them."""
        return cls(*(torch.from_numpy(array) for array in vars(rows).values()))


class Critic(nn.Module):
    """V_L(state, subgoal), V_H(state) and V_T(state, running subgoal).

    Args:
        words: Vocabulary size.
        config: Sizes.
    """

    def __init__(self, words: int, config: NetworkConfig) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, config.embedding)
        state, subgoal = _input_sizes(config)
        self.low = _mlp(state + subgoal, config.hidden)
        self.high = _mlp(state, config.hidden)
        self.switch = _mlp(state + subgoal, config.hidden)


class CompactNetwork(nn.Module):
    """One policy with three decisions a turn, and its critic.

    Args:
        words: Vocabulary size, unknown word included.
        config: Sizes.
    """

    def __init__(self, words: int, config: NetworkConfig) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, config.embedding)
        state, subgoal = _input_sizes(config)
        self.switch = _mlp(state + subgoal, config.hidden)
        rows = encoding.SUBGOAL_SIZE + encoding.CANDIDATE_SIZE + 2 * config.embedding
        self.planner = Scorer(state, rows, config.hidden)
        rows = encoding.MOVE_SIZE + config.embedding
        self.executor = Scorer(state + subgoal, rows, config.hidden)
        self.achieve_bias = nn.Parameter(torch.tensor(config.achieve_bias))
        self.critic = Critic(words, config)
        with torch.no_grad():
            last = self.switch[-1]
            assert isinstance(last, nn.Linear)
            last.bias.fill_(-config.keep_bias)

    def switch_logits(self, state: Tensor, state_types: Tensor, subgoal: Subgoal) -> Tensor:
        """[B] log-odds of SWITCH given the running subgoal."""
        logits: Tensor = self.switch(_situation(self.embed, state, state_types, subgoal))
        return logits.squeeze(-1)

    def plan(self, state: Tensor, state_types: Tensor, choices: Choices) -> Tensor:
        """[B, most candidates] log-probabilities of the candidates, -inf where there is none."""
        context = _situation(self.embed, state, state_types)
        rows = torch.cat([choices.features, self.embed(choices.types).flatten(1)], 1)
        return _log_softmax(self.planner(context, rows, choices.owner), choices, len(state))

    def execute(
        self, state: Tensor, state_types: Tensor, subgoal: Subgoal, choices: Choices
    ) -> Tensor:
        """[B, most actions] log-probabilities of the actions, -inf where there is none."""
        context = _situation(self.embed, state, state_types, subgoal)
        rows = torch.cat([choices.features, self.embed(choices.types).flatten(1)], 1)
        scores = self.executor(context, rows, choices.owner)
        scores = scores + self.achieve_bias * choices.features[:, encoding.ACHIEVES]
        return _log_softmax(scores, choices, len(state))

    def value_low(self, state: Tensor, state_types: Tensor, subgoal: Subgoal) -> Tensor:
        """[B] V_L, given the subgoal that is carried out."""
        value: Tensor = self.critic.low(_situation(self.critic.embed, state, state_types, subgoal))
        return value.squeeze(-1)

    def value_high(self, state: Tensor, state_types: Tensor) -> Tensor:
        """[B] V_H, before a subgoal is chosen."""
        value: Tensor = self.critic.high(_situation(self.critic.embed, state, state_types))
        return value.squeeze(-1)

    def value_switch(self, state: Tensor, state_types: Tensor, subgoal: Subgoal) -> Tensor:
        """[B] V_T, given the subgoal that was running before this turn."""
        value: Tensor = self.critic.switch(
            _situation(self.critic.embed, state, state_types, subgoal)
        )
        return value.squeeze(-1)


@dataclass
class Subgoal:
    """Encoded subgoals of a batch: `features` [B, SUBGOAL_SIZE] and `types` [B, 2]."""

    features: Tensor
    types: Tensor


class Scorer(nn.Module):
    """Scores rows in the context of their turn.

    The first layer is split, so that the context is multiplied once a turn and not once a row.
    """

    def __init__(self, context: int, row: int, hidden: int) -> None:
        super().__init__()
        self.context = nn.Linear(context, hidden)
        self.row = nn.Linear(row, hidden, bias=False)
        self.out = nn.Sequential(nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, context: Tensor, rows: Tensor, owner: Tensor) -> Tensor:
        """[rows] scores."""
        scores: Tensor = self.out(self.row(rows) + self.context(context)[owner])
        return scores.squeeze(-1)


def _input_sizes(config: NetworkConfig) -> tuple[int, int]:
    return encoding.STATE_SIZE + 4 * config.embedding, encoding.SUBGOAL_SIZE + 2 * config.embedding


def _mlp(inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.Tanh(),
        nn.Linear(hidden, hidden),
        nn.Tanh(),
        nn.Linear(hidden, 1),
    )


def _situation(
    embed: nn.Embedding, state: Tensor, state_types: Tensor, subgoal: Subgoal | None = None
) -> Tensor:
    parts = [state, embed(state_types).flatten(1)]
    if subgoal is not None:
        parts += [subgoal.features, embed(subgoal.types).flatten(1)]
    return torch.cat(parts, 1)


def _log_softmax(scores: Tensor, choices: Choices, turns: int) -> Tensor:
    padded = scores.new_full((turns, int(choices.position.max()) + 1), -torch.inf)
    padded[choices.owner, choices.position] = scores
    return padded.log_softmax(1)
