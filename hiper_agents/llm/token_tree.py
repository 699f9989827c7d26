"""A prefix tree over token sequences: which tokens may come next, and which must.

It is compressed: a node stands where sequences part, and what must come before that is kept in one
piece. The module knows nothing of what the sequences mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Node", "build"]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A place in the tree.

    Attributes:
        forced: Tokens that come here whatever is wanted.
        allowed: After them, the sorted ids to choose among, int32 [n], n > 1; empty at a leaf.
        branches: Where each of them leads.
        leaf: At a leaf, the label of the sequence that has ended; "" elsewhere.
    """

    forced: tuple[int, ...]
    allowed: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    branches: dict[int, Node] = field(default_factory=dict)
    leaf: str = ""


def build(entries: Iterable[tuple[Sequence[int], str]]) -> Node:
    """Builds the tree of some sequences.

    Args:
        entries: At least one sequence with its label. Of equal sequences the one with the first
            label (in alphabetical order) counts; one that begins with another whole sequence is
            left out.

    Raises:
        ValueError: There is no entry.

    Example:
        >>> root = build([((1, 2, 3), "a"), ((1, 2, 4, 5), "b")])
        >>> root.forced, root.allowed.tolist(), root.branches[4].forced, root.branches[4].leaf
        ((1, 2), [3, 4], (5,), 'b')
    """
    ordered = sorted((tuple(tokens), label) for tokens, label in entries)
    if not ordered:
        raise ValueError("a tree needs at least one sequence")
    return _build(ordered, 0)


def _build(ordered: Sequence[tuple[tuple[int, ...], str]], depth: int) -> Node:
    """The tree of sorted sequences that agree up to `depth`."""
    first, label = ordered[0]
    last = ordered[-1][0]
    end = depth
    # What the first and the last share, all in between share, too.
    while end < len(first) and end < len(last) and first[end] == last[end]:
        end += 1
    if end == len(first):
        return Node(first[depth:], leaf=label)
    groups: dict[int, list[tuple[tuple[int, ...], str]]] = {}
    for entry in ordered:
        groups.setdefault(entry[0][end], []).append(entry)
    branches = {token: _build(group, end + 1) for token, group in groups.items()}
    return Node(first[depth:end], np.array(list(branches), np.int32), branches)
