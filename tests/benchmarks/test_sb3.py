from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.sb3 import TASKS, Args, Returns, main, summarise


def test_a_curve_has_equal_parts_and_knows_where_nothing_ended() -> None:
    returns = Returns()
    returns.ended = [(10, 1.0), (100, 3.0), (101, 0.0), (1600, 2.0)]
    curve = returns.curve(1600)
    assert curve[:2] == [2.0, 0.0]
    assert curve[-1] == 2.0
    assert curve[2:-1] == [None] * 13


def test_the_first_contestant_is_compared_seed_by_seed_with_the_others() -> None:
    finals = {"hae": (0.9, 0.7, 0.8), "gae": (0.5, 0.4, 0.3), "PPO": (0.8, 0.9, 0.7)}
    runs: list[dict[str, Any]] = [
        {"task": "errands", "contestant": name, "seed": seed, "final": value, "mean": 0.5}
        | {"seconds": 1.0}
        for name, values in finals.items()
        # As they finish: in any order.
        for seed, value in reversed(list(enumerate(values)))
    ]
    rows = {row["contestant"]: row for row in summarise(runs)}
    assert list(rows) == ["hae", "gae", "PPO"]
    assert rows["hae"]["final"]["mean"] == pytest.approx(0.8)
    assert "first_minus_this_final" not in rows["hae"]
    assert rows["gae"]["first_minus_this_final"]["mean"] == pytest.approx(0.4)
    # Paired: 0.1, -0.2 and 0.1 differ by nothing on average.
    assert rows["PPO"]["first_minus_this_final"]["mean"] == pytest.approx(0.0)
    assert rows["PPO"]["first_minus_this_final"]["p_permutation"] == 1.0
    assert rows["gae"]["first_minus_this_final"]["low"] > 0.0


def test_every_contestant_is_trained_and_recorded(tmp_path: Path) -> None:
    out, kept = tmp_path / "sb3.json", tmp_path / "runs"
    args = Args(tasks=("errands",), seeds=1, episodes=3, steps=1024, runs=kept, out=out)
    assert main(args) == out
    record = json.loads(out.read_text())
    runs = record["results"]["runs"]
    assert sorted(json.loads(file.read_text())["contestant"] for file in kept.iterdir()) == [
        run["contestant"] for run in runs
    ]
    assert [run["contestant"] for run in runs] == sorted(TASKS["errands"].contestants)
    for run in runs:
        assert run["steps"] == 1024
        assert 0.0 <= run["final"] <= 4.0
        assert any(value is not None for value in run["curve"])
    assert "stable-baselines3" in record["versions"]
