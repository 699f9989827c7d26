"""Parsing game files and refusing those that are not what they should be."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiper_base.errors import GameFormatError
from hiper_envs.alfworld.game import TASK_TYPES, Game, parse_game
from hiper_envs.alfworld.generator import generate_game


@pytest.fixture
def data() -> dict[str, Any]:
    return dict(generate_game(3))


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_a_game_of_every_type_is_parsed(task_type: str) -> None:
    game = parse_game(generate_game(1, task_type), "generated")
    assert game.task_type == task_type
    assert game.walkthrough
    assert len(set(game.object_names)) == len(game.object_names)
    held = [name for inside in game.receptacle_contents for name in inside]
    assert sorted(held) == sorted(set(held))


def test_a_record_survives_json(data: dict[str, Any]) -> None:
    game = parse_game(data, "generated")
    assert Game.from_record(json.loads(json.dumps(game.to_record()))) == game


@pytest.mark.parametrize("record", [[], [1, 2], None, {"task": 1}, "text"])
def test_a_damaged_record_is_refused(record: Any) -> None:
    with pytest.raises(GameFormatError, match="record"):
        Game.from_record(record)


@pytest.mark.parametrize("key", ["pddl_domain", "pddl_problem", "grammar"])
def test_a_missing_key_is_named(data: dict[str, Any], key: str) -> None:
    del data[key]
    with pytest.raises(GameFormatError, match=f"some/game.*{key}"):
        parse_game(data, "some/game")


def test_code_in_the_grammar_is_refused_and_not_run(data: dict[str, Any], tmp_path: Path) -> None:
    trace = tmp_path / "executed"
    code = f"{{__import__('pathlib').Path('{trace}').touch()}}"
    data["grammar"] = data["grammar"].replace("You open the", f"{code} You open the")
    with pytest.raises(GameFormatError, match="unknown grammar"):
        parse_game(data, "evil")
    assert not trace.exists()


def test_code_in_the_task_sentence_is_refused(data: dict[str, Any]) -> None:
    data["grammar"] = data["grammar"].replace("Your task is to: ", "Your task is to: {1 + 1} ")
    with pytest.raises(GameFormatError, match="no plain"):
        parse_game(data, "evil")


def test_the_older_action_syntax_is_refused_with_the_remedy(data: dict[str, Any]) -> None:
    data["grammar"] = data["grammar"].replace("move {o} to {r}", "put {o} in/on {r}")
    with pytest.raises(GameFormatError, match=r"move X to Y.*hiper data download"):
        parse_game(data, "old")


def test_another_domain_is_refused(data: dict[str, Any]) -> None:
    data["pddl_domain"] += "(:action fly)"
    with pytest.raises(GameFormatError, match="unknown PDDL domain"):
        parse_game(data, "other")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(:goal", "(:goat", "goal"),
        ("(atLocation agent1", "(teleports agent1", "unknown predicates"),
        ("(receptacleType ", "(receptacleType ghost_bar_1 deskType) (receptacleType ", "location"),
    ],
)
def test_problems_that_make_no_sense(
    data: dict[str, Any], old: str, new: str, message: str
) -> None:
    index = data["pddl_problem"].lower().index(old.lower())
    problem = data["pddl_problem"]
    data["pddl_problem"] = problem[:index] + new + problem[index + len(old) :]
    with pytest.raises(GameFormatError, match=message):
        parse_game(data, "broken")


@given(st.integers(0, 4000), st.text(alphabet="()? abz\n", max_size=12))
@settings(max_examples=40, deadline=None)
def test_damage_anywhere_in_the_problem_never_crashes(position: int, noise: str) -> None:
    data = dict(generate_game(5))
    text = data["pddl_problem"]
    position %= len(text)
    data["pddl_problem"] = text[:position] + noise + text[position + len(noise) :]
    with contextlib.suppress(GameFormatError):
        assert parse_game(data, "damaged").receptacle_names
