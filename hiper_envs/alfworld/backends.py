"""Opens ALFWorld tasks with one of the two engines.

The engines are imported when they are first used, so that the native one needs no TextWorld. The
module knows nothing of options, tags or step limits, nor of where the game files lie.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from hiper_envs.alfworld.oracle import Oracle
from hiper_envs.core import OpenTask, TaskInfo, World

if TYPE_CHECKING:
    from hiper_envs.alfworld.data import TaskSet

__all__ = ["BACKENDS", "AlfworldTasks", "make_world"]

BACKENDS = ("native", "textworld")


def make_world(backend: str, task_set: TaskSet, task: int | str) -> World:
    """Make a world for one task.

    Args:
        backend: "native", or "textworld" for the upstream engine.
        task_set: The tasks.
        task: Position or id of the task.

    Raises:
        ValueError: If there is no such backend.
        DataError: If the game cannot be read.
        MissingDependencyError: If the backend needs a package that is not installed.
    """
    if backend == "native":
        from hiper_envs.alfworld.native import NativeWorld

        return NativeWorld(task_set.game(task))
    if backend == "textworld":
        from hiper_envs.alfworld.textworld_backend import TextWorldWorld

        return TextWorldWorld(task_set.data(task))
    raise ValueError(f"unknown backend {backend!r}: expected one of {BACKENDS}")


class AlfworldTasks:
    """The :class:`~hiper_envs.core.TaskSource` of ALFWorld.

    Args:
        task_set: The tasks.
        backend: "native" or "textworld".
        reference: Whether an oracle accompanies every task.

    Attributes:
        task_set: The tasks.
    """

    def __init__(
        self, task_set: TaskSet, *, backend: str = "native", reference: bool = False
    ) -> None:
        if backend not in BACKENDS:
            raise ValueError(f"unknown backend {backend!r}: expected one of {BACKENDS}")
        self.task_set = task_set
        self._backend = backend
        self._reference = reference

    @property
    def sha256(self) -> str:
        """Hash of the task set: over the ids and the content of the games."""
        return self.task_set.sha256

    @functools.cached_property
    def task_types(self) -> tuple[str, ...]:
        """Task type of every task."""
        return tuple(task.task_type for task in self.task_set)

    def __len__(self) -> int:
        """Number of tasks."""
        return len(self.task_set)

    def index(self, task_id: str) -> int:
        """Position of a task.

        Raises:
            UnknownTaskError: If there is no such task.
        """
        return self.task_set.position(task_id)

    def open(self, index: int) -> OpenTask:
        """Open the task at a position, with a world of its own."""
        task = self.task_set[index]
        sentence = self.task_set.game(index).task
        return OpenTask(
            TaskInfo(task.task_id, sentence, task.task_type, task.split),
            make_world(self._backend, self.task_set, index),
            Oracle(sentence) if self._reference else None,
        )
