"""How options begin and end under each rule, on generated games."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from hiper_agents.compact.domain import make_domain
from hiper_agents.compact.flat import domain_under
from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Decisions, Player
from hiper_agents.compact.slot import OptionRules, Slot, reference_subgoal
from hiper_agents.environments import make_env
from hiper_base.errors import HiperError
from hiper_envs.alfworld.subgoals import Subgoal
from hiper_envs.core import Episode

TURNS = 16
EPISODES = 8


def play(
    rules: OptionRules, watch: Callable[[list[Slot], list[Episode]], None] | None = None
) -> list[Decisions]:
    """Plays some turns of some episodes; calls `watch` before each."""
    torch.manual_seed(0)
    domain = domain_under(rules, make_domain("alfworld"))
    # The switch head would switch in every other turn.
    player = Player(CompactNetwork(domain.sizes, NetworkConfig(keep_bias=0.0)), domain, rules)
    # Tasks that luck does not solve within these turns.
    hard = ("pick_two_obj_and_place",)
    source = make_env("HiPER-ALFWorld-v0", "generated", task_types=hard).source
    rng = np.random.default_rng(2)
    episodes = [Episode(source.open(index), 50) for index in range(EPISODES)]
    slots = [player.open(episode.info, episode.observation) for episode in episodes]
    decisions = []
    for _ in range(TURNS):
        if watch is not None:
            watch(slots, episodes)
        infos = [episode.info for episode in episodes]
        texts, decided = player.act(slots, infos, rng.random((EPISODES, player.draws)))
        decisions.append(decided)
        for episode, slot, text in zip(episodes, slots, texts, strict=True):
            observation, _, terminated, _, info = episode.step(text)
            assert not terminated
            assert info["action_valid"]
            slot.observe(observation, info)
    return decisions


def boundaries(decisions: list[Decisions]) -> np.ndarray:
    """[turns, episodes]"""
    return np.stack([decided.boundary for decided in decisions])


def asked(decisions: list[Decisions]) -> bool:
    return any(decided.asked.any() for decided in decisions)


def test_the_switch_head_is_asked_by_default() -> None:
    decisions = play(OptionRules())
    assert asked(decisions)
    assert boundaries(decisions).mean() > 0.3


@pytest.mark.parametrize("length", [1, 3, 5])
def test_a_fixed_option_has_its_length(length: int) -> None:
    decisions = play(OptionRules("fixed", length))
    begins = np.arange(TURNS) % length == 0
    np.testing.assert_array_equal(boundaries(decisions), np.tile(begins[:, None], EPISODES))
    assert not asked(decisions)


def test_a_fixed_option_says_at_its_end_what_became_of_it() -> None:
    outcomes = set()

    def watch(slots: list[Slot], episodes: list[Episode]) -> None:
        for slot in slots:
            assert (slot.outcome == "running") == (slot.age not in (0, 4))
            if slot.age == 4:
                outcomes.add(slot.outcome)

    play(OptionRules("fixed", 4), watch)
    assert {"achieved", "dropped"} <= outcomes <= {"achieved", "dropped", "impossible"}


def test_without_a_switch_head_options_end_for_a_reason() -> None:
    ended = []

    def watch(slots: list[Slot], episodes: list[Episode]) -> None:
        ended.append([slot.outcome != "running" for slot in slots])

    decisions = play(OptionRules(switch_head=False), watch)
    np.testing.assert_array_equal(boundaries(decisions), np.array(ended))
    assert 1 < boundaries(decisions).sum() / EPISODES < TURNS
    assert not asked(decisions)


def test_the_oracle_names_every_subgoal() -> None:
    wanted: list[list[Subgoal]] = []
    running: list[list[object]] = []

    def watch(slots: list[Slot], episodes: list[Episode]) -> None:
        wanted.append([reference_subgoal(slot) for slot in slots])
        running.append([slot.subgoal for slot in slots])

    decisions = play(OptionRules("oracle"), watch)
    # What ran in a turn is what the expert wanted before it.
    assert running[1:] == wanted[:-1]
    assert not asked(decisions)
    # There is nothing to choose, so that the planner learns nothing.
    assert all((decided.log_subgoal == 0.0).all() for decided in decisions)
    assert boundaries(decisions).sum() > EPISODES


def test_without_hierarchy_an_episode_is_one_option() -> None:
    decisions = play(OptionRules("none"))
    assert boundaries(decisions).sum(0).tolist() == [1] * EPISODES
    assert not asked(decisions)
    assert all((decided.log_subgoal == 0.0).all() for decided in decisions)


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(HiperError, match="no options called 'often'"):
        OptionRules("often")  # type: ignore[arg-type]
    with pytest.raises(HiperError, match="at least one turn"):
        OptionRules("fixed", 0)
