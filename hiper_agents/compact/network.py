"""The compact agent's network: switch head, planner, executor, and a critic with three heads.

All choices are scored, not enumerated: the planner scores the candidate subgoals of a turn, the
executor the permitted actions, so that both sets may differ from turn to turn. The module knows
nothing about texts; what its inputs mean is up to a domain. Where a domain composes actions of
words, each word is in or out by its own score.

With strategies, all three decisions read the embedding of the episode's strategy besides the state:
`state_types` then has one more column, its number. The critic does not read it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hiper_agents.compact.domain import Sizes
from hiper_agents.compact.rows import Rows


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
    word_bias: float = 3.0
    """Initial logit of every word of a composed action: queries begin long rather than empty."""
    strategies: int = 0
    """Strategies to choose from at the start of an episode; 0 for none. Set by training where the
    estimator asks for strategies."""


@dataclass
class Choices:
    """Rows to choose from, as tensors; see `rows.Rows`."""

    features: Tensor
    types: Tensor
    owner: Tensor
    position: Tensor

    @classmethod
    def of(cls, rows: Rows) -> Choices:
        """Wraps numpy rows without copying them."""
        return cls(*(torch.from_numpy(array) for array in vars(rows).values()))


class Critic(nn.Module):
    """V_L(state, subgoal), V_H(state) and V_T(state, running subgoal).

    Args:
        sizes: Widths of the inputs.
        config: Widths inside.
    """

    def __init__(self, sizes: Sizes, config: NetworkConfig) -> None:
        super().__init__()
        self.embed = nn.Embedding(sizes.vocabulary, config.embedding)
        state, subgoal = _input_sizes(sizes, config)
        self.low = mlp(state + subgoal, config.hidden)
        self.high = mlp(state, config.hidden)
        self.switch = mlp(state + subgoal, config.hidden)


class CompactNetwork(nn.Module):
    """One policy with three decisions a turn, and its critic.

    Args:
        sizes: Widths of the inputs, as the domain gives them.
        config: Widths inside, and the biases.
    """

    def __init__(self, sizes: Sizes, config: NetworkConfig) -> None:
        super().__init__()
        self.sizes = sizes
        self.embed = nn.Embedding(sizes.vocabulary, config.embedding)
        bare, subgoal = _input_sizes(sizes, config)
        state = bare + (config.embedding if config.strategies else 0)
        self.switch = mlp(state + subgoal, config.hidden)
        rows = sizes.candidate + sizes.subgoal_types * config.embedding
        self.planner = Scorer(state, rows, config.hidden)
        rows = sizes.move + sizes.move_types * config.embedding
        self.executor = Scorer(state + subgoal, rows, config.hidden)
        self.achieve_bias = nn.Parameter(torch.tensor(config.achieve_bias))
        self.critic = Critic(sizes, config)
        self.speller: Scorer | None = None
        if sizes.word:
            self.embed_words = nn.Embedding(sizes.word_vocabulary, config.embedding)
            # At first no word is better than another one for being this word.
            nn.init.zeros_(self.embed_words.weight)
            rows = sizes.word + sizes.word_types * config.embedding
            self.speller = Scorer(state + subgoal, rows, config.hidden, config.word_bias)
        self.strategist: nn.Sequential | None = None
        if config.strategies:
            self.embed_strategies = nn.Embedding(config.strategies, config.embedding)
            self.strategist = mlp(bare, config.hidden, config.strategies)
        with torch.no_grad():
            last = self.switch[-1]
            assert isinstance(last, nn.Linear)
            last.bias.fill_(-config.keep_bias)

    def word_parameters(self) -> list[nn.Parameter]:
        """The parameters of the choice of words; none where no action is composed."""
        if self.speller is None:
            return []
        return [*self.embed_words.parameters(), *self.speller.parameters()]

    def devise(self, state: Tensor, state_types: Tensor) -> Tensor:
        """[B, strategies] log-probabilities of the strategies, at the start of an episode.

        A column of strategies in `state_types` is not read.
        """
        assert self.strategist is not None, "this network knows no strategies"
        types = state_types[:, : self.sizes.state_types]
        logits: Tensor = self.strategist(_situation(self.embed, state, types))
        return logits.log_softmax(1)

    def switch_logits(self, state: Tensor, state_types: Tensor, subgoal: Subgoal) -> Tensor:
        """[B] log-odds of SWITCH given the running subgoal."""
        logits: Tensor = self.switch(self._situation(state, state_types, subgoal))
        return logits.squeeze(-1)

    def plan(self, state: Tensor, state_types: Tensor, choices: Choices) -> Tensor:
        """[B, most candidates] log-probabilities of the candidates, -inf where there is none."""
        context = self._situation(state, state_types)
        rows = torch.cat([choices.features, self.embed(choices.types).flatten(1)], 1)
        return _log_softmax(self.planner(context, rows, choices.owner), choices, len(state))

    def execute(
        self, state: Tensor, state_types: Tensor, subgoal: Subgoal, choices: Choices
    ) -> Tensor:
        """[B, most actions] log-probabilities of the actions, -inf where there is none."""
        context = self._situation(state, state_types, subgoal)
        rows = torch.cat([choices.features, self.embed(choices.types).flatten(1)], 1)
        scores = self.executor(context, rows, choices.owner)
        scores = scores + self.achieve_bias * choices.features[:, self.sizes.achieves]
        return _log_softmax(scores, choices, len(state))

    def spell(
        self, state: Tensor, state_types: Tensor, subgoal: Subgoal, choices: Choices
    ) -> Tensor:
        """[rows] log-odds of every word to be in the composed action of its turn."""
        assert self.speller is not None, "no action of this domain is composed of words"
        context = self._situation(state, state_types, subgoal)
        rows = torch.cat([choices.features, self.embed_words(choices.types).flatten(1)], 1)
        scores: Tensor = self.speller(context, rows, choices.owner)
        return scores

    def value_low(self, state: Tensor, state_types: Tensor, subgoal: Subgoal) -> Tensor:
        """[B] V_L, given the subgoal that is carried out."""
        return self._value(self.critic.low, state, state_types, subgoal)

    def value_high(self, state: Tensor, state_types: Tensor) -> Tensor:
        """[B] V_H, before a subgoal is chosen."""
        return self._value(self.critic.high, state, state_types)

    def value_switch(self, state: Tensor, state_types: Tensor, subgoal: Subgoal) -> Tensor:
        """[B] V_T, given the subgoal that was running before this turn."""
        return self._value(self.critic.switch, state, state_types, subgoal)

    def _situation(
        self, state: Tensor, state_types: Tensor, subgoal: Subgoal | None = None
    ) -> Tensor:
        if self.strategist is None:
            return _situation(self.embed, state, state_types, subgoal)
        situation = _situation(self.embed, state, state_types[:, :-1], subgoal)
        return torch.cat([situation, self.embed_strategies(state_types[:, -1])], 1)

    def _value(
        self,
        head: nn.Sequential,
        state: Tensor,
        state_types: Tensor,
        subgoal: Subgoal | None = None,
    ) -> Tensor:
        types = state_types[:, : self.sizes.state_types]
        value: Tensor = head(_situation(self.critic.embed, state, types, subgoal))
        return value.squeeze(-1)


@dataclass
class Subgoal:
    """Encoded subgoals of a batch: `features` and `types`, one row a turn."""

    features: Tensor
    types: Tensor


class Scorer(nn.Module):
    """Scores rows in the context of their turn.

    The first layer is split, so that the context is multiplied once a turn and not once a row.
    """

    def __init__(self, context: int, row: int, hidden: int, bias: float | None = None) -> None:
        super().__init__()
        self.context = nn.Linear(context, hidden)
        self.row = nn.Linear(row, hidden, bias=False)
        last = nn.Linear(hidden, 1)
        self.out = nn.Sequential(nn.ReLU(), last)
        if bias is not None:
            nn.init.constant_(last.bias, bias)

    def forward(self, context: Tensor, rows: Tensor, owner: Tensor) -> Tensor:
        """[rows] scores."""
        scores: Tensor = self.out(self.row(rows) + self.context(context)[owner])
        return scores.squeeze(-1)


def _input_sizes(sizes: Sizes, config: NetworkConfig) -> tuple[int, int]:
    state = sizes.state + sizes.state_types * config.embedding
    return state, sizes.subgoal + sizes.subgoal_types * config.embedding


def mlp(inputs: int, hidden: int, outputs: int = 1) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.Tanh(),
        nn.Linear(hidden, hidden),
        nn.Tanh(),
        nn.Linear(hidden, outputs),
    )


def _situation(
    embed: nn.Embedding, state: Tensor, state_types: Tensor, subgoal: Subgoal | None = None
) -> Tensor:
    parts = [state, embed(state_types).flatten(1)]
    if subgoal is not None:
        parts += [subgoal.features, embed(subgoal.types).flatten(1)]
    return torch.cat(parts, 1)


def _log_softmax(scores: Tensor, choices: Choices, turns: int) -> Tensor:
    # A minibatch in which every turn keeps its option has no subgoals to choose among.
    width = int(choices.position.max()) + 1 if len(scores) else 1
    padded = scores.new_full((turns, width), -torch.inf)
    padded[choices.owner, choices.position] = scores
    return padded.log_softmax(1)
