"""Works through many cells, a process each, and says how they are going.

Whatever happens to a process, its cell is a run folder that can be gone on with: one that was
killed from outside is begun again from its checkpoint, one that raised an error is left and
reported, and the others go on. What a process has achieved is read from its folder, so that nothing
is lost with it. The runner knows nothing of what a cell does.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from benchmarks.credit.cells import Cell
from benchmarks.credit.outcomes import RESULT_FILE, read_evaluations
from benchmarks.credit.worker import EXIT_BUSY, EXIT_FAILED, EXIT_STOPPED, LOG_FILE, work
from hiper_agents.training.metrics import METRICS_FILE

__all__ = ["Failure", "Status", "cores", "run_cells", "turns_played"]

POLL_SECONDS = 0.5
MAX_STARTS = 3
"""How often a cell is begun whose process is killed; something kills it, if that happens again."""
STOP_SECONDS = 60.0
_TAIL = 8192


@dataclass(frozen=True)
class Failure:
    """A cell that could not be finished.

    Attributes:
        cell: Which.
        reason: The last line of its log, or what happened to its process.
        log: The whole log.
    """

    cell: Cell
    reason: str
    log: Path


@dataclass
class Status:
    """How far a study is.

    Attributes:
        cells: All that are to be finished.
        root: Folder of all studies.
        done: How many are.
        running: Those that are being worked on, in the order in which they were begun.
        busy: Those that another process works on.
        failures: Those that cannot be finished.
    """

    cells: Sequence[Cell]
    root: Path
    done: int = 0
    running: list[Cell] = field(default_factory=list)
    busy: list[Cell] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def cores() -> int:
    """How many processes this one may use at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_cells(
    cells: Sequence[Cell],
    root: Path,
    *,
    jobs: int,
    allow_mixed: bool = False,
    observe: Callable[[Status], None] | None = None,
) -> Status:
    """Finishes cells, in order, as many at a time as there are jobs.

    Args:
        cells: The cells; those that are finished already cost nothing.
        root: Folder of all studies.
        jobs: Processes side by side, each of one thread.
        allow_mixed: Go on with cells that other versions have begun.
        observe: Called about twice a second with the state of things.

    Returns:
        The state at the end: `done` of all cells, unless some failed or others work on them.

    Raises:
        KeyboardInterrupt: Passed on after every process has written a checkpoint and ended.
    """
    status = Status(cells, root)
    left = [cell for cell in cells if not (cell.folder(root) / RESULT_FILE).exists()]
    status.done = len(cells) - len(left)
    pool = _Pool(root, allow_mixed)
    pending = deque(left)
    try:
        while pending or pool.running:
            while pending and len(pool.running) < jobs:
                pool.start(pending.popleft())
            status.running = list(pool.running.values())
            if observe is not None:
                observe(status)
            for cell, code in pool.wait():
                _take_in(cell, code, pool, pending, status)
    finally:
        pool.stop()
    status.running = []
    if observe is not None:
        observe(status)
    return status


def turns_played(cell: Cell, root: Path) -> tuple[float, float | None, float | None]:
    """How far a cell is: turns played, success in training, and on the panel when last evaluated.

    Reads what is there, while another process writes it; 0 and None where nothing is.
    """
    folder = cell.folder(root)
    if (folder / RESULT_FILE).exists():
        return float(cell.plan.turns), None, None
    metrics = _last_metrics(folder / METRICS_FILE)
    evaluations = read_evaluations(folder)
    played = evaluations[-1]["success_rate"] if evaluations else None
    return min(metrics.get("turns", 0.0), cell.plan.turns), metrics.get("success"), played


class _Pool:
    """The processes at work, each with its cell."""

    def __init__(self, root: Path, allow_mixed: bool) -> None:
        self.running: dict[BaseProcess, Cell] = {}
        self.starts: dict[str, int] = {}
        self._root, self._allow_mixed = root, allow_mixed
        # Spawned, so that no run inherits another's random state or threads.
        self._context = multiprocessing.get_context("spawn")

    def start(self, cell: Cell) -> None:
        """Begins a process for a cell, or goes on with it."""
        process = self._context.Process(target=work, args=(cell, self._root, self._allow_mixed))
        process.start()
        self.running[process] = cell
        self.starts[str(cell.folder(self._root))] = self.count(cell) + 1

    def count(self, cell: Cell) -> int:
        """How often a cell was begun in this sitting."""
        return self.starts.get(str(cell.folder(self._root)), 0)

    def wait(self) -> list[tuple[Cell, int]]:
        """Waits a moment; returns the cells whose processes have ended, with the exit codes."""
        connection.wait([process.sentinel for process in self.running], POLL_SECONDS)
        ended = []
        for process in [p for p in self.running if not p.is_alive()]:
            process.join()
            ended.append((self.running.pop(process), int(process.exitcode or 0)))
            process.close()
        return ended

    def stop(self) -> None:
        """Asks all to write a checkpoint and end, and ends those that do not."""
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.join(STOP_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
        self.running.clear()


def _take_in(cell: Cell, code: int, pool: _Pool, pending: deque[Cell], status: Status) -> None:
    log = cell.folder(status.root) / LOG_FILE
    if code == 0:
        status.done += 1
    elif code == EXIT_BUSY:
        status.busy.append(cell)
    elif code == EXIT_FAILED:
        status.failures.append(Failure(cell, _last_line(log), log))
    elif pool.count(cell) < MAX_STARTS:
        pending.appendleft(cell)
    else:
        ended = "stopped" if code == EXIT_STOPPED else f"ended with {code}"
        reason = f"its process was {ended} {MAX_STARTS} times"
        status.failures.append(Failure(cell, reason, log))


def _last_metrics(path: Path) -> dict[str, Any]:
    """The last whole line of a log of metrics."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL))
            lines = file.read().splitlines()
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            row = json.loads(line)
        except ValueError:  # half of a line
            continue
        if isinstance(row, dict):
            return row
    return {}


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        return f"its log cannot be read: {error.strerror}"
    return next((line for line in reversed(lines) if line.strip()), "it left no message")
