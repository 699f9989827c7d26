"""A domain without hierarchy: every permitted action once, and nothing of what is known lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hiper_agents.compact.domain import Domain, Running, make_domain
from hiper_agents.compact.flat import TASK, FlatDomain, FlatMemory, domain_under
from hiper_agents.compact.slot import OptionRules
from hiper_agents.environments import make_env
from hiper_envs.core import Episode

ENVIRONMENTS = {"alfworld": "HiPER-ALFWorld-v0", "webshop": "HiPER-WebShop-v0"}
NOTHING = Running(None, 0, "none")


def states(name: str) -> tuple[FlatDomain, list[tuple[FlatMemory, dict[str, Any]]]]:
    """Random states of some episodes, as they are remembered."""
    flat = FlatDomain(make_domain(name))
    source, rng = make_env(ENVIRONMENTS[name], "generated").source, np.random.default_rng(0)
    found = []
    for index in range(4):
        episode = Episode(source.open(index), 50)
        memory = flat.remember(episode.info, episode.observation)
        for _ in range(12):
            _, (moves,) = flat.moves([memory], [TASK], [episode.info])
            commands = [c for c in moves.commands if c != flat.template] or ["search[red shirt]"]
            observation, _, terminated, _, info = episode.step(str(rng.choice(commands)))
            if terminated:
                break
            memory.observe(observation, info)
        else:
            found.append((memory, dict(episode.info)))
    assert found
    return flat, found


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_moves_are_those_of_all_subgoals(name: str) -> None:
    flat, found = states(name)
    inner: Domain[Any] = flat.inner
    memories, infos = [memory for memory, _ in found], [info for _, info in found]
    rows, moves = flat.moves(memories, [TASK] * len(found), infos)
    assert rows.features.shape[1] == flat.sizes.move == inner.sizes.move + inner.sizes.candidate
    assert rows.types.shape[1] == flat.sizes.move_types
    for turn, (memory, info) in enumerate(found):
        commands = moves[turn].commands
        assert len(set(commands)) == len(commands) == (rows.owner == turn).sum()
        union = set()
        rows_of = dict(zip(commands, np.flatnonzero(rows.owner == turn), strict=True))
        for subgoal in inner.candidates(memory.inner):
            own, (allowed,) = inner.moves([memory.inner], [subgoal], [info])
            union |= set(allowed.commands)
            for place, command in enumerate(allowed.commands):
                if not own.features[place, inner.sizes.achieves]:
                    continue
                # What does a subgoal is told apart by what the planner knows of the subgoal.
                row = rows.features[rows_of[command]]
                assert row[inner.sizes.achieves]
                told = inner.encode_candidate(memory.inner, NOTHING, subgoal)
                if offering(inner, memory, info, command) == [subgoal]:
                    np.testing.assert_allclose(row[inner.sizes.move :], told)
        assert union == set(commands)
        for command, row in rows_of.items():
            if not rows.features[row, inner.sizes.achieves]:
                assert not rows.features[row, inner.sizes.move :].any(), command


def offering(
    inner: Domain[Any], memory: FlatMemory, info: dict[str, Any], command: str
) -> list[Any]:
    """The subgoals that a command does."""
    found = []
    for subgoal in inner.candidates(memory.inner):
        own, (allowed,) = inner.moves([memory.inner], [subgoal], [info])
        if command in allowed.commands:
            place = list(allowed.commands).index(command)
            if own.features[place, inner.sizes.achieves]:
                found.append(subgoal)
    return found


def test_the_only_subgoal_lasts_and_says_nothing() -> None:
    flat, ((memory, info), *_) = states("alfworld")
    assert flat.candidates(memory) == [TASK] == [flat.parse_subgoal("find a mug")]
    assert not memory.is_achieved(TASK, "take mug 1 from desk 1")
    assert not memory.is_impossible(TASK)
    assert not any(flat.encode_subgoal(memory, TASK))
    assert not any(flat.encode_candidate(memory, NOTHING, TASK))
    before = memory.inner.table.copy()
    memory.want(TASK)
    np.testing.assert_array_equal(memory.inner.table, before)
    running = Running(TASK, 7, "running")
    told = flat.encode_state(memory, running)
    assert told == flat.inner.encode_state(memory.inner, running._replace(subgoal=None))
    assert flat.state_types(memory) == flat.inner.state_types(memory.inner)
    assert flat.oracle(info).__class__ is flat.inner.oracle(info).__class__


def test_only_one_rule_flattens() -> None:
    domain = make_domain("alfworld")
    for kind in ("learned", "fixed", "oracle"):
        assert domain_under(OptionRules(kind), domain) is domain
    flat = domain_under(OptionRules("none"), domain)
    assert isinstance(flat, FlatDomain)
    assert (flat.name, flat.vocabulary) == (domain.name, domain.vocabulary)
