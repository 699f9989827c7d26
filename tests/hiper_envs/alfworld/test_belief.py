"""Tests of the memory of what the texts have said."""

from __future__ import annotations

import random

import pytest

from hiper_envs.alfworld.belief import Belief
from hiper_envs.alfworld.game import parse_game
from hiper_envs.alfworld.generator import generate_game
from hiper_envs.alfworld.native import NativeWorld
from hiper_envs.alfworld.texts import parse_observation


@pytest.mark.parametrize("seed", range(8))
def test_beliefs_stay_true_in_random_play(seed: int) -> None:
    """What it believes to be at a receptacle is what one sees on going there."""
    rng = random.Random(seed)
    world = NativeWorld(parse_game(generate_game(seed), "generated"))
    belief = Belief()
    state = world.reset()
    belief.digest(state.observation, "", state.admissible_actions)
    for _ in range(200):
        command = rng.choice((*state.admissible_actions, "fly to moon 1"))
        expected = dict(belief.where), set(belief.explored)
        state = world.step(command)
        seen = parse_observation(state.observation)
        if seen.lists_content and seen.receptacle in expected[1]:
            believed = {name for name, place in expected[0].items() if place == seen.receptacle}
            assert believed == set(seen.objects)
        belief.digest(state.observation, command, state.admissible_actions)
        held = parse_observation(world.step("inventory").observation).objects
        assert belief.held == (held[0] if held else "")


def test_transformations_replace_each_other() -> None:
    belief = Belief()
    for text in (
        "You clean the mug 1 using the sinkbasin 1.",
        "You heat the mug 1 using the microwave 1.",
        "You cool the mug 1 using the fridge 1.",
    ):
        belief.digest(text)
    assert belief.states["mug 1"] == {"clean", "cool"}


def test_the_latest_look_at_a_receptacle_counts() -> None:
    belief = Belief()
    belief.digest("You arrive at desk 1. On the desk 1, you see a mug 1, and a pen 1.")
    belief.digest("You arrive at desk 1. On the desk 1, you see a pen 1.")
    assert belief.where == {"pen 1": "desk 1"}


def test_refused_commands_are_forgotten_when_something_changes() -> None:
    belief = Belief()
    belief.digest("Nothing happens.", "go to desk 1")
    assert belief.refused == {"go to desk 1"}
    belief.digest("You arrive at shelf 1. On the shelf 1, you see nothing.", "go to shelf 1")
    assert not belief.refused


def test_doors_are_read_off_the_admissible_commands() -> None:
    belief = Belief()
    commands = ["examine drawer 1", "examine drawer 2", "examine shelf 1"]
    commands += ["open drawer 1", "close drawer 2", "go to desk 1"]
    belief.receptacles = ["desk 1", "drawer 1", "drawer 2", "shelf 1"]
    belief.digest("Nothing happens.", "fly", commands)
    assert belief.here == {"drawer 1", "drawer 2", "shelf 1"}
    assert belief.doors == {"drawer 1": False, "drawer 2": True}
    assert belief.open_to_view("drawer 2")
    assert belief.open_to_view("shelf 1")
    assert not belief.open_to_view("drawer 1")
    assert not belief.open_to_view("desk 1")
