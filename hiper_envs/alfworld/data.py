"""Task sets: which ALFWorld tasks there are, in a fixed order, with a hash of their content.

`load_tasks` collects the games of a split from every source it finds, or describes generated ones.
A task set opens games when they are asked for. It knows nothing of engines and environments.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol, overload

from hiper_base.errors import (
    DataError,
    DataNotFoundError,
    GameFormatError,
    UnknownSplitError,
    UnknownTaskError,
)
from hiper_base.paths import alfworld_folders
from hiper_envs.alfworld.cache import Entry, GameStore, Progress, open_store, remember
from hiper_envs.alfworld.game import TASK_TYPES, Game, parse_game
from hiper_envs.alfworld.sources import DATA_SPLITS, decode_game, find_sources, how_to_get

__all__ = ["SPLITS", "GameTask", "TaskSet", "collect_tasks", "load_tasks", "open_stores"]

_GENERATED = "generated"
SPLITS = (*DATA_SPLITS, _GENERATED)


@dataclass(frozen=True)
class GameTask:
    """One task and where its game lies."""

    task_id: str
    """`<split>/<game>/<trial>`; generated ones are `generated/<seed>`, those of houses with three
    receptacles `generated-r3/<seed>`."""
    split: str
    task_type: str
    source: str
    """The archive or folder; "generator" for generated tasks."""
    member: str
    """The path inside the source; the seed for generated tasks."""


class Opener(Protocol):
    """Opens the tasks of a task set."""

    def game(self, task: GameTask) -> Game:
        """The parsed game."""
        ...

    def data(self, task: GameTask) -> dict[str, Any]:
        """The decoded JSON of the game file."""
        ...

    def sha256(self, task: GameTask) -> str:
        """SHA-256 of the game file's content."""
        ...


