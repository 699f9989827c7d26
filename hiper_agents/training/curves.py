"""Columns of numbers with gaps: smoothing, thinning, and round axis ticks.

A column is a list of floats in which None marks what is missing. Nothing here knows what the
numbers mean or how they are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Column = list[float | None]

#: Keeps sums and spans of what was read from a damaged file within the range of floats.
_LARGEST = 1e100


def number(value: object) -> float | None:
    """The value as a float, or None if it is no number or beyond any that a run can have."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        result = float(value)
    except OverflowError:  # an integer beyond the range of floats
        return None
    return result if abs(result) < _LARGEST else None


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of what is there; None if nothing is."""
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None


def trailing_mean(values: Sequence[float | None], window: int) -> Column:
    """Replaces every value by the mean of it and of the `window - 1` before it.

    Gaps stay gaps and count for nothing in the means after them.

    Example:
        >>> trailing_mean([0.0, 1.0, None, 2.0], 2)
        [0.0, 0.5, None, 2.0]
    """
    return [
        None if value is None else mean(values[max(0, end - window) : end])
        for end, value in enumerate(values, start=1)
    ]


def thin(
    x: Sequence[float], columns: Sequence[Column], limit: int
) -> tuple[list[float], list[Column]]:
    """Averages neighbouring points until at most `limit` are left.

    Args:
        x: [n] places of the points.
        columns: Columns of n values each.
        limit: Points to keep, at least 1.

    Returns:
        The thinned x and columns, all of one length; unchanged copies where n <= `limit`.
    """
    size = math.ceil(len(x) / limit)
    if size <= 1:
        return list(x), [list(column) for column in columns]
    starts = range(0, len(x), size)
    places = [math.fsum(x[i : i + size]) / len(x[i : i + size]) for i in starts]
    return places, [[mean(column[i : i + size]) for i in starts] for column in columns]


def ticks(low: float, high: float, *, count: int = 4, whole: bool = False) -> list[float]:
    """About `count` round numbers from at or just below `low` to at or just beyond `high`.

    Args:
        low: Lower end.
        high: Upper end.
        count: Steps between the ticks, at most.
        whole: Whole numbers only.

    Example:
        >>> ticks(0.0, 9.3)
        [0.0, 2.5, 5.0, 7.5, 10.0]
        >>> ticks(3.0, 3.0)
        [3.0, 4.0]
    """
    span = high - low
    # Below this the steps between ticks vanish in the rounding of floats.
    if span <= max(1e-9 * max(abs(low), abs(high)), 1.0 / _LARGEST):
        return [low, low + (abs(low) * 0.1 if abs(low) > 10 else 1.0)]
    magnitude = 10.0 ** math.floor(math.log10(span / count))
    if whole and magnitude < 1.0:
        magnitude = 1.0
    factors = (1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)
    step = next(m * magnitude for m in factors if m * magnitude * count >= span * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, max(first + 1, last) + 1)]


def compact(value: float) -> str:
    """A number in at most five characters or so, with k and M for thousands and millions.

    Example:
        >>> [compact(v) for v in (0, 0.01234, 7.25, 250, 40_123, 1_500_000)]
        ['0', '0.0123', '7.25', '250', '40.1k', '1.5M']
    """
    size = abs(value)
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= max(0.9995 * unit, 1e4):
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}" if size < 999.5 else f"{value:.0f}"


def percent(share: float) -> str:
    """A share as a percentage."""
    return f"{100 * share:.1f} %"


def shown(value: object, *, shares: bool = False) -> str:
    """A number, or a share as a percentage; a dash for what is no number."""
    found = number(value)
    if found is None:
        return "-"
    return percent(found) if shares else compact(found)


def duration(seconds: float) -> str:
    """Seconds as minutes and seconds, or hours and minutes.

    Example:
        >>> duration(61), duration(7322)
        ('1:01 min', '2:02 h')
    """
    whole = max(0, round(seconds))
    if whole >= 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
    return f"{whole // 60}:{whole % 60:02d} min"
