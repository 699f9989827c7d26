"""Places: where prompts are read, and what each place still knows of the last one that was.

Keys and values of a token depend on it and on what comes before it, and on nothing else, so that a
prompt can go on from those of another one as far as both begin alike. The module knows nothing of
models, nor of what prompts say.
"""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np

from hiper_agents.llm.stems import Tokens, common, sort_key

__all__ = ["Places"]

_NOTHING: Tokens = np.zeros(0, np.int32)


class Places:
    """The places that are free.

    Example:
        >>> places = Places()
        >>> for place, tokens in enumerate(([5, 6, 7], [1, 2], [5, 6, 9])):
        ...     places.release(place, np.array(tokens, np.int32))
        >>> places.nearest(np.array([5, 6, 9, 4], np.int32))
        (3, 2)
        >>> places.oldest()
        0
        >>> places.take(2)
        >>> places.nearest(np.array([5, 6, 9, 4], np.int32))
        (2, 0)
    """

    def __init__(self) -> None:
        self._known: dict[int, Tokens] = {}
        self._sorted: list[tuple[bytes, int]] = []

    def __len__(self) -> int:
        """How many there are."""
        return len(self._known)

    def __contains__(self, place: int) -> bool:
        """Whether a place is free."""
        return place in self._known

    def release(self, place: int, tokens: Tokens = _NOTHING) -> None:
        """Makes a place free that knows some tokens."""
        self._known[place] = tokens
        insort(self._sorted, (sort_key(tokens), place))

    def take(self, place: int) -> None:
        """Takes a free place."""
        key = sort_key(self._known.pop(place)), place
        del self._sorted[bisect_left(self._sorted, key)]

    def nearest(self, prompt: Tokens) -> tuple[int, int]:
        """The place that knows most of a prompt; there has to be one.

        Returns:
            How many tokens it knows, the prompt's last one left to be read; and the place.
        """
        own = prompt[:-1]
        # Of sorted prompts, the one that begins most alike is a neighbour.
        at = bisect_left(self._sorted, (sort_key(own), -1))
        near = self._sorted[max(0, at - 1) : at + 1]
        return max((common(self._known[place], own), place) for _, place in near)

    def oldest(self) -> int:
        """The place that has been free for longest; there has to be one."""
        return next(iter(self._known))
