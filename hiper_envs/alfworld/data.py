"""Which ALFWorld tasks there are: the games of a split, in one fixed order, with a digest.

Games come from every source of the data folders (`sources.py`) through the cache (`cache.py`), or
from the generator. Two sources may hold the same game; that they hold it in two versions is an
error. The module knows nothing about playing.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, overload

from hiper_envs.alfworld.cache import Entry, OnGame, ParsedSource, open_source
from hiper_envs.alfworld.game import TASK_TYPES, Game, parse_game
from hiper_envs.alfworld.sources import DATA_SPLITS, decode_game, find_sources, how_to_get
from hiper_envs.errors import DataError, DataNotFoundError, UnknownSplitError, UnknownTaskError
from hiper_envs.paths import alfworld_folders

__all__ = ["GENERATED_TASKS", "SPLITS", "GameTask", "TaskSet", "load_tasks"]

SPLITS = (*DATA_SPLITS, "generated")
GENERATED_TASKS = 1000
"""Tasks of the split `generated`."""
_CACHED_GAMES = 8192


@dataclass(frozen=True)
class GameTask:
    """One task of a split."""

    task_id: str
    """`<split>/<game>/<trial>`, or `generated/<seed>`."""
    split: str
    task_type: str
    source: str
    """The archive or folder that holds the game; `generator` for generated ones."""
    member: str
    """The game's path in it, or its seed."""


class _Store(Protocol):
    """Where the games of a task set come from."""

    def game(self, task: GameTask) -> Game: ...

    def data(self, task: GameTask) -> dict[str, Any]: ...

    def digest(self, task: GameTask) -> str: ...


class TaskSet(Sequence[GameTask]):
    """The tasks of one split, sorted by id.

    Args:
        split: Its name.
        tasks: The tasks, sorted.
        store: Reads their games.
    """

    def __init__(self, split: str, tasks: Sequence[GameTask], store: _Store) -> None:
        self.split = split
        self._tasks = tuple(tasks)
        self._store = store

    def __len__(self) -> int:
        return len(self._tasks)

    @overload
    def __getitem__(self, index: int) -> GameTask: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[GameTask, ...]: ...
    def __getitem__(self, index: int | slice) -> GameTask | tuple[GameTask, ...]:
        return self._tasks[index]

    def __iter__(self) -> Iterator[GameTask]:
        return iter(self._tasks)

    def __repr__(self) -> str:
        return f"<TaskSet {self.split}: {len(self)} tasks>"

    @functools.cached_property
    def sha256(self) -> str:
        """Digest of the ids in order, each with the digest of its game file."""
        digest = hashlib.sha256()
        for task in self._tasks:
            digest.update(f"{task.task_id} {self._store.digest(task)}\n".encode())
        return digest.hexdigest()

    @functools.cached_property
    def _positions(self) -> dict[str, int]:
        return {task.task_id: position for position, task in enumerate(self._tasks)}

    def position(self, task_id: str) -> int:
        """Position of a task.

        Raises:
            UnknownTaskError: If there is no such task; names the most similar one.
        """
        position = self._positions.get(task_id)
        if position is None:
            similar = difflib.get_close_matches(task_id, self._positions, n=1, cutoff=0.0)
            hint = f"; the most similar one is {similar[0]!r}" if similar else ""
            raise UnknownTaskError(
                f"no task {task_id!r} among the {len(self)} tasks of split {self.split!r}{hint}"
            )
        return position

    def task(self, which: int | str) -> GameTask:
        """The task at a position or with an id."""
        return self._tasks[self.position(which) if isinstance(which, str) else which]

    def game(self, which: int | str) -> Game:
        """The parsed game of a task; parsed once a process.

        Raises:
            DataError: If it cannot be read.
        """
        return self._store.game(self.task(which))

    def data(self, which: int | str) -> dict[str, Any]:
        """The decoded JSON of a task's game file, read anew.

        Raises:
            DataError: If it cannot be read.
        """
        return self._store.data(self.task(which))

    def games(self) -> list[Game]:
        """All games, in the order of the tasks."""
        return [self._store.game(task) for task in self._tasks]

    def count_by_type(self) -> dict[str, int]:
        """Number of tasks of each task type, by name."""
        return dict(sorted(Counter(task.task_type for task in self._tasks).items()))


