"""Tests of the searching expert: it solves tasks from what the texts show, and never raises."""

from __future__ import annotations

import json
import random
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiper_envs.alfworld.game import Game, parse_game
from hiper_envs.alfworld.generator import generate_game
from hiper_envs.alfworld.native import NativeWorld
from hiper_envs.alfworld.oracle import Oracle
from hiper_envs.alfworld.subgoals import parse

ROOM = "You are in the middle of a room. Looking quickly around you, you see a {}, and a {}."


def generated(seed: int) -> Game:
    return parse_game(generate_game(seed), "generated")


def turns_to_win(game: Game, *, limit: int, noise: float = 0.0, sees_actions: bool = True) -> int:
    """Turns the oracle needs; with probability `noise` a random action is executed instead."""
    rng = random.Random(game.task)
    world, oracle = NativeWorld(game), Oracle(game.task)
    state = world.reset()
    action = ""
    for turn in range(limit):
        oracle.observe(state.observation, action, state.admissible_actions if sees_actions else ())
        astray = rng.random() < noise
        action = rng.choice(state.admissible_actions) if astray else oracle.expert_action
        state = world.step(action)
        if state.terminated:
            return turn + 1
    return limit + 1


@pytest.mark.parametrize("sees_actions", [True, False])
def test_generated_games_are_solved(sees_actions: bool) -> None:
    turns = [
        turns_to_win(generated(seed), limit=50, sees_actions=sees_actions) for seed in range(90)
    ]
    assert sum(turn <= 50 for turn in turns) >= 88
    assert sum(turns) / len(turns) < 15


def test_published_games_are_solved(real_data: Path) -> None:
    archive = real_data / "alfworld" / "json_2.1.3_tw-pddl.zip"
    if not archive.is_file():
        pytest.skip(f"needs the published games as {archive.name}")
    with zipfile.ZipFile(archive) as games:
        names = [n for n in games.namelist() if "/valid_seen/" in n and n.endswith("game.tw-pddl")]
        turns = [turns_to_win(parse_game(json.loads(games.read(n)), n), limit=50) for n in names]
    assert len(turns) == 140
    assert sum(turn <= 50 for turn in turns) >= 138
    assert sum(turns) / len(turns) < 9


def test_it_recovers_from_any_state_an_agent_gets_into() -> None:
    turns = [turns_to_win(generated(seed), limit=300, noise=0.5) for seed in range(60)]
    assert max(turns) <= 300


@pytest.mark.parametrize("seed", range(12))
def test_it_only_speaks_of_what_was_shown_and_admissible(seed: int) -> None:
    game = generated(seed)
    world, oracle = NativeWorld(game), Oracle(game.task)
    state = world.reset()
    shown, action = "", ""
    while not state.terminated:
        shown += state.observation + "\n"
        oracle.observe(state.observation, action, state.admissible_actions)
        action = oracle.expert_action
        assert action in state.admissible_actions
        assert parse(oracle.subgoal) is not None
        for name in re.findall(r"[a-z]+ [0-9]+", action.replace("go to ", "")):
            assert re.search(rf"\b{name}\b", shown), f"{name} was never seen"
        state = world.step(action)


@pytest.mark.parametrize(
    ("task_type", "pattern"),
    [
        ("pick_and_place_simple", r"find an? (\w+); put the \1 in the \w+"),
        ("look_at_obj_in_light", r"find an? (\w+); use the desklamp"),
        ("pick_heat_then_place_in_recep", r"find an? (\w+); heat the \1; put the \1 in the \w+"),
        (
            "pick_two_obj_and_place",
            r"find an? (\w+); (put the \1 in the \w+); find an? \1; \2",
        ),
    ],
)
def test_subgoals_begin_at_boundaries_and_end_when_achieved(task_type: str, pattern: str) -> None:
    for seed in range(5):
        game = parse_game(generate_game(seed, task_type), "generated")
        world, oracle = NativeWorld(game), Oracle(game.task)
        state = world.reset()
        begun: list[str] = []
        action = ""
        while not state.terminated:
            oracle.observe(state.observation, action, state.admissible_actions)
            if oracle.boundary:
                previous = parse(begun[-1]) if begun else None
                assert previous is None or previous.achieved_by(action)
                begun.append(oracle.subgoal)
            assert oracle.subgoal == begun[-1]
            action = oracle.expert_action
            state = world.step(action)
        assert re.fullmatch(pattern, "; ".join(begun)), begun
        oracle.observe(state.observation, action, state.admissible_actions)
        assert not oracle.boundary


