"""Which prompts begin alike, so that what they share needs to be read only once.

The module knows nothing of models, nor of what prompts say.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stem", "Tokens", "common", "sort_key", "stems"]

Tokens = NDArray[np.int32]
"""The ids of a prompt, [n]."""


class Stem(NamedTuple):
    """Some prompts and how they begin.

    Attributes:
        length: How many tokens they begin with alike, the last one of each not counted.
        rows: Which prompts.
    """

    length: int
    rows: list[int]


def sort_key(prompt: Tokens) -> bytes:
    """Sorts prompts so that those that begin most alike are neighbours."""
    return prompt.astype(">u4").tobytes()


def common(one: Tokens, other: Tokens) -> int:
    """How many tokens two prompts begin with alike."""
    length = min(len(one), len(other))
    differs = one[:length] != other[:length]
    return int(differs.argmax()) if differs.any() else length


def stems(prompts: Sequence[Tokens], known: int) -> list[Stem]:
    """Puts prompts together so that reading every stem once takes the fewest tokens.

    Only prompts that are neighbours in alphabetical order are put together.

    Args:
        prompts: At least one token each.
        known: Tokens that all of them begin with, and that are not to be read again.

    Returns:
        The stems of two or more prompts that are longer than `known`; a prompt is in one of them or
        in none.

    Example:
        >>> a, b, c, d = (np.array(ids, np.int32) for ids in ([1, 2, 3], [4, 5], [1, 2, 9], [1, 7]))
        >>> stems([a, b, c, d], 0)
        [Stem(length=2, rows=[0, 2])]
    """
    order = sorted(range(len(prompts)), key=lambda row: sort_key(prompts[row]))
    ordered = [prompts[row] for row in order]
    shared = [common(one, other) for one, other in pairwise(ordered)]
    # Of the first n prompts: tokens saved at best, where the last stem begins, and its length.
    saved, origins, lengths = [0], [0], [0]
    for end in range(1, len(ordered) + 1):
        best, origin, length = saved[end - 1], end - 1, known
        stem = len(ordered[end - 1]) - 1
        for start in range(end - 2, -1, -1):
            stem = min(stem, shared[start], len(ordered[start]) - 1)
            if stem <= known:
                break
            gain = saved[start] + (end - start - 1) * (stem - known)
            if gain > best:
                best, origin, length = gain, start, stem
        saved.append(best)
        origins.append(origin)
        lengths.append(length)
    found: list[Stem] = []
    end = len(ordered)
    while end:
        if lengths[end] > known:
            found.insert(0, Stem(lengths[end], order[origins[end] : end]))
        end = origins[end]
    return found
