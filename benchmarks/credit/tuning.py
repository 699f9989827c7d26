"""The same small grid for every estimator, and which point of it each gets.

Every point is one run with a seed that is not among the study's, as long for one estimator as for
another, and scored on tasks of the *training* split: choosing never sees the tasks that the study
evaluates on. The score is the mean success over the whole run, which counts early learning and the
end alike. One seed a point is little, and ablations are not tuned again: both are said in the
report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.credit.cells import TUNING, Cell, Panel, Plan, Settings, StudyError
from benchmarks.credit.outcomes import Outcome, read_outcome
from benchmarks.credit.thresholds import mean_success

__all__ = ["GRID", "Choice", "Trial", "choose", "tuning_cells"]

GRID: tuple[Settings, ...] = (
    {"ppo": {"learning_rate": 1e-3}},
    {"ppo": {"learning_rate": 3e-4}},
    {"ppo": {"learning_rate": 3e-3}},
)
"""Step sizes of the policy; the first is the one that `hiper train` begins with."""
TASKS = 140
"""Training tasks that a point of the grid is scored on, where the study's panel has no number."""


@dataclass(frozen=True)
class Trial:
    """One point of the grid.

    Attributes:
        settings: What differs.
        score: Mean success over the run, on tasks of the training split.
        final: Success at its end.
    """

    settings: Settings
    score: float
    final: float


@dataclass(frozen=True)
class Choice:
    """What was chosen for an estimator.

    Attributes:
        estimator: Its name.
        settings: The settings of the best trial; of equals, those that come first in the grid.
        trials: All of them, in the order of the grid.
        seed: Seed of the trials.
        turns: Turns of each.
    """

    estimator: str
    settings: Settings
    trials: tuple[Trial, ...]
    seed: int
    turns: int


def tuning_cells(
    plan: Plan,
    estimators: Sequence[str],
    *,
    turns: int,
    seed: int,
    grid: Sequence[Settings] = GRID,
) -> list[Cell]:
    """The runs that choose the settings, one for every estimator and point of the grid.

    Args:
        plan: That of the setting to tune on.
        estimators: Names of the estimators.
        turns: Budget of a run.
        seed: Seed of all of them; none of the study's.
        grid: Fields of `TrainConfig`, one dict for each point.

    Raises:
        StudyError: The grid is empty.
    """
    if not grid:
        raise StudyError("there is nothing to choose from: the grid is empty")
    own = replace(plan, turns=turns, panel=Panel(plan.split, plan.panel.tasks or TASKS, seed))
    return [
        Cell(own, estimator, seed, tuned=dict(point), purpose=TUNING)
        for point in grid
        for estimator in estimators
    ]


def choose(cells: Sequence[Cell], root: Path) -> dict[str, Choice]:
    """The best point of the grid for every estimator.

    Args:
        cells: From `tuning_cells`.
        root: Folder of all studies.

    Raises:
        StudyError: A run is not finished.
    """
    trials: dict[str, list[tuple[Cell, Trial]]] = {}
    for cell in cells:
        outcome = read_outcome(cell.folder(root))
        if outcome is None:
            raise StudyError(f"tuning is not finished: {cell.name} has no result")
        trials.setdefault(cell.estimator, []).append((cell, trial(outcome)))
    return {estimator: _best(estimator, found) for estimator, found in trials.items()}


def choices_in(outcomes: Sequence[Outcome]) -> list[Choice]:
    """What the tuning runs among finished cells would choose, sorted by estimator."""
    trials: dict[str, list[tuple[Cell, Trial]]] = {}
    for outcome in outcomes:
        if outcome.cell.purpose == TUNING:
            found = trials.setdefault(outcome.cell.estimator, [])
            found.append((outcome.cell, trial(outcome)))
    return [_best(estimator, found) for estimator, found in sorted(trials.items())]


def settings_of(choices: Mapping[str, Choice]) -> dict[str, Settings]:
    """The chosen settings by estimator."""
    return {estimator: choice.settings for estimator, choice in choices.items()}


def trial(outcome: Outcome) -> Trial:
    """The score of a finished tuning run."""
    cell = outcome.cell
    return Trial(
        cell.tuned,
        mean_success(outcome.turns, outcome.success, cell.plan.turns),
        outcome.success[-1],
    )


def _best(estimator: str, found: Sequence[tuple[Cell, Trial]]) -> Choice:
    score: Any = max(one.score for _, one in found)
    best = next(one for _, one in found if one.score == score)
    cell = found[0][0]
    return Choice(
        estimator, best.settings, tuple(one for _, one in found), cell.seed, cell.plan.turns
    )
