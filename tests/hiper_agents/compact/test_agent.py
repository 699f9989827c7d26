"""The compact agent behind the agent protocol: what it tells of its turns."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch

from hiper_agents.compact.agent import CompactAgent
from hiper_agents.compact.domain import make_domain
from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Player
from hiper_envs.alfworld.backends import AlfworldTasks
from hiper_envs.alfworld.data import load_tasks
from hiper_envs.core import Episode


def make_player() -> Player:
    torch.manual_seed(0)
    domain = make_domain("alfworld")
    return Player(CompactNetwork(domain.sizes, NetworkConfig(keep_bias=1.0)), domain)


@pytest.mark.parametrize("greedy", [True, False])
def test_it_tells_the_values_that_the_critic_gives(greedy: bool) -> None:
    source = AlfworldTasks(load_tasks("generated"))
    episodes = [Episode(source.open(task), 9) for task in range(2)]
    agent = CompactAgent(make_player(), greedy=greedy)
    agent.reset([source.open(task).info for task in range(2)])
    assert agent.turn_details == []
    known = make_player()
    slots = [known.open(episode.info, episode.observation) for episode in episodes]
    rngs = copy.deepcopy(agent._rngs)
    for turn in range(2):
        infos = [episode.info for episode in episodes]
        texts = agent.act([episode.observation for episode in episodes], infos)
        draws = None if greedy else np.stack([rng.random(known.draws) for rng in rngs])
        expected, decided = known.act(slots, infos, draws, with_values=True)
        assert texts == expected
        details = agent.turn_details
        json.dumps(details, allow_nan=False)
        told = np.array([each["values"] for each in details if each is not None])
        np.testing.assert_array_equal(told, decided.values)
        assert np.ptp(told) > 0
        for episode, slot, text in zip(episodes, slots, texts, strict=True):
            if turn == 0:
                episode.step(text)
                slot.observe(episode.observation, episode.info)
    # The second is shown again as it was, like an episode that has ended.
    observation, _, _, _, info = episodes[0].step("look")
    agent.act([observation, episodes[1].observation], [info, infos[1]])
    assert [each is not None for each in agent.turn_details] == [True, False]
