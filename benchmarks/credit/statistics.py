"""Intervals and tests for a handful of seeds.

The unit of repetition is the training run, so everything here takes one number a seed. With five of
them a percentile bootstrap is too narrow (it resamples five values and knows no others), which is
why intervals and tests use Student's t; a permutation test, which assumes less, stands beside it.
Nothing here knows what the numbers are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Interval",
    "PairedTest",
    "holm",
    "interval",
    "paired_test",
    "sign_flip_p",
    "slope",
    "smallest_sign_flip_p",
    "student_t_quantile",
    "student_t_within",
]

LEVEL = 0.95
MAX_EXACT = 16
"""Differences up to which all sign patterns are counted; more are sampled."""
SAMPLED_PATTERNS = 100_000


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its confidence interval.

    Attributes:
        n: Number of values.
        mean: Their mean.
        low: Lower end; None for a single value, which says nothing about its spread.
        high: Upper end, or None.
    """

    n: int
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class PairedTest:
    """How two methods differ on the same seeds.

    Attributes:
        difference: Mean of the differences, first minus second, with its interval.
        p_t: Two-sided p of the paired t test; None where all differences are equal but not zero,
            or there is one only, so that their spread is not known.
        p_permutation: Two-sided p of the exact sign-flip test; never below `p_smallest`.
        p_smallest: The smallest p that a sign-flip test of so many seeds can give.
    """

    difference: Interval
    p_t: float | None
    p_permutation: float
    p_smallest: float

    @property
    def p(self) -> float:
        """What is corrected for the number of tests: t's, or the permutation's where t has none."""
        return self.p_permutation if self.p_t is None else self.p_t


def interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Mean and Student's t interval.

    Args:
        values: One number a seed, at least one.
        level: Confidence, in (0, 1).

    Raises:
        ValueError: `values` is empty.

    Example:
        >>> found = interval([1.0, 2.0, 3.0])
        >>> round(found.low, 3), found.mean, round(found.high, 3)
        (-0.484, 2.0, 4.484)
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    n, mean = len(values), math.fsum(values) / len(values)
    if n == 1:
        return Interval(n, mean, None, None)
    half = student_t_quantile(level, n - 1) * _standard_error(values)
    return Interval(n, mean, mean - half, mean + half)


def paired_test(first: Sequence[float], second: Sequence[float]) -> PairedTest:
    """Compares two methods seed by seed.

    Args:
        first: One number a seed.
        second: The other method's, of the same seeds in the same order.

    Raises:
        ValueError: They are not equally many, or none.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values cannot be paired")
    differences = [a - b for a, b in zip(first, second, strict=True)]
    return PairedTest(
        interval(differences),
        _paired_t_p(differences),
        sign_flip_p(differences),
        smallest_sign_flip_p(len(differences)),
    )


def sign_flip_p(differences: Sequence[float], seed: int = 0) -> float:
    """Two-sided p of the hypothesis that every difference might as well have had the other sign.

    The share of the sign patterns whose mean is at least as far from 0 as the one observed. All
    2^n patterns are counted up to n = 16; beyond that 100,000 are drawn, and the observed one is
    counted among them, which keeps the test valid (Phipson and Smyth, 2010).

    Example:
        >>> sign_flip_p([1.0, 2.0, 3.0])
        0.25
    """
    values = np.asarray(differences, np.float64)
    n = len(values)
    observed = abs(values.sum())
    # Sums of the same numbers in another order differ in their last bits.
    limit = observed - 1e-9 * max(1.0, float(np.abs(values).sum()))
    if n <= MAX_EXACT:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs((1 - 2 * patterns) @ values) >= limit).mean())
    rng = np.random.default_rng(seed)
    signs = rng.choice(np.array([-1.0, 1.0]), (SAMPLED_PATTERNS, n))
    reached = int((np.abs(signs @ values) >= limit).sum())
    return (reached + 1) / (SAMPLED_PATTERNS + 1)


def smallest_sign_flip_p(n: int) -> float:
    """The p that n differences of one sign have: 2 of 2^n patterns, or of those that are drawn.

    Example:
        >>> smallest_sign_flip_p(5)
        0.0625
    """
    return min(1.0, 2.0 ** (1 - n)) if n <= MAX_EXACT else 1.0 / (SAMPLED_PATTERNS + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusts p values so that rejecting those below alpha errs anywhere with probability alpha.

    Holm's step-down method (1979): the smallest is multiplied by m, the next by m - 1, and so on;
    each is at least as large as the one before, and at most 1. It assumes nothing about how the
    tests depend on one another, and here they do: all compare with the same method.

    Returns:
        Adjusted values in the order of `p_values`.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(values) else steps
    return [float(p) for p in adjusted]


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Slope of the least-squares line.

    Raises:
        ValueError: There are not two different x.

    Example:
        >>> slope([1.0, 2.0, 3.0], [0.5, 0.4, 0.0])
        -0.25
    """
    return float(slope_weights(x) @ np.asarray(y, np.float64))


def slope_weights(x: Sequence[float]) -> NDArray[np.float64]:
    """[n] what each y counts in the slope: (x - mean) / sum of squared deviations.

    Raises:
        ValueError: There are not two different x.
    """
    centred = np.asarray(x, np.float64) - np.mean(x)
    spread = float(centred @ centred)
    if spread == 0.0:
        raise ValueError("a slope needs two different places")
    weights: NDArray[np.float64] = centred / spread
    return weights


def student_t_within(t: float, df: int) -> float:
    """Probability that |T| <= t for Student's t with a whole number of degrees of freedom.

    The finite sums of Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 (odd) and
    26.7.4 (even).

    Example:
        >>> round(student_t_within(2.776445, 4), 6)
        0.95
    """
    if df < 1:
        raise ValueError(f"Student's t needs at least one degree of freedom, not {df}")
    if math.isinf(t):
        return 1.0
    theta = math.atan(abs(t) / math.sqrt(df))
    cosine_squared = math.cos(theta) ** 2
    odd = df % 2
    # The series of products: each term is the one before times a ratio and cos^2.
    term, total = (math.cos(theta) if odd else 1.0), 0.0
    for index in range((df - odd) // 2):
        total += term
        k = 2 * index + 1 + odd
        term *= k / (k + 1) * cosine_squared
    if odd:
        return 2.0 / math.pi * (theta + math.sin(theta) * total)
    return math.sin(theta) * total


def student_t_quantile(level: float, df: int) -> float:
    """The t for which |T| <= t has probability `level`, by bisection.

    Example:
        >>> round(student_t_quantile(0.95, 4), 6)
        2.776445
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"a confidence level must lie in (0, 1), not {level!r}")
    high = 1.0
    while student_t_within(high, df) < level:
        high *= 2.0
    low = 0.0
    while high - low > 1e-12 * high:
        middle = 0.5 * (low + high)
        if student_t_within(middle, df) < level:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _paired_t_p(differences: Sequence[float]) -> float | None:
    if not any(differences):
        return 1.0
    if len(differences) == 1:
        return None
    error = _standard_error(differences)
    # Equal differences, but for the last bits of sums of floats.
    if error <= 1e-12 * max(abs(value) for value in differences):
        return None
    t = math.fsum(differences) / len(differences) / error
    return max(0.0, 1.0 - student_t_within(t, len(differences) - 1))


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(np.asarray(values, np.float64), ddof=1)) / math.sqrt(len(values))
