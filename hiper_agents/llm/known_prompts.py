"""Prompts that have been read: what begins like one of them need not be read from the start.

Keys and values of a token depend on it and on what comes before it, and on nothing else, so that
any prompt can go on from those of another one as far as both are the same. The module knows nothing
of what prompts say.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import torch

from hiper_agents.llm.ragged_cache import RaggedCache
from hiper_agents.llm.stems import common, sort_key

__all__ = ["KnownPrompts", "begin"]


class KnownPrompts:
    """The prompts of a batch, and where their keys and values are.

    Args:
        cache: Holds them.
        prompts: Tokens of the prompt of each of its rows.
        version: Of the weights that read them.

    Example:
        >>> known = KnownPrompts(RaggedCache(3, 8), [[5, 6, 7], [1, 2], [5, 6, 9]], (0, 0))
        >>> known.nearest([5, 6, 9, 4])
        (3, 2)
        >>> known.nearest([1, 2])
        (1, 1)
    """

    def __init__(
        self, cache: RaggedCache, prompts: Sequence[Sequence[int]], version: tuple[int, int]
    ) -> None:
        self.cache, self.version = cache, version
        arrays = [np.asarray(prompt, np.int32) for prompt in prompts]
        self._known = sorted((sort_key(array), row, array) for row, array in enumerate(arrays))

    def nearest(self, prompt: Sequence[int]) -> tuple[int, int]:
        """The row that most of a prompt is known from.

        Returns:
            How many tokens both begin with, the prompt's last one left to be read; and the row.
        """
        own = np.asarray(prompt, np.int32)[:-1]
        # Of sorted prompts, the one that begins most alike is a neighbour.
        place = bisect_left(self._known, (sort_key(own), 0))
        near = self._known[max(0, place - 1) : place + 1]
        return max((common(array, own), row) for _, row, array in near)


def begin(
    cache: RaggedCache, prompts: Sequence[Sequence[int]], known: Sequence[KnownPrompts]
) -> list[int]:
    """Begins the rows of an empty cache with what is known of their prompts.

    Args:
        cache: Has one row for each prompt.
        prompts: At least one token each.
        known: Of several that know equally much the first is taken.

    Returns:
        How many tokens of each prompt are known.
    """
    shared = [0] * len(prompts)
    origins = [(0, 0)] * len(prompts)  # which of the known, and its row
    for number, each in enumerate(known):
        for place, prompt in enumerate(prompts):
            length, row = each.nearest(prompt)
            if length > shared[place]:
                shared[place], origins[place] = length, (number, row)
    for number, each in enumerate(known):
        places = [
            place for place, origin in enumerate(origins) if shared[place] and origin[0] == number
        ]
        if places:
            rows = [origins[place][1] for place in places]
            length = max(shared[place] for place in places)
            cache.begin_with(each.cache, torch.tensor(rows), torch.tensor(places), length)
    return shared
