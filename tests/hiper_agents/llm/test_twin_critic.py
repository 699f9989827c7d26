"""The off-policy critic of a language model: what it reads, and what it learns to expect."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.estimators import Needs
from hiper_agents.llm.config import LanguageTrainConfig
from hiper_agents.llm.twin_critic import KeptTurns, TwinCriticConfig, TwinCriticProvider, features
from hiper_agents.training.ranks import Ranks
from hiper_base.errors import HiperError

CONFIG = LanguageTrainConfig(
    gamma=0.5, twin_critic=TwinCriticConfig(hidden=16, epochs=2, minibatch=64)
)


def fill(rewards: list[list[float]]) -> OptionRolloutBuffer:
    """Episodes one after the other, all of which terminate."""
    buffer = OptionRolloutBuffer()
    for number, episode in enumerate(rewards):
        for turn, reward in enumerate(episode):
            buffer.add(
                reward=reward,
                terminated=turn == len(episode) - 1,
                truncated=False,
                boundary=turn == 0,
                value_low=0.0,
                value_high=0.0,
                value_switch=0.0,
                trajectory_id=[number],
                turn=turn,
                group_id=0,
                state_key=0,
            )
    return buffer


def provider(learning: ModuleType, config: LanguageTrainConfig = CONFIG) -> TwinCriticProvider:
    policy, player = learning.tiny_policy(), None
    return TwinCriticProvider(config, policy, player, Needs())  # type: ignore[arg-type]


def test_it_reads_the_frozen_start_where_prompts_and_responses_end(learning: ModuleType) -> None:
    policy, turns = learning.tiny_policy(), learning.first_turns(5)
    read = features(policy, turns, max_tokens=64)
    assert read.shape == (5, 2, policy.hidden_size)
    with torch.no_grad():
        for row, turn in zip(read, turns, strict=True):
            hidden = learning.hidden_states(policy, [*turn.prompt, *turn.response])
            for found, place in zip(row, (len(turn.prompt) - 1, -1), strict=True):
                centred = hidden[place] - hidden[place].mean()
                torch.testing.assert_close(
                    found.float(), centred / centred.std(unbiased=False), atol=2e-3, rtol=0
                )
    # What the policy learns does not change what has been kept.
    assert torch.equal(read, features(learning.stirred(policy), turns, max_tokens=64))


def test_it_learns_what_turns_are_worth(learning: ModuleType) -> None:
    quick = TwinCriticConfig(hidden=32, epochs=150, learning_rate=5e-3, follow=0.5)
    critic = provider(learning, replace(CONFIG, twin_critic=quick))
    turns = learning.first_turns(6)
    buffer = fill([[0.0, 0.0, 4.0], [0.0, 1.0], [-2.0]])
    figures = critic.annotate(buffer, turns, np.random.default_rng(0))
    batch = buffer.batch()
    assert batch.q_value is not None
    expected = [1.0, 2.0, 4.0, 0.5, 1.0, -2.0]
    np.testing.assert_allclose(batch.q_value, expected, atol=0.35)
    np.testing.assert_allclose(batch.value_low, expected, atol=0.35)
    assert figures.keys() == {"twin_q", "twin_v"}
    # The lower twin is given.
    read, rows = critic.learner.kept[-1], torch.arange(6)
    with torch.no_grad():
        twins = critic.learner.online.q_values(read, rows), critic.learner.online.values(read, rows)
    for given, pair in zip((batch.q_value, batch.value_low), twins, strict=True):
        np.testing.assert_allclose(given, np.minimum(*pair.numpy()), rtol=1e-5)
        assert not torch.equal(*pair)


def test_only_recent_iterations_are_kept_and_come_back(learning: ModuleType) -> None:
    config = replace(CONFIG, twin_critic=TwinCriticConfig(hidden=4, epochs=1, kept=2))
    critic, other = provider(learning, config), provider(learning, config)
    turns = learning.first_turns(3)
    for _ in range(3):
        critic.annotate(fill([[0.0, 1.0], [0.0]]), turns, np.random.default_rng(0))
    state = critic.state()
    assert {name.split(".")[1] for name in state if name.startswith("kept.")} == {"0", "1"}
    other.restore(state)
    restored = other.state()
    assert restored.keys() == state.keys()
    assert all(torch.equal(restored[name], state[name]) for name in state)
    for one in (critic, other):
        one.annotate(fill([[0.0, 1.0], [0.0]]), turns, np.random.default_rng(0))
    final = critic.state()
    assert all(torch.equal(tensor, final[name]) for name, tensor in other.state().items())
    with pytest.raises(KeyError):
        provider(learning, config).restore({})


def test_iterations_and_processes_keep_their_own_followers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = Ranks(rank=1, size=2)
    monkeypatch.setattr(Ranks, "gather", lambda self, mine: [5, mine])

    def below(self: Ranks, mine: dict[str, Any]) -> dict[str, Any]:
        return mine

    monkeypatch.setattr(Ranks, "gather_arrays", below)
    parts = [
        KeptTurns.of(fill([[0.0, 1.0], [0.0]]), torch.zeros(3, 2, 1).half(), False, ranks)
        for ranks in (Ranks(), second)
    ]
    assert parts[0].following.tolist() == [1, -1, -1]
    assert parts[1].following.tolist() == [6, -1, -1]
    joined = KeptTurns.concatenate([parts[0], parts[0]])
    assert joined.following.tolist() == [1, -1, -1, 4, -1, -1]


def test_numbers_out_of_range_are_errors() -> None:
    for changes in ({"kept": 0}, {"follow": 0.0}):
        with pytest.raises(HiperError):
            replace(TwinCriticConfig(), **changes)
