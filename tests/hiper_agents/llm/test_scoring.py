"""A pass over recorded turns finds what was recorded while they were written."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from hiper_agents.llm.generation import Generator
from hiper_agents.llm.grammar import ResponseGrammar
from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig
from hiper_agents.llm.responder import GenerationConfig
from hiper_agents.llm.scoring import (
    OUTSIDE,
    ChosenTokens,
    log_probs_of,
    score,
    score_values,
    values_of,
)
from hiper_agents.llm.turns import TokenSpans, TurnTokens


@pytest.fixture(scope="module")
def policy(learning: ModuleType) -> LanguagePolicy:
    """A policy whose heads and adapter are not 0."""
    return learning.stirred(learning.tiny_policy())


@pytest.fixture(scope="module")
def turns(learning: ModuleType, policy: LanguagePolicy) -> list[TurnTokens]:
    return learning.write_turns(policy, 7)


def test_it_finds_the_recorded_numbers(policy: LanguagePolicy, turns: list[TurnTokens]) -> None:
    recorded = np.concatenate([turn.log_probs[turn.sampled] for turn in turns])
    seen, parts = 0, 0
    for part in score(policy, turns, temperature=1.0, max_tokens=90, grad=False, values=True):
        assert not part.log_probs.requires_grad
        np.testing.assert_allclose(part.log_probs, recorded[part.chosen], atol=1e-5)
        expected = np.stack([turns[turn].values for turn in part.turns])
        np.testing.assert_allclose(part.values, expected, atol=1e-5)
        seen, parts = seen + len(part.turns), parts + 1
    assert seen == len(turns)
    assert parts > 1, "one micro-batch would not show what padding does"


@pytest.mark.parametrize("structured", [True, False])
def test_it_finds_what_the_generator_recorded(policy: LanguagePolicy, structured: bool) -> None:
    grammar = ResponseGrammar(
        policy.tokenizer, structured=structured, max_subgoal_tokens=5, max_response_tokens=12
    )
    actions = ["go to desk 1", "go to desk 2", "look", "take mug 1 from desk 2"]
    states = [grammar.begin(actions[i:], must_switch=i == 0) for i in range(4)]
    prompts = [[9, 8, 7], [30] * 12, [40, 41], [50, 60, 70, 80]]
    generator = Generator(policy, GenerationConfig(temperature=0.8))
    turns = generator.respond(prompts, states, np.random.default_rng(0))
    found = log_probs_of(policy, turns, temperature=0.8, max_tokens=60)
    for turn, log_probs in zip(turns, found, strict=True):
        np.testing.assert_allclose(log_probs, turn.log_probs[turn.sampled], atol=1e-4)
    recorded = np.stack([turn.values for turn in turns])
    np.testing.assert_allclose(values_of(policy, turns, max_tokens=60), recorded, atol=1e-4)


def test_values_are_found_in_little_memory(policy: LanguagePolicy, turns: list[TurnTokens]) -> None:
    expected = values_of(policy, turns, max_tokens=500)
    tried = []

    def allocate(_: Any, args: tuple[torch.Tensor, ...]) -> None:
        tried.append(args[0].shape[0] * args[0].shape[1])
        if tried[-1] > 90:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    hook = policy.model.base_model.layers[-1].register_forward_pre_hook(allocate)
    try:
        found = values_of(policy, turns, max_tokens=500)
    finally:
        hook.remove()
    assert max(tried) > 90
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_padding_does_not_matter(policy: LanguagePolicy, turns: list[TurnTokens]) -> None:
    alone = log_probs_of(policy, turns, temperature=1.0, max_tokens=1)
    together = log_probs_of(policy, turns, temperature=1.0, max_tokens=10_000)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(
        values_of(policy, turns, max_tokens=1), values_of(policy, turns, max_tokens=500), atol=1e-5
    )


def test_temperature(learning: ModuleType, policy: LanguagePolicy) -> None:
    rng = np.random.default_rng(3)
    free = [[20, 30, 40], None, [50, 60]]
    turn = learning.write_turn(policy, [9, 8, 7], [5], [], free, rng, temperature=0.6)
    (log_probs,) = log_probs_of(policy, [turn], temperature=0.6, max_tokens=99)
    np.testing.assert_allclose(log_probs, turn.log_probs[1:], atol=1e-5)
    (warmer,) = log_probs_of(policy, [turn], temperature=1.0, max_tokens=99)
    assert np.abs(warmer - log_probs).max() > 1e-3


def test_entropies_by_hand(learning: ModuleType, policy: LanguagePolicy) -> None:
    ids = [9, 8, 7]
    large = np.arange(0, 1000 if policy.model.config.vocab_size > 1000 else 600, dtype=np.int32)
    turn = TurnTokens(
        prompt=np.array(ids, np.int32),
        response=np.array([20, 5, 7], np.int32),
        sampled=np.array([True, True, True]),
        log_probs=np.zeros(3, np.float32),
        allowed=(np.array([20, 30], np.int32), None, large),
        spans=TokenSpans(action=(0, 3)),
        values=np.zeros(3, np.float32),
        text="",
    )
    (part,) = score(policy, [turn], temperature=1.0, max_tokens=99, grad=True)
    logits = policy.logits(learning.hidden_states(policy, [*ids, 20, 5]))[2:]
    picked = [logits[0, [20, 30]], logits[1], logits[2, : len(large)]]
    expected = [torch.distributions.Categorical(logits=row) for row in picked]
    torch.testing.assert_close(
        part.entropies, torch.stack([one.entropy() for one in expected]).detach()
    )
    torch.testing.assert_close(
        part.log_probs,
        torch.stack(
            [one.log_prob(torch.tensor(i)) for one, i in zip(expected, (0, 5, 7), strict=True)]
        ),
    )
    assert not part.entropies.requires_grad
    (part,) = score(policy, [turn], temperature=1.0, max_tokens=99, grad=True, grad_entropy=True)
    gradients = torch.autograd.grad(part.entropies.sum(), policy.policy_parameters())
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_a_forced_token_has_no_say(policy: LanguagePolicy, turns: list[TurnTokens]) -> None:
    chosen = ChosenTokens.of(turns)
    assert len(chosen.token) == sum(int(turn.sampled.sum()) for turn in turns)
    forced = replace(
        turns[0], sampled=np.zeros_like(turns[0].sampled), allowed=(), spans=TokenSpans()
    )
    (part,) = score(policy, [forced], temperature=1.0, max_tokens=99, grad=True)
    assert len(part.log_probs) == len(part.entropies) == 0
    assert list(score(policy, [], temperature=1.0, max_tokens=99, grad=False)) == []


def test_chosen_tokens_know_their_blocks(turns: list[TurnTokens]) -> None:
    # Turn 3: forced, chosen, forced | forced, 3 chosen, forced | forced, 2 chosen.
    chosen = ChosenTokens.of(turns)
    own = chosen.turn == 3
    assert chosen.block[own].tolist() == [0, 1, 1, 1, 2, 2]
    before = np.array([1, 4, 5, 6, 9, 10]) + len(turns[3].prompt) - 1
    assert chosen.before[own].tolist() == before.tolist()
    outside = replace(turns[3], spans=TokenSpans(action=(8, 11)))
    assert ChosenTokens.of([outside]).block.tolist() == [OUTSIDE] * 4 + [2, 2]
    with pytest.raises(ValueError, match="6 chosen tokens, but 5 choices"):
        ChosenTokens.of([replace(turns[3], allowed=turns[3].allowed[1:])])


@pytest.mark.parametrize("rank", [4, 0])
def test_a_separate_critic_judges_with_weights_of_its_own(learning: ModuleType, rank: int) -> None:
    config = PolicyConfig(lora_rank=rank, critic="separate")
    policy = learning.stirred(learning.tiny_policy(config))
    turns = learning.write_turns(policy, 3)
    trunk = np.stack([turn.values for turn in turns])  # of the policy's hidden states: wrong ones
    values = values_of(policy, turns, max_tokens=60)
    assert np.abs(values - trunk).max() > 1e-3
    with policy.critic():
        hidden = learning.hidden_states(policy, [*turns[0].prompt, *turns[0].response])
    expected = policy.values(hidden)[[turns[0].low_anchor, len(turns[0].prompt) - 1]]
    np.testing.assert_allclose(values[0], expected.detach()[[0, 1, 1], [0, 1, 2]], atol=1e-5)
    # Afterwards the policy is the policy again.
    found = log_probs_of(policy, turns, temperature=1.0, max_tokens=60)
    np.testing.assert_allclose(found[0], turns[0].log_probs[turns[0].sampled], atol=1e-5)


def test_bfloat16_is_close(learning: ModuleType) -> None:
    policy, other = learning.tiny_policy(), learning.tiny_model()[0].bfloat16()
    turns = learning.write_turns(policy, 4)
    narrow = LanguagePolicy(other, policy.tokenizer, policy.config)
    expected = np.concatenate(log_probs_of(policy, turns, temperature=1.0, max_tokens=99))
    found = np.concatenate(log_probs_of(narrow, turns, temperature=1.0, max_tokens=99))
    assert found.dtype == np.float32
    difference = np.abs(found - expected)
    assert 0 < difference.mean() < 0.03


def test_gradients_reach_the_critics_weights_only(learning: ModuleType) -> None:
    policy = learning.stirred(learning.tiny_policy(PolicyConfig(lora_rank=4, critic="separate")))
    turns = learning.write_turns(policy, 2)
    with policy.critic():
        for _, values in score_values(policy, turns, max_tokens=99, grad=True):
            values.sum().backward()
    assert all(parameter.grad is None for parameter in policy.policy_parameters())
    assert all(parameter.grad is not None for parameter in policy.critic_parameters())
