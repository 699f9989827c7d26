"""The types that text worlds, environments and agents meet at.

A *world* plays one task and knows nothing of options, tags or step limits; a *task source* opens
tasks; :class:`HierarchicalInfo` is what an agent is told. Declarations only: nothing here runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypedDict

__all__ = [
    "HierarchicalInfo",
    "OpenTask",
    "Reference",
    "TaskInfo",
    "TaskSource",
    "World",
    "WorldState",
]


_NOTHING: Mapping[str, Any] = MappingProxyType({})


class WorldState(NamedTuple):
    """What a world says after ``reset`` and after every ``step``.

    Attributes:
        observation: The world's own text, unchanged.
        admissible_actions: Primitive actions that are legal now, in the benchmark's order.
        reward: Reward of the step just taken (0.0 after ``reset``).
        terminated: Whether the task has ended.
        won: Success by the benchmark's own definition.
        score: Benchmark score so far.
        action_valid: Whether the action just taken was admissible, from worlds in which a list of
            texts cannot say it (`search[<your query>]` stands for many actions); None elsewhere.
        extra_info: What this state adds to ``info``, such as the parts of a final score.
    """

    observation: str
    admissible_actions: tuple[str, ...]
    reward: float
    terminated: bool
    won: bool
    score: float
    action_valid: bool | None = None
    extra_info: Mapping[str, Any] = _NOTHING


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
    """The ``info`` after ``reset`` and every ``step``; flat, so that vector environments batch it.

    Keys:
        task_id, task, task_type, split: See :class:`TaskInfo`.
        admissible_actions: Primitive actions that are legal now, in the benchmark's order.
        won: Success by the benchmark's own definition.
        score: Benchmark score so far.
        action: The primitive action that was executed; "" at reset and after a malformed text.
        action_valid: Whether that action was admissible.
        format_valid: Whether the agent's text was well formed.
        format_error: "" or what was wrong with the text.
        subgoal: Subgoal of the running option.
        option_id: Which option of the episode runs, from 0. At reset none does yet: -1.
        option_step: Age of the option in steps; 0 at the step that began it, and at reset.
        option_boundary: Whether this step began an option. The first step always does.
        option_closed: Whether this step ended the previous option, or the episode ended the
            running one.
        closed_option_length: Steps of the option just closed, else 0.
        closed_option_return: Undiscounted return of the option just closed, else 0.0. If the last
            step of an episode closes two options at once, both values are of the newer one.
        reference_subgoal: With ``reference=True``: subgoal of the oracle's plan for this state.
        reference_boundary: With ``reference=True``: whether that plan begins a subgoal here.
        expert_action: With ``reference=True``: the primitive action the oracle would take.

    ``action_valid`` and ``format_valid`` are True at reset: nothing was wrong yet.

    A benchmark may add keys of its own; WebShop adds the parts of its score to the last ``info`` of
    an episode, long ALFWorld tasks ``subtasks`` and ``subtasks_done`` to every one.
    """

    reference_subgoal: str
    reference_boundary: bool
    expert_action: str


class Reference(Protocol):
    """An oracle that follows an episode from outside and plans for its current state."""

    def observe(self, observation: str, action: str = "", admissible: Sequence[str] = ()) -> None:
        """See what the agent sees after executing ``action`` ("" at reset), no more than that."""
        ...

    @property
    def subgoal(self) -> str:
        """Subgoal of the plan for the current state."""
        ...

    @property
    def boundary(self) -> bool:
        """Whether the plan begins a subgoal at the current state."""
        ...

    @property
    def expert_action(self) -> str:
        """Next primitive action of the plan."""
        ...


class OpenTask(NamedTuple):
    """A task that is ready to be played, with an oracle beside it if one was asked for."""

    info: TaskInfo
    world: World
    reference: Reference | None = None


class TaskSource(Protocol):
    """An ordered set of tasks. One source may serve many environments of a process."""

    @property
    def task_types(self) -> Sequence[str]:
        """Task type of every task, in order; known without opening the tasks."""
        ...

    def __len__(self) -> int:
        """Number of tasks."""
        ...

    def index(self, task_id: str) -> int:
        """Position of a task.

        Raises:
            UnknownTaskError: If there is no such task.
        """
        ...

    def open(self, index: int) -> OpenTask:
        """Open the task at a position; every call gives an independent world."""
        ...
