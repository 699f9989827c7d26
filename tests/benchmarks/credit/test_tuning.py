"""Tuning: the same trials for all, off the study's seeds and tasks, and the best one is taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.credit.cells import Cell, Panel, Plan, StudyError
from benchmarks.credit.outcomes import Outcome
from benchmarks.credit.tuning import GRID, choices_in, choose, settings_of, tuning_cells

Finish = Callable[..., Outcome]
PLAN = Plan("E-v0", {"k": 2}, 1000, 4, "train", Panel("valid_seen"))
POINTS = ({"gamma": 0.99}, {"gamma": 0.9})


def trials(estimators: list[str]) -> list[Cell]:
    return tuning_cells(PLAN, estimators, turns=500, seed=77, grid=POINTS)


def test_all_have_the_same_trials_and_none_sees_the_panel() -> None:
    cells = tuning_cells(PLAN, ["hae", "gae"], turns=500, seed=77)
    for estimator in ("hae", "gae"):
        own = [cell for cell in cells if cell.estimator == estimator]
        assert [cell.tuned for cell in own] == list(GRID)
        assert {(c.plan.turns, c.seed, c.plan.panel.split) for c in own} == {(500, 77, "train")}
    with pytest.raises(StudyError, match="empty"):
        tuning_cells(PLAN, ["hae"], turns=500, seed=77, grid=())


def test_the_best_over_the_whole_run_is_chosen(finish: Finish, tmp_path: Path) -> None:
    cells = trials(["hae", "gae"])
    curves = {
        ("hae", 0.99): [0.0, 0.1, 1.0],
        ("hae", 0.9): [0.0, 0.9, 0.9],
        ("gae", 0.99): [0.0, 0.5, 0.5],
        ("gae", 0.9): [0.0, 0.5, 0.5],
    }
    outcomes = [finish(cell, curves[cell.estimator, cell.tuned["gamma"]]) for cell in cells]
    chosen = choose(cells, tmp_path)
    # Of equal trials the first of the grid, which is what training begins with anyway.
    assert settings_of(chosen) == {"hae": {"gamma": 0.9}, "gae": {"gamma": 0.99}}
    assert [trial.score for trial in chosen["hae"].trials] == pytest.approx([0.3, 0.675])
    assert choices_in(outcomes) == [chosen["gae"], chosen["hae"]]


def test_nothing_is_chosen_from_half_of_the_trials(finish: Finish, tmp_path: Path) -> None:
    cells = trials(["hae"])
    finish(cells[0], [0.0, 1.0])
    with pytest.raises(StudyError, match="not finished"):
        choose(cells, tmp_path)
