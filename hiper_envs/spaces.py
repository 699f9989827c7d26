"""A Gymnasium text space that contains every string up to a length.

``gymnasium.spaces.Text`` lists its characters, so an observation with one unforeseen character
would fall outside of it. And Gymnasium reads texts from the shared memory of an asynchronous vector
environment only once, when that is created; so this module also registers how a
:class:`UnicodeText` is shared. It knows nothing of tags or tasks.
"""

from __future__ import annotations

import multiprocessing
import string
import sys
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from gymnasium.spaces import Text
from gymnasium.vector.utils import (
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)
from numpy.typing import NDArray

__all__ = ["UnicodeText"]

_NUM_CODE_POINTS = sys.maxunicode + 1
_SAMPLED_CHARACTERS = string.ascii_letters + string.digits + " "
_MAX_SAMPLED_LENGTH = 32


class _AllCharacters(Sequence[str]):
    """Every Unicode character, at the index that is its code point."""

    def __len__(self) -> int:
        return _NUM_CODE_POINTS

    def __contains__(self, item: object) -> bool:
        return isinstance(item, str) and len(item) == 1

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [chr(i) for i in range(*index.indices(_NUM_CODE_POINTS))]
        return chr(index)


_ALL_CHARACTERS = _AllCharacters()


class UnicodeText(Text):
    """A :class:`gymnasium.spaces.Text` over all of Unicode.

    A character is flattened to its code point, so that any text survives flattening and shared
    memory. Samples are short strings of letters, digits and spaces: legal, printable, and free of
    markup.

    Args:
        max_length: Longest text in characters.
        min_length: Shortest text in characters.
        seed: Seed or generator for :meth:`sample`.

    Example:
        >>> from hiper_envs.spaces import UnicodeText
        >>> space = UnicodeText(max_length=20)
        >>> "go to café 1" in space
        True
        >>> space.sample() in space
        True
    """

    def __init__(
        self,
        max_length: int,
        *,
        min_length: int = 0,
        seed: int | np.random.Generator | None = None,
    ) -> None:
        super().__init__(max_length, min_length=min_length, charset=_SAMPLED_CHARACTERS, seed=seed)

    def contains(self, x: Any) -> bool:
        """Whether ``x`` is a string of a legal length."""
        return isinstance(x, str) and self.min_length <= len(x) <= self.max_length

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """Draw a short text.

        Args:
            mask: Must be None; a mask over all of Unicode has no use.
            probability: Must be None, for the same reason.

        Raises:
            ValueError: If a mask or probabilities are given.
        """
        if mask is not None or probability is not None:
            raise ValueError("UnicodeText.sample takes neither a mask nor probabilities")
        longest = max(self.min_length, min(self.max_length, _MAX_SAMPLED_LENGTH))
        length = self.np_random.integers(self.min_length, longest + 1)
        picks = self.np_random.integers(len(_SAMPLED_CHARACTERS), size=length)
        return "".join(_SAMPLED_CHARACTERS[i] for i in picks)

    @property
    def character_set(self) -> Sequence[str]:  # type: ignore[override]
        """Every Unicode character."""
        return _ALL_CHARACTERS

    @property
    def character_list(self) -> Sequence[str]:  # type: ignore[override]
        """Every Unicode character, by code point."""
        return _ALL_CHARACTERS

    def character_index(self, char: str) -> np.int32:
        """The code point of ``char``."""
        return np.int32(ord(char))

    def __repr__(self) -> str:
        return f"UnicodeText({self.min_length}, {self.max_length})"

    def __eq__(self, other: object, /) -> bool:
        return (
            isinstance(other, UnicodeText)
            and self.min_length == other.min_length
            and self.max_length == other.max_length
        )

    __hash__ = None  # type: ignore[assignment]  # mutable through its generator, as all spaces


# A text in shared memory is one row of 32-bit integers: its length, then its code points.
_CODEC = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"


class _SharedTexts(Sequence[str]):
    """A live view of the texts in shared memory, one per environment.

    ``AsyncVectorEnv`` deep-copies its observations before it returns them, and the deep copy of
    the view is the tuple of the texts at that moment.
    """

    def __init__(self, rows: NDArray[np.int32]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...

    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self)[index]
        row = self._rows[index]
        text: str = row[1 : 1 + row[0]].tobytes().decode(_CODEC, "surrogatepass")
        return text

    def __deepcopy__(self, memo: dict[int, Any]) -> tuple[str, ...]:
        return tuple(self)


def _rows(space: UnicodeText, shared_memory: Any) -> NDArray[np.int32]:
    flat = np.frombuffer(shared_memory.get_obj(), dtype=np.int32)
    return flat.reshape(-1, 1 + space.max_length)


@create_shared_memory.register(UnicodeText)
def _create(space: UnicodeText, n: int = 1, ctx: Any = multiprocessing) -> Any:
    return ctx.Array(np.dtype(np.int32).char, n * (1 + space.max_length))


@read_from_shared_memory.register(UnicodeText)
def _read(space: UnicodeText, shared_memory: Any, n: int = 1) -> Sequence[str]:
    return _SharedTexts(_rows(space, shared_memory))


@write_to_shared_memory.register(UnicodeText)
def _write(space: UnicodeText, index: int, value: str, shared_memory: Any) -> None:
    points = np.frombuffer(value.encode(_CODEC, "surrogatepass"), dtype=np.int32)
    row = _rows(space, shared_memory)[index]
    row[0] = len(points)
    row[1 : 1 + len(points)] = points
