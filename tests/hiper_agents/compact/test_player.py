"""Playing with the compact network on generated games."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hiper_agents.compact.domain import make_domain
from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Decisions, Instruction, Player, Slot
from hiper_agents.training.ppo import replay
from hiper_envs.alfworld.backends import AlfworldTasks
from hiper_envs.alfworld.data import load_tasks
from hiper_envs.alfworld.subgoals import Subgoal, parse
from hiper_envs.core import Episode


def make_player() -> Player:
    torch.manual_seed(0)
    domain = make_domain("alfworld")
    return Player(CompactNetwork(domain.sizes, NetworkConfig(keep_bias=1.0)), domain)


def begin(count: int) -> tuple[list[Episode], list[Slot]]:
    source = AlfworldTasks(load_tasks("generated"))
    episodes = [Episode(source.open(index), 50) for index in range(count)]
    domain = make_domain("alfworld")
    return episodes, [Slot(domain, episode.info, episode.observation) for episode in episodes]


@pytest.fixture(scope="module")
def history() -> list[Decisions]:
    """Fifteen sampled turns of six episodes."""
    player, rng = make_player(), np.random.default_rng(0)
    episodes, slots = begin(6)
    decisions = []
    for _ in range(15):
        infos = [episode.info for episode in episodes]
        texts, decided = player.act(slots, infos, rng.random((6, 3)), with_values=True)
        decisions.append(decided)
        for episode, slot, text in zip(episodes, slots, texts, strict=True):
            running = slot.subgoal
            observation, _, terminated, _, info = episode.step(text)
            assert not terminated
            assert info["format_valid"]
            assert info["action_valid"]
            assert running is not None
            assert info["subgoal"] == running.text
            assert info["option_step"] == slot.age
            slot.observe(observation, info)
    return decisions


def test_an_option_begins_with_the_first_turn(history: list[Decisions]) -> None:
    assert history[0].boundary.all()
    assert not history[0].asked.any()
    assert not history[0].log_switch.any()


def test_replaying_gives_the_probabilities_that_were_sampled_from(
    history: list[Decisions],
) -> None:
    together = Decisions.concatenate(history)
    turns = np.random.default_rng(1).permutation(len(together.boundary))[:40]
    with torch.no_grad():
        now = replay(make_player().network, together, turns)
    asked = now.asked.numpy()
    np.testing.assert_allclose(
        now.log_switch.numpy()[asked], together.log_switch[turns][asked], atol=1e-5
    )
    np.testing.assert_allclose(now.log_action, together.log_action[turns], atol=1e-5)
    np.testing.assert_allclose(now.log_subgoal, together.log_subgoal[now.planned], atol=1e-5)
    np.testing.assert_allclose(now.value_low, together.values[turns, 0], atol=1e-5)
    np.testing.assert_allclose(now.value_high, together.values[now.boundaries, 1], atol=1e-5)
    np.testing.assert_allclose(now.value_switch, together.values[turns, 2], atol=1e-5)


def test_a_slot_plays_alike_in_any_batch() -> None:
    player = make_player()
    texts = []
    for size in (1, 5):
        episodes, slots = begin(size)
        draws = np.random.default_rng(3).random((size, 3))
        draws[0] = 0.4
        texts.append(player.act(slots, [e.info for e in episodes], draws)[0][0])
    assert texts[0] == texts[1]


def test_an_option_ends_when_it_is_achieved_or_impossible() -> None:
    (episode,), (slot,) = begin(1)
    slot.begin(Subgoal("find", "mug"))
    info = {**episode.info, "action": "take mug 1 from desk 1", "action_valid": True}
    slot.observe("You pick up the mug 1 from the desk 1.", info)
    assert slot.outcome == "achieved"
    slot.begin(Subgoal("heat", "mug"))
    slot.observe("You move the mug 1 to the desk 1.", {**info, "action": "move mug 1 to desk 1"})
    assert slot.outcome == "impossible"


def test_a_switch_begins_another_subgoal() -> None:
    player = make_player()
    rng = np.random.default_rng(5)
    episodes, slots = begin(8)
    switches = 0
    for _ in range(25):
        running = [(slot.subgoal, slot.outcome) for slot in slots]
        draws = rng.random((8, 3))
        draws[:, 0] = 0.0  # the switch head says SWITCH wherever it is asked
        texts, decided = player.act(slots, [e.info for e in episodes], draws)
        for i, (subgoal, outcome) in enumerate(running):
            if outcome == "running" and decided.boundary[i]:
                switches += 1
                assert slots[i].subgoal != subgoal
            elif outcome == "running":
                assert not decided.asked[i]
            observation, _, _, _, info = episodes[i].step(texts[i])
            slots[i].observe(observation, info)
    assert switches > 20


def test_a_script_is_followed_where_it_is_permitted() -> None:
    player = make_player()
    (episode,), (slot,) = begin(1)
    subgoal = parse(f"find a {slot.memory.spec.object_type}")
    assert subgoal is not None
    go = next(a for a in episode.info["admissible_actions"] if a.startswith("go to"))
    (text,), decisions = player.act([slot], [episode.info], None, script=[Instruction(subgoal, go)])
    assert text.endswith(f"<action>{go}</action>")
    assert slot.subgoal == subgoal
    assert decisions.boundary.tolist() == [True]
