"""`TurnBatch`: the columns that every advantage estimator reads, checked once.

Rows are turns, in any order. Which rows form a trajectory, and which a segment, follows from the
columns and is worked out here, so that estimators neither sort nor validate. A batch knows nothing
about tokens, prompts or networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiper_agents.estimators.segments import BoolArray, FloatArray, IntArray, SegmentLayout


@dataclass(frozen=True, eq=False)
class TurnBatch:
    """N turns of whole trajectories, one row a turn, in any order.

    Anything that `np.asarray` takes is accepted and converted; the arrays below are what the
    attributes hold. Conversion does not copy what already has the right type.

    How a trajectory ends follows from its last turn: `terminated` means that the task is over and
    nothing is worth anything afterwards. `truncated` means that it was cut off. With both flags
    set, it terminated. With neither, the trajectory is unfinished, which counts as truncated.

    Attributes:
        reward: Reward of the turn, float64 [N].
        terminated: The task ended with this turn, bool [N]. Only true at a last turn.
        truncated: The trajectory was cut off after this turn, bool [N]. Only true at a last turn.
        boundary: The turn begins a new option, bool [N]. Always true at turn 0, whatever was
            given: an episode begins with an option even if its first tag says KEEP.
        value_low: Low head's value V_L of the state before the turn, float64 [N].
        value_high: High head's value V_H of that state, float64 [N].
        value_switch: Switch head's value V_T of that state, float64 [N].
        trajectory_id: Trajectory of the turn, integers or strings [N].
        turn: Position within the trajectory, from 0 without gaps, int64 [N].
        group_id: Task group of the trajectory, integers or strings [N].
        state_key: Equal for equal states, integers or strings [N].
        strategy_id: Equal for turns whose rollouts share a strategy, integers or strings [N].
            This and the columns below are optional: None, or there for every turn.
        off_plan: The turn leaves its rollout's strategy, bool [N].
        divergence: Between the policy at the turn and the same policy once it is told the expert's
            plan, float64 [N], at least 0.
        q_value: Value of the state and the action taken, the lower of a twin critic's two,
            float64 [N].

    Raises:
        TypeError: If a column has a type that it cannot have.
        ValueError: If columns are not one-dimensional and equally long, numbers are not finite,
            turns are missing or repeated, or a trajectory goes on after it ended.
    """

    reward: FloatArray
    terminated: BoolArray
    truncated: BoolArray
    boundary: BoolArray
    value_low: FloatArray
    value_high: FloatArray
    value_switch: FloatArray
    trajectory_id: NDArray[Any]
    turn: IntArray
    group_id: NDArray[Any]
    state_key: NDArray[Any]
    strategy_id: NDArray[Any] | None = None
    off_plan: BoolArray | None = None
    divergence: FloatArray | None = None
    q_value: FloatArray | None = None

    def __post_init__(self) -> None:
        for name in ("reward", "value_low", "value_high", "value_switch"):
            object.__setattr__(self, name, as_floats(name, getattr(self, name)))
        for name in ("terminated", "truncated", "boundary"):
            object.__setattr__(self, name, as_bools(name, getattr(self, name)))
        for name in ("trajectory_id", "group_id", "state_key"):
            object.__setattr__(self, name, as_keys(name, getattr(self, name)))
        object.__setattr__(self, "turn", as_ints("turn", self.turn))
        for name, convert in OPTIONAL_COLUMNS.items():
            if getattr(self, name) is not None:
                object.__setattr__(self, name, convert(name, getattr(self, name)))
        for field in fields(self):
            if getattr(self, field.name) is None:
                continue
            shape = getattr(self, field.name).shape
            if len(shape) != 1 or shape != self.reward.shape:
                raise ValueError(
                    f"{field.name} has shape {shape}; every column must be one-dimensional and as "
                    f"long as reward, which has shape {self.reward.shape}"
                )
        object.__setattr__(self, "boundary", self.boundary | (self.turn == 0))
        self._check_ends()

    def __len__(self) -> int:
        return len(self.reward)

    @cached_property
    def layout(self) -> SegmentLayout:
        """Order of the turns, and the segments that they form."""
        return SegmentLayout.from_turns(self.trajectory_id, self.turn, self.boundary)

    def _check_ends(self) -> None:
        ended = self.layout.sort(self.terminated | self.truncated)
        early = np.flatnonzero(ended & ~self.layout.trajectory_end)
        if len(early):
            order = self.layout.order
            row = int(early[0]) if order is None else int(order[early[0]])
            flag = "terminated" if self.terminated[row] else "truncated"
            raise ValueError(
                f"trajectory {self.trajectory_id[row].item()!r} is {flag} at turn "
                f"{self.turn[row]}, but goes on after it"
            )


def as_floats(name: str, values: ArrayLike) -> FloatArray:
    """Converts a column to float64.

    Raises:
        TypeError: If the values are not real numbers.
        ValueError: If a value is infinite or not a number; it would leak into other turns.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" and array.size:
        raise TypeError(f"{name} must hold real numbers, not {array.dtype}")
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a value that is not finite")
    return array


def as_bools(name: str, values: ArrayLike) -> BoolArray:
    """Converts a column of booleans, or of the integers 0 and 1, to bool.

    Raises:
        TypeError: If the values are neither booleans nor integers.
        ValueError: If there is an integer besides 0 and 1.
    """
    array = np.asarray(values)
    if array.dtype.kind == "b" or not array.size:
        return array.astype(bool, copy=False)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold booleans, not {array.dtype}")
    if ((array != 0) & (array != 1)).any():
        raise ValueError(f"{name} holds an integer other than 0 and 1")
    return array.astype(bool)


def as_ints(name: str, values: ArrayLike) -> IntArray:
    """Converts a column to int64.

    Raises:
        TypeError: If the values are not integers.
        ValueError: If an integer does not fit into 64 bits.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(f"{name} must hold integers, not {array.dtype}")
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"{name} holds an integer that does not fit into int64")
    return array.astype(np.int64, copy=False)


def as_keys(name: str, values: ArrayLike) -> NDArray[Any]:
    """Converts a column of integers or strings to an array of either.

    Raises:
        TypeError: If the values are neither integers nor strings.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iuUS" and array.size:
        raise TypeError(f"{name} must hold integers or strings, not {array.dtype}")
    return array


def as_distances(name: str, values: ArrayLike) -> FloatArray:
    """Converts a column to float64 that is nowhere negative.

    Raises:
        TypeError: If the values are not real numbers.
        ValueError: If a value is negative or not finite.
    """
    array = as_floats(name, values)
    if array.min(initial=0.0) < 0.0:
        raise ValueError(f"{name} holds a negative value")
    return array


#: The columns of `TurnBatch` that may be missing, with what converts and checks each.
OPTIONAL_COLUMNS: dict[str, Callable[[str, ArrayLike], NDArray[Any]]] = {
    "strategy_id": as_keys,
    "off_plan": as_bools,
    "divergence": as_distances,
    "q_value": as_floats,
}
