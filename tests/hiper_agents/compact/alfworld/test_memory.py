"""What the compact agent remembers, checked against the engine that it played with."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_agents.compact.alfworld.memory import (
    CLOSED,
    DESTINATION,
    HERE,
    OPENED,
    TARGETS,
    VISITED,
    Memory,
    split_go,
)
from hiper_envs.alfworld.game import parse_game
from hiper_envs.alfworld.generator import generate_game
from hiper_envs.alfworld.native import NativeWorld
from hiper_envs.alfworld.subgoals import Subgoal, type_of


def told(*admissible: str) -> dict[str, Any]:
    """An info as far as the memory reads it."""
    return {"admissible_actions": admissible}


def played(seed: int, turns: int) -> tuple[Memory, NativeWorld]:
    """A memory and the world that it has followed for some random turns."""
    world = NativeWorld(parse_game(generate_game(seed), "generated"))
    state = world.reset()
    memory = Memory(world.game.task, state.observation)
    rng = random.Random(seed)
    for _ in range(turns):
        state = world.step(rng.choice(state.admissible_actions))
        memory.observe(state.observation, told(*state.admissible_actions))
    return memory, world


@pytest.mark.parametrize("seed", range(8))
def test_what_it_believes_is_true_in_the_world(seed: int) -> None:
    memory, world = played(seed, 80)
    held = world.step("inventory").observation
    assert memory.held in held if memory.held else held == "You are not carrying anything."
    assert list(memory.receptacles) == list(world.game.receptacle_names)
    for name, number in memory.receptacles.items():
        index = world.game.receptacle_index[name]
        row = memory.table[number]
        if row[OPENED]:
            assert world.game.receptacle_openable[index]
        if row[CLOSED]:
            assert not row[OPENED]
    told = memory.table[: len(memory.receptacles)]
    assert memory.explored == int(((told[:, VISITED] == 1) & (told[:, CLOSED] == 0)).sum())


def test_nothing_is_known_at_first() -> None:
    memory, world = played(0, 0)
    assert not memory.table[:, [VISITED, CLOSED, OPENED, HERE, TARGETS]].any()
    wanted = memory.spec.receptacle_type
    flagged = [n for n, i in memory.receptacles.items() if memory.table[i, DESTINATION]]
    assert flagged == [n for n in world.game.receptacle_names if type_of(n) == wanted]
    assert (memory.held, memory.here, memory.explored, memory.turn) == ("", -1, 0, 0)


def test_an_episode_told_by_hand() -> None:
    memory = Memory(
        "put a clean mug in desk.",
        "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly "
        "around you, you see a desk 1, a drawer 1, and a sinkbasin 1.\n\n"
        "Your task is to: put a clean mug in desk.",
    )
    drawer, desk = memory.receptacles["drawer 1"], memory.receptacles["desk 1"]
    memory.observe("You arrive at drawer 1. The drawer 1 is closed.", told("examine drawer 1"))
    assert memory.table[drawer, CLOSED] == 1
    assert memory.explored == 0
    memory.observe(
        "You open the drawer 1. The drawer 1 is open. In it, you see a mug 2, and a pen 1.", told()
    )
    assert (memory.table[drawer, CLOSED], memory.table[drawer, OPENED]) == (0, 1)
    assert memory.available("mug") == 1
    assert list(memory.seen_types) == ["mug", "pen"]
    memory.observe("You pick up the mug 2 from the drawer 1.", told())
    assert (memory.held, memory.available("mug")) == ("mug 2", 0)
    assert memory.is_impossible(Subgoal("find", "pen"))
    assert not memory.is_impossible(Subgoal("clean", "mug"))
    memory.observe("You clean the mug 2 using the sinkbasin 1.", told())
    assert memory.states == {"mug 2": {"clean"}}
    memory.observe("You move the mug 2 to the desk 1.", told())
    assert memory.placed == {"mug 2"}
    assert memory.available("mug") == 0
    assert memory.table[desk, TARGETS] == 0.5


def test_a_search_that_has_seen_everything_is_impossible() -> None:
    memory = Memory(
        "put a mug in desk.",
        "You are in the middle of a room. Looking quickly around you, you see a desk 1.\n\n"
        "Your task is to: put a mug in desk.",
    )
    assert not memory.is_impossible(Subgoal("find", "mug"))
    memory.observe("You arrive at desk 1. On the desk 1, you see nothing.", told())
    assert memory.is_impossible(Subgoal("find", "mug"))


@given(st.lists(st.text(max_size=60), max_size=6), st.text(max_size=40))
def test_any_text_is_taken_in(texts: list[str], task: str) -> None:
    memory = Memory(task, texts[0] if texts else "")
    for text in texts:
        memory.observe(text, told(*sorted(texts)))
    assert memory.turn == len(texts)


def test_go_commands_are_separated_from_the_others() -> None:
    actions = ("examine desk 1", "go to bed 1", "go to desk 2", "help", "look")
    assert split_go(actions) == (actions[1:3], ("examine desk 1", "help", "look"))
    assert split_go(()) == ((), ())
