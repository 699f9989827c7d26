"""What TextWorld says in every ALFWorld game, kept so that it has to be asked only once.

TextWorld needs most of a second per game even with its pure functions remembered (see
:mod:`benchmarks.memoised_textworld`), the native engine a few milliseconds. So TextWorld's turns go
to a journal: commands, and a digest of each answer. Later runs, with a changed native engine too,
are compared with the journal. It is appended to game by game, so an interrupted run loses nothing.
The module knows nothing of the native engine.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import importlib.metadata
import json
import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.alfworld_play import Turn, play
from benchmarks.memoised_textworld import memoised
from hiper_base.files import write_text
from hiper_envs.alfworld.data import load_tasks
from hiper_envs.alfworld.textworld_backend import TextWorldWorld
from hiper_envs.core import WorldState

__all__ = [
    "Job",
    "Journal",
    "RecordedTurn",
    "Reference",
    "digest",
    "make_reference",
    "make_references",
    "transcript",
]

# TextWorld keeps every proposition that it has ever seen, so workers are renewed.
_GAMES_PER_WORKER = 150


class RecordedTurn(NamedTuple):
    """A turn of the reference; see :class:`benchmarks.alfworld_play.Turn`.

    Attributes:
        phase: One of the phases.
        command: What the engine was told; None for a reset.
        kind: Kind of command.
        digest: Of the answer, see :func:`digest`.
    """

    phase: str
    command: str | None
    kind: str
    digest: str


@dataclass(frozen=True)
class Reference:
    """TextWorld's side of one game.

    Attributes:
        task_id: The game.
        turns: Commands and digests.
        seconds: Processor time of the memoised engine.
        unmodified_turns: Turns that were played on the unmodified engine as well.
        unmodified_differences: How many of them differ from the memoised engine.
    """

    task_id: str
    turns: tuple[RecordedTurn, ...]
    seconds: float
    unmodified_turns: int = 0
    unmodified_differences: int = 0


@dataclass(frozen=True)
class Job:
    """One game to play.

    Attributes:
        split: Split of the game.
        index: Position in the split.
        task_id: The game.
        seed: Seeds the commands.
        steps: Length of the random and of the manipulation phase.
        is_checked: Whether to play it on the unmodified engine as well (about 10 s).
    """

    split: str
    index: int
    task_id: str
    seed: str
    steps: int
    is_checked: bool


def digest(state: WorldState) -> str:
    """64 bits that stand for all fields of a state."""
    return hashlib.blake2b(repr(tuple(state)).encode(), digest_size=8).hexdigest()


def transcript(
    data: Mapping[str, Any], seed: str, steps: int, *, memoise: bool = True
) -> list[Turn]:
    """Plays one game on TextWorld.

    Args:
        data: The decoded game file.
        seed: Seeds the commands.
        steps: Length of the random and of the manipulation phase.
        memoise: Whether results of its pure functions are remembered.
    """
    with memoised() if memoise else nullcontext():
        return list(play(TextWorldWorld(data), data["walkthrough"], seed, steps))


def make_reference(data: Mapping[str, Any], job: Job) -> Reference:
    """Plays one game, on the unmodified engine too if the job asks for it."""
    start = time.process_time()
    turns = transcript(data, job.seed, job.steps)
    seconds = time.process_time() - start
    recorded = tuple(RecordedTurn(*turn[:3], digest(turn.state)) for turn in turns)
    if not job.is_checked:
        return Reference(job.task_id, recorded, seconds)
    unmodified = transcript(data, job.seed, job.steps, memoise=False)
    equal = sum(map(Turn.__eq__, turns, unmodified))
    longest = max(len(turns), len(unmodified))
    return Reference(job.task_id, recorded, seconds, len(unmodified), longest - equal)


def make_references(jobs: Sequence[Job], processes: int) -> Iterator[Reference]:
    """Plays games in worker processes and yields them as they finish."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _start_worker, maxtasksperchild=_GAMES_PER_WORKER) as pool:
        yield from pool.imap_unordered(_work, jobs)


def _start_worker() -> None:
    # The translator makes millions of small objects without cycles: collecting less often saves a
    # fifth of the time.
    gc.set_threshold(500_000, 20, 20)


def _work(job: Job) -> Reference:
    return make_reference(_tasks(job.split).data(job.index), job)


_tasks = functools.cache(load_tasks)


class Journal:
    """References on disk, one JSON line a game.

    Args:
        path: The file.
        seed: Seed of the run.
        steps: Steps of the run.

    Attributes:
        references: What it holds, by task id.
    """

    def __init__(self, path: Path, seed: int, steps: int) -> None:
        self._path = path
        engines = {name: importlib.metadata.version(name) for name in ("textworld", "alfworld")}
        self._header = json.dumps({"seed": seed, "steps": steps, **engines})
        self.references: dict[str, Reference] = {}

    def resume(self) -> None:
        """Reads what an earlier run has left.

        Raises:
            ValueError: The file was made with other settings or another engine.
        """
        if not self._path.exists():
            return
        with self._path.open(encoding="utf-8") as file:
            # A last line that was cut off by a kill has no end.
            lines = [line.rstrip("\n") for line in file if line.endswith("\n")]
        if not lines or lines[0] != self._header:
            raise ValueError(f"{self._path} was made with other settings: {lines[:1]}")
        for line in lines[1:]:
            loaded = json.loads(line)
            loaded["turns"] = tuple(RecordedTurn(*turn) for turn in loaded["turns"])
            self.references[loaded["task_id"]] = Reference(**loaded)

    def start(self) -> None:
        """Writes the file anew, so that no cut line stays in the middle."""
        lines = [self._header, *map(_line, self.references.values())]
        write_text(self._path, "".join(line + "\n" for line in lines))

    def append(self, reference: Reference) -> None:
        """Adds one game."""
        self.references[reference.task_id] = reference
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(reference) + "\n")


def _line(reference: Reference) -> str:
    return json.dumps(asdict(reference))
