"""The log of a run, in all the places where it is kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hiper_agents.training.metrics import METRICS_FILE, WANDB_FILE, MetricsLog
from hiper_base.errors import MissingDependencyError

METRICS = {"iteration": 1, "success": 0.25, "losses": {"low": 0.5}}


def test_lines_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    with MetricsLog(tmp_path, 0, tensorboard=False) as log:
        for iteration in (1, 2, 3):
            log.write({**METRICS, "iteration": iteration})
    with MetricsLog(tmp_path, 2, tensorboard=False) as log:
        log.write({**METRICS, "iteration": 3, "success": 0.75})
    lines = [json.loads(line) for line in (tmp_path / METRICS_FILE).read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [1, 2, 3]
    assert [line["success"] for line in lines] == [0.25, 0.25, 0.75]


def test_tensorboard_has_every_number(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with MetricsLog(tmp_path, 0, tensorboard=True) as log:
        log.write(METRICS)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert {tag: events.Scalars(tag)[0].value for tag in events.Tags()["scalars"]} == {
        "rollout/success": 0.25,
        "losses/low": 0.5,
    }


def test_wandb_is_told_the_same_and_goes_on_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb", reason="the extra `wandb` is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "config.json").write_text(json.dumps({"estimator": "hae"}))
    for iteration in (1, 2):
        with MetricsLog(tmp_path, iteration - 1, False, "lessons") as log:
            assert log._wandb.config["estimator"] == "hae"
            log.write({**METRICS, "iteration": iteration})
            assert log._wandb.summary["rollout/success"] == 0.25
            assert log._wandb.summary["losses/low"] == 0.5
    name = (tmp_path / WANDB_FILE).read_text().strip()
    kept = list((tmp_path / "wandb").glob(f"offline-run-*-{name}"))
    assert kept
    assert wandb.run is None


def test_a_project_without_the_library_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingDependencyError, match=r"hiper-gym\[wandb\]"):
        MetricsLog(tmp_path, 0, False, "lessons")
