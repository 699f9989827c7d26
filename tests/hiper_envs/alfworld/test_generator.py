"""Tests of generated games: same bytes everywhere, solvable, varied, and played alike by all
backends."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import random
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hiper_envs.alfworld import house as tables
from hiper_envs.alfworld import native
from hiper_envs.alfworld.game import TASK_TYPES, fingerprint, parse_game
from hiper_envs.alfworld.generator import DOMAIN_SHA256, GRAMMAR_SHA256, generate_game
from hiper_envs.alfworld.generator_grammar import grammar
from hiper_envs.alfworld.generator_pddl import DOMAIN, problem
from hiper_envs.alfworld.native import NativeWorld
from hiper_envs.alfworld.pddl import read_problem
from hiper_envs.alfworld.texts import TaskSpec, parse_task
from hiper_envs.core import World

SEEDS = range(180)
EXPECTED = "eba09ad29e2e6442dd1b8cc2491bf1dda8f2df4afd237b0e7dd2065855618086"


def digest(game: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(game, sort_keys=True).encode()).hexdigest()


def test_games_are_the_same_everywhere() -> None:
    """The hash was taken in another process, with another hash seed, on Python 3.11."""
    combined = "".join(digest(generate_game(seed)) for seed in range(12))
    assert hashlib.sha256(combined.encode()).hexdigest() == EXPECTED


def test_seeds_and_task_types_give_different_games() -> None:
    games = [generate_game(seed) for seed in range(60)]
    games += [generate_game(0, task_type) for task_type in TASK_TYPES[1:]]
    assert len({digest(game) for game in games}) == len(games)


def test_upstream_keys() -> None:
    game = generate_game(0)
    assert set(game) == {"pddl_domain", "grammar", "pddl_problem", "solvable", "walkthrough"}
    assert game["solvable"] is True
    assert json.loads(json.dumps(game)) == game


def test_task_types_in_turn_or_as_asked() -> None:
    for seed in range(12):
        assert parse_game(generate_game(seed), "test").task_type == TASK_TYPES[seed % 6]
    for task_type in TASK_TYPES:
        assert parse_game(generate_game(3, task_type), "test").task_type == task_type


@pytest.mark.parametrize("arguments", [(-1,), (0, "juggle")])
def test_unknown_requests_are_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match=r"seed|task type"):
        generate_game(*arguments)


@pytest.mark.parametrize("receptacles", [None, 2, 3, 6, 10])
@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_the_walkthrough_solves_the_game_with_its_last_command(
    task_type: str, receptacles: int | None
) -> None:
    for seed in range(40):
        game = parse_game(generate_game(seed, task_type, receptacles=receptacles), "generated")
        assert 3 <= len(game.walkthrough) <= 12
        world = NativeWorld(game)
        state = world.reset()
        for command in game.walkthrough:
            assert not state.terminated
            assert command in state.admissible_actions
            state = world.step(command)
        assert state.won, f"seed {seed}"


def test_sentences_agree_with_goals_and_both_wordings_occur() -> None:
    wordings = set()
    for seed in SEEDS:
        game = parse_game(generate_game(seed), "generated")
        spec = parse_task(game.task)
        assert spec is not None
        assert spec.task_type == game.task_type
        words = (spec.object_type, spec.receptacle_type, spec.tool_type)
        wordings.add(" ".join("_" if w.strip(".") in words else w for w in game.task.split()))
    assert len(wordings) == 12


def test_houses_are_of_realistic_size_and_hide_things() -> None:
    hidden = shared = 0
    for seed in SEEDS:
        game = parse_game(generate_game(seed), "generated")
        assert 10 <= len(game.receptacle_names) <= 30
        assert 10 <= len(game.object_names) <= 35
        hidden += any(
            openable and content
            for openable, content in zip(
                game.receptacle_openable, game.receptacle_contents, strict=True
            )
        )
        shared += len(set(game.receptacle_locations)) < len(game.receptacle_locations)
    assert hidden > 0.9 * len(SEEDS)
    assert 0.3 * len(SEEDS) < shared < len(SEEDS)


def test_domain_and_grammar_are_constants() -> None:
    for seed in range(6):
        game = generate_game(seed)
        task = parse_game(game, "generated").task
        assert fingerprint(game["pddl_domain"]) == DOMAIN_SHA256
        assert fingerprint(game["grammar"].replace(task, "")) == GRAMMAR_SHA256


def test_examined_objects_are_described_as_by_the_native_engine() -> None:
    """Random play hardly ever slices, cleans and heats one object."""
    text = grammar("task")
    order = [text.index(template.format("{o.name}")) for _, template in native._DESCRIPTIONS[:10]]
    assert order == sorted(order)
    assert all(template.format("{o.name}") in text for _, template in native._DESCRIPTIONS[11:])


@pytest.mark.parametrize("task", ["", 'put "', "{1 + 1}", "a\nb", "#intro#", "put ä"])
def test_a_task_sentence_cannot_change_the_grammar(task: str) -> None:
    with pytest.raises(ValueError, match="plain words"):
        grammar(task)


def test_goals_of_several_tasks_are_conjoined() -> None:
    house, _ = tables.furnish(random.Random(0), "kitchen")
    tasks = [
        TaskSpec("pick_heat_then_place_in_recep", "egg", "countertop", "microwave", "heat", 1),
        TaskSpec("pick_two_obj_and_place", "fork", "drawer", "", "", 2),
    ]
    _, both = read_problem(problem(house, tasks, "two_tasks"))
    singles = [read_problem(problem(house, [task], "one"))[1] for task in tasks]
    assert both == ("and", *(single[1] for single in singles))


def test_house_tables_are_consistent() -> None:
    receptacles = {kind for room in tables.ROOM_RECEPTACLES.values() for kind in room}
    for room, kinds in tables.ROOM_OBJECTS.items():
        for kind in kinds:
            assert set(tables.CAN_CONTAIN[kind]) & set(tables.ROOM_RECEPTACLES[room]), (room, kind)
    assert {kind for kinds in tables.CAN_CONTAIN.values() for kind in kinds} <= receptacles
    portable = set(tables.CAN_CONTAIN)
    assert portable >= tables.CLEANABLE | tables.COOLABLE | tables.SLICEABLE | tables.CONTAINERS


needs_textworld = pytest.mark.skipif(
    importlib.util.find_spec("alfworld") is None or sys.version_info >= (3, 13),
    reason="needs textworld and alfworld, which work up to Python 3.12",
)


def assert_same_play(one: World, other: World, rng: random.Random, turns: int) -> None:
    """Both worlds say the same, turn after turn, in play that likes to change things."""
    state = one.reset()
    assert other.reset() == state
    for _ in range(turns):
        changes = [a for a in state.admissible_actions if not a.startswith(("go to", "examine"))]
        command = rng.choice(changes if rng.random() < 0.5 else state.admissible_actions)
        state = one.step(command)
        assert other.step(command) == state, command
        if state.terminated:
            return


@needs_textworld
@pytest.mark.parametrize("seed", [2, 5])
def test_textworld_and_the_native_engine_play_alike(seed: int) -> None:
    from hiper_envs.alfworld.textworld_backend import TextWorldWorld

    data = generate_game(seed)
    worlds = TextWorldWorld(data), NativeWorld(parse_game(data, "generated"))
    assert_same_play(*worlds, random.Random(seed), turns=25)


@needs_textworld
def test_own_domain_and_grammar_say_what_the_published_ones_say(real_data: Path) -> None:
    from hiper_envs.alfworld.textworld_backend import TextWorldWorld

    archive = real_data / "alfworld" / "json_2.1.3_tw-pddl.zip"
    if not archive.is_file():
        pytest.skip(f"needs the published games as {archive.name}")
    with zipfile.ZipFile(archive) as games:
        names = sorted(
            n for n in games.namelist() if "/valid_seen/pick_heat" in n and "tw-pddl" in n
        )
        data = json.loads(games.read(names[0]))
    own = {"pddl_domain": DOMAIN, "grammar": grammar(parse_game(data, names[0]).task)}
    worlds = TextWorldWorld(data), TextWorldWorld(data | own)
    assert_same_play(*worlds, random.Random(7), turns=15)
