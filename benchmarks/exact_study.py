"""Bias and variance of every advantage estimator, against the exact policy gradient.

    python -m benchmarks.exact_study
    python -m benchmarks.exact_study --quick --out /tmp/exact.json --plots /tmp

Small hierarchical decision processes have a policy gradient that can be computed. Each registered
estimator's gradient estimate is compared with it: by sampling, on errands whose step limit, number
of subgoals and delay of reward grow; and by listing all episodes, on processes small enough. So the
two claims of the HiPER paper (arXiv 2602.16165) are checked: HAE is unbiased, and has at most the
variance of flat GAE. docs/exact_study.md says what came out.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.progress import Progress

from benchmarks.exact.claims import census, counterexamples
from benchmarks.exact.conditions import conditions
from benchmarks.exact.figures import draw
from benchmarks.exact.study import Cell, Sampling, cells, measure
from benchmarks.exact.variants import available
from benchmarks.recording import RESULTS, record

Result = dict[str, Any]
LEVEL = 0.01
"""Of the tests: so many of the unbiased are rejected."""


@dataclass(frozen=True)
class Args:
    """Measures bias and variance of advantage estimators against the exact gradient."""

    batches: int = 1000
    """Gradient estimates a cell."""
    episodes: int = 128
    """Episodes a gradient estimate is made from."""
    processes: int = 500
    """Random processes on which the claims are checked without sampling."""
    seed: int = 0
    """Of everything that is random."""
    jobs: int = min(2, os.cpu_count() or 1)
    """Cells measured side by side; each uses one core."""
    quick: bool = False
    """Fewer levels, batches and processes: a look, in seconds."""
    out: Path | None = None
    """File of the record; benchmarks/results/exact_study.json by default."""
    plots: Path = RESULTS.parents[1] / "docs" / "images"
    """Folder of the pictures."""


def main(args: Args) -> Path:
    """Runs the study; returns the file of the record."""
    if args.quick:
        args = replace(args, batches=min(args.batches, 200), processes=min(args.processes, 40))
    console, started = Console(), time.perf_counter()
    sampling = Sampling(batches=args.batches, episodes=args.episodes, seed=args.seed)
    others, left_out = available()
    study = list(cells(others, quick=args.quick))
    # Spawned, so that no cell inherits threads or random state.
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool:
        claims = [
            pool.submit(census, args.processes, args.seed, once=once) for once in (False, True)
        ]
        measured = _measured(study, sampling, pool, console)
        results: Result = {
            "claims": {
                "census": [future.result() for future in claims],
                "counterexamples": counterexamples(),
                "conditions": list(conditions(args.seed)),
            },
            "cells": measured,
            "verdicts": list(verdicts(measured)),
            "left_out": left_out,
        }
    results["cpu_seconds"] = round(sum(os.times()[:4]), 1)
    path = record(
        "exact_study",
        results,
        seeds=[args.seed],
        n=args.batches,
        seconds=time.perf_counter() - started,
        path=args.out,
    )
    # From the record, so that whoever has it can draw them again.
    pictures = draw(json.loads(path.read_text(encoding="utf-8"))["results"], args.plots)
    console.print(f"recorded in {path}; drew {', '.join(picture.name for picture in pictures)}")
    return path


def verdicts(measured: Sequence[Result]) -> list[Result]:
    """What the tests say of each variant with an exact critic, over all cells.

    One in a hundred tests of an unbiased estimator rejects it. `p` takes all of a variant's cells
    together: the smallest p times their number (Bonferroni).
    """
    found: dict[str, list[Result]] = {}
    for cell in measured:
        for row in cell["rows"]:
            if row["critic_error"] == 0.0:
                found.setdefault(row["variant"], []).append(row)
    return [
        {
            "variant": variant,
            "cells": len(rows),
            "rejected": sum(row["test"]["p"] < LEVEL for row in rows),
            "p": min(1.0, len(rows) * min(row["test"]["p"] for row in rows)),
            "direction_rejected": sum(row["p_direction"] < LEVEL for row in rows),
            "p_direction": min(1.0, len(rows) * min(row["p_direction"] for row in rows)),
        }
        for variant, rows in found.items()
    ]


def _measured(
    study: Sequence[Cell], sampling: Sampling, pool: Executor, console: Console
) -> list[Result]:
    """All cells, in their order, however they finish."""
    futures = {pool.submit(measure, cell, sampling, i): i for i, cell in enumerate(study)}
    measured: dict[int, Result] = {}
    with Progress(console=console) as progress:
        bar = progress.add_task("cells", total=len(study))
        for future in as_completed(futures):
            measured[futures[future]] = future.result()
            progress.advance(bar)
    return [measured[i] for i in range(len(study))]


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
