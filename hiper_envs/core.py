"""The contract between text worlds, environments and agents.

A *world* plays one task and knows nothing of options, tags or step limits. A *task source* opens
worlds. :class:`Episode` adds the hierarchical protocol to a world, and
:class:`HierarchicalTextEnv` is the Gymnasium environment around it. Nothing here knows a benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypedDict

__all__ = ["HierarchicalInfo", "TaskInfo", "World", "WorldState"]


class WorldState(NamedTuple):
    """What a world says after ``reset`` and after every ``step``.

    Attributes:
        observation: The world's own text, unchanged.
        admissible_actions: Primitive actions that are legal now, in the benchmark's order.
        reward: Reward of the step just taken (0.0 after ``reset``).
        terminated: Whether the task has ended.
        won: Success by the benchmark's own definition.
        score: Benchmark score so far.
    """

    observation: str
    admissible_actions: tuple[str, ...]
    reward: float
    terminated: bool
    won: bool
    score: float


class World(Protocol):
    """One live task. It knows nothing of options, tags or step limits."""

    def reset(self) -> WorldState:
        """Go back to the first state of the task."""
        ...

    def step(self, action: str) -> WorldState:
        """Execute one primitive action; any string is accepted."""
        ...


@dataclass(frozen=True)
class TaskInfo:
    """What identifies a task.

    Attributes:
        task_id: Stable id such as ``valid_seen/<game>/<trial>``.
        task: The instruction in words.
        task_type: The benchmark's category of the task.
        split: The split that the task was read from.
    """

    task_id: str
    task: str
    task_type: str
    split: str


class _RequiredInfo(TypedDict):
    task_id: str
    task: str
    task_type: str
    split: str
    admissible_actions: tuple[str, ...]
    won: bool
    score: float
    action: str
    action_valid: bool
    format_valid: bool
    format_error: str
    subgoal: str
    option_id: int
    option_step: int
    option_boundary: bool
    option_closed: bool
    closed_option_length: int
    closed_option_return: float


class HierarchicalInfo(_RequiredInfo, total=False):
    """The ``info`` after ``reset`` and every ``step``; flat, so that vector environments batch it."""

    reference_subgoal: str
    reference_boundary: bool
    expert_action: str
