"""The off-policy critic: what comes after a turn, and what it learns to expect."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Player
from hiper_agents.estimators import Needs
from hiper_agents.training.collect import collect
from hiper_agents.training.run import TrainConfig
from hiper_agents.training.twin_critic import Turns, TwinCriticConfig, TwinCriticProvider
from hiper_agents.training.twin_learner import following

CONFIG = TrainConfig(gamma=0.5, twin_critic=TwinCriticConfig(epochs=2, minibatch=64))


def fill(lengths: list[int], terminated: list[bool]) -> OptionRolloutBuffer:
    """Episodes of some lengths, stored turn by turn as they are played."""
    buffer = OptionRolloutBuffer()
    for turn in range(max(lengths)):
        running = [i for i, length in enumerate(lengths) if length > turn]
        last = np.array([lengths[i] == turn + 1 for i in running])
        ended = np.array([terminated[i] for i in running])
        buffer.add(
            reward=0.0,
            terminated=last & ended,
            truncated=last & ~ended,
            boundary=turn == 0,
            value_low=0.0,
            value_high=0.0,
            value_switch=0.0,
            trajectory_id=running,
            turn=turn,
            group_id=0,
            state_key=0,
        )
    return buffer


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=1, max_size=6), st.booleans())
def test_the_next_turn_of_the_same_episode_follows(
    episodes: list[tuple[int, bool]], bootstrap: bool
) -> None:
    lengths, terminated = zip(*episodes, strict=True)
    buffer = fill(list(lengths), list(terminated))
    batch = buffer.batch()
    place = {
        (int(i), int(t)): row
        for row, (i, t) in enumerate(zip(batch.trajectory_id, batch.turn, strict=True))
    }
    for (episode, turn), row in place.items():
        after = following(buffer, bootstrap)[row]
        if turn + 1 < lengths[episode]:
            assert after == place[episode, turn + 1]
        elif bootstrap and not terminated[episode]:
            assert after == row
        else:
            assert after == -1


def test_iterations_keep_their_own_followers() -> None:
    def turns(after: list[int]) -> Turns:
        empty = torch.zeros(len(after), 1)
        return Turns(
            reward=empty[:, 0],
            following=torch.tensor(after),
            state=empty,
            state_types=empty.long(),
            action=empty,
            action_types=empty.long(),
        )

    joined = Turns.concatenate([turns([1, -1]), turns([2, 2, -1])])
    assert joined.following.tolist() == [1, -1, 4, 4, -1]


def played(
    levers: ModuleType, provider_config: TrainConfig, iterations: int
) -> tuple[OptionRolloutBuffer, TwinCriticProvider, dict[str, float]]:
    torch.manual_seed(0)
    domain = levers.LeverDomain()
    network = CompactNetwork(domain.sizes, NetworkConfig(keep_bias=0.0))
    player = Player(network, domain)
    provider = TwinCriticProvider(provider_config, player, Needs())
    rng, buffer = np.random.default_rng(0), OptionRolloutBuffer()
    figures: dict[str, float] = {}
    for _ in range(iterations):
        _, decisions = collect(
            player, levers.Source(), list(range(12)) * 8, buffer, rng, max_turns=6, flat=True
        )
        figures = provider.annotate(buffer, decisions, rng)
    return buffer, provider, figures


def test_it_learns_what_turns_are_worth(levers: ModuleType) -> None:
    quick = replace(CONFIG.twin_critic, follow=0.5, learning_rate=5e-3, epochs=20)
    buffer, _, figures = played(levers, replace(CONFIG, twin_critic=quick), 3)
    batch = buffer.batch()
    assert batch.q_value is not None
    last = batch.terminated
    won = last & (batch.reward == 1.0)
    assert won.any()
    assert (last & ~won).any()
    # The right lever is worth 1, a wrong one nothing, and both are known before they are pulled.
    assert batch.q_value[won].mean() == pytest.approx(1.0, abs=0.15)
    assert batch.q_value[last & ~won].mean() == pytest.approx(0.0, abs=0.15)
    # Before that the worth is less by the discount, and by what may still go wrong.
    first = batch.turn == 0
    assert 0.0 < batch.value_low[first].mean() < 0.5
    assert figures.keys() == {"twin_q", "twin_v"}
    assert 0.0 <= figures["twin_q"] < 0.1


def test_the_lower_twin_is_given(levers: ModuleType) -> None:
    buffer, provider, _ = played(levers, CONFIG, 1)
    turns, rows = provider.learner.kept[-1], torch.arange(len(buffer))
    with torch.no_grad():
        twins = (
            provider.learner.online.q_values(turns, rows),
            provider.learner.online.values(turns, rows),
        )
    batch = buffer.batch()
    assert batch.q_value is not None
    for given_values, pair in zip((batch.q_value, batch.value_low), twins, strict=True):
        np.testing.assert_allclose(given_values, np.minimum(*pair.numpy()), rtol=1e-6)
        assert not torch.equal(*pair)


def test_only_recent_iterations_are_kept(levers: ModuleType) -> None:
    config = replace(CONFIG, twin_critic=TwinCriticConfig(epochs=1, kept=2))
    buffer, provider, _ = played(levers, config, 3)
    assert len(provider.learner.kept) == 2
    assert len(provider.learner.kept[-1].reward) == len(buffer)