class TaskSet(Sequence[GameTask]):
    """Tasks in a fixed order: sorted by task id, generated ones by seed.

    Args:
        split: The split they belong to.
        tasks: The tasks.
        opener: Opens them.

    Example:
        >>> tasks = load_tasks("generated", num=12)
        >>> len(tasks), tasks[4].task_id, tasks[4].task_type
        (12, 'generated/4', 'pick_cool_then_place_in_recep')
        >>> tasks.game("generated/4") is tasks.game(4)
        True
    """

    def __init__(self, split: str, tasks: Sequence[GameTask], opener: Opener) -> None:
        self.split = split
        self._tasks = tuple(tasks)
        self._opener = opener

    def __repr__(self) -> str:
        return f"TaskSet({self.split!r}, {len(self)} tasks)"

    def __len__(self) -> int:
        """Number of tasks."""
        return len(self._tasks)

    @overload
    def __getitem__(self, index: int) -> GameTask: ...
    @overload
    def __getitem__(self, index: slice) -> TaskSet: ...
    def __getitem__(self, index: int | slice) -> GameTask | TaskSet:
        """The task at a position, or the task set of a slice."""
        if isinstance(index, slice):
            return TaskSet(self.split, self._tasks[index], self._opener)
        return self._tasks[index]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over the lines `<task id> <SHA-256 of the game file>`, in order.

        Equal hashes mean equal tasks, wherever and however they are stored. For generated tasks
        every game is generated to compute it.
        """
        digest = hashlib.sha256()
        for task in self:
            digest.update(f"{task.task_id} {self._opener.sha256(task)}\n".encode())
        return digest.hexdigest()

    @property
    def task_type_counts(self) -> dict[str, int]:
        """Number of tasks per task type, in the order of `TASK_TYPES`, without empty ones."""
        counts = Counter(task.task_type for task in self)
        return {kind: counts[kind] for kind in TASK_TYPES if counts[kind]}

    def position(self, task_id: str) -> int:
        """Position of a task.

        Raises:
            UnknownTaskError: If it is not in here; names the most similar id.
        """
        if task_id not in self._positions:
            close = difflib.get_close_matches(task_id, self._positions, n=1, cutoff=0.0)
            hint = f"; the most similar one is {close[0]!r}" if close else ""
            raise UnknownTaskError(
                f"no task {task_id!r} among the {len(self)} tasks of split {self.split!r}{hint}"
            )
        return self._positions[task_id]

    def game(self, task: int | str) -> Game:
        """The parsed game of a task, shared by all who ask in this process.

        Args:
            task: Its position or its id.

        Raises:
            UnknownTaskError: If there is no such id.
        """
        return self._opener.game(self._task(task))

    def data(self, task: int | str) -> dict[str, Any]:
        """The decoded JSON of a task's game file, read anew at every call.

        Args:
            task: Its position or its id.

        Raises:
            UnknownTaskError: If there is no such id.
            DataError: If the file cannot be read any more, or has changed.
        """
        return self._opener.data(self._task(task))

    def games(self) -> Iterator[Game]:
        """The parsed games, in order."""
        return map(self._opener.game, self._tasks)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {task.task_id: position for position, task in enumerate(self)}

    def _task(self, task: int | str) -> GameTask:
        return self[self.position(task) if isinstance(task, str) else task]


def load_tasks(
    split: str,
    *,
    task_types: Collection[str] | None = None,
    root: Path | str | None = None,
    seed: int = 0,
    num: int = 1000,
    receptacles: int | None = None,
    progress: Progress | None = None,
) -> TaskSet:
    """The tasks of a split.

    The first time games are parsed, which takes seconds; a cache makes the next times quick (see
    `cache.py`). Games that upstream leaves out are left out: those whose path says "movable" or
    "Sliced", and those that are not marked as solvable.

    Args:
        split: "train", "valid_seen", "valid_unseen" or "generated".
        task_types: Only tasks of these types; all by default.
        root: The data root; by default `$HIPER_DATA`, else the user's cache folder, and also
            `$ALFWORLD_DATA`.
        seed: For "generated": the first seed.
        num: For "generated": how many seeds in a row, before types are selected.
        receptacles: For "generated": how many receptacles a house has, 2 to 10; None for full
            houses.
        progress: Called while games are parsed.

    Raises:
        UnknownSplitError: If there is no such split.
        DataNotFoundError: If no game of the split is there.
        GameFormatError: If a game of the split is malformed or of another version.
        DataError: If a task type is unknown, no task is left, a source is damaged, two sources
            disagree about a game, or there are no houses of that size.
    """
    if split not in SPLITS:
        raise UnknownSplitError(f"unknown split {split!r}; there are: {', '.join(SPLITS)}")
    kinds = _checked_types(task_types)
    if split == _GENERATED:
        return _generated(seed, num, kinds, receptacles)
    if receptacles is not None:
        raise DataError(f"only houses of split {_GENERATED!r} can be small, not those of {split!r}")
    stores = tuple(open_stores(root, progress))
    if not _places(split, stores):
        raise _no_games(split, stores, root)
    return collect_tasks(split, stores, kinds)


def open_stores(
    root: Path | str | None = None, progress: Progress | None = None
) -> list[GameStore]:
    """Opens every source of games: in each folder its unpacked tree, then its archives by name.

    Args:
        root: The data root, as for `load_tasks`.
        progress: Called while games are parsed.

    Raises:
        DataError: If a source is damaged.
    """
    sources = [source for folder in alfworld_folders(root) for source in find_sources(folder)]
    return [open_store(source, progress) for source in sources]


_Places = Mapping[str, tuple[GameStore, Entry]]
"""By task id where its game lies."""


class _Stored:
    """Opens tasks from the stores of their sources."""

    def __init__(self, places: _Places) -> None:
        self._places = places

    def game(self, task: GameTask) -> Game:
        store, entry = self._places[task.task_id]
        return store.game(entry)

    def data(self, task: GameTask) -> dict[str, Any]:
        store, entry = self._places[task.task_id]
        return decode_game(store.raw(entry), f"{task.source}: {task.member}")

    def sha256(self, task: GameTask) -> str:
        return self._places[task.task_id][1].sha256


class _Generated:
    """Generates tasks when they are opened, in full houses or in small ones."""

    def __init__(self, receptacles: int | None) -> None:
        self._receptacles = receptacles

    def game(self, task: GameTask) -> Game:
        return remember(task.task_id, lambda: parse_game(self.data(task), task.task_id))

    def data(self, task: GameTask) -> dict[str, Any]:
        from hiper_envs.alfworld.generator import generate_game

        return generate_game(int(task.member), task.task_type, receptacles=self._receptacles)

    def sha256(self, task: GameTask) -> str:
        return hashlib.sha256(json.dumps(self.data(task), sort_keys=True).encode()).hexdigest()


def _checked_types(task_types: Collection[str] | None) -> frozenset[str]:
    """The task types to keep; a single name is taken for a collection of one."""
    if task_types is None:
        return frozenset(TASK_TYPES)
    kinds = frozenset([task_types] if isinstance(task_types, str) else task_types)
    unknown = sorted(kinds - set(TASK_TYPES))
    if unknown or not kinds:
        problem = f"unknown task type {unknown[0]!r}" if unknown else "no task type was given"
        raise DataError(f"{problem}; there are: {', '.join(TASK_TYPES)}")
    return kinds


# Task sets and the places of their games are made once for all who ask for the same ones: a process
# may open a thousand environments. A store is the same object until its source changes.


@lru_cache(maxsize=32, typed=True)
def _generated(
    seed: int, num: int, kinds: frozenset[str], receptacles: int | None = None
) -> TaskSet:
    if seed < 0 or num < 1:
        raise DataError(f"generated tasks need seed >= 0 and num >= 1, got {seed} and {num}")
    # Imported late, like the generator: most programs play published games.
    from hiper_envs.alfworld.generator_small import check_receptacles

    check_receptacles(receptacles)
    name = _GENERATED if receptacles is None else f"{_GENERATED}-r{receptacles}"
    # The generator takes the types in turn; saying so here tells a task's type without opening it.
    types = {number: TASK_TYPES[number % len(TASK_TYPES)] for number in range(seed, seed + num)}
    tasks = [
        GameTask(f"{name}/{number}", _GENERATED, kind, "generator", str(number))
        for number, kind in types.items()
        if kind in kinds
    ]
    return _nonempty(TaskSet(_GENERATED, tasks, _Generated(receptacles)), kinds)


@lru_cache(maxsize=32)
def collect_tasks(
    split: str, stores: tuple[GameStore, ...], kinds: frozenset[str] = frozenset(TASK_TYPES)
) -> TaskSet:
    """The tasks of a split that lie in some stores.

    Args:
        split: A split of the published data.
        stores: Where to look; the first one wins among identical games.
        kinds: Only tasks of these types.

    Raises:
        GameFormatError: If a game of the split cannot be used.
        DataError: If two stores disagree about a game, or no task is left.
    """
    places = _places(split, stores)
    tasks = [
        GameTask(task_id, split, kind, str(store.source.path), entry.member)
        for task_id, (store, entry) in sorted(places.items())
        if (kind := task_id.split("/")[1].split("-", 1)[0]) in kinds
    ]
    return _nonempty(TaskSet(split, tasks, _Stored(places)), kinds)


@lru_cache(maxsize=32)
def _places(split: str, stores: tuple[GameStore, ...]) -> _Places:
    """Where the playable games of a split lie."""
    places: dict[str, tuple[GameStore, Entry]] = {}
    for store in stores:
        for entry in _playable(store, split):
            earlier, known = places.setdefault(entry.task_id, (store, entry))
            if known.sha256 != entry.sha256:
                raise DataError(
                    f"{entry.task_id} differs between {earlier.source.path} ({known.member}) and "
                    f"{store.source.path} ({entry.member}); remove one of them"
                )
    return places


def _playable(store: GameStore, split: str) -> list[Entry]:
    entries = [entry for entry in store.entries if entry.task_id.startswith(f"{split}/")]
    problems = [entry.problem for entry in entries if entry.problem]
    if problems:
        more = f" (and {len(problems) - 1} more: hiper data verify)" if len(problems) > 1 else ""
        raise GameFormatError(f"{problems[0]}{more}")
    return [entry for entry in entries if entry.solvable]


def _nonempty(tasks: TaskSet, kinds: frozenset[str]) -> TaskSet:
    if not tasks:
        raise DataError(f"split {tasks.split!r} has no tasks of type {', '.join(sorted(kinds))}")
    return tasks


def _no_games(
    split: str, stores: Sequence[GameStore], root: Path | str | None
) -> DataNotFoundError:
    folders = alfworld_folders(root)
    found = {entry.task_id.split("/")[0] for store in stores for entry in store.entries} - {split}
    others = f" (found there: {', '.join(sorted(found))})" if found else ""
    return DataNotFoundError(
        f"no games of split {split!r} in {' and '.join(map(str, folders))}{others}. "
        f"{how_to_get(folders[0])} Without data, split={_GENERATED!r} works."
    )
