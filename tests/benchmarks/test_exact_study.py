from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import exact_study
from benchmarks.exact.study import Cell, cells
from benchmarks.exact.variants import Variant
from benchmarks.exact_study import Args, main, verdicts


def row(variant: str, p: float, error: float = 0.0) -> dict[str, Any]:
    return {"variant": variant, "critic_error": error, "test": {"p": p}, "p_direction": 0.5}


def test_verdicts_count_rejections_and_take_all_cells_together() -> None:
    measured = [
        {"rows": [row("hae", 0.3), row("grpo", 1e-9), row("hae, error 1", 1e-9, error=1.0)]},
        {"rows": [row("hae", 0.004), row("grpo", 0.2)]},
    ]
    hae, grpo = verdicts(measured)
    assert (hae["variant"], hae["cells"], hae["rejected"]) == ("hae", 2, 1)
    assert hae["p"] == pytest.approx(0.008)
    assert grpo["p"] == pytest.approx(2e-9)
    assert (hae["direction_rejected"], hae["p_direction"]) == (0, 1.0)


def small(others: Sequence[Variant], *, quick: bool) -> Iterator[Cell]:
    """One cell an axis, with the smallest errand in each."""
    by_axis = {cell.axis: cell for cell in cells(others[:1], quick=quick)}
    for cell in by_axis.values():
        yield replace(cell, stages=2, subgoals=2, horizon=8, delay=1)


def test_the_study_is_recorded_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_study, "cells", small)
    out = tmp_path / "study.json"
    args = Args(batches=30, episodes=32, processes=2, jobs=1, quick=True, out=out, plots=tmp_path)
    assert main(args) == out
    document = json.loads(out.read_text())
    results = document["results"]
    assert (document["n"], document["seeds"]) == (30, [0])
    axes = {"horizon", "subgoals", "delay", "skill", "error", "lam"}
    assert {cell["axis"] for cell in results["cells"]} == axes
    assert [census["once"] for census in results["claims"]["census"]] == [False, True]
    assert {one["variant"] for one in results["verdicts"]} >= {"gae", "hae", "hae, lam 1"}
    names = {"exact_bias.svg", "exact_census.svg", "exact_lambda.svg", "exact_variance.svg"}
    assert {path.name for path in tmp_path.glob("*.svg")} == names