def load_tasks(
    split: str,
    *,
    task_types: Collection[str] | None = None,
    root: Path | str | None = None,
    num_generated: int = GENERATED_TASKS,
    on_game: OnGame | None = None,
) -> TaskSet:
    """Loads the tasks of a split.

    Args:
        split: One of `SPLITS`.
        task_types: Only tasks of these types; all by default.
        root: The data root; `$HIPER_DATA` and the defaults of `hiper_envs.paths` without it.
        num_generated: Number of tasks of the split `generated`.
        on_game: Told about the progress when games have to be parsed for the first time.

    Raises:
        UnknownSplitError: If there is no such split.
        DataNotFoundError: If the split's games are nowhere to be found.
        DataError: If a source is damaged, a game is of another version, a task type is unknown, or
            two sources disagree about a game.
    """
    if split not in SPLITS:
        raise UnknownSplitError(f"unknown split {split!r}; there are: {', '.join(SPLITS)}")
    wanted = _task_types(task_types)
    if split == "generated":
        store: _Store = _Generated()
        tasks = [_generated_task(seed) for seed in range(num_generated)]
    else:
        folders = alfworld_folders(root)
        sources = [open_source(s, on_game) for folder in folders for s in find_sources(folder)]
        store, tasks = _stored(split, sources)
        if not tasks:
            looked = ", ".join(map(str, folders))
            raise DataNotFoundError(
                f"no ALFWorld games of split {split!r} in {looked}. {how_to_get(folders[0])} "
                "Without data, split='generated' works."
            )
    chosen = sorted((t for t in tasks if t.task_type in wanted), key=lambda task: task.task_id)
    if not chosen:
        raise DataError(f"split {split!r} has no tasks of type {', '.join(sorted(wanted))}")
    return TaskSet(split, chosen, store)


def _task_types(task_types: Collection[str] | None) -> frozenset[str]:
    if task_types is None:
        return frozenset(TASK_TYPES)
    wanted = frozenset([task_types] if isinstance(task_types, str) else task_types)
    unknown = sorted(wanted - set(TASK_TYPES))
    if unknown or not wanted:
        raise DataError(
            f"unknown task types: {', '.join(unknown) or 'none given'}; "
            f"there are: {', '.join(TASK_TYPES)}"
        )
    return wanted


class _Stored:
    """Games from files."""

    def __init__(self, places: Mapping[str, tuple[ParsedSource, Entry]]) -> None:
        self._places = places
        self._games: dict[str, Game] = {}

    def game(self, task: GameTask) -> Game:
        game = self._games.get(task.task_id)
        if game is None:
            source, entry = self._places[task.task_id]
            game = self._games[task.task_id] = source.game(entry)
        return game

    def data(self, task: GameTask) -> dict[str, Any]:
        source, entry = self._places[task.task_id]
        where = f"{source.source.path}: {entry.member}"
        return decode_game(source.source.read(entry.member), where)

    def digest(self, task: GameTask) -> str:
        return self._places[task.task_id][1].sha256


def _stored(split: str, sources: Sequence[ParsedSource]) -> tuple[_Stored, list[GameTask]]:
    places: dict[str, tuple[ParsedSource, Entry]] = {}
    for source in sources:
        for entry in source.entries:
            # Upstream leaves unsolvable games out as well.
            if not entry.task_id.startswith(f"{split}/") or not entry.solvable:
                continue
            other, known = places.setdefault(entry.task_id, (source, entry))
            if known.sha256 != entry.sha256:
                raise DataError(
                    f"{entry.task_id} differs between {other.source.path} and "
                    f"{source.source.path}; remove one of them"
                )
    tasks = [
        GameTask(
            task_id=task_id,
            split=split,
            task_type=task_id.split("/")[1].split("-")[0],
            source=str(source.source.path),
            member=entry.member,
        )
        for task_id, (source, entry) in places.items()
    ]
    return _Stored(places), tasks


class _Generated:
    """Games from the generator, whose seed is the task's number."""

    def game(self, task: GameTask) -> Game:
        return _generated_game(int(task.member))

    def data(self, task: GameTask) -> dict[str, Any]:
        return _generate(int(task.member))

    def digest(self, task: GameTask) -> str:
        data = self.data(task)
        text = "\n".join(f"{key} {data[key]!r}" for key in sorted(data))
        return hashlib.sha256(text.encode()).hexdigest()


def _generate(seed: int) -> dict[str, Any]:
    # Imported late: most programs play published games.
    from hiper_envs.alfworld.generator import generate_game

    return dict(generate_game(seed))


@functools.lru_cache(maxsize=_CACHED_GAMES)
def _generated_game(seed: int) -> Game:
    return parse_game(_generate(seed), f"generated/{seed}")


def _generated_task(seed: int) -> GameTask:
    # The generator takes the task types in turn.
    task_type = TASK_TYPES[seed % len(TASK_TYPES)]
    return GameTask(f"generated/{seed}", "generated", task_type, "generator", str(seed))
