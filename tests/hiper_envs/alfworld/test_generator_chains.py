"""Generated chains: solvable, the same everywhere, and really dependent."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiper_envs.alfworld import game as game_module
from hiper_envs.alfworld import house as tables
from hiper_envs.alfworld.chain_drawing import ENDINGS
from hiper_envs.alfworld.chain_progress import bind
from hiper_envs.alfworld.chains import MAX_SUBTASKS, TRANSFORMS, Chain, parse_chain
from hiper_envs.alfworld.flats import FLATS, MAX_DISTRACTORS
from hiper_envs.alfworld.game import Game, parse_game
from hiper_envs.alfworld.generator import DOMAIN_SHA256, GRAMMAR_SHA256
from hiper_envs.alfworld.generator_chains import generate_chain_game
from hiper_envs.alfworld.native import NativeWorld

EXPECTED = "1671930942535bf6c7792c79b5e855be28ec6785d41857168fc884e45cf3b1df"

GAMES = st.builds(
    generate_chain_game,
    st.integers(0, 1 << 32),
    st.integers(1, MAX_SUBTASKS),
    distractors=st.integers(0, MAX_DISTRACTORS),
)


def read(data: dict[str, Any]) -> tuple[Game, Chain]:
    game = parse_game(data, "generated")
    chain = parse_chain(game.task)
    assert chain is not None
    return game, chain


def done(world: NativeWorld, chain: Chain) -> int:
    return bind(chain, world.scene(chain.types)).done


def test_games_are_the_same_everywhere() -> None:
    """The hash was taken in another process, with another hash seed, on Python 3.11."""
    digest = hashlib.sha256()
    for seed in range(16):
        game = generate_chain_game(seed, 1 + seed % 8, distractors=5 * (seed % 3))
        digest.update(json.dumps(game, sort_keys=True).encode())
    assert digest.hexdigest() == EXPECTED


@settings(max_examples=60)
@given(GAMES)
def test_the_walkthrough_solves_the_game_with_its_last_command(data: dict[str, Any]) -> None:
    game, chain = read(data)
    world = NativeWorld(game)
    state = world.reset()
    assert done(world, chain) == 0
    for command in game.walkthrough:
        assert not state.won
        assert command in state.admissible_actions
        state = world.step(command)
    assert state.won
    assert done(world, chain) == len(chain.subtasks)


@settings(max_examples=40)
@given(GAMES, st.integers(0, 1 << 16))
def test_the_goal_is_met_whenever_all_subtasks_hold(data: dict[str, Any], seed: int) -> None:
    """The goal is PDDL, the subtasks are the sentence's: two readings of one task."""
    game, chain = read(data)
    rng = random.Random(seed)
    world = NativeWorld(game)
    state = world.reset()
    for command in game.walkthrough[: rng.randint(0, len(game.walkthrough))]:
        state = world.step(command)
    for _ in range(30):
        assert state.won == (done(world, chain) == len(chain.subtasks))
        changes = [c for c in state.admissible_actions if not c.startswith(("go to", "examine"))]
        state = world.step(rng.choice(changes if rng.random() < 0.6 else state.admissible_actions))


@pytest.mark.parametrize("subtasks", range(2, 9))
def test_the_same_place_means_the_same(subtasks: int) -> None:
    """Moved to another receptacle of the type, an item no longer counts."""
    moved = 0
    for seed in range(5):
        game, chain = read(generate_chain_game(seed, subtasks))
        world = NativeWorld(game)
        world.reset()
        for command in game.walkthrough:
            state = world.step(command)
        binding = bind(chain, world.scene(chain.types))
        for item, (name, home) in enumerate(zip(binding.items, chain.homes, strict=True)):
            if chain.looked_at is not None or list(chain.homes).count(home) < 2:
                continue
            here = binding.places[home]
            there = next(
                place
                for place in game.receptacle_names
                if place.startswith(f"{chain.places[home]} ") and place != here
            )
            world.step(f"go to {here}")
            world.step(f"open {here}")
            assert world.step(f"take {name} from {here}").observation.startswith("You pick up")
            world.step(f"go to {there}")
            world.step(f"open {there}")
            state = world.step(f"move {name} to {there}")
            assert state.observation.startswith("You move"), item
            assert not state.won
            assert done(world, chain) < subtasks
            moved += 1
            break
    assert moved


