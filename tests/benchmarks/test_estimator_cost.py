from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.estimator_cost import CostArgs, main, optional_columns, rollout
from hiper_agents.estimators import TurnBatch, get_estimator


def test_the_rollout_is_a_batch_of_the_shape_asked_for() -> None:
    batch = TurnBatch(**rollout(4, 30, 3.0, np.random.default_rng(0)))
    assert len(batch) == 120
    assert batch.layout.trajectory_end.sum() == 4
    assert batch.terminated.sum() == batch.truncated.sum() == 2


def test_the_columns_of_every_estimator_are_there() -> None:
    rng = np.random.default_rng(0)
    plain = TurnBatch(**rollout(16, 5, 3.0, rng))
    batch = replace(plain, **optional_columns(plain, rng))
    assert {"gae", "hae", "gigpo", "strata", "archer"} <= set(CostArgs().estimators)
    for name in CostArgs().estimators:
        assert len(get_estimator(name)(batch).low) == 80


def test_every_estimator_is_recorded_for_every_shape(tmp_path: Path) -> None:
    out = tmp_path / "cost.json"
    args = CostArgs(estimators=("hae", "gear"), shapes=((2, 5), (1, 9)), repeats=2, out=out)
    assert main(args) == out
    rows = json.loads(out.read_text())["results"]["rows"]
    assert [(row["estimator"], row["trajectories"], row["turns_each"]) for row in rows] == [
        ("hae", 2, 5),
        ("gear", 2, 5),
        ("hae", 1, 9),
        ("gear", 1, 9),
    ]
    for row in rows:
        assert len(row["estimate_us_per_turn"]["values"]) == 2
        assert min(row["estimate_us_per_turn"]["values"]) > 0.0
