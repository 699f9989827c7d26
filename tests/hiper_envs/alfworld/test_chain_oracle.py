"""The searching expert for chains: solves them from what the texts show, and never raises."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiper_envs.alfworld.chain_oracle import ChainOracle
from hiper_envs.alfworld.game import Game, parse_game
from hiper_envs.alfworld.generator_chains import generate_chain_game
from hiper_envs.alfworld.native import NativeWorld
from hiper_envs.alfworld.subgoals import parse

FLAT = (
    "You are in the middle of a room. Looking quickly around you, you see a cabinet 2, a cabinet "
    "1, a microwave 1, a shelf 1, and a sinkbasin 1."
)


def generated(seed: int, subtasks: int, distractors: int = 0) -> Game:
    return parse_game(generate_chain_game(seed, subtasks, distractors=distractors), "generated")


def turns_to_win(game: Game, *, limit: int, noise: float = 0.0, sees_actions: bool = True) -> int:
    """Turns the oracle needs; with probability `noise` a random action is executed instead."""
    rng = random.Random(game.task)
    world, oracle = NativeWorld(game), ChainOracle(game.task)
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


@pytest.mark.parametrize("distractors", [0, 60])
@pytest.mark.parametrize("subtasks", [1, 2, 3, 5, 8])
def test_chains_are_solved_within_the_limit(subtasks: int, distractors: int) -> None:
    limit = 50 * subtasks
    turns = [
        turns_to_win(generated(seed, subtasks, distractors), limit=limit) for seed in range(15)
    ]
    # One object among sixty of no use may be out of reach of 50 turns.
    assert sum(turn <= limit for turn in turns) >= 15 - (distractors > 0)
    assert sum(turns) / len(turns) < 0.5 * limit


def test_it_needs_no_list_of_actions() -> None:
    turns = [turns_to_win(generated(s, 4), limit=200, sees_actions=False) for s in range(20)]
    assert max(turns) <= 200


def test_it_recovers_from_any_state_an_agent_gets_into() -> None:
    turns = [turns_to_win(generated(s, 1 + s % 8), limit=1500, noise=0.5) for s in range(24)]
    assert max(turns) <= 1500


@pytest.mark.parametrize("seed", range(8))
def test_it_only_speaks_of_what_was_shown_and_admissible(seed: int) -> None:
    game = generated(seed, 1 + seed)
    world, oracle = NativeWorld(game), ChainOracle(game.task)
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
    oracle.observe(state.observation, action, state.admissible_actions)
    assert not oracle.boundary


@pytest.mark.parametrize("seed", range(6))
def test_subgoals_begin_at_boundaries_and_end_when_achieved(seed: int) -> None:
    game = generated(seed, 4)
    world, oracle = NativeWorld(game), ChainOracle(game.task)
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
    assert begun[0].startswith("find ")
    assert begun[-1].startswith(("put ", "use "))


def play(oracle: ChainOracle, *exchanges: tuple[str, str]) -> str:
    for action, text in exchanges:
        oracle.observe(text, action)
    return oracle.expert_action


def test_a_changed_mug_is_not_confused_with_another_one() -> None:
    oracle = ChainOracle("clean a mug, then put the mug in a cabinet, then heat the mug.")
    action = play(
        oracle,
        ("", FLAT),
        ("go to shelf 1", "You arrive at shelf 1. On the shelf 1, you see a mug 2, and a mug 1."),
        ("take mug 2 from shelf 1", "You pick up the mug 2 from the shelf 1."),
        ("go to sinkbasin 1", "You arrive at sinkbasin 1. On the sinkbasin 1, you see nothing."),
        ("clean mug 2 with sinkbasin 1", "You clean the mug 2 using the sinkbasin 1."),
    )
    assert action == "go to microwave 1"
    # Put into the cabinet too early: it has to come out again, though another mug is at hand.
    action = play(
        oracle,
        ("go to cabinet 1", "You arrive at cabinet 1. On the cabinet 1, you see nothing."),
        ("move mug 2 to cabinet 1", "You move the mug 2 to the cabinet 1."),
    )
    assert action == "take mug 2 from cabinet 1"


def test_the_same_cabinet_is_the_one_that_was_used() -> None:
    oracle = ChainOracle("put a mug in a cabinet, then put an apple in the same cabinet.")
    action = play(
        oracle,
        ("", FLAT),
        ("go to cabinet 2", "You arrive at cabinet 2. On the cabinet 2, you see a mug 1."),
        ("go to shelf 1", "You arrive at shelf 1. On the shelf 1, you see an apple 1."),
        ("take apple 1 from shelf 1", "You pick up the apple 1 from the shelf 1."),
    )
    assert action == "go to cabinet 2"


def test_what_belongs_under_the_lamp_waits() -> None:
    oracle = ChainOracle(
        "put a mug in a cabinet, then put a pan in the same cabinet, then look at another pan "
        "under the desklamp."
    )
    action = play(
        oracle,
        ("", FLAT),
        ("go to cabinet 1", "You arrive at cabinet 1. On the cabinet 1, you see a pan 1."),
        ("go to shelf 1", "You arrive at shelf 1. On the shelf 1, you see a mug 1, and a pan 2."),
        ("take pan 2 from shelf 1", "You pick up the pan 2 from the shelf 1."),
    )
    # The mug is missing in the cabinet, so the hand has to be free first.
    assert (oracle.subgoal, action) == ("put the pan in the shelf", "move pan 2 to shelf 1")


@settings(max_examples=60)
@given(
    st.text() | st.sampled_from(["put a mug in a cabinet.", generated(0, 8).task]),
    st.lists(st.tuples(st.text(), st.text(), st.lists(st.text())), max_size=4),
)
def test_no_string_crashes(task: str, exchanges: list[tuple[str, str, list[str]]]) -> None:
    oracle = ChainOracle(task)
    for action, observation, admissible in exchanges:
        oracle.observe(observation, action, admissible)
        assert oracle.expert_action
