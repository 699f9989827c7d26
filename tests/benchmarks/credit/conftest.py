"""Cells with results that were never trained: what the tables are made of, without the training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.credit.cells import Cell, Panel, Plan
from benchmarks.credit.outcomes import Outcome, claim_folder, read_outcome, write_result

ORIGIN = {
    "versions": {"numpy": "2.0"},
    "code": "0123456789abcdef",
    "plugin": None,
    "commit": "c0ffee",
    "cpu": "abacus",
}
PLAN = Plan("HiPER-ALFWorld-v0", {}, 1000, 2, "generated", Panel("generated"))

MakeCell = Callable[..., Cell]
Finish = Callable[..., Outcome]


def played(success: float) -> dict[str, Any]:
    """What an evaluation holds."""
    return {
        "split": "generated",
        "success_rate": success,
        "mean_score": success,
        "n": 10,
        "panel_sha256": "ab" * 32,
        "per_task_type": {"look": {"success_rate": success, "n": 10}},
        "options": {"mean_length": 3.0, "boundary_agreement": {"f1": 0.5} if success else None},
    }


@pytest.fixture
def make_cell() -> MakeCell:
    """Makes a cell: `make_cell("hae", 0, subtasks=4)`."""

    def make(
        estimator: str = "hae",
        seed: int = 0,
        *,
        plan: Plan = PLAN,
        ablation: str = "",
        tuned: Mapping[str, Any] | None = None,
        purpose: str = "study",
        env: str = "",
        **options: Any,
    ) -> Cell:
        own = replace(plan, env=env or plan.env, env_options=options or plan.env_options)
        return Cell(own, estimator, seed, ablation, tuned or {}, purpose)

    return make


@pytest.fixture
def finish(tmp_path: Path) -> Finish:
    """Writes a result: `finish(cell, [0.0, 0.5, 1.0])` with success before, between, at the end."""

    def write(
        cell: Cell,
        success: Sequence[float],
        *,
        root: Path = tmp_path,
        origin: Mapping[str, Any] = ORIGIN,
        panel: str = "ab" * 32,
    ) -> Outcome:
        folder = cell.folder(root)
        claim_folder(cell, folder, origin)
        step = cell.plan.turns / (len(success) - 1)
        final = {**played(success[-1]), "panel_sha256": panel}
        write_result(
            folder,
            {
                "cell": cell.identity,
                "config": {"gamma": 0.99},
                "origins": [dict(origin)],
                "evaluations": [
                    {"turns": index * step, "success_rate": value}
                    for index, value in enumerate(success)
                ],
                "final": {"sampled": final, "greedy": final},
                "turns": cell.plan.turns,
                "episodes": 100,
                "iterations": 5,
                "training_seconds": 60.0,
                "evaluation_seconds": 6.0,
            },
        )
        outcome = read_outcome(folder)
        assert outcome is not None
        return outcome

    return write
