"""The tasks of chains: thousands per split, each made from its number when it is opened.

A task id such as ``long-k4/train/000123`` says everything that the task is made from: the number of
subtasks, then ``-n`` and the number of distractors and ``-d`` and the reward delay where they are
not 0, the split, and the number in it. The module knows nothing of environments and step limits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hiper_base.errors import DataError, UnknownSplitError, UnknownTaskError
from hiper_envs.alfworld.backends import BACKENDS
from hiper_envs.alfworld.cache import remember
from hiper_envs.alfworld.chain_drawing import ENDINGS
from hiper_envs.alfworld.chain_oracle import ChainOracle
from hiper_envs.alfworld.chain_progress import SceneWorld
from hiper_envs.alfworld.chain_world import ChainWorld
from hiper_envs.alfworld.chains import MAX_SUBTASKS, parse_chain
from hiper_envs.alfworld.flats import MAX_DISTRACTORS
from hiper_envs.alfworld.game import Game, parse_game
from hiper_envs.contract import OpenTask, TaskInfo

__all__ = ["SIZES", "SPLITS", "TASK_TYPES", "ChainDials", "ChainTasks"]

SIZES = {"train": 10_000, "valid": 1_000}
"""Number of tasks of each split."""
SPLITS = (*SIZES, "generated")
""" "generated", where another benchmark's tasks would be, means "train": all are."""
TASK_TYPES = tuple(f"chain_{ending}" for ending in ENDINGS)
"""What a chain ends with. Tasks take them in turn."""

_FIRST_SEED = {"train": 0, "valid": 1_000_000}
_MAX_DELAY = 1000
_SAMPLED = 20


