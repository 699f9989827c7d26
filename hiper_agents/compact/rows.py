"""Ragged batches: the things that a batch of turns can choose from, one below the other.

Knows nothing about texts or networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass
class Rows:
    """A ragged batch: the things to choose from, of all turns, one below the other.

    Attributes:
        features: [rows, F] float32.
        types: [rows, K] int64, vocabulary numbers.
        owner: [rows] int64, the turn in the batch that a row belongs to, ascending.
        position: [rows] int64, its place among the rows of that turn.
    """

    features: FloatArray
    types: IntArray
    owner: IntArray
    position: IntArray

    @classmethod
    def stack(cls, features: FloatArray, types: IntArray, counts: Sequence[int] | IntArray) -> Rows:
        """Builds a batch from rows in turn order and the number of rows of each turn."""
        sizes = np.asarray(counts, np.int64)
        owner = np.repeat(np.arange(len(sizes)), sizes)
        first = np.cumsum(sizes) - sizes
        return cls(features, types, owner, np.arange(len(owner)) - first[owner])

    @classmethod
    def empty(cls, features: int, types: int) -> Rows:
        """A batch without rows."""
        return cls.stack(np.zeros((0, features), np.float32), np.zeros((0, types), np.int64), [])

    def take(self, turns: IntArray) -> Rows:
        """The rows of some turns, which are numbered anew in the given order."""
        rows, counts = self.rows_of(turns)
        return Rows.stack(self.features[rows], self.types[rows], counts)

    def rows_of(self, turns: IntArray) -> tuple[IntArray, IntArray]:
        """Where the rows of some turns are, turn by turn, and how many each turn has."""
        counts = np.bincount(self.owner, minlength=int(turns.max(initial=-1)) + 1)
        first = np.cumsum(counts) - counts
        chosen = counts[turns]
        ends = np.cumsum(chosen)
        rows = np.arange(ends[-1] if len(ends) else 0) + np.repeat(
            first[turns] - (ends - chosen), chosen
        )
        return rows, chosen

    @classmethod
    def concatenate(cls, parts: Sequence[Rows], turns: Sequence[int]) -> Rows:
        """Joins batches of `turns[i]` turns each."""
        offsets = np.cumsum([0, *turns[:-1]])
        return cls(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.types for part in parts]),
            np.concatenate([part.owner + at for part, at in zip(parts, offsets, strict=True)]),
            np.concatenate([part.position for part in parts]),
        )


@lru_cache(maxsize=256)
def one_hot(word: str, words: tuple[str, ...]) -> tuple[float, ...]:
    """1.0 at the place of a word among words; all 0.0 if it is none of them."""
    return tuple(float(word == other) for other in words)