def test_there_is_a_choice_of_places_and_another_one_of_another() -> None:
    for seed in range(40):
        game, chain = read(generate_chain_game(seed, 2 + seed % 7))
        for place in chain.places:
            assert game.receptacle_types.count(place) >= 2
        for kind, items in chain.items_of_type.items():
            assert game.object_types.count(kind) >= len(items)


@pytest.mark.parametrize("ending", ENDINGS)
def test_endings(ending: str) -> None:
    for seed in range(10):
        _, chain = read(generate_chain_game(seed, 1 + seed % 8, ending=ending))
        last = chain.subtasks[-1]
        if ending in TRANSFORMS:
            assert last.transform == ending
            assert last.verb != "look"
        else:
            assert last.verb == ending
            assert ending == "look" or not last.transform


def test_chains_of_a_length_are_of_many_kinds() -> None:
    """So that no length is decided by one trick."""
    chains = [read(generate_chain_game(seed, 5))[1] for seed in range(100)]
    kinds = [{s.verb for s in c.subtasks} | {s.transform for s in c.subtasks} for c in chains]
    counts = {kind: sum(kind in found for found in kinds) for kind in ENDINGS}
    assert min(counts.values()) >= 20
    orders = {tuple((s.verb, s.transform, s.item) for s in chain.subtasks) for chain in chains}
    assert len(orders) > 80
    assert sum(any(s.verb in TRANSFORMS for s in c.subtasks[1:]) for c in chains) > 30
    assert sum(any(item.another for item in chain.items) for chain in chains) > 30
    assert sum(len(chain.places) > 1 for chain in chains) > 10
    assert sum(chain.subtasks[0].verb != "put" for chain in chains) > 10


def test_distractors_are_added_and_change_nothing_else() -> None:
    plain, chain = read(generate_chain_game(7, 4))
    for count in (1, 2, 3, 30, MAX_DISTRACTORS):
        game, same = read(generate_chain_game(7, 4, distractors=count))
        assert same == chain
        receptacles = len(game.receptacle_names) - len(plain.receptacle_names)
        objects = len(game.object_names) - len(plain.object_names)
        assert (receptacles, objects) == (count // 3, count - count // 3)
        for kind in chain.types:
            assert game.object_types.count(kind) == plain.object_types.count(kind)
        for kind in chain.places:
            assert game.receptacle_types.count(kind) == plain.receptacle_types.count(kind)
    tempting = [o for r, o in enumerate(game.receptacle_contents) if in_place(game, chain, r)]
    before = [o for r, o in enumerate(plain.receptacle_contents) if in_place(plain, chain, r)]
    assert sum(map(len, tempting)) >= sum(map(len, before)) + MAX_DISTRACTORS // 3


def in_place(game: Game, chain: Chain, receptacle: int) -> bool:
    return game.receptacle_types[receptacle] in chain.places


def test_domain_and_grammar_are_those_of_other_generated_games() -> None:
    data = generate_chain_game(0, 8)
    task = parse_game(data, "generated").task
    assert game_module.fingerprint(data["pddl_domain"]) == DOMAIN_SHA256
    assert game_module.fingerprint(data["grammar"].replace(task, "")) == GRAMMAR_SHA256
    assert set(data) == {"pddl_domain", "grammar", "pddl_problem", "solvable", "walkthrough"}


def test_parsed_games_survive_their_record() -> None:
    for seed in range(10):
        game, _ = read(generate_chain_game(seed, 1 + seed % 8))
        assert Game.from_record(json.loads(json.dumps(game.to_record()))) == game


@pytest.mark.parametrize(
    "arguments",
    [(-1, 1, 0, None), (0, 0, 0, None), (0, 9, 0, None), (0, 1, -1, None), (0, 1, 61, None)],
)
def test_unknown_requests_are_refused(arguments: tuple[Any, ...]) -> None:
    seed, subtasks, distractors, ending = arguments
    with pytest.raises(ValueError, match=r"seed|subtasks|distractors"):
        generate_chain_game(seed, subtasks, distractors=distractors, ending=ending)
    with pytest.raises(ValueError, match="unknown ending 'slice'"):
        generate_chain_game(0, 1, ending="slice")


def test_flats_can_do_everything() -> None:
    needed = {"SinkBasin", "Microwave", "Fridge"}
    for room, counts in FLATS.items():
        assert room in tables.ROOM_OBJECTS
        assert needed <= {kind for kind, (least, _) in counts.items() if least}
        assert any(counts.get(kind, (0, 0))[0] for kind in ("Desk", "Shelf", "SideTable"))
