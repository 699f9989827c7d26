"""Collecting whole episodes into the buffer."""

from __future__ import annotations

import numpy as np
import torch

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.compact.domain import make_domain
from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Decisions, Player
from hiper_agents.environments import make_env
from hiper_agents.training.collect import collect
from hiper_agents.training.trainer import Episodes

TASKS = [0, 3, 3, 7, 11, 2]


def collected(flat: bool = False) -> tuple[OptionRolloutBuffer, Episodes, Decisions]:
    torch.manual_seed(0)
    domain = make_domain("alfworld")
    player = Player(CompactNetwork(domain.sizes, NetworkConfig()), domain)
    buffer = OptionRolloutBuffer()
    source = make_env("HiPER-ALFWorld-v0", "generated").source
    rng = np.random.default_rng(0)
    played = collect(player, source, TASKS, buffer, rng, max_turns=15, flat=flat)
    return (buffer, *played)


def test_every_episode_is_whole_and_in_the_buffer() -> None:
    buffer, episodes, decisions = collected()
    batch = buffer.batch()
    assert len(batch) == episodes.turns.sum() == len(decisions.boundary)
    ended = batch.terminated | batch.truncated
    assert sorted(batch.trajectory_id[ended].tolist()) == list(range(len(TASKS)))
    np.testing.assert_array_equal(np.bincount(batch.trajectory_id), episodes.turns)
    np.testing.assert_array_equal(
        np.bincount(batch.trajectory_id, weights=batch.boundary), episodes.options
    )
    assert [TASKS[i] for i in batch.trajectory_id.tolist()] == batch.group_id.tolist()
    # The reward is the benchmark's own: one for success, at the end.
    won = np.bincount(batch.trajectory_id, weights=batch.reward) == 1.0
    np.testing.assert_array_equal(won, episodes.won)


def test_equal_first_observations_have_equal_state_keys() -> None:
    buffer, _, _ = collected()
    batch = buffer.batch()
    first = {
        int(batch.trajectory_id[i]): batch.state_key[i] for i in np.flatnonzero(batch.turn == 0)
    }
    assert first[1] == first[2] != first[0]


def test_a_flat_estimator_gets_the_value_before_the_turn() -> None:
    hierarchical, _, decisions = collected()
    flat, _, _ = collected(flat=True)
    values = decisions.values
    np.testing.assert_allclose(hierarchical.batch().value_low, values[:, 0])
    np.testing.assert_allclose(flat.batch().value_low, values[:, 2])
    np.testing.assert_array_equal(hierarchical.batch().value_switch, flat.batch().value_low)