def test_a_wrong_object_is_put_away() -> None:
    oracle = Oracle("put a mug in desk.")
    oracle.observe(ROOM.format("desk 1", "shelf 1"))
    oracle.observe("You arrive at shelf 1. On the shelf 1, you see a pen 1.", "go to shelf 1")
    oracle.observe("You pick up the pen 1 from the shelf 1.", "take pen 1 from shelf 1")
    assert oracle.subgoal == "put the pen in the shelf"
    assert oracle.boundary
    assert oracle.expert_action == "move pen 1 to shelf 1"


def test_an_object_seen_earlier_is_remembered() -> None:
    oracle = Oracle("put a hot mug in desk.")
    oracle.observe(ROOM.format("microwave 1", "shelf 1"))
    oracle.observe("You arrive at shelf 1. On the shelf 1, you see a mug 3.", "go to shelf 1")
    oracle.observe("You arrive at microwave 1. The microwave 1 is closed.", "go to microwave 1")
    assert oracle.expert_action == "go to shelf 1"
    oracle.observe("You arrive at shelf 1. On the shelf 1, you see a mug 3.", "go to shelf 1")
    assert oracle.expert_action == "take mug 3 from shelf 1"


def test_the_second_object_joins_the_first() -> None:
    oracle = Oracle("put two cd in shelf.")
    oracle.observe(
        "You are in the middle of a room. Looking quickly around you, you see a desk 1, a shelf 2, "
        "and a shelf 1."
    )
    oracle.observe(
        "You arrive at desk 1. On the desk 1, you see a cd 2, and a cd 1.", "go to desk 1"
    )
    oracle.observe("You pick up the cd 2 from the desk 1.", "take cd 2 from desk 1")
    oracle.observe("You arrive at shelf 1. On the shelf 1, you see nothing.", "go to shelf 1")
    oracle.observe("You move the cd 2 to the shelf 1.", "move cd 2 to shelf 1")
    assert (oracle.subgoal, oracle.boundary) == ("find a cd", True)
    assert oracle.expert_action == "go to desk 1"
    oracle.observe("You arrive at desk 1. On the desk 1, you see a cd 1.", "go to desk 1")
    oracle.observe("You pick up the cd 1 from the desk 1.", "take cd 1 from desk 1")
    assert oracle.expert_action == "go to shelf 1"


def test_a_shared_location_is_found_out_without_admissible_actions() -> None:
    oracle = Oracle("put a pen in desk.")
    oracle.observe(ROOM.format("drawer 2", "drawer 1"))
    oracle.observe("You arrive at drawer 2. The drawer 2 is closed.", "go to drawer 2")
    oracle.observe(
        "You open the drawer 2. The drawer 2 is open. In it, you see nothing.", "open drawer 2"
    )
    assert oracle.expert_action == "go to drawer 1"
    oracle.observe("Nothing happens.", "go to drawer 1")
    assert oracle.expert_action == "open drawer 1"
    oracle.observe("Nothing happens.", "open drawer 1")
    assert oracle.expert_action == "examine drawer 1"


def test_an_unknown_task_is_admitted() -> None:
    oracle = Oracle("wash the dishes.")
    oracle.observe(ROOM.format("desk 1", "shelf 1"))
    assert (oracle.subgoal, oracle.boundary, oracle.expert_action) == ("", True, "look")


TEXTS = st.text(max_size=40) | st.sampled_from(
    [
        ROOM.format("desk 1", "drawer 1"),
        "You arrive at desk 1. On the desk 1, you see a mug 1, and a desklamp 1.",
        "You arrive at drawer 1. The drawer 1 is closed.",
        "You pick up the mug 1 from the desk 1.",
        "You pick up the pen 1 from the desk 9.",
        "You move the mug 1 to the drawer 1.",
        "You turn on the desklamp 1.",
        "You are carrying: a mug 1.",
        "Nothing happens.",
    ]
)
COMMANDS = st.text(max_size=20) | st.sampled_from(
    ["go to desk 1", "open drawer 1", "take mug 1 from desk 1", "go to ", "examine desk 1"]
)


@settings(max_examples=200)
@given(
    st.text(max_size=20)
    | st.sampled_from(
        ["put two mug in desk.", "look at mug under the desklamp.", "put a hot mug in x."]
    ),
    st.lists(st.tuples(TEXTS, COMMANDS, st.lists(COMMANDS, max_size=4)), max_size=8),
)
def test_any_strings_are_digested(task: str, turns: list[tuple[str, str, list[str]]]) -> None:
    oracle = Oracle(task)
    for text, action, admissible in turns:
        oracle.observe(text, action, admissible)
        assert oracle.expert_action
        assert oracle.subgoal == "" or parse(oracle.subgoal) is not None
