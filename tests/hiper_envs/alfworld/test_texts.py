"""Tests of reading observations and task sentences."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_envs.alfworld.game import parse_game
from hiper_envs.alfworld.generator import generate_game
from hiper_envs.alfworld.native import NativeWorld
from hiper_envs.alfworld.subgoals import parse_action
from hiper_envs.alfworld.texts import Observation, TaskSpec, parse_observation, parse_task

INTRO = (
    "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly "
    "around you, you see a armchair 1, a bed 2, and a desk 1.\n\n"
    "Your task is to: put a mug in desk."
)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (
            INTRO,
            Observation(
                "room", receptacles=("armchair 1", "bed 2", "desk 1"), task="put a mug in desk."
            ),
        ),
        (
            "You arrive at desk 1. On the desk 1, you see a mug 2, and a pen 1.",
            Observation("arrive", "desk 1", None, ("mug 2", "pen 1")),
        ),
        (
            "You arrive at desk 1. On the desk 1, you see nothing.",
            Observation("arrive", "desk 1"),
        ),
        (
            "You arrive at safe 1. The safe 1 is closed.",
            Observation("arrive", "safe 1", False),
        ),
        (
            "You arrive at safe 1. The safe 1 is open. In it, you see a cd 1.",
            Observation("arrive", "safe 1", True, ("cd 1",)),
        ),
        (
            "You open the safe 1. The safe 1 is open. In it, you see nothing.",
            Observation("open", "safe 1", True),
        ),
        ("You close the safe 1.", Observation("close", "safe 1", False)),
        ("The safe 1 is closed.", Observation("examine", "safe 1", False)),
        ("On the bed 1, you see a cd 1.", Observation("examine", "bed 1", None, ("cd 1",))),
        (
            "You pick up the mug 2 from the desk 1.",
            Observation("take", "desk 1", object="mug 2"),
        ),
        ("You move the mug 2 to the desk 1.", Observation("move", "desk 1", object="mug 2")),
        (
            "You heat the mug 2 using the microwave 1.",
            Observation("heat", "microwave 1", object="mug 2"),
        ),
        ("You turn on the desklamp 1.", Observation("use", object="desklamp 1")),
        ("You sliced the egg 1 with the knife 1.", Observation("slice", object="egg 1")),
        ("You are carrying: a mug 2.", Observation("inventory", objects=("mug 2",))),
        ("You are not carrying anything.", Observation("inventory")),
        (
            "You are facing the desk 1, and drawer 2. Next to it, you see a mug 1.",
            Observation("facing", objects=("mug 1",), receptacles=("desk 1", "drawer 2")),
        ),
        ("Nothing happens.", Observation("nothing")),
        ("This is a hot mug 2.", Observation("other")),
    ],
)
def test_parse_observation(text: str, seen: Observation) -> None:
    assert parse_observation(text) == seen


def test_only_visible_content_is_listed() -> None:
    listing = [
        "You arrive at desk 1. On the desk 1, you see nothing.",
        "You open the safe 1. The safe 1 is open. In it, you see a cd 1.",
        "On the bed 1, you see a cd 1.",
    ]
    silent = ["You arrive at safe 1. The safe 1 is closed.", "You close the safe 1.", INTRO]
    assert all(parse_observation(text).lists_content for text in listing)
    assert not any(parse_observation(text).lists_content for text in silent)


@given(st.text() | st.from_regex(r"(You|On the|The) [a-z 0-9.,]*"))
def test_any_string_is_read(text: str) -> None:
    assert isinstance(parse_observation(text), Observation)
    assert parse_task(text) is None or isinstance(parse_task(text), TaskSpec)


@pytest.mark.parametrize("seed", range(6))
def test_no_text_of_a_played_game_is_misread(seed: int) -> None:
    """Every observation says what its command did, and lists content as the game knows it."""
    rng = random.Random(seed)
    world = NativeWorld(parse_game(generate_game(seed), "generated"))
    state = world.reset()
    for _ in range(150):
        command = rng.choice(state.admissible_actions)
        action = parse_action(command)
        assert action is not None, command
        state = world.step(command)
        seen = parse_observation(state.observation)
        if action.verb == "go to":
            assert (seen.kind, seen.receptacle) == ("arrive", action.receptacle)
        elif action.verb in ("open", "close"):
            assert (seen.kind, seen.receptacle) == (action.verb, action.receptacle)
            assert seen.is_open is (action.verb == "open")
        elif action.verb in ("take", "move", "clean", "heat", "cool"):
            assert seen == Observation(action.verb, action.receptacle, object=action.object)
        elif action.verb in ("use", "slice"):
            assert (seen.kind, seen.object) == (action.verb, action.object)
        elif action.verb == "inventory":
            assert seen.kind == "inventory"
        elif action.verb == "look":
            assert seen.kind in ("room", "facing")
        if seen.lists_content:
            takes = {a for a in state.admissible_actions if a.endswith(f" from {seen.receptacle}")}
            listed = {f"take {name} from {seen.receptacle}" for name in seen.objects}
            assert takes <= listed


@pytest.mark.parametrize(
    ("sentence", "spec"),
    [
        ("put a mug in desk.", ("pick_and_place_simple", "mug", "desk", "", "", 1)),
        ("put some mug on desk.", ("pick_and_place_simple", "mug", "desk", "", "", 1)),
        ("put two cd in safe.", ("pick_two_obj_and_place", "cd", "safe", "", "", 2)),
        (
            "find two cd and put them in safe.",
            ("pick_two_obj_and_place", "cd", "safe", "", "", 2),
        ),
        (
            "look at cd under the desklamp.",
            ("look_at_obj_in_light", "cd", "", "desklamp", "", 1),
        ),
        (
            "examine the cd with the desklamp.",
            ("look_at_obj_in_light", "cd", "", "desklamp", "", 1),
        ),
        (
            "put a clean mug in desk.",
            ("pick_clean_then_place_in_recep", "mug", "desk", "sinkbasin", "clean", 1),
        ),
        (
            "put a hot mug in desk.",
            ("pick_heat_then_place_in_recep", "mug", "desk", "microwave", "heat", 1),
        ),
        (
            "cool some mug and put it in desk.",
            ("pick_cool_then_place_in_recep", "mug", "desk", "fridge", "cool", 1),
        ),
    ],
)
def test_parse_task(sentence: str, spec: tuple[str, str, str, str, str, int]) -> None:
    assert parse_task(sentence) == TaskSpec(*spec)
    assert parse_task(f"Your task is to: {sentence}\n") == TaskSpec(*spec)


@pytest.mark.parametrize("sentence", ["", "put a mug", "wash the dishes.", "put two mug on desk."])
def test_other_sentences_are_no_tasks(sentence: str) -> None:
    assert parse_task(sentence) is None
