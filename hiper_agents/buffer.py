"""`OptionRolloutBuffer`: the turns of a rollout, as arrays, for every estimator and every agent.

The buffer stores what happened at each turn and where in the response the switch, subgoal and
action blocks lie. It hands out batches of turns, advantages per turn and per token, and minibatches
of row numbers. It knows nothing about prompts, tokens' texts, networks or losses: an agent keeps
its own tensors in the order of the rows that `add` returns.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from hiper_agents.estimators import Advantages, Estimator, TurnBatch, get_estimator
from hiper_agents.estimators import whiten as whiten_heads
from hiper_agents.estimators.batch import OPTIONAL_COLUMNS, as_bools, as_floats, as_ints
from hiper_agents.estimators.segments import BoolArray, FloatArray, IntArray
from hiper_agents.estimators.statistics import OptionStatistics, option_statistics
from hiper_base.errors import HiperError
from hiper_base.files import replacing

__all__ = [
    "BufferFormatError",
    "OptionRolloutBuffer",
    "OptionStatistics",
    "TokenAdvantages",
    "TurnBatch",
    "option_statistics",
    "stable_key",
]

# Version 1 had no optional columns.
_FORMAT_VERSION = 2
_SPANS = ("switch_span", "subgoal_span", "action_span")
_COLUMNS: dict[str, DTypeLike] = {
    "reward": np.float64,
    "terminated": np.bool_,
    "truncated": np.bool_,
    "boundary": np.bool_,
    "value_low": np.float64,
    "value_high": np.float64,
    "value_switch": np.float64,
    "trajectory_id": np.int64,
    "turn": np.int64,
    "group_id": np.int64,
    "state_key": np.int64,
    "switch_span": np.int64,
    "subgoal_span": np.int64,
    "action_span": np.int64,
}


class BufferFormatError(HiperError, ValueError):
    """A file does not hold a rollout buffer."""


class TokenAdvantages(NamedTuple):
    """Advantages of the tokens of N responses, padded to T tokens.

    Attributes:
        values: Advantage of each token, float64 [N, T]; 0 where `mask` is false.
        mask: The token belongs to a block that is trained, bool [N, T].
    """

    values: FloatArray
    mask: BoolArray


class OptionRolloutBuffer:
    """Turns of any number of trajectories, in the order in which they were added.

    Only the first `len(buffer)` rows of each array are in use; arrays grow by doubling.

    Args:
        capacity: Turns to make room for at first.

    Example:
        >>> buffer = OptionRolloutBuffer()
        >>> for turn in range(2):  # two environments at once
        ...     rows = buffer.add(
        ...         reward=[0.0, turn], terminated=[False, turn == 1], truncated=[turn == 1, False],
        ...         boundary=turn == 0, value_low=0.0, value_high=0.0, value_switch=0.0,
        ...         trajectory_id=[0, 1], turn=turn, group_id=0, state_key=[3, 4],
        ...     )
        >>> buffer.advantages("hae").low
        array([0., 1., 0., 1.])
    """

    reward: FloatArray  # [capacity] float64
    terminated: BoolArray  # [capacity] bool
    truncated: BoolArray  # [capacity] bool
    boundary: BoolArray  # [capacity] bool
    value_low: FloatArray  # [capacity] float64
    value_high: FloatArray  # [capacity] float64
    value_switch: FloatArray  # [capacity] float64
    trajectory_id: IntArray  # [capacity] int64
    turn: IntArray  # [capacity] int64
    group_id: IntArray  # [capacity] int64
    state_key: IntArray  # [capacity] int64
    switch_span: IntArray  # [capacity, 2] int64, first token and one past the last; (0, 0): absent
    subgoal_span: IntArray  # [capacity, 2] int64, likewise
    action_span: IntArray  # [capacity, 2] int64, likewise

    def __init__(self, capacity: int = 1024) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self._size = 0
        self._capacity = capacity
        self._optional: dict[str, NDArray[Any]] = {}
        for name, dtype in _COLUMNS.items():
            setattr(self, name, np.zeros((capacity, *_row_shape(name)), dtype=dtype))

    def __len__(self) -> int:
        return self._size

    @property
    def capacity(self) -> int:
        """Turns that fit before the arrays have to grow."""
        return self._capacity

    def add(
        self,
        *,
        reward: ArrayLike,
        terminated: ArrayLike,
        truncated: ArrayLike,
        boundary: ArrayLike,
        value_low: ArrayLike,
        value_high: ArrayLike,
        value_switch: ArrayLike,
        trajectory_id: ArrayLike,
        turn: ArrayLike,
        group_id: ArrayLike,
        state_key: ArrayLike,
        switch_span: ArrayLike = (0, 0),
        subgoal_span: ArrayLike = (0, 0),
        action_span: ArrayLike = (0, 0),
    ) -> slice:
        """Adds n turns, usually one of each of n environments.

        See `TurnBatch` for the meaning of the columns. Each is an array [n], or a scalar that
        holds for all n turns; `trajectory_id` is an array and sets n. Whether the turns make up
        whole trajectories is checked by `batch`, not here.

        Args:
            reward: Reward of the turn.
            terminated: The task ended with it.
            truncated: The trajectory was cut off after it.
            boundary: It begins a new option.
            value_low: Value of the state before the turn, low head. 0 without a critic.
            value_high: The same, high head.
            value_switch: The same, switch head.
            trajectory_id: Trajectory of the turn.
            turn: Position within the trajectory, from 0.
            group_id: Task group of the trajectory.
            state_key: Equal for equal states; `stable_key` makes one of a text.
            switch_span: Tokens of the switch block in the turn's response, [n, 2] or [2]: first
                token and one past the last, as recorded while generating. (0, 0) if absent.
            subgoal_span: The same, subgoal block.
            action_span: The same, action block.

        Returns:
            The rows that the turns were given. They stay valid until `clear`.

        Raises:
            TypeError: If a column has a type that it cannot have.
            ValueError: If a column has the wrong shape or a number that is not finite, or if spans
                are reversed, negative or overlap. Nothing is added then.
        """
        # Every parameter but self is a column.
        given = {name: value for name, value in locals().items() if name in _COLUMNS}
        ids = as_ints("trajectory_id", trajectory_id)
        if ids.ndim != 1:
            raise ValueError(f"trajectory_id must be one-dimensional, but has shape {ids.shape}")
        columns = {name: _column(name, value, len(ids)) for name, value in given.items()}
        _check_spans([columns[name] for name in _SPANS])
        rows = slice(self._size, self._size + len(ids))
        self._reserve(rows.stop)
        for name, column in columns.items():
            getattr(self, name)[rows] = column
        self._size = rows.stop
        return rows

    def annotate(self, **columns: ArrayLike) -> None:
        """Sets optional columns, for all turns that the buffer holds.

        What an estimator needs besides the columns of `add` is often known only once the episodes
        are over. Setting a column again replaces it; turns added later lack it until then.

        Args:
            **columns: Optional columns of `TurnBatch` by name, each an array [len(buffer)] in the
                order of the rows.

        Raises:
            TypeError: If there is no such column, or it has a type that it cannot have.
            ValueError: If a column does not hold one value a turn, or a value that it cannot have.
                Nothing is set then.
        """
        checked = {}
        for name, values in columns.items():
            if name not in OPTIONAL_COLUMNS:
                known = ", ".join(OPTIONAL_COLUMNS)
                raise TypeError(f"there is no optional column {name}; there are {known}")
            column = OPTIONAL_COLUMNS[name](name, values)
            if column.shape != (self._size,):
                raise ValueError(f"{name} has shape {column.shape}; expected {(self._size,)}")
            checked[name] = column.copy()
        self._optional.update(checked)

    def columns(self) -> dict[str, NDArray[Any]]:
        """All columns by name, each [len(buffer), ...], with those that were annotated.

        Raises:
            ValueError: If turns were added after the others had been annotated.
        """
        columns = {name: getattr(self, name)[: self._size].copy() for name in _COLUMNS}
        return columns | self._annotated()

    def fill(self, columns: Mapping[str, ArrayLike]) -> None:
        """Forgets all turns and takes up others, as `columns` gives them.

        Raises:
            TypeError: If a column is missing or unknown, or has a type that it cannot have.
            ValueError: If a column has the wrong shape or a value that it cannot have.
        """
        self.clear()
        self.add(**{name: values for name, values in columns.items() if name in _COLUMNS})
        self.annotate(**{name: values for name, values in columns.items() if name not in _COLUMNS})

    def clear(self) -> None:
        """Forgets all turns and what they were annotated with; keeps the capacity."""
        self._size = 0
        self._optional.clear()

    def batch(self) -> TurnBatch:
        """Copies the turns into a batch; row i of the batch is row i of the buffer.

        Raises:
            ValueError: If the turns do not make up whole trajectories, or some were added after
                the others had been annotated.
        """
        columns = {name: getattr(self, name) for name in _COLUMNS if name not in _SPANS}
        columns = {name: column[: self._size] for name, column in columns.items()}
        columns |= self._annotated()
        return TurnBatch(**{name: column.copy() for name, column in columns.items()})

    def advantages(
        self, estimator: str | Estimator, *, whiten: bool = False, **settings: Any
    ) -> Advantages:
        """Estimates the advantages of all turns.

        Args:
            estimator: Name of a registered estimator, or the estimator itself.
            whiten: Whether to give each head mean 0 and standard deviation 1 over its own turns;
                see `hiper_agents.estimators.whiten`.
            **settings: For the estimator.

        Returns:
            Arrays [len(buffer)], in the order of the rows.

        Raises:
            UnknownEstimatorError: If no estimator has that name.
            TypeError: If the estimator does not take one of the settings.
            ValueError: If the turns do not make up whole trajectories.
        """
        function = get_estimator(estimator) if isinstance(estimator, str) else estimator
        batch = self.batch()
        advantages = function(batch, **settings)
        return whiten_heads(advantages, batch) if whiten else advantages

    def token_advantages(
        self,
        advantages: Advantages,
        *,
        rows: slice | NDArray[np.int64] | None = None,
        length: int | None = None,
    ) -> TokenAdvantages:
        """Spreads advantages per turn over the tokens of the blocks that they belong to.

        The switch block takes `switch`, the action block `low`, at every turn. The subgoal block
        takes `high` at boundary turns; one written on KEEP chose nothing, and is masked out. A flat
        method does not know boundaries: all three blocks of every turn take its one advantage.

        Args:
            advantages: Of all turns in the buffer, as `advantages` returns them.
            rows: Turns to return, in this order; all by default.
            length: Number of tokens T to pad or cut to; by default the end of the last block of
                these turns.

        Raises:
            ValueError: If there is not one advantage for each turn in the buffer.
        """
        if advantages.low.shape != (self._size,):
            raise ValueError(
                f"{advantages.low.shape} advantages do not fit {self._size} turns in the buffer"
            )
        rows = slice(None) if rows is None else rows
        spans = [getattr(self, name)[: self._size][rows] for name in _SPANS]
        if length is None:
            length = max(int(span[:, 1].max(initial=0)) for span in spans)
        turns = len(spans[0])
        every = np.ones(turns, dtype=bool)
        boundary = (self.boundary | (self.turn == 0))[: self._size][rows]
        owns = (every, every if advantages.flat else boundary, every)
        heads = (advantages.switch, advantages.high, advantages.low)

        position = np.arange(length)
        values = np.zeros((turns, length))
        mask = np.zeros((turns, length), dtype=bool)
        for span, head, own in zip(spans, heads, owns, strict=True):
            inside = (position >= span[:, :1]) & (position < span[:, 1:]) & own[:, None]
            values = np.where(inside, head[rows][:, None], values)
            mask |= inside
        return TokenAdvantages(values, mask)

    def minibatches(
        self, size: int, rng: np.random.Generator, *, drop_last: bool = False
    ) -> Iterator[NDArray[np.int64]]:
        """Visits every turn once, in random order.

        Args:
            size: Turns in a minibatch.
            rng: Source of the order; the same state gives the same minibatches.
            drop_last: Whether to leave out a last minibatch that is smaller than `size`.

        Yields:
            Rows of the buffer, int64 [size]; fewer in the last minibatch.

        Raises:
            ValueError: If size is less than 1.
        """
        if size < 1:
            raise ValueError(f"a minibatch needs at least one turn, not {size}")
        shuffled = rng.permutation(self._size)
        stop = self._size - self._size % size if drop_last else self._size
        for start in range(0, stop, size):
            yield shuffled[start : start + size]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all turns to an `.npz` file, which appears whole or not at all.

        Raises:
            OSError: If it cannot be written.
            ValueError: If turns were added after the others had been annotated.
        """
        columns = self.columns()
        with replacing(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez(file, format_version=_FORMAT_VERSION, **columns)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> OptionRolloutBuffer:
        """Reads what `save` wrote, in this version or an earlier one.

        Nothing in the file is executed.

        Raises:
            OSError: If the file cannot be opened.
            BufferFormatError: If it is damaged, or is something else.
        """
        with open(path, "rb") as file:
            try:
                with np.load(file, allow_pickle=False) as archive:
                    columns = {name: archive[name] for name in archive.files}
                version = int(columns.pop("format_version"))
                if not 1 <= version <= _FORMAT_VERSION:
                    raise ValueError(f"format version {version}, not 1 to {_FORMAT_VERSION}")
                known = set() if version == 1 else OPTIONAL_COLUMNS.keys()
                if columns.keys() - known != _COLUMNS.keys():
                    raise ValueError(f"columns {sorted(columns)}, not {sorted(_COLUMNS)}")
                buffer = cls(capacity=max(1, len(columns["reward"])))
                buffer.fill(columns)
            except _DAMAGE as error:
                raise BufferFormatError(f"{path} is no rollout buffer: {error}") from error
        return buffer

    def _annotated(self) -> dict[str, NDArray[Any]]:
        for name, column in self._optional.items():
            if len(column) != self._size:
                raise ValueError(
                    f"{name} was set for {len(column)} turns, but the buffer now holds "
                    f"{self._size}; annotate after the last turn was added"
                )
        return self._optional

    def _reserve(self, needed: int) -> None:
        if needed <= self._capacity:
            return
        while self._capacity < needed:
            self._capacity *= 2
        for name, dtype in _COLUMNS.items():
            grown = np.zeros((self._capacity, *_row_shape(name)), dtype=dtype)
            grown[: self._size] = getattr(self, name)[: self._size]
            setattr(self, name, grown)


# What numpy, zipfile and zlib raise on a file that is not what it claims to be.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def stable_key(text: str) -> int:
    """A 64-bit state key of a text: the same in every process, unlike `hash`."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _row_shape(name: str) -> tuple[int, ...]:
    return (2,) if name in _SPANS else ()


def _column(name: str, values: ArrayLike, turns: int) -> NDArray[Any]:
    convert = {"f": as_floats, "b": as_bools, "i": as_ints}[np.dtype(_COLUMNS[name]).kind]
    column: NDArray[Any] = convert(name, values)
    shape = (turns, *_row_shape(name))
    if column.shape not in (shape, shape[1:]):
        raise ValueError(f"{name} has shape {column.shape}; expected {shape} or {shape[1:]}")
    return np.broadcast_to(column, shape)


def _check_spans(spans: list[IntArray]) -> None:
    for name, span in zip(_SPANS, spans, strict=True):
        wrong = np.flatnonzero((span[:, 0] < 0) | (span[:, 1] < span[:, 0]))
        if len(wrong):
            raise ValueError(
                f"{name} {tuple(span[wrong[0]].tolist())} must be (start, end), 0 <= start <= end"
            )
    for i, j in ((0, 1), (0, 2), (1, 2)):
        first_end = np.minimum(spans[i][:, 1], spans[j][:, 1])
        wrong = np.flatnonzero(np.maximum(spans[i][:, 0], spans[j][:, 0]) < first_end)
        if len(wrong):
            first, second = (tuple(spans[k][wrong[0]].tolist()) for k in (i, j))
            raise ValueError(f"{_SPANS[i]} {first} overlaps {_SPANS[j]} {second}")