@dataclass(frozen=True)
class ChainDials:
    """How hard chains are.

    Attributes:
        subtasks: How many subtasks depend on each other, 1 to 8.
        distractors: How many objects and receptacles of no use are added, 0 to 60.
        reward_delay: How many actions pass between success and reward, 0 to 1,000.

    Raises:
        DataError: If one is out of its range.
    """

    subtasks: int = 4
    distractors: int = 0
    reward_delay: int = 0

    def __post_init__(self) -> None:
        ranges = {
            "subtasks": (1, MAX_SUBTASKS),
            "distractors": (0, MAX_DISTRACTORS),
            "reward_delay": (0, _MAX_DELAY),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not isinstance(value, int) or not least <= value <= most:
                raise DataError(f"{name} must be a whole number from {least} to {most}: {value!r}")

    @property
    def name(self) -> str:
        """What task ids begin with, such as ``long-k4-n6-d10``."""
        distractors = f"-n{self.distractors}" if self.distractors else ""
        delay = f"-d{self.reward_delay}" if self.reward_delay else ""
        return f"long-k{self.subtasks}{distractors}{delay}"


class ChainTasks:
    """The :class:`~hiper_envs.contract.TaskSource` of chains.

    Args:
        split: One of `SPLITS`.
        dials: How hard they are.
        backend: "native" or "textworld".
        task_types: Only tasks of these types; all by default.
        reference: Whether an oracle accompanies every task.

    Attributes:
        split: "train" or "valid".
        dials: How hard they are.

    Raises:
        UnknownSplitError: If there is no such split.
        DataError: If there is no such task type.
        ValueError: If there is no such backend.

    Example:
        >>> tasks = ChainTasks("valid", ChainDials(subtasks=2))
        >>> len(tasks), tasks.task_id(7), tasks.task_types[7]
        (1000, 'long-k2/valid/000007', 'chain_heat')
    """

    def __init__(
        self,
        split: str,
        dials: ChainDials,
        *,
        backend: str = "native",
        task_types: Collection[str] | None = None,
        reference: bool = False,
    ) -> None:
        if split not in SPLITS:
            raise UnknownSplitError(f"unknown split {split!r}; there are: {', '.join(SPLITS)}")
        if backend not in BACKENDS:
            raise ValueError(f"unknown backend {backend!r}: expected one of {BACKENDS}")
        self.split = "train" if split == "generated" else split
        self.dials = dials
        self._backend = backend
        self._reference = reference
        self._numbers = _numbers(SIZES[self.split], task_types)

    @cached_property
    def task_types(self) -> Sequence[str]:
        """Task type of every task."""
        return tuple(TASK_TYPES[number % len(TASK_TYPES)] for number in self._numbers)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over the ids of all tasks and the games of some, evenly spread.

        A game takes milliseconds to make, so not all are made for this: they come from the same
        code and from the numbers in their ids.
        """
        digest = hashlib.sha256()
        step = max(1, len(self) // _SAMPLED)
        for index in range(len(self)):
            content = json.dumps(self.data(index), sort_keys=True) if index % step == 0 else ""
            digest.update(f"{self.task_id(index)} {content}\n".encode())
        return digest.hexdigest()

    def __len__(self) -> int:
        """Number of tasks."""
        return len(self._numbers)

    def task_id(self, index: int) -> str:
        """Id of the task at a position."""
        return f"{self.dials.name}/{self.split}/{self._numbers[index]:06d}"

    def index(self, task_id: str) -> int:
        """Position of a task.

        Raises:
            UnknownTaskError: If it is not in here.
        """
        if task_id not in self._positions:
            raise UnknownTaskError(
                f"no task {task_id!r} among the {len(self)} chains from {self.task_id(0)!r} to "
                f"{self.task_id(len(self) - 1)!r}; an id says with which subtasks, distractors "
                "(-n), reward_delay (-d) and split its environment is made"
            )
        return self._positions[task_id]

    def open(self, index: int) -> OpenTask:
        """Open the task at a position, with a world of its own."""
        task_id = self.task_id(index)
        game = self.game(index)
        chain = parse_chain(game.task)
        assert chain is not None, f"the sentence of {task_id} is no chain: {game.task!r}"
        info = TaskInfo(task_id, game.task, self.task_types[index], self.split)
        world = ChainWorld(self._engine(index, game), chain, self.dials.reward_delay)
        return OpenTask(info, world, ChainOracle(game.task) if self._reference else None)

    def game(self, index: int) -> Game:
        """The parsed game of a task, shared by all who ask in this process."""
        without_delay = ChainDials(self.dials.subtasks, self.dials.distractors)
        key = f"{without_delay.name}/{self.split}/{self._numbers[index]}"
        return remember(key, lambda: parse_game(self.data(index), key))

    def data(self, index: int) -> dict[str, Any]:
        """The decoded content of a task's game file, made anew at every call."""
        # Imported late: whoever asks for a task's type needs no game.
        from hiper_envs.alfworld.generator_chains import generate_chain_game

        number = self._numbers[index]
        return generate_chain_game(
            _FIRST_SEED[self.split] + number,
            self.dials.subtasks,
            distractors=self.dials.distractors,
            ending=ENDINGS[number % len(ENDINGS)],
        )

    def _engine(self, index: int, game: Game) -> SceneWorld:
        if self._backend == "native":
            from hiper_envs.alfworld.native import NativeWorld

            return NativeWorld(game)
        from hiper_envs.alfworld.textworld_backend import TextWorldWorld

        return TextWorldWorld(self.data(index))

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {self.task_id(index): index for index in range(len(self))}


def _numbers(size: int, task_types: Collection[str] | None) -> Sequence[int]:
    """The numbers of the tasks of some types; a single name is taken for a collection of one."""
    if task_types is None:
        return range(size)
    kinds = {task_types} if isinstance(task_types, str) else set(task_types)
    unknown = sorted(kinds - set(TASK_TYPES))
    if unknown or not kinds:
        problem = f"unknown task type {unknown[0]!r}" if unknown else "no task type was given"
        raise DataError(f"{problem}; there are: {', '.join(TASK_TYPES)}")
    return [number for number in range(size) if TASK_TYPES[number % len(TASK_TYPES)] in kinds]
