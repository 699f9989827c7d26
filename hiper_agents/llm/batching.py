"""Which rows of different lengths are run through a model together.

Together they are padded to the longest; apart, each pass costs something of its own. The module
knows nothing of tokens or models.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["pass_overhead", "split"]


def pass_overhead(device: torch.device) -> int:
    """What a pass costs besides its tokens, in tokens; roughly, for only time depends on it."""
    return 12 if device.type == "cpu" else 2048


def split(lengths: Sequence[int], *, overhead: int, limit: int) -> list[slice]:
    """Splits sorted rows into passes so that all of them cost least together.

    Args:
        lengths: Lengths of the rows in ascending order, at least 1 each.
        overhead: What a pass costs besides its tokens, in tokens.
        limit: Tokens of a pass at most, padding included; a longer row has a pass of its own.

    Returns:
        The passes in order, without gaps.

    Example:
        >>> split([1, 1, 1, 9], overhead=4, limit=100)
        [slice(0, 3, None), slice(3, 4, None)]
        >>> split([1, 1, 1, 9], overhead=40, limit=100)
        [slice(0, 4, None)]
    """
    # Rows of equal length stay together, if the limit permits.
    ends = [i for i in range(1, len(lengths)) if lengths[i - 1] != lengths[i]] + [len(lengths)]
    bounds = [0, *ends] if lengths else [0]
    costs, origins = [0], [0]  # of the cheapest passes up to each bound
    for end in bounds[1:]:
        longest = lengths[end - 1]
        most = max(1, limit // longest)
        options = [
            cost + (end - start) * longest + -(-(end - start) // most) * overhead
            for cost, start in zip(costs, bounds, strict=False)
        ]
        costs.append(min(options))
        origins.append(options.index(costs[-1]))
    passes: list[slice] = []
    place = len(bounds) - 1
    while place:
        start, end = bounds[origins[place]], bounds[place]
        most = max(1, limit // lengths[end - 1])
        passes[:0] = [slice(at, min(at + most, end)) for at in range(start, end, most)]
        place = origins[place]
    return passes
