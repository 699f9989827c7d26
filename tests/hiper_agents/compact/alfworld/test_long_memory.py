"""What the compact agent remembers of a chain, checked against the engine that it played with."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiper_agents.compact.alfworld.long_memory import ANCHOR, CHOSEN, LongMemory
from hiper_agents.compact.alfworld.memory import DESTINATION, PLACED, TARGETS, WANTED
from hiper_envs.alfworld.chain_progress import bind
from hiper_envs.alfworld.chains import NO_PLACE, Chain, parse_chain
from hiper_envs.alfworld.game import parse_game
from hiper_envs.alfworld.generator_chains import generate_chain_game
from hiper_envs.alfworld.native import NativeWorld
from hiper_envs.alfworld.subgoals import Subgoal

FLAT = (
    "You are in the middle of a room. Looking quickly around you, you see a cabinet 2, a cabinet "
    "1, a fridge 1, a shelf 1, and a sinkbasin 1."
)
TASK = (
    "put a clean mug in a cabinet, then put an apple in the same cabinet, then put another mug in "
    "a shelf, then look at another apple under the desklamp."
)


def remember(task: str, observation: str = FLAT) -> LongMemory:
    chain = parse_chain(task)
    assert chain is not None
    return LongMemory(task, chain, observation)


def tell(memory: LongMemory, *observations: str) -> None:
    for observation in observations:
        memory.observe(observation, {"admissible_actions": ()})


def row(memory: LongMemory, receptacle: str, column: int) -> float:
    return float(memory.table[memory.receptacles[receptacle], column])


@pytest.mark.parametrize("seed", range(8))
def test_it_agrees_with_the_world_on_what_is_done(seed: int) -> None:
    """After the walkthrough it knows all of it; on the way it knows what it has seen."""
    game = parse_game(generate_chain_game(seed, 1 + seed), "generated")
    world = NativeWorld(game)
    state = world.reset()
    memory = remember(game.task, state.observation)
    for command in game.walkthrough:
        state = world.step(command)
        memory.observe(state.observation, {"admissible_actions": state.admissible_actions})
        true = bind(memory.chain, world.scene(memory.chain.types))
        # No object lies where it has to be at first, so that nothing is done unseen.
        assert memory.binding.done == true.done
        assert (memory.held or "You are not") in world.step("inventory").observation
    assert not memory.pending
    assert not memory.undone


def test_nothing_is_done_at_first() -> None:
    memory = remember(TASK)
    assert memory.pending == (0, 1, 2, 3)
    assert (memory.meant, memory.home, memory.missing) == (None, NO_PLACE, ())
    assert memory.wanted_types == ("mug", "apple")
    assert memory.lamp_type == "desklamp"
    places = [name for name in memory.receptacles if row(memory, name, DESTINATION)]
    assert places == ["cabinet 2", "cabinet 1", "shelf 1"]
    assert not memory.table[:, [ANCHOR, CHOSEN, TARGETS, PLACED, WANTED]].any()


def test_an_episode_told_by_hand() -> None:
    memory = remember(TASK)
    memory.want(Subgoal("find", "mug"))
    tell(
        memory,
        "You arrive at shelf 1. On the shelf 1, you see a mug 2, and an apple 2.",
    )
    # The mug on the shelf is where another mug has to be, so that one item has its object.
    assert memory.binding.items == ("", "", "mug 2", "")
    assert memory.placed == {"mug 2"}
    assert (row(memory, "shelf 1", TARGETS), row(memory, "shelf 1", WANTED)) == (0.5, 0.0)
    assert memory.available("mug") == 0
    assert not memory.is_impossible(Subgoal("find", "mug"))

    tell(memory, "You pick up the apple 2 from the shelf 1.")
    assert (memory.meant, memory.home, memory.missing) == (1, 0, ())
    # Any cabinet will do, and nothing else.
    assert [n for n in memory.receptacles if row(memory, n, DESTINATION)] == [
        "cabinet 2",
        "cabinet 1",
    ]
    tell(memory, "You arrive at cabinet 1. On the cabinet 1, you see a mug 1.")
    tell(memory, "You move the apple 2 to the cabinet 1.")
    assert memory.placed == {"mug 2", "apple 2"}
    assert (row(memory, "cabinet 1", CHOSEN), row(memory, "cabinet 2", CHOSEN)) == (1.0, 0.0)

    # The mug has to be cleaned, and to come back into this very cabinet.
    tell(memory, "You pick up the mug 1 from the cabinet 1.")
    assert (memory.meant, memory.missing) == (0, ("clean",))
    assert (row(memory, "cabinet 1", ANCHOR), row(memory, "cabinet 2", ANCHOR)) == (1.0, 0.0)
    tell(memory, "You clean the mug 1 using the sinkbasin 1.")
    assert (memory.meant, memory.missing) == (0, ())
    tell(memory, "You move the mug 1 to the cabinet 1.")
    assert memory.pending == (3,)
    # Only another apple is missing, though one is known.
    assert memory.available("apple") == 0


def test_a_lamp_shines_where_it_stands() -> None:
    memory = remember("look at a mug under the desklamp.")
    info: dict[str, Any] = {"admissible_actions": ("examine shelf 1",)}
    memory.observe("You arrive at shelf 1. On the shelf 1, you see a desklamp 1, a mug 1.", info)
    tell(memory, "You turn on the desklamp 1.")
    assert memory.pending
    tell(memory, "You pick up the mug 1 from the shelf 1.")
    assert not memory.pending
    away: dict[str, Any] = {"admissible_actions": ("examine cabinet 1",)}
    memory.observe("You arrive at cabinet 1. The cabinet 1 is closed.", away)
    assert memory.pending == (0,)


@settings(max_examples=60)
@given(st.lists(st.text() | st.sampled_from([FLAT, "You pick up the mug 1 from the shelf 1."])))
def test_no_text_crashes(observations: list[str]) -> None:
    memory = remember(TASK)
    tell(memory, *observations)
    assert memory.turn == len(observations)


def test_random_play_never_disagrees_with_what_was_seen() -> None:
    """What it takes for done is done."""
    for seed in range(6):
        game = parse_game(generate_chain_game(seed, 4), "generated")
        world, rng = NativeWorld(game), random.Random(seed)
        state = world.reset()
        memory = remember(game.task, state.observation)
        chain: Chain = memory.chain
        for _ in range(120):
            takes = [c for c in state.admissible_actions if c.startswith(("take", "move", "open"))]
            wild = rng.random() < 0.5 or not takes
            state = world.step(rng.choice(state.admissible_actions if wild else takes))
            memory.observe(state.observation, {"admissible_actions": state.admissible_actions})
            assert memory.binding.done <= bind(chain, world.scene(chain.types)).done
