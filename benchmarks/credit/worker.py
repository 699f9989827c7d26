"""Trains one cell to its budget and evaluates it on the way; goes on with one that was stopped.

A checkpoint is written before every evaluation, and an evaluation is made of what the checkpoint
holds. So a cell that is killed at any moment has an evaluation for every mark up to its checkpoint
but perhaps the last, and that one is made up for when it goes on: its curve is the same as if
nothing had happened. The worker knows nothing of other cells.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from benchmarks.credit.cells import Cell, json_able
from benchmarks.credit.origin import origin
from benchmarks.credit.outcomes import (
    MODES,
    claim_folder,
    read_evaluations,
    read_outcome,
    write_evaluations,
    write_result,
)
from benchmarks.evaluating import play_panel
from hiper_base.errors import BusyError
from hiper_base.files import holding

if TYPE_CHECKING:
    from hiper_agents.training.run import Trainer

__all__ = ["EXIT_BUSY", "EXIT_FAILED", "EXIT_STOPPED", "LOG_FILE", "run_cell", "work"]

LOG_FILE = "log.txt"
LOCK_FILE = "lock"
EXIT_FAILED, EXIT_BUSY, EXIT_STOPPED = 1, 75, 130
"""Exit codes of a process: the cell raised an error; another process has it; asked to stop."""


def work(cell: Cell, root: Path, allow_mixed: bool = False) -> None:
    """Runs a cell as the whole life of a process: what it writes goes into the cell's log.

    A request to terminate ends it like an interrupt, after a checkpoint.

    Raises:
        SystemExit: With one of the exit codes above, unless the cell is finished.
    """
    folder = cell.folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG_FILE).open("a", encoding="utf-8", buffering=1) as log:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())
        # Ctrl-C reaches the whole group of processes; only the study decides when a cell stops.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            run_cell(cell, root, allow_mixed=allow_mixed)
        except BusyError:
            sys.exit(EXIT_BUSY)
        except KeyboardInterrupt:
            sys.exit(EXIT_STOPPED)
        except Exception:
            log.write(traceback.format_exc())
            sys.exit(EXIT_FAILED)


def run_cell(cell: Cell, root: Path, *, allow_mixed: bool = False) -> None:
    """Trains and evaluates a cell, or as much of it as is not done yet.

    Args:
        cell: The cell.
        root: Folder of all studies.
        allow_mixed: Go on with a cell that other versions have begun.

    Raises:
        StudyError: Its folder holds another cell, or one of other versions.
        BusyError: Another process works on it.
        HiperError: Its settings cannot be trained or evaluated.
    """
    from hiper_agents.agent import CHECKPOINT_FILE
    from hiper_agents.training.metrics import Metrics
    from hiper_agents.training.run import make_trainer, train

    folder = cell.folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    with holding(folder / LOCK_FILE):
        if read_outcome(folder) is not None:
            return
        origins = claim_folder(cell, folder, origin(cell.estimator), allow_mixed=allow_mixed)
        config = cell.config()
        if not (folder / CHECKPOINT_FILE).exists():
            # To be evaluated before it has learned anything from success.
            beginner = make_trainer(config)
            beginner.warm_start()
            beginner.save(folder)
        evaluations = _Evaluations(cell, folder)
        evaluations.catch_up()

        def after(_metrics: Metrics, trainer: Trainer[Any]) -> None:
            if _is_orphan():
                raise KeyboardInterrupt
            if trainer.total_turns >= evaluations.due and not trainer.is_finished:
                trainer.save(folder)
                evaluations.catch_up()

        trainer = train(config, folder, resume=True, on_iteration=after)
        evaluations.catch_up()
        final = {mode: evaluations.play(mode, reference=True) for mode in MODES}
        write_result(folder, _document(cell, origins, evaluations, final, trainer))


def _document(
    cell: Cell,
    origins: list[dict[str, Any]],
    evaluations: _Evaluations,
    final: Mapping[str, Any],
    trainer: Trainer[Any],
) -> dict[str, Any]:
    return {
        "cell": cell.identity,
        "config": json_able(asdict(trainer.config)),
        "origins": origins,
        "evaluations": evaluations.made,
        "final": dict(final),
        "turns": trainer.total_turns,
        "episodes": trainer.total_episodes,
        "iterations": trainer.iteration,
        "training_seconds": trainer.seconds,
        "evaluation_seconds": sum(entry["evaluation_seconds"] for entry in evaluations.made),
    }


class _Evaluations:
    """The evaluations of a cell, of what its checkpoint holds."""

    def __init__(self, cell: Cell, folder: Path) -> None:
        self._cell, self._folder = cell, folder
        self.made = read_evaluations(folder)

    @property
    def due(self) -> float:
        """Turns at which the next is due."""
        return self._cell.plan.due(self._marks)

    @property
    def _marks(self) -> int:
        """Marks that evaluations have been made for; one evaluation may stand for several."""
        return self.made[-1]["marks"] if self.made else 0

    def catch_up(self) -> None:
        """Evaluates the checkpoint if one is due and has not been made of it."""
        from hiper_agents.training.checkpoint import read_checkpoint

        progress = read_checkpoint(self._folder)
        if self.made and progress["turns"] <= self.made[-1]["turns"]:
            return
        if progress["turns"] < self.due:
            return
        started = time.perf_counter()
        played = self.play("sampled", reference=False)
        plan = self._cell.plan
        entry = {
            "marks": 1 + int(min(progress["turns"], plan.turns) * plan.marks // plan.turns),
            "turns": progress["turns"],
            "iteration": progress["iteration"],
            "training_seconds": progress["seconds"],
            "evaluation_seconds": time.perf_counter() - started,
            "success_rate": played["success_rate"],
            "mean_score": played["mean_score"],
            "mean_turns": played["mean_turns"],
            "per_task_type": {
                name: counts["success_rate"] for name, counts in played["per_task_type"].items()
            },
        }
        self.made.append(entry)
        write_evaluations(self._folder, self.made)

    def play(self, mode: str, *, reference: bool) -> dict[str, Any]:
        """Evaluates the checkpoint on the cell's panel."""
        plan, panel = self._cell.plan, self._cell.plan.panel
        return play_panel(
            str(self._folder),
            plan.env,
            mode=mode,
            split=panel.split,
            tasks=panel.tasks,
            seed=panel.seed,
            reference=reference,
            env_options={**plan.env_options, "max_turns": plan.max_turns},
        )


def _is_orphan() -> bool:
    """Whether the study that this process works for has ended without stopping it."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
