"""Turns until a success rate is reached, and what to say of runs that never reach it.

A run that ends at its budget without having reached the rate is censored: all that is known is that
it needs more turns than that. Leaving it out would favour the method that fails most often, and so
would counting it as if it had reached the rate at the end. So a median is given only where it does
not depend on the unknown times, means are means of min(time, budget) and say that they are lower
bounds, and slopes say on which side of the truth they lie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.credit.statistics import Interval, interval, slope, slope_weights

__all__ = ["Bound", "Slope", "Times", "mean_success", "slope_of_times", "times", "turns_to"]

Bound = Literal["exact", "at least", "at most", "unknown"]


@dataclass(frozen=True)
class Times:
    """Turns that the seeds of one method needed to reach a success rate.

    Attributes:
        values: One a seed; None where the rate was not reached.
        budget: Turns that every run had.
        reached: How many seeds reached it.
        median: Their median over all seeds; None where it depends on a seed that did not reach it,
            so that only "more than the budget" is known.
        restricted: Mean of min(time, budget) with its interval: the mean itself if all reached it,
            else a lower bound of it.
    """

    values: tuple[float | None, ...]
    budget: int
    reached: int
    median: float | None
    restricted: Interval

    @property
    def is_censored(self) -> bool:
        """Whether a seed did not reach the rate."""
        return self.reached < len(self.values)


@dataclass(frozen=True)
class Slope:
    """A slope, and on which side of it the truth lies.

    Attributes:
        value: The slope with censored times taken as the budget.
        bound: "at least": the true one is no smaller; "at most": no greater; "unknown": censored
            times pull it both ways.
    """

    value: float
    bound: Bound


def turns_to(
    turns: Sequence[float], success: Sequence[float], threshold: float, budget: float
) -> float | None:
    """Turns at which a curve first reaches a success rate, between measurements on a straight line.

    Args:
        turns: Where it was measured, rising.
        success: What was measured there, from 0 to 1.
        threshold: The rate.
        budget: Turns that count: iterations are whole, so that runs go a little beyond it.

    Returns:
        The turns, or None if the rate was not reached within the budget.

    Example:
        >>> turns_to([0, 100, 200], [0.0, 0.4, 0.6], 0.5, budget=200)
        150.0
    """
    for index, (at, value) in enumerate(zip(turns, success, strict=True)):
        if value < threshold:
            continue
        if index == 0:
            return float(at) if at <= budget else None
        before, low = turns[index - 1], success[index - 1]
        crossed = before + (at - before) * (threshold - low) / (value - low)
        return float(crossed) if crossed <= budget else None
    return None


def times(values: Sequence[float | None], budget: int) -> Times:
    """Summarises times that may be censored.

    Args:
        values: One a seed, at least one; None where the rate was not reached.
        budget: Turns that every run had.
    """
    ordered = sorted(math.inf if value is None else value for value in values)
    middle = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return Times(
        values=tuple(values),
        budget=budget,
        reached=sum(value is not None for value in values),
        median=None if math.isinf(middle[1]) else (middle[0] + middle[1]) / 2,
        restricted=interval([restricted(value, budget) for value in values]),
    )


def restricted(value: float | None, budget: int) -> float:
    """The time, or the budget where it is not known to be shorter."""
    return float(budget) if value is None else min(value, float(budget))


def mean_success(turns: Sequence[float], success: Sequence[float], budget: float) -> float:
    """Mean of a success curve over the budget: the area under it, by trapezoids, over its length.

    One number that is high for a method that learns early and for one that ends high. The first
    measurement stands for the turns before it, the last for those after it.

    Example:
        >>> mean_success([0, 100, 200], [0.0, 1.0, 1.0], budget=200)
        0.75
    """
    x, y = np.asarray(turns, np.float64), np.asarray(success, np.float64)
    places = np.concatenate([[0.0], x[(x > 0.0) & (x < budget)], [float(budget)]])
    heights = np.interp(places, x, y)
    area = np.diff(places) @ (heights[1:] + heights[:-1]) / 2.0
    return float(area / budget)


def slope_of_times(
    x: Sequence[float], values: Sequence[float | None], budgets: Sequence[int]
) -> Slope:
    """Slope of log2(time) over x, for one seed.

    A censored time counts as its budget, so what is true can only be greater. How much it moves the
    slope depends on its place: right of the middle upwards, left of it downwards, in the middle not
    at all.

    Args:
        x: Places, at least two of them different.
        values: Time at each place; None where it is censored.
        budgets: Budget at each place.
    """
    weights = slope_weights(x)
    y = [math.log2(max(restricted(v, b), 1.0)) for v, b in zip(values, budgets, strict=True)]
    pulled = [
        w for w, value in zip(weights, values, strict=True) if value is None and abs(w) > 1e-12
    ]
    up, down = any(w > 0 for w in pulled), any(w < 0 for w in pulled)
    bound: Bound = (
        "unknown" if up and down else "at least" if up else "at most" if down else "exact"
    )
    return Slope(slope(x, y), bound)
