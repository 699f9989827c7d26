"""The divergence between the policy and the policy that is told the plan."""

from __future__ import annotations

import math
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hiper_agents.estimators import Needs
from hiper_agents.llm.assembly import make_player
from hiper_agents.llm.config import LanguageTrainConfig
from hiper_agents.llm.divergence import DivergenceProvider, divergences, jensen_shannon
from hiper_agents.llm.prompts import PromptConfig
from hiper_agents.llm.responder import GenerationConfig
from hiper_base.errors import HiperError
from hiper_envs.core import Episode

WEIGHTS = st.lists(st.integers(0, 9), min_size=4, max_size=4).filter(any)


@given(WEIGHTS, WEIGHTS)
def test_it_is_a_bounded_symmetric_distance(first: list[int], second: list[int]) -> None:
    p, q = (torch.tensor([weights], dtype=torch.float32).log() for weights in (first, second))
    distance = jensen_shannon(p, q).item()
    assert 0.0 <= distance <= math.log(2.0) + 1e-6
    assert distance == pytest.approx(jensen_shannon(q, p).item(), abs=1e-6)
    assert jensen_shannon(p, p + 3.0).item() == pytest.approx(0.0, abs=1e-6)
    if not any(a and b for a, b in zip(first, second, strict=True)):
        assert distance == pytest.approx(math.log(2.0), abs=1e-6)


def test_it_by_hand() -> None:
    # Both put half on the first, where they agree, and half where the other has nothing.
    p, q = torch.tensor([[1.0, 1.0, 0.0]]).log(), torch.tensor([[1.0, 0.0, 1.0]]).log()
    assert jensen_shannon(p, q).item() == pytest.approx(0.5 * math.log(2.0))


def test_a_turn_is_the_mean_over_its_chosen_tokens(learning: ModuleType) -> None:
    policy = learning.stirred(learning.tiny_policy())
    turns = learning.first_turns(6)
    rng = np.random.default_rng(1)
    prompts = [rng.integers(10, 500, size=5 + i).astype(np.int32) for i in range(len(turns))]
    prompts[2] = turns[2].prompt
    found = divergences(policy, turns, prompts, temperature=0.7, max_tokens=64)
    with torch.no_grad():
        expected = [
            slow(policy, learning, turn, prompt)  # type: ignore[no-untyped-call]
            for turn, prompt in zip(turns, prompts, strict=True)
        ]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[2] == pytest.approx(0.0, abs=1e-6)
    assert (found[[0, 1, 3, 4, 5]] > 0.0).all()
    whole = divergences(policy, turns, prompts, temperature=0.7, max_tokens=10_000)
    np.testing.assert_allclose(found, whole, atol=1e-6)


def slow(policy, learning, turn, prompt):  # type: ignore[no-untyped-def]
    """One turn, token by token."""
    own = learning.hidden_states(policy, [*turn.prompt, *turn.response])[len(turn.prompt) - 1 :]
    told = learning.hidden_states(policy, [*prompt, *turn.response])[len(prompt) - 1 :]
    allowed, total = iter(turn.allowed), 0.0
    for place in np.flatnonzero(turn.sampled):
        ids = next(allowed)
        p, q = (
            (policy.logits(hidden[place]) / 0.7)[slice(None) if ids is None else ids.tolist()]
            .softmax(0)
            .double()
            for hidden in (own, told)
        )
        middle = (p + q) / 2
        total += ((p * (p / middle).log()).sum() + (q * (q / middle).log()).sum()).item() / 2
    return total / turn.sampled.sum()


def test_a_turn_without_a_choice_does_not_diverge(learning: ModuleType) -> None:
    policy, turn = learning.tiny_policy(), learning.first_turns(1)[0]
    forced = replace(turn, sampled=np.zeros_like(turn.sampled), allowed=())
    found = divergences(policy, [forced], [turn.prompt[:1]], temperature=1.0, max_tokens=64)
    assert found.tolist() == [0.0]
    assert len(divergences(policy, [], [], temperature=1.0, max_tokens=64)) == 0


def test_the_told_prompt_says_the_plan_and_nothing_else_more(
    learning: ModuleType, levers: ModuleType
) -> None:
    policy = learning.tiny_policy()
    config = LanguageTrainConfig(prompt=PromptConfig(template="compact"))
    player = make_player(policy, config, GenerationConfig())
    provider = DivergenceProvider(config, policy, player, Needs())
    provider.begin(levers.Source(), [0], np.zeros(1, np.int64), np.random.default_rng(0))
    for reference in (True, False):
        episode = Episode(levers.Source(reference).open(0), 5)
        slot = player.open(episode.info, episode.observation)
        turns = player.act([slot], np.random.default_rng(0))
        if not reference:
            with pytest.raises(HiperError, match="no expert"):
                provider.decided([slot], turns)
            return
        provider.decided([slot], turns)
        (told,) = provider._prompts
        assert told is not None
        seen, knows = (policy.tokenizer.decode(ids.tolist()) for ids in (turns[0].prompt, told))
        assert "Plan: unlock\n" in knows
        assert knows.replace("Plan: unlock\n", "", 1) == seen
