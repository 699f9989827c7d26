"""The native engine on its own; that it equals the upstream engine is tested in test_parity.py."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiper_envs.alfworld.game import TASK_TYPES, Game, parse_game
from hiper_envs.alfworld.generator import generate_game
from hiper_envs.alfworld.native import NOTHING_HAPPENS, NativeWorld

GAMES = [parse_game(generate_game(seed), "generated") for seed in range(6)]


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_the_walkthrough_wins_with_its_last_command(task_type: str) -> None:
    game = parse_game(generate_game(7, task_type), "generated")
    world = NativeWorld(game)
    states = [world.step(command) for command in game.walkthrough]
    assert [state.won for state in states] == [False] * (len(states) - 1) + [True]
    assert (states[-1].reward, states[-1].score, states[-1].terminated) == (1.0, 1.0, True)


def test_the_introduction_names_the_task() -> None:
    state = NativeWorld(GAMES[0]).reset()
    assert state.observation.startswith("-= Welcome to TextWorld, ALFRED! =-\n\n")
    assert state.observation.endswith(f"\n\nYour task is to: {GAMES[0].task}")
    assert not state.terminated


@pytest.mark.parametrize("game", GAMES)
def test_admissible_actions_are_sorted_unique_and_all_do_something(game: Game) -> None:
    world = NativeWorld(game)
    state = world.reset()
    rng = random.Random(0)
    for _ in range(60):
        actions = state.admissible_actions
        assert list(actions) == sorted(set(actions))
        state = world.step(rng.choice(actions))
        assert state.observation != NOTHING_HAPPENS


@pytest.mark.parametrize("game", GAMES[:3])
def test_reset_forgets_everything(game: Game) -> None:
    world, fresh = NativeWorld(game), NativeWorld(game)
    first = world.reset()
    rng = random.Random(1)
    state = first
    for _ in range(50):
        state = world.step(rng.choice(state.admissible_actions))
    assert world.reset() == first == fresh.reset()
    for command in game.walkthrough:
        assert world.step(command) == fresh.step(command)


def test_worlds_of_one_game_do_not_touch_each_other() -> None:
    game = GAMES[0]
    played, untouched = NativeWorld(game), NativeWorld(game)
    before = untouched.reset()
    for command in game.walkthrough:
        played.step(command)
    assert untouched.step("inventory").admissible_actions == before.admissible_actions
    assert NativeWorld(game).reset() == before


def test_only_the_space_around_a_command_is_forgiven() -> None:
    world = NativeWorld(GAMES[0])
    command = world.reset().admissible_actions[0]
    assert world.step(command.upper()).observation == NOTHING_HAPPENS
    assert world.step(command.replace(" ", "  ")).observation == NOTHING_HAPPENS
    assert world.step(f" \n{command}\t").observation != NOTHING_HAPPENS


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5), st.integers(0, len(GAMES) - 1))
@settings(max_examples=60, deadline=None)
def test_any_text_is_an_action_and_inadmissible_ones_change_nothing(
    commands: list[str], index: int
) -> None:
    world = NativeWorld(GAMES[index])
    before = world.reset()
    for command in commands:
        if command.strip() in before.admissible_actions:
            continue
        state = world.step(command)
        assert state.observation == NOTHING_HAPPENS
        assert state.admissible_actions == before.admissible_actions


def test_an_object_is_carried_cleaned_and_put_down() -> None:
    game = parse_game(generate_game(2, "pick_clean_then_place_in_recep"), "generated")
    world = NativeWorld(game)
    seen = [world.step(command).observation for command in game.walkthrough]
    taken = next(text for text in seen if text.startswith("You pick up the "))
    cleaned = next(text for text in seen if text.startswith("You clean the "))
    assert taken.split(" from ")[0].removeprefix("You pick up the ") in cleaned
    assert world.step("inventory").observation == "You are not carrying anything."
