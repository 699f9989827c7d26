"""Command sequences: reproducible, and they reach what they are meant to reach."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from benchmarks.alfworld_play import PHASES, Turn, observation_template, play
from hiper_envs.alfworld.game import parse_game
from hiper_envs.alfworld.generator import generate_game
from hiper_envs.alfworld.native import NativeWorld


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return generate_game(2, "pick_heat_then_place_in_recep")


def turns(data: dict[str, Any], seed: str = "s", steps: int = 300) -> list[Turn]:
    return list(play(NativeWorld(parse_game(data, "game")), data["walkthrough"], seed, steps))


def test_same_seed_same_commands(data: dict[str, Any]) -> None:
    assert turns(data) == turns(data)
    assert turns(data, "other") != turns(data)


def test_every_phase_begins_with_a_reset(data: dict[str, Any]) -> None:
    played = turns(data)
    for phase in PHASES:
        of_phase = [turn for turn in played if turn.phase == phase]
        assert (of_phase[0].command, of_phase[0].kind) == (None, "reset")
    assert len([turn for turn in played if turn.command is not None]) == 600 + len(
        data["walkthrough"]
    )


def test_a_finished_game_is_reset(data: dict[str, Any]) -> None:
    played = [turn for turn in turns(data, steps=2000) if turn.phase != "walkthrough"]
    for before, after in pairwise(played):
        if before.state.terminated:
            assert after.command is None


def test_random_phase_mixes_in_invalid_commands_of_every_kind(data: dict[str, Any]) -> None:
    played = [turn for turn in turns(data, steps=800) if turn.phase == "random"]
    kinds = Counter(turn.kind for turn in played)
    assert 0.15 < 1 - (kinds["admissible"] + kinds["reset"]) / len(played) < 0.35
    assert len(kinds) == 11
    rejected = [turn for turn in played if turn.state.observation == "Nothing happens."]
    assert {turn.kind for turn in rejected} >= {"garbage", "wrong case", "empty", "unicode"}


def test_manipulation_changes_objects_more_often(data: dict[str, Any]) -> None:
    def share(phase: str) -> float:
        commands = [turn.command or "" for turn in turns(data) if turn.phase == phase]
        changing = ("take ", "move ", "open ", "close ", "heat ", "cool ", "clean ", "slice ")
        return sum(command.startswith(changing) for command in commands) / len(commands)

    assert share("manipulation") > 1.5 * share("random")


@pytest.mark.parametrize(
    ("observation", "template"),
    [
        ("You pick up the mug 1 from the desk 12.", "You pick up the X from the X."),
        ("On the desk 1, you see a mug 2, a pen 1, and a cd 1.", "On the X, you see X*."),
        ("In it, you see a mug 2, and a pen 1.", "In it, you see X*."),
        ("In it, you see a mug 2.", "In it, you see X."),
        ("Hi.\n\nYour task is to: put a mug in desk.", "Hi.\n\nYour task is to: TASK"),
    ],
)
def test_observation_template(observation: str, template: str) -> None:
    assert observation_template(observation) == template
