"""Real cells: trained, killed, gone on with, and reported, on generated games."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from benchmarks.credit.cells import Cell, Panel, Plan, StudyError, cells_of
from benchmarks.credit.outcomes import read_evaluations, read_outcome
from benchmarks.credit.progress import StudyProgress
from benchmarks.credit.runner import Status, run_cells
from benchmarks.credit.worker import run_cell
from benchmarks.credit_assignment import Args, main, plans_of
from hiper_agents.estimators import registry
from hiper_agents.training.checkpoint import load_policy
from hiper_agents.training.run import train
from hiper_base.errors import BusyError

ENV = "HiPER-ALFWorld-v0"
SMALL = {"episodes": 8, "checkpoint_seconds": 0.0}
PLAN = Plan(ENV, {}, 300, 3, "generated", Panel("generated", 6), 12, SMALL)
# Long enough to be seen at work.
LONGER = replace(PLAN, turns=1200, marks=4)


def cell() -> Cell:
    return Cell(PLAN, "hae", 0)


def test_a_cell_is_evaluated_at_its_marks(no_data: Path, tmp_path: Path) -> None:
    run_cell(cell(), tmp_path)
    outcome = read_outcome(cell().folder(tmp_path))
    assert outcome is not None
    assert outcome.turns[0] == 0.0
    assert len(outcome.turns) == 4
    for mark, turns in zip((100, 200, 300), outcome.turns[1:], strict=True):
        assert mark <= turns < mark + 8 * 12
    assert outcome.final["sampled"]["n"] == 6
    assert outcome.success[-1] == outcome.final["sampled"]["success_rate"]
    written = (cell().folder(tmp_path) / "result.json").stat().st_mtime_ns
    run_cell(cell(), tmp_path)  # finished: costs nothing and changes nothing
    assert (cell().folder(tmp_path) / "result.json").stat().st_mtime_ns == written


def test_the_first_evaluation_is_of_what_demonstrations_have_taught(
    no_data: Path, tmp_path: Path
) -> None:
    panel, demonstrations = Panel("generated", 40), {**SMALL, "warm_start": 200}
    plan = replace(PLAN, marks=1, panel=panel, max_turns=50, train_options=demonstrations)
    taught = Cell(plan, "hae", 0)
    run_cell(taught, tmp_path / "study")
    outcome = read_outcome(taught.folder(tmp_path / "study"))
    assert outcome is not None
    assert outcome.turns[0] == 0.0
    assert outcome.success[0] > 0.0
    train(taught.config(), tmp_path / "alone")
    alone, cells_own = (
        load_policy(folder)[0].state_dict()
        for folder in (tmp_path / "alone", taught.folder(tmp_path / "study"))
    )
    assert all(torch.equal(alone[name], cells_own[name]) for name in alone)


def test_a_cell_that_was_stopped_ends_like_one_that_was_not(
    no_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_cell(cell(), tmp_path / "whole")
    iterations = 0

    def stops(*arguments: Any, on_iteration: Any, **settings: Any) -> Any:
        def after(metrics: Any, trainer: Any) -> None:
            nonlocal iterations
            iterations += 1
            on_iteration(metrics, trainer)
            if iterations == 2:
                raise KeyboardInterrupt

        return train(*arguments, on_iteration=after, **settings)

    monkeypatch.setattr("hiper_agents.training.run.train", stops)
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell(), tmp_path / "cut")
    assert read_outcome(cell().folder(tmp_path / "cut")) is None
    run_cell(cell(), tmp_path / "cut")
    whole = read_evaluations(cell().folder(tmp_path / "whole"))
    cut = read_evaluations(cell().folder(tmp_path / "cut"))
    timeless = [
        [{k: v for k, v in entry.items() if "seconds" not in k} for entry in made]
        for made in (whole, cut)
    ]
    assert timeless[0] == timeless[1]


def test_an_estimator_of_another_package_takes_part_by_name(
    no_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    (package / "borrowed-1.2.dist-info").mkdir(parents=True)
    (package / "borrowed-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: borrowed\nVersion: 1.2\n"
    )
    (package / "borrowed-1.2.dist-info" / "entry_points.txt").write_text(
        "[hiper.estimators]\nborrowed = borrowed:estimate\n"
    )
    (package / "borrowed.py").write_text(
        "from hiper_agents.estimators import get_estimator\n"
        "def estimate(batch, **settings):\n"
        "    return get_estimator('hae')(batch, **settings)\n"
    )
    monkeypatch.syspath_prepend(package)
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))
    theirs = Cell(PLAN, "borrowed", 0)
    run_cell(theirs, tmp_path)
    run_cell(cell(), tmp_path)
    outcome, ours = (read_outcome(one.folder(tmp_path)) for one in (theirs, cell()))
    assert outcome is not None
    assert ours is not None
    assert outcome.origins[0]["plugin"] == "borrowed 1.2"
    assert ours.origins[0]["plugin"] is None
    assert outcome.success == ours.success


def test_a_missing_evaluation_is_made_up_for(no_data: Path, tmp_path: Path) -> None:
    run_cell(cell(), tmp_path)
    folder = cell().folder(tmp_path)
    before = read_evaluations(folder)
    (folder / "result.json").unlink()
    (folder / "evaluations.json").write_text(json.dumps({"evaluations": before[:-1]}))
    run_cell(cell(), tmp_path)
    assert [entry["success_rate"] for entry in read_evaluations(folder)] == [
        entry["success_rate"] for entry in before
    ]


def test_two_processes_do_not_work_on_one_cell(no_data: Path, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    folder = cell().folder(tmp_path)
    folder.mkdir(parents=True)
    holder = (
        "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); "
        "sys.stdout.write('held'); sys.stdout.flush(); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(folder / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"held"
        with pytest.raises(BusyError):
            run_cell(cell(), tmp_path)
        process.communicate()
    assert fcntl is not None
    run_cell(cell(), tmp_path)


def test_a_study_from_end_to_end_with_a_worker_killed(no_data: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    cells = cells_of([LONGER], ["hae", "gae"], [0, 1])
    for one in cells[1:]:
        run_cell(one, root)
    broken = Cell(replace(LONGER, env_options={"no_such_option": 1}), "hae", 2)
    before: list[dict[str, Any]] = []
    console = Console(file=(tmp_path / "shown.txt").open("w"), width=100)
    progress = StudyProgress("study", console)

    def observe(status: Status) -> None:
        progress.update(status)
        made = read_evaluations(cells[0].folder(root))
        if not before and len(made) >= 2:
            before.extend(made)
            (child,) = multiprocessing.active_children()
            os.kill(child.pid or 0, signal.SIGKILL)

    with progress:
        status = run_cells([*cells, broken], root, jobs=1, observe=observe)
    assert before, "the process ended before it could be killed"
    assert status.done == 4
    (failure,) = status.failures
    assert failure.cell == broken
    assert "no_such_option" in failure.reason
    outcome = read_outcome(cells[0].folder(root))
    assert outcome is not None
    assert outcome.document["evaluations"][: len(before)] == before
    assert len(outcome.turns) == LONGER.marks + 1

    args = Args(runs=root, report_only=True, out=tmp_path / "record.json")
    assert main(args, console) == 0
    document = json.loads((tmp_path / "record.json").read_text())
    (setting,) = document["results"]["settings"]
    assert [method["variant"] for method in setting["methods"]] == ["hae", "gae"]
    assert {one["metric"] for one in setting["hae_against_rivals"]} >= {"final", "mean_success"}
    assert len(setting["runs"]) == document["n"] == 4
    assert document["seeds"] == [0, 1]
    assert "<h1>Credit assignment on HiPER-ALFWorld-v0</h1>" in (root / "record.html").read_text()
    console.file.close()
    assert "4 of 5 cells" in (tmp_path / "shown.txt").read_text()


def test_each_setting_has_its_own_budget_and_training(no_data: Path) -> None:
    first, second = plans_of(
        Args(
            env="HiPER-ALFWorldLong-v0",
            env_options='[{"subtasks": 2}, {"subtasks": 8}]',
            turns=(100, 400),
            train_options='[{"warm_start": 9}, {"warm_start": 3}]',
        )
    )
    assert (first.turns, first.max_turns, first.train_options) == (100, 100, {"warm_start": 9})
    assert (second.turns, second.max_turns, second.train_options) == (400, 400, {"warm_start": 3})


def test_settings_that_another_study_has_chosen(no_data: Path, tmp_path: Path) -> None:
    record, console = tmp_path / "record.json", Console(file=(tmp_path / "shown").open("w"))
    chosen = [{"estimator": "hae", "settings": {"ppo": {"learning_rate": 0.002}}}]
    record.write_text(json.dumps({"results": {"tuning": chosen}}))
    args = Args(
        estimators=("hae",),
        seeds=1,
        turns=(80,),
        marks=1,
        tasks=2,
        tuned_by=record,
        train_options='{"episodes": 8}',
        runs=tmp_path / "runs",
        out=tmp_path / "result.json",
    )
    assert main(args, console) == 0
    (run,) = json.loads(args.out.read_text())["results"]["settings"][0]["runs"]  # type: ignore[union-attr]
    assert run["tuned"] == {"ppo": {"learning_rate": 0.002}}
    page = (args.runs / "result.html").read_text()
    assert "chosen in another study" in page
    assert "ppo.learning_rate=0.002" in page
    for changes, message in (
        ({"estimators": ("gae",)}, "nothing for gae"),
        ({"tune": True}, "--tuned-by"),
        ({"tuned_by": tmp_path / "none.json"}, "no record"),
    ):
        with pytest.raises(StudyError, match=message):
            main(replace(args, **changes), console)
    console.file.close()


def test_what_cannot_be_run_is_said_before_anything_is(no_data: Path, tmp_path: Path) -> None:
    console = Console(file=(tmp_path / "shown.txt").open("w"))
    for changes, message in (
        ({"env_options": "[1]"}, "--env-options"),
        ({"env_options": "{"}, "--env-options"),
        ({"turns": (10, 20)}, "2 budgets"),
        ({"train_options": '{"clipp": 1}'}, "clipp"),
        ({"train_options": "[{}, {}]"}, "2 --train-options"),
        ({"ablations": ("no-brain",)}, "no-brain"),
        ({"tune": True, "tuning_seed": 3}, "seed 3"),
        ({"tune": True, "grid": "{}"}, "--grid"),
    ):
        with pytest.raises(StudyError, match=message):
            main(Args(estimators=("hae",), runs=tmp_path / "runs", **changes), console)
    assert not (tmp_path / "runs").exists()
    console.file.close()
