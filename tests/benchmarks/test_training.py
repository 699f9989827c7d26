"""The training study: cells are kept, and summarised over seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.training import Args, Cell, evaluate_cell, summarise_study


def played(success: float, options: float | None) -> dict[str, Any]:
    return {
        "success_rate": success,
        "mean_turns": 10.0,
        "options": {
            "mean_per_solved_episode": options,
            "contains_named_action": options and 1.0,
            "boundary_agreement": options and {"f1": 0.9},
        },
    }


def cell(seed: int, success: float, options: float | None) -> dict[str, Any]:
    return {
        "estimator": "hae",
        "seed": seed,
        "minutes": 5.0,
        "episodes": 100,
        "turns": 1000,
        "greedy": played(success, options),
        "sampled": played(success / 2, options),
    }


def test_seeds_are_summarised_and_missing_figures_left_out() -> None:
    greedy, sampled = summarise_study([cell(0, 1.0, 3.0), cell(1, 0.5, None)])
    assert greedy["success_rate"].mean == 0.75
    assert sampled["success_rate"].values == (0.5, 0.25)
    assert greedy["options_per_solved_episode"].values == (3.0,)
    nothing, _ = summarise_study([cell(0, 0.0, None)])
    assert nothing["options_per_solved_episode"] is None


def test_a_finished_mark_is_not_played_again(tmp_path: Path) -> None:
    one = Cell("hae", 0, Args(minutes=(5.0,), runs=tmp_path))
    path = one.run / "evaluation-5.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(cell(0, 1.0, 3.0)))
    assert evaluate_cell(one) == [cell(0, 1.0, 3.0)]


def test_a_cell_is_trained_and_evaluated_at_its_marks(tmp_path: Path, real_data: Path) -> None:
    one = Cell("gae", 0, Args(minutes=(0.005, 0.01), runs=tmp_path))
    first, second = evaluate_cell(one)
    assert (first["minutes"], second["minutes"]) == (0.005, 0.01)
    assert second["iterations"] >= first["iterations"] >= 1
    assert second["greedy"]["n"] == 140
    assert 0.0 <= second["sampled"]["success_rate"] <= 1.0
