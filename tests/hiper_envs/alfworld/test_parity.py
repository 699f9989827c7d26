"""The native engine against TextWorld on a few games; the benchmark compares all of them."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from itertools import permutations, product
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("textworld", reason="the reference engine is not installed")
pytest.importorskip("alfworld", reason="the reference engine is not installed")
if sys.version_info >= (3, 13):
    pytest.skip("TextWorld 1.7 does not run on Python 3.13", allow_module_level=True)

from benchmarks.alfworld_play import PHASES, play
from benchmarks.alfworld_reference import transcript
from benchmarks.memoised_textworld import memoised
from hiper_envs.alfworld.chain_world import ChainWorld
from hiper_envs.alfworld.chains import parse_chain
from hiper_envs.alfworld.game import TASK_TYPES, parse_game
from hiper_envs.alfworld.generator import generate_game
from hiper_envs.alfworld.generator_chains import generate_chain_game
from hiper_envs.alfworld.native import NativeWorld
from hiper_envs.alfworld.textworld_backend import TextWorldWorld
from hiper_envs.core import WorldState

STEPS = 40


def assert_parity(data: Mapping[str, Any], seed: str) -> None:
    reference = transcript(data, seed, STEPS)
    assert {turn.phase for turn in reference} == set(PHASES)
    # Commands are drawn from what an engine calls admissible, so equal engines play equal games.
    native = list(play(NativeWorld(parse_game(data, seed)), data["walkthrough"], seed, STEPS))
    for ours, theirs in zip(native, reference, strict=True):
        assert ours == theirs
    ends = [turn.state for turn in native if turn.phase == "walkthrough"]
    assert ends[-1].won
    assert ends[-1].terminated


def states_of_both(data: Mapping[str, Any], commands: Sequence[str]) -> list[WorldState]:
    with memoised():
        world, reference = NativeWorld(parse_game(data, "game")), TextWorldWorld(data)
        states = [world.reset()]
        assert states == [reference.reset()]
        for command in commands:
            states.append(world.step(command))
            assert states[-1] == reference.step(command)
    return states


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_generated_games(task_type: str) -> None:
    assert_parity(generate_game(11, task_type), task_type)


@pytest.mark.parametrize(("seed", "subtasks", "distractors"), [(3, 3, 0), (9, 6, 9)])
def test_generated_chains(seed: int, subtasks: int, distractors: int) -> None:
    assert_parity(generate_chain_game(seed, subtasks, distractors=distractors), f"chain {seed}")


@pytest.mark.parametrize("ending", ["cool", "look"])
def test_chains_are_counted_and_paid_alike(ending: str) -> None:
    """Each engine is asked for its own facts; both go on after success."""
    data = generate_chain_game(2, 3, ending=ending)
    game = parse_game(data, "chain")
    chain = parse_chain(game.task)
    assert chain is not None
    with memoised():
        engines = NativeWorld(game), TextWorldWorld(data)
        worlds = [ChainWorld(engine, chain, reward_delay=6) for engine in engines]
        states = [world.reset() for world in worlds]
        assert states[0] == states[1]
        undo = ("go to fridge 1", "look", "dance", game.walkthrough[0], "inventory", "look")
        done = []
        for command in (*game.walkthrough, *undo):
            states = [world.step(command) for world in worlds]
            assert states[0] == states[1]
            assert engines[0].scene(chain.types) == engines[1].scene(chain.types)
            done.append(states[0].extra_info["subtasks_done"])
    assert {1, 2, 3} <= set(done)
    assert (states[0].reward, states[0].won) == (1.0, True)


def test_an_object_that_begins_in_two_receptacles() -> None:
    """Some published games have a mug both in the coffee machine and on the counter."""
    data = generate_game(11, "pick_and_place_simple")
    placed = re.findall(r"\(inReceptacle (\S+) (\S+)\)", data["pddl_problem"])
    thing, first = placed[0]
    kind = first.partition("_bar_")[0]
    second = next(
        name
        for name in re.findall(rf"\(receptacleType ({kind}_bar_\S+) ", data["pddl_problem"])
        if name != first
    )
    fact = f"(inReceptacle {thing} {first})"
    both = f"{fact}\n(inReceptacle {thing} {second})"
    data["pddl_problem"] = data["pddl_problem"].replace(fact, both)

    world = NativeWorld(parse_game(data, "two"))
    places: dict[str, set[str]] = {}
    for go in world.reset().admissible_actions:
        if go.startswith("go to"):
            world.step(go)
            opened = world.step(go.replace("go to", "open"))
            for take in opened.admissible_actions:
                if take.startswith("take "):
                    name, _, place = take.removeprefix("take ").partition(" from ")
                    places.setdefault(name, set()).add(place)
    [(name, two)] = [item for item in places.items() if len(item[1]) == 2]
    for here, there in permutations(sorted(two)):
        commands = [
            *(f"go to {here}", f"open {here}", f"go to {there}", f"open {there}"),
            *(f"go to {here}", f"take {name} from {here}", f"go to {there}", "look"),
            *(f"move {name} to {there}", "look", f"examine {there}", f"go to {here}"),
        ]
        states_of_both(data, commands)


def places_of_things(world: NativeWorld) -> dict[str, str]:
    places = {}
    for go in world.reset().admissible_actions:
        if go.startswith("go to"):
            place = go.removeprefix("go to ")
            world.step(go)
            for take in world.step(f"open {place}").admissible_actions:
                if take.startswith("take ") and take.endswith(f" from {place}"):
                    places[take.removeprefix("take ").partition(" from ")[0]] = place
    return places


def game_with_a_knife_beside_food() -> tuple[dict[str, Any], dict[str, str], tuple[str, str, str]]:
    for seed in range(100):
        data = generate_game(seed, "pick_heat_then_place_in_recep")
        places = places_of_things(NativeWorld(parse_game(data, str(seed))))
        foods = [name for name in places if name.split()[0] in ("potato", "tomato", "apple")]
        knives = [name for name in places if name.startswith("knife")]
        for knife, sliced in product(knives, foods):
            others = [name for name in foods if name != sliced]
            if places[knife] == places[sliced] and others:
                return data, places, (knife, sliced, others[0])
    raise AssertionError("the generator no longer puts a knife beside food")


def test_every_description_of_an_object() -> None:
    """Random play hardly ever slices something, picks it up, and cleans and heats it."""
    data, places, (knife, sliced, whole) = game_with_a_knife_beside_food()
    table = places[sliced]
    commands = [f"go to {table}", f"open {table}", f"take {knife} from {table}"]
    commands += [f"slice {sliced} with {knife}", f"move {knife} to {table}"]
    for name in (sliced, whole):
        commands += [f"go to {places[name]}", f"open {places[name]}"]
        commands += [f"take {name} from {places[name]}", f"examine {name}"]
        for verb in ("cool", "heat", "clean", "cool"):
            place = {"cool": "fridge 1", "heat": "microwave 1", "clean": "sinkbasin 1"}[verb]
            commands += [f"go to {place}", f"{verb} {name} with {place}", f"examine {name}"]
        commands += [f"go to {table}", f"move {name} to {table}", "look", f"examine {table}"]

    said = {state.observation for state in states_of_both(data, commands)}
    for quality in ("", "cool ", "hot ", "hot and clean ", "cool and clean "):
        assert f"This is a {quality}sliced {sliced}." in said
    for quality in ("cold", "hot", "hot and clean", "cool and clean"):
        assert f"This is a {quality} {whole}." in said


@pytest.mark.parametrize("part", range(5))
def test_published_games(real_data: Path, part: int) -> None:
    archive = next((real_data / "alfworld").glob("*.zip"), None)
    if archive is None:
        pytest.skip("needs the published archive")
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith("game.tw-pddl"))
        name = names[len(names) * (2 * part + 1) // 10]
        assert_parity(json.loads(file.read(name)), name)
