"""The upstream engine behind the `World` protocol, and what is never handed to it."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from benchmarks.memoised_textworld import memoised
from hiper_base.errors import GameFormatError, MissingDependencyError
from hiper_envs.alfworld import textworld_backend as backend
from hiper_envs.alfworld.game import parse_game
from hiper_envs.alfworld.generator import generate_game
from hiper_envs.alfworld.textworld_backend import TextWorldWorld

HAS_TEXTWORLD = True
try:
    import alfworld  # noqa: F401
    import textworld  # noqa: F401
except ImportError:
    HAS_TEXTWORLD = False
needs_textworld = pytest.mark.skipif(
    not HAS_TEXTWORLD or sys.version_info >= (3, 13),
    reason="TextWorld is not installed, or does not run on this Python",
)


@pytest.fixture(autouse=True, scope="module")
def faster() -> Iterator[None]:
    """The unmodified engine gives the same, see tests/benchmarks/test_memoised_textworld.py."""
    with memoised() if HAS_TEXTWORLD else nullcontext():
        yield


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return generate_game(3, "pick_and_place_simple")


def code(path: Path) -> str:
    return f"__import__('pathlib').Path('{path}').touch()"


def with_rule(data: dict[str, Any], expression: str) -> dict[str, Any]:
    """The game with an expression in a rule that the first reset derives."""
    welcome = "-= Welcome to TextWorld, ALFRED! =-"
    assert welcome in data["grammar"]
    return {**data, "grammar": data["grammar"].replace(welcome, f"{{{expression}}}", 1)}


def with_task(data: dict[str, Any], sentence: str) -> dict[str, Any]:
    grammar, count = backend._TASK_SENTENCE.subn(lambda _: sentence, data["grammar"])
    assert count == 1
    return {**data, "grammar": grammar}


@needs_textworld
def test_the_attack_that_is_refused_would_work_upstream(
    data: dict[str, Any], tmp_path: Path
) -> None:
    """Otherwise the next tests would show nothing."""
    engine = backend._make_engine()
    engine.load(with_rule(data, code(tmp_path / "executed")))
    engine.reset()
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("open_world", [TextWorldWorld, lambda data: parse_game(data, "attack")])
def test_code_in_the_grammar_is_refused_and_not_executed(
    data: dict[str, Any], tmp_path: Path, open_world: Any
) -> None:
    marker = tmp_path / "executed"
    attacks = [
        with_rule(data, code(marker)),
        with_rule(data, "__import__('os').system('touch /tmp/x')"),
        with_task(data, f"put a {{{code(marker)}}} in desk."),
        with_task(data, "put #look.feedback# in desk."),
        with_task(data, "put a mug in desk.\\n[{o.name | holds(a:agent, o:object)}]"),
    ]
    for attack in attacks:
        with pytest.raises(GameFormatError):
            open_world(attack)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grammar": None}, "grammar"),
        ({"pddl_problem": 7}, "pddl_problem"),
        ({"pddl_domain": "(define (domain alfred))"}, "domain"),
        ({"pddl_problem": "(define (problem {o.name}))"}, "plain PDDL"),
        ({"pddl_problem": "(define (problem " + "x" * 2000 + "))"}, "128 characters"),
    ],
)
def test_changed_parts_are_refused(
    data: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    with pytest.raises(GameFormatError, match=message):
        TextWorldWorld({**data, **change})


def test_white_space_in_the_grammar_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(GameFormatError, match="white space"):
        TextWorldWorld({**data, "grammar": data["grammar"] + "\n"})


def test_published_games_are_trusted(real_data: Path) -> None:
    archive = next((real_data / "alfworld").glob("*.zip"), None)
    if archive is None:
        pytest.skip("needs the published archive")
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith("game.tw-pddl"))
        for name in names[:: len(names) // 20]:
            backend.verify_trusted(json.loads(file.read(name)))


@needs_textworld
def test_a_problem_that_textworld_cannot_read(data: dict[str, Any]) -> None:
    with pytest.raises(GameFormatError, match="cannot load"):
        TextWorldWorld({**data, "pddl_problem": "(define (problem x)"})


@needs_textworld
def test_walkthrough_wins_and_reset_starts_again(data: dict[str, Any]) -> None:
    argv = list(sys.argv)
    world = TextWorldWorld(data)
    first = world.reset()
    assert first.observation.startswith("-= Welcome to TextWorld, ALFRED! =-")
    assert (first.reward, first.terminated, first.won, first.score) == (0.0, False, False, 0.0)
    assert list(first.admissible_actions) == sorted(set(first.admissible_actions))
    nothing = world.step("go to mars 1")
    assert nothing == first._replace(observation="Nothing happens.")
    for command in data["walkthrough"]:
        assert not world.step("look").terminated
        last = world.step(command)
    assert (last.reward, last.terminated, last.won, last.score) == (1.0, True, True, 1.0)
    assert world.reset() == first
    assert sys.argv == argv


@needs_textworld
def test_live_worlds_are_independent(data: dict[str, Any]) -> None:
    left, right = TextWorldWorld(data), TextWorldWorld(generate_game(4, "look_at_obj_in_light"))
    first_left, first_right = left.reset(), right.reset()
    assert first_left.observation != first_right.observation
    there = next(a for a in first_left.admissible_actions if a.startswith("go to"))
    assert left.step(there).observation.startswith("You arrive")
    assert right.step("inventory") == first_right._replace(
        observation="You are not carrying anything."
    )
    assert left.reset() == first_left


@needs_textworld
def test_engines_of_discarded_worlds_serve_new_ones(
    data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "_idle_engines", [])
    engines = []
    first = TextWorldWorld(data).reset()
    for _ in range(8):
        world = TextWorldWorld(data)
        assert world.reset() == first
        engines.append(world._engine)
        del world
        gc.collect()
    # TextWorld's parsers keep the frames of their last use, and with them up to one world each.
    assert len(set(map(id, engines))) <= 4


def test_missing_textworld_names_the_extra(
    data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "_idle_engines", [])
    monkeypatch.setitem(sys.modules, "textworld", None)
    if sys.version_info >= (3, 13):
        message = "Python 3.10 to 3.12"
    else:
        message = r'pip install "hiper-gym\[alfworld\]"'
    with pytest.raises(MissingDependencyError, match=message):
        TextWorldWorld(data)


@needs_textworld
def test_where_games_are_looked_for_does_not_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    # A fresh process: only the first import of alfworld sets the variable.
    program = (
        "import os; from hiper_envs.alfworld.textworld_backend import TextWorldWorld;"
        "from hiper_envs.alfworld.generator import generate_game;"
        "TextWorldWorld(generate_game(0)); assert 'ALFWORLD_DATA' not in os.environ"
    )
    subprocess.run(
        [sys.executable, "-c", program], check=True, env={**os.environ, "HOME": str(tmp_path)}
    )
