"""Turns for the tests of what learns: written by a policy, token by token, without a cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from transformers import (
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig
from hiper_agents.llm.tiny import VOCABULARY, make_tiny
from hiper_agents.llm.turns import NO_SPAN, TokenSpans, TurnTokens

Choice = np.ndarray | list[int] | int | None
"""A set of ids to choose among, None for the vocabulary, or an id that is forced."""


def tiny_policy(config: PolicyConfig | None = None, *, hidden: int = 32) -> LanguagePolicy:
    return LanguagePolicy(*tiny_model(hidden=hidden), config or PolicyConfig(lora_rank=4))


@torch.no_grad()
def stirred(policy: LanguagePolicy, seed: int = 0) -> LanguagePolicy:
    """Moves adapter, critic and heads away from where they start, which is 0 in many places."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in (*policy.policy_parameters(), *policy.critic_parameters()):
        parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
    return policy


def tiny_model(*, hidden: int = 32) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    return make_tiny(hidden=hidden)


def windowed_model(window: int) -> PreTrainedModel:
    """A model whose attention sees the last few tokens only."""
    config = MistralConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=window,
    )
    return MistralForCausalLM(config)


@torch.no_grad()
def write_turn(
    policy: LanguagePolicy,
    prompt: Sequence[int],
    switch: Sequence[Choice],
    subgoal: Sequence[Choice],
    action: Sequence[Choice],
    rng: np.random.Generator,
    *,
    temperature: float = 1.0,
) -> TurnTokens:
    """Writes a response; each choice is drawn from a softmax over nothing but what is allowed."""
    ids = list(prompt)
    log_probs: list[float] = []
    allowed: list[np.ndarray | None] = []
    choices = [*switch, *subgoal, *action]
    for choice in choices:
        if isinstance(choice, int):
            token, log_prob = choice, 0.0
        else:
            logits = policy.logits(hidden_states(policy, ids)[-1]) / temperature
            options = np.arange(len(logits)) if choice is None else np.sort(np.asarray(choice))
            probabilities = logits[torch.from_numpy(options)].log_softmax(0).double().exp().numpy()
            place = rng.choice(len(options), p=probabilities / probabilities.sum())
            token, log_prob = int(options[place]), float(np.log(probabilities[place]))
            allowed.append(None if choice is None else options.astype(np.int32))
        ids.append(token)
        log_probs.append(log_prob)
    ends = np.cumsum([len(switch), len(subgoal), len(action)]).tolist()
    spans = TokenSpans(
        (0, ends[0]) if switch else NO_SPAN,
        (ends[0], ends[1]) if subgoal else NO_SPAN,
        (ends[1], ends[2]) if action else NO_SPAN,
    )
    hidden = hidden_states(policy, ids)
    before = policy.values(hidden[len(prompt) - 1])
    carried = policy.values(hidden[len(prompt) - 1 + spans.action[0]])
    return TurnTokens(
        prompt=np.array(prompt, np.int32),
        response=np.array(ids[len(prompt) :], np.int32),
        sampled=np.array([not isinstance(choice, int) for choice in choices]),
        log_probs=np.array(log_probs, np.float32),
        allowed=tuple(allowed),
        spans=spans,
        values=np.array([carried[0], before[1], before[2]], np.float32),
        text="",
    )


def hidden_states(policy: LanguagePolicy, ids: Sequence[int]) -> torch.Tensor:
    """[T, H] of one row that nothing is padded in."""
    hidden = policy.trunk(torch.tensor([list(ids)])).last_hidden_state
    assert hidden is not None
    return hidden[0]


def write_turns(policy: LanguagePolicy, count: int, seed: int = 0) -> list[TurnTokens]:
    """Turns of many lengths: forced switches, kept options, free words, single choices."""
    rng = np.random.default_rng(seed)
    most = np.delete(np.arange(policy.model.config.vocab_size), [3, 7])
    turns = []
    for index in range(count):
        prompt = rng.integers(10, 500, size=int(rng.integers(2, 30))).tolist()
        switches = index % 3 == 0
        switch: list[Choice] = [5, 6 if index == 0 else [6, 8], 9]
        subgoal: list[Choice] = [11, most, None, most, 12] if switches else []
        action: list[Choice] = [13, rng.integers(20, 400, size=int(rng.integers(2, 9))), [30, 31]]
        turns.append(write_turn(policy, prompt, switch, subgoal, action[: 2 + index % 2], rng))
    return turns


@lru_cache(maxsize=1)
def _first_turns() -> list[TurnTokens]:
    return write_turns(tiny_policy(), 7)


def first_turns(count: int) -> list[TurnTokens]:
    """What a tiny policy writes before it has learnt anything; written once."""
    return _first_turns()[:count]


def some_advantages(turns: Sequence[TurnTokens], seed: int = 0) -> Advantages:
    """Hierarchical ones: `high` is 0 where no subgoal was written."""
    rng = np.random.default_rng(seed)
    low, high, switch, *returns = rng.normal(size=(6, len(turns)))
    high = np.where([turn.spans.subgoal[1] > 0 for turn in turns], high, 0.0)
    return Advantages(low, high, switch, *returns)
