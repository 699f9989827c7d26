"""What advantage estimation costs, in microseconds a turn.

    python -m benchmarks.estimator_cost

Random rollouts of three shapes: one training iteration (128 episodes of 50 turns), a million turns
in such episodes, and a million turns in one episode. Their turns come in the order in which a
vector environment adds them. Timed apart: building the batch of the columns that every estimator
gets, which validates and sorts, and estimating. Columns that only some estimators need are random,
too. The benchmark knows nothing about how good the advantages are.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from benchmarks.recording import Summary, record, summarise
from hiper_agents.estimators import TurnBatch, get_estimator

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class CostArgs:
    """Time the advantage estimators."""

    estimators: tuple[str, ...] = (
        "gae",
        "hae",
        "grpo",
        "rloo",
        "reinforce_pp",
        "gigpo",
        "strata",
        "gear",
        "archer",
    )
    """Names of the estimators."""
    shapes: tuple[tuple[int, int], ...] = ((128, 50), (20_000, 50), (1, 1_000_000))
    """Trajectories, and turns in each."""
    option_length: float = 4.0
    """Mean length of an option, in turns."""
    repeats: int = 7
    """Timed repeats of each measurement, after one that is not counted."""
    seed: int = 0
    """Seed of the random rollouts."""
    out: Path | None = None
    """File of the record; benchmarks/results/estimator_cost.json by default."""


def rollout(
    trajectories: int, turns: int, option_length: float, rng: np.random.Generator
) -> dict[str, Any]:
    """Columns of a random rollout, [trajectories * turns], turn by turn over all trajectories.

    Half of the trajectories terminate, half are truncated.
    """
    n = trajectories * turns
    turn = np.repeat(np.arange(turns), trajectories)
    trajectory_id = np.tile(np.arange(trajectories), turns)
    last = turn == turns - 1
    return {
        "reward": rng.normal(size=n),
        "terminated": last & (trajectory_id % 2 == 0),
        "truncated": last & (trajectory_id % 2 == 1),
        "boundary": rng.random(n) < 1.0 / option_length,
        "value_low": rng.normal(size=n),
        "value_high": rng.normal(size=n),
        "value_switch": rng.normal(size=n),
        "trajectory_id": trajectory_id,
        "turn": turn,
        "group_id": trajectory_id // 8,
        "state_key": rng.integers(0, 1000, size=n),
    }


def optional_columns(batch: TurnBatch, rng: np.random.Generator) -> dict[str, Any]:
    """Random optional columns of a batch: two rollouts a strategy, a turn in ten off its plan."""
    n = len(batch)
    return {
        "strategy_id": batch.trajectory_id // 2,
        "off_plan": rng.random(n) < 0.1,
        "divergence": rng.exponential(size=n),
        "q_value": rng.normal(size=n),
    }


def microseconds(function: Callable[[], object], repeats: int, turns: int) -> Summary:
    """Times a function that handles some turns; microseconds a turn."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append((time.perf_counter() - start) * 1e6 / turns)
    return summarise(times)


def measure(args: CostArgs) -> list[dict[str, Any]]:
    """Times every estimator on every shape."""
    rng = np.random.default_rng(args.seed)
    # Their own generator, so that the other columns are what they were before there were any.
    optional_rng = np.random.default_rng([args.seed, 1])
    rows = []
    for trajectories, turns in args.shapes:
        columns = rollout(trajectories, turns, args.option_length, rng)
        n = trajectories * turns
        plain = TurnBatch(**columns)
        annotated = replace(plain, **optional_columns(plain, optional_rng))
        built = microseconds(partial(TurnBatch, **columns), args.repeats, n)
        for name in args.estimators:
            estimator = get_estimator(name)
            batch = annotated if estimator.needs.columns else plain
            estimate = partial(estimator, batch, gamma=0.99, lam_low=0.95)
            cost = microseconds(estimate, args.repeats, n)
            _LOG.info(
                "%-12s %7d x %7d turns   batch %.3f us/turn   estimate %.3f us/turn",
                *(name, trajectories, turns, built.median, cost.median),
            )
            rows.append(
                {
                    "estimator": name,
                    "trajectories": trajectories,
                    "turns_each": turns,
                    "batch_us_per_turn": built,
                    "estimate_us_per_turn": cost,
                }
            )
    return rows


def main(args: CostArgs) -> Path:
    """Measures, and returns the file of the record."""
    start = time.perf_counter()
    rows = measure(args)
    seconds = time.perf_counter() - start
    return record(
        "estimator_cost",
        {"rows": rows},
        seeds=[args.seed],
        n=args.repeats,
        seconds=seconds,
        path=args.out,
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(tyro.cli(CostArgs))
