"""Where trajectories and options lie in a batch of turns, and a recursion that runs over them.

Everything here works on whole arrays: turns are brought into order once, results are put back into
the caller's order once, and `backward_recursion` replaces the loop over turns. It knows nothing
about rewards, values or advantages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SegmentLayout:
    """The N turns of a batch in order (by trajectory, then turn), cut into K option segments.

    A segment is one option: it starts at turn 0 or at a boundary and ends before the next one or
    with its trajectory. Segments are numbered in the same order as the turns.

    Attributes:
        order: Row of the batch that holds each ordered turn, int64 [N]; None if the batch already
            is in order.
        trajectory_end: Ordered turn is the last of its trajectory, bool [N].
        segment_end: Ordered turn is the last of its segment, bool [N].
        starts: Ordered position of each segment's first turn, int64 [K].
        lengths: Turns in each segment, int64 [K].
    """

    order: IntArray | None
    trajectory_end: BoolArray
    segment_end: BoolArray
    starts: IntArray
    lengths: IntArray

    @classmethod
    def from_turns(
        cls, trajectory_id: NDArray[Any], turn: IntArray, boundary: BoolArray
    ) -> SegmentLayout:
        """Orders N turns and finds their segments.

        Args:
            trajectory_id: Trajectory of each turn [N], in any order.
            turn: Position of each turn within its trajectory, int64 [N].
            boundary: Turn begins a new option, bool [N]. Turn 0 does in any case.

        Raises:
            ValueError: If the turns of a trajectory are not 0, 1, ..., n-1, each exactly once.
        """
        order = _order(trajectory_id, turn)
        if order is not None:
            trajectory_id, turn, boundary = trajectory_id[order], turn[order], boundary[order]
        trajectory_start = np.ones(len(turn), dtype=bool)
        trajectory_start[1:] = trajectory_id[1:] != trajectory_id[:-1]
        _check_turns(trajectory_id, turn, trajectory_start)
        segment_start = boundary | trajectory_start
        starts = np.flatnonzero(segment_start)
        return cls(
            order=order,
            trajectory_end=_before(trajectory_start),
            segment_end=_before(segment_start),
            starts=starts,
            lengths=np.diff(starts, append=len(turn)),
        )

    @property
    def ends(self) -> IntArray:
        """Ordered position of each segment's last turn, int64 [K]."""
        return self.starts + self.lengths - 1

    @property
    def longest(self) -> int:
        """Turns in the longest segment; 0 for an empty batch."""
        return int(self.lengths.max(initial=0))

    def sort(self, column: NDArray[Any]) -> NDArray[Any]:
        """Brings a column [N] of the batch into the order of the layout."""
        return column if self.order is None else column[self.order]

    def unsort(self, ordered: NDArray[Any]) -> NDArray[Any]:
        """Puts an ordered column [N] back into the order of the batch."""
        if self.order is None:
            return ordered
        column = np.empty_like(ordered)
        column[self.order] = ordered
        return column


def backward_recursion(delta: FloatArray, decay: FloatArray, longest: int) -> FloatArray:
    """Solves `a[t] = delta[t] + decay[t] * a[t + 1]` for all t at once.

    Parallel scan by doubling (Hillis and Steele, 1986): after the pass with shift s, `a[t]` covers
    the 2s turns from t on, and `carry[t]` is the product of their decays. Nothing is ever divided,
    so decays that are zero or vanish in a long product do no harm. A run's result depends on
    nothing outside the run, down to the last bit. O(n log longest) time.

    Args:
        delta: Finite, [n].
        decay: [n], in [0, 1], and 0 at the end of each run, so also at the last position.
        longest: Length of the longest run, at most n.

    Returns:
        `a`, float64 [n].
    """
    total = delta.copy()
    carry = decay.copy()
    product = np.zeros_like(total)
    shift = 1
    while shift < longest:
        np.multiply(carry[:-shift], total[shift:], out=product[:-shift])
        total[:-shift] += product[:-shift]
        np.multiply(carry[:-shift], carry[shift:], out=product[:-shift])
        # The last `shift` products are stale, but a longer shift never reaches back to them.
        carry, product = product, carry
        shift *= 2
    return total


def _order(trajectory_id: NDArray[Any], turn: IntArray) -> IntArray | None:
    same = trajectory_id[1:] == trajectory_id[:-1]
    ascending = np.where(same, turn[1:] > turn[:-1], trajectory_id[1:] > trajectory_id[:-1])
    return None if ascending.all() else np.lexsort((turn, trajectory_id))


def _before(start: BoolArray) -> BoolArray:
    """The positions whose successor is a start; the last position always is one."""
    end = np.ones_like(start)
    end[:-1] = start[1:]
    return end


def _check_turns(trajectory_id: NDArray[Any], turn: IntArray, start: BoolArray) -> None:
    expected = np.zeros_like(turn)
    expected[1:] = np.where(start[1:], 0, turn[:-1] + 1)
    wrong = np.flatnonzero(turn != expected)
    if not len(wrong):
        return
    row = int(wrong[0])
    name = f"trajectory {trajectory_id[row].item()!r}"
    if start[row]:
        raise ValueError(f"{name} begins at turn {turn[row]}; turns are counted from 0")
    if turn[row] == turn[row - 1]:
        raise ValueError(f"{name} has more than one turn {turn[row]}")
    raise ValueError(f"{name} has a gap: turn {turn[row - 1]} is followed by turn {turn[row]}")
