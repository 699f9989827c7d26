"""Counting subtasks and paying the reward late, around either engine."""

from __future__ import annotations

from typing import Any

import pytest

from hiper_envs.alfworld.chain_world import ChainWorld
from hiper_envs.alfworld.chains import parse_chain
from hiper_envs.alfworld.game import Game, parse_game
from hiper_envs.alfworld.generator_chains import generate_chain_game
from hiper_envs.alfworld.native import NativeWorld

DATA: dict[str, Any] = generate_chain_game(0, 3, ending="put")
GAME: Game = parse_game(DATA, "generated")


def world(reward_delay: int = 0) -> ChainWorld:
    chain = parse_chain(GAME.task)
    assert chain is not None
    return ChainWorld(NativeWorld(GAME), chain, reward_delay)


def test_texts_and_actions_are_the_engines() -> None:
    engine, chain = NativeWorld(GAME), world()
    pairs = [(engine.reset(), chain.reset())]
    pairs += [(engine.step(command), chain.step(command)) for command in GAME.walkthrough]
    for theirs, ours in pairs:
        assert ours._replace(extra_info=theirs.extra_info) == theirs


def test_subtasks_are_counted() -> None:
    chain = world()
    counts = [chain.reset().extra_info["subtasks_done"]]
    for command in GAME.walkthrough:
        state = chain.step(command)
        counts.append(state.extra_info["subtasks_done"])
        assert state.extra_info["subtasks"] == 3
    assert (counts[0], counts[-1]) == (0, 3)
    assert {1, 2} & set(counts)
    assert chain.reset().extra_info["subtasks_done"] == 0


@pytest.mark.parametrize("delay", [1, 2, 5])
def test_the_reward_comes_late_and_ends_the_task(delay: int) -> None:
    chain = world(delay)
    chain.reset()
    for command in GAME.walkthrough:
        state = chain.step(command)
        assert (state.reward, state.won, state.terminated, state.score) == (0, False, False, 0)
    assert state.extra_info["subtasks_done"] == 3
    undo = next(c for c in state.admissible_actions if c.startswith("take"))
    for left in reversed(range(delay)):
        # Any action counts, also what undoes the success, and what is not admissible.
        state = chain.step(undo if left == delay - 1 else "dance")
        ended = left == 0
        assert (state.reward, state.won, state.terminated, state.score) == (ended,) * 4
    assert state.extra_info["subtasks_done"] < 3


def test_a_reset_forgets_the_success() -> None:
    chain = world(3)
    chain.reset()
    for command in GAME.walkthrough:
        chain.step(command)
    chain.reset()
    assert not any(chain.step("look").terminated for _ in range(5))


def test_the_lamp_counts_where_it_stands() -> None:
    """Going away and coming back changes what holds, though nothing was moved."""
    data = generate_chain_game(4, 1, ending="look")
    game = parse_game(data, "generated")
    read = parse_chain(game.task)
    assert read is not None
    # With a delay the task goes on after success.
    chain = ChainWorld(NativeWorld(game), read, 10)
    state = chain.reset()
    for command in game.walkthrough:
        state = chain.step(command)
    assert state.extra_info["subtasks_done"] == 1
    back = next(c for c in reversed(game.walkthrough) if c.startswith("go to"))
    away = next(c for c in state.admissible_actions if c.startswith("go to") and c != back)
    assert chain.step(away).extra_info["subtasks_done"] == 0
    assert chain.step(back).extra_info["subtasks_done"] == 1
