"""The comparison notices every difference, and a journal survives a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("textworld", reason="journals name the version of the reference engine")
pytest.importorskip("alfworld", reason="journals name the version of the reference engine")

from benchmarks.alfworld_parity import Comparison
from benchmarks.alfworld_play import play
from benchmarks.alfworld_reference import Journal, RecordedTurn, Reference, digest
from hiper_envs.alfworld.game import parse_game
from hiper_envs.alfworld.generator import generate_game
from hiper_envs.alfworld.native import NativeWorld
from hiper_envs.core import WorldState


class Altered(NativeWorld):
    """Answers otherwise in one field after a number of steps."""

    def __init__(self, data: dict[str, Any], **change: Any) -> None:
        super().__init__(parse_game(data, "game"))
        self.change = change
        self.steps = 0

    def step(self, action: str) -> WorldState:
        self.steps += 1
        state = super().step(action)
        return state._replace(**self.change) if self.steps == 3 else state


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return generate_game(8)


@pytest.fixture(scope="module")
def turns(data: dict[str, Any]) -> tuple[RecordedTurn, ...]:
    played = play(NativeWorld(parse_game(data, "game")), data["walkthrough"], "seed", 20)
    return tuple(RecordedTurn(*turn[:3], digest(turn.state)) for turn in played)


def test_equal_engines(data: dict[str, Any], turns: tuple[RecordedTurn, ...]) -> None:
    comparison = Comparison()
    comparison.add("game", turns, NativeWorld(parse_game(data, "game")))
    assert comparison.differences == []
    assert (comparison.games, comparison.solved) == (1, 1)
    assert comparison.turns.total() == comparison.kinds.total() == len(turns)
    assert comparison.verbs["go"] > 0


@pytest.mark.parametrize(
    "change",
    [
        {"observation": "You hear a mouse."},
        {"admissible_actions": ("look",)},
        {"reward": 0.5},
        {"terminated": True},
        {"won": True},
    ],
)
def test_a_difference_in_any_field_is_found(
    data: dict[str, Any], turns: tuple[RecordedTurn, ...], change: dict[str, Any]
) -> None:
    comparison = Comparison()
    comparison.add("game", turns, Altered(data, **change))
    [difference] = comparison.differences
    assert (difference["phase"], difference["turn"]) == ("walkthrough", 3)
    assert difference["command"] == data["walkthrough"][2]
    assert comparison.solved == 0
    # The rest of the phase is left out, the other phases are compared.
    assert comparison.turns["walkthrough"] == 4
    assert comparison.turns["manipulation"] >= 21


def test_journal_is_resumed_without_a_line_that_was_cut_off(
    tmp_path: Path, turns: tuple[RecordedTurn, ...]
) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path, seed=0, steps=20)
    journal.start()
    kept = Reference("one", turns, 0.5, 3, 0)
    journal.append(kept)
    journal.append(Reference("two", turns, 0.5))
    path.write_text(path.read_text()[:-5])
    again = Journal(path, seed=0, steps=20)
    again.resume()
    assert again.references == {"one": kept}
    again.start()
    again.append(Reference("two", turns, 0.5))
    assert [json.loads(line).get("task_id") for line in path.open()] == [None, "one", "two"]


def test_journal_of_other_settings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path, seed=0, steps=20).start()
    with pytest.raises(ValueError, match="other settings"):
        Journal(path, seed=0, steps=30).resume()
