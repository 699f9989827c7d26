"""A corridor: the smallest world with all that the contract has, for tests of what surrounds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from hiper_base.errors import UnknownTaskError
from hiper_envs.contract import OpenTask, TaskInfo, WorldState


class CorridorWorld:
    """Cell 0 to `length`; won at the far end. Passing the middle pays 0.5 once, the end 1.0."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.cell = 0
        self.commands: list[str] = []

    def reset(self) -> WorldState:
        self.cell = 0
        self.commands = []
        return self._state(0.0)

    def step(self, action: str) -> WorldState:
        self.commands.append(action)
        before = self.cell
        if action == "east":
            self.cell += 1
        elif action == "west" and self.cell:
            self.cell -= 1
        halfway = before < self.length / 2 <= self.cell
        return self._state(1.0 if self.cell == self.length else 0.5 if halfway else 0.0)

    def _state(self, reward: float) -> WorldState:
        won = self.cell == self.length
        west = ("west",) if self.cell else ()
        text = f"You are in cell {self.cell} of {self.length} — a café is at the end."
        return WorldState(text, ("east", *west), reward, won, won, float(won))


class CorridorOracle:
    """Goes east; its second subgoal begins at the middle. Keeps what it was shown."""

    expert_action = "east"

    def __init__(self, length: int) -> None:
        self.length = length
        self.seen: list[tuple[str, str, Sequence[str]]] = []
        self.subgoal = ""
        self.boundary = False

    def observe(self, observation: str, action: str = "", admissible: Sequence[str] = ()) -> None:
        self.seen.append((observation, action, admissible))
        cell = int(observation.split()[4])
        subgoal = "reach the end" if cell >= self.length / 2 else "reach the middle"
        self.boundary = subgoal != self.subgoal
        self.subgoal = subgoal


class Corridors:
    """Corridors of length 2, 3, 4, ...; keeps the tasks that it opened."""

    def __init__(self, count: int = 8, *, reference: bool = False) -> None:
        self.count = count
        self.reference = reference
        self.opened: list[OpenTask] = []

    @property
    def task_types(self) -> list[str]:
        return ["even" if length % 2 == 0 else "odd" for length in range(2, self.count + 2)]

    def __len__(self) -> int:
        return self.count

    def index(self, task_id: str) -> int:
        ids = [f"corridor/{length}" for length in range(2, self.count + 2)]
        if task_id not in ids:
            raise UnknownTaskError(f"no corridor {task_id!r}")
        return ids.index(task_id)

    def open(self, index: int) -> OpenTask:
        length = index + 2
        info = TaskInfo(f"corridor/{length}", "go east", self.task_types[index], "corridors")
        reference = CorridorOracle(length) if self.reference else None
        self.opened.append(OpenTask(info, CorridorWorld(length), reference))
        return self.opened[-1]


@pytest.fixture
def make_corridors() -> Callable[..., Corridors]:
    """Makes a task source of corridors."""
    return Corridors
