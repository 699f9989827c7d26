"""Trajectories beside others of their task: returns, groups, and what is left above a group's mean.

Sums run in the order of the layout and relative to a member of the group, so that results do not
depend on the order of the rows, and equal values give exactly 0. The module knows nothing about
values or options.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.segments import FloatArray, IntArray, backward_recursion

Norm = Literal["mean", "mean_std"]

# Added to a standard deviation before dividing by it, as the released implementations do.
_EPSILON = 1e-6


@dataclass(frozen=True, eq=False)
class Trajectories:
    """The E trajectories of a batch, in the order of its layout.

    Attributes:
        batch: The turns.
        starts: Ordered position of each trajectory's first turn, int64 [E].
        lengths: Turns of each trajectory, int64 [E].
    """

    batch: TurnBatch
    starts: IntArray
    lengths: IntArray

    @classmethod
    def of(cls, batch: TurnBatch) -> Trajectories:
        """Finds the trajectories of a batch."""
        ends = np.flatnonzero(batch.layout.trajectory_end)
        lengths = np.diff(ends, prepend=-1)
        return cls(batch, ends - lengths + 1, lengths)

    @cached_property
    def returns(self) -> FloatArray:
        """Undiscounted return of each trajectory, float64 [E]."""
        if not len(self.starts):
            return np.zeros(0)
        reward = self.batch.layout.sort(self.batch.reward)
        return cast("FloatArray", np.add.reduceat(reward, self.starts))

    @cached_property
    def group(self) -> IntArray:
        """Number of each trajectory's task group, from 0, int64 [E].

        Raises:
            ValueError: If a trajectory has turns of several groups.
        """
        return numbered(self.shared("group_id"))

    def shared(self, name: str) -> NDArray[Any]:
        """The value [E] that all turns of a trajectory have in the column `name`.

        Raises:
            ValueError: If a trajectory has turns with different values.
        """
        column = self.batch.layout.sort(getattr(self.batch, name))
        values: NDArray[Any] = column[self.starts]
        wrong = np.flatnonzero(column != np.repeat(values, self.lengths))
        if len(wrong):
            ids = self.batch.layout.sort(self.batch.trajectory_id)
            raise ValueError(
                f"trajectory {ids[wrong[0]].item()!r} has turns with different {name}; "
                "a trajectory has one"
            )
        return values

    def spread(self, values: FloatArray) -> FloatArray:
        """Gives every turn the value [E] of its trajectory; [N], in the order of the batch."""
        spread: FloatArray = self.batch.layout.unsort(np.repeat(values, self.lengths))
        return spread


def returns_to_go(batch: TurnBatch, gamma: float) -> FloatArray:
    """Discounted reward from each turn to the end of its trajectory, float64 [N].

    Nothing is expected past the end, however it came about: there is no value to expect it from.
    """
    layout = batch.layout
    decay = np.where(layout.trajectory_end, 0.0, gamma)
    longest = int(batch.turn.max(initial=-1)) + 1
    to_go: FloatArray = layout.unsort(backward_recursion(layout.sort(batch.reward), decay, longest))
    return to_go


def without_critic(batch: TurnBatch, advantage: FloatArray, gamma: float) -> Advantages:
    """One advantage [N] for all heads. A critic that nobody reads may still learn the returns."""
    returns = returns_to_go(batch, gamma)
    return Advantages(advantage, advantage, advantage, returns, returns, returns)


def numbered(*keys: NDArray[Any]) -> IntArray:
    """Numbers rows [n] from 0; those that agree in all keys get the same number."""
    order = np.lexsort(keys)
    new = np.zeros(len(order), dtype=bool)
    for key in keys:
        ordered = key[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(new)
    return number


def members(group: IntArray) -> IntArray:
    """How many rows [n] there are in each row's group, int64 [n]."""
    return np.bincount(group)[group]


def above_mean(
    values: FloatArray, group: IntArray, norm: Norm = "mean", weight: IntArray | None = None
) -> FloatArray:
    """Values minus their group's mean, perhaps over its standard deviation.

    Args:
        values: [n].
        group: Number of each value's group, from 0, [n].
        norm: "mean", or "mean_std" to divide by the standard deviation (unbiased, plus 1e-6), too.
        weight: How often each value counts in the mean and the deviation, [n]; once by default.

    Returns:
        float64 [n]; 0 in a group whose values are all equal, so also in a group of one.

    Raises:
        ValueError: If there is no such norm.
    """
    if norm not in get_args(Norm):
        raise ValueError(f"norm must be one of {', '.join(get_args(Norm))}, not {norm!r}")
    if not len(values):
        return np.zeros(0)
    weight = np.ones(len(values), dtype=np.int64) if weight is None else weight
    total = np.bincount(group, weight)
    # The first member of each group: of repeated positions, the last one assigned stays.
    reference = np.empty(len(total))
    reference[group[::-1]] = values[::-1]
    shifted = values - reference[group]
    centred = shifted - (np.bincount(group, weight * shifted) / total)[group]
    if norm == "mean":
        return centred
    squares = np.bincount(group, weight * centred**2)
    deviation = np.sqrt(squares / np.maximum(total - 1.0, 1.0))
    return cast("FloatArray", centred / (deviation[group] + _EPSILON))
