"""What samples of a vector say about its mean and its variance.

The joint test is Hotelling's: is the mean of n independent vectors the given one, along all of
several directions at once? It respects that components are correlated, and is exact for normal
vectors; sums over a batch of episodes are nearly that. It knows nothing about gradients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from hiper_agents.estimators.segments import FloatArray

__all__ = ["Estimate", "Test", "f_tail", "hotelling", "mean_estimate", "ratio_of_spreads", "spread"]


@dataclass(frozen=True)
class Estimate:
    """A number with its standard error.

    Attributes:
        value: The estimate.
        se: Its standard error.
    """

    value: float
    se: float

    def interval(self, confidence: float = 0.99) -> tuple[float, float]:
        """The two-sided normal confidence interval."""
        reach = NormalDist().inv_cdf(0.5 + confidence / 2.0) * self.se
        return self.value - reach, self.value + reach


@dataclass(frozen=True)
class Test:
    """Outcome of Hotelling's test.

    Attributes:
        t2: Hotelling's T squared.
        dimensions: Number of directions D.
        n: Number of vectors.
        p: Probability of so large a T squared if the mean is the given one.
    """

    t2: float
    dimensions: int
    n: int
    p: float


def hotelling(differences: FloatArray) -> Test:
    """Tests whether the mean of n vectors is 0 in all D components at once.

    T^2 = n m' S^-1 m with mean m and covariance S; (n - D) / (D (n - 1)) T^2 has the distribution
    F(D, n - D) if the vectors are normal with mean 0 (Hotelling, 1931).

    Args:
        differences: Vectors minus the mean that is tested, [n, D].

    Raises:
        ValueError: If there are not more vectors than components, D is odd (see `f_tail`), or the
            components are linearly dependent.
    """
    n, dimensions = differences.shape
    if n <= dimensions:
        raise ValueError(f"{n} vectors are too few for {dimensions} directions")
    mean = differences.mean(0)
    covariance = np.atleast_2d(np.cov(differences, rowvar=False))
    deviations = np.sqrt(np.diag(covariance))
    if (deviations == 0.0).any():
        raise ValueError("a direction without spread cannot be tested")
    # As correlations, whatever the scales of the components.
    correlation = covariance / np.outer(deviations, deviations)
    if np.linalg.matrix_rank(correlation, hermitian=True) < dimensions:
        raise ValueError("the directions are linearly dependent")
    scaled = mean / deviations
    t2 = float(n * scaled @ np.linalg.solve(correlation, scaled))
    f = (n - dimensions) / (dimensions * (n - 1)) * t2
    return Test(t2, dimensions, n, f_tail(f, dimensions, n - dimensions))


def f_tail(f: float, numerator: int, denominator: int) -> float:
    """P(F > f) for an F distribution whose numerator has an even number of degrees of freedom.

    Then the incomplete beta function is a finite sum (Abramowitz and Stegun, 1964, 26.6.4).

    Raises:
        ValueError: If `numerator` is odd or not positive.
    """
    if numerator < 2 or numerator % 2:
        raise ValueError(f"an even number of degrees of freedom is needed, not {numerator}")
    half = denominator / 2.0
    below = denominator / (denominator + numerator * f)
    total = term = 1.0
    for step in range(1, numerator // 2):
        term *= (half + step - 1.0) / step * (1.0 - below)
        total += term
    return min(1.0, math.exp(half * math.log(below)) * total)


def mean_estimate(sample: FloatArray) -> Estimate:
    """Mean of n numbers."""
    return Estimate(float(sample.mean()), float(sample.std(ddof=1) / math.sqrt(len(sample))))


def spread(vectors: FloatArray) -> Estimate:
    """Trace of the covariance of n vectors [n, P]."""
    squares = _squares(vectors)
    return mean_estimate(squares)


def ratio_of_spreads(above: FloatArray, below: FloatArray) -> Estimate:
    """Ratio of the traces of two covariances, from n paired vectors each [n, P].

    The standard error is that of a ratio of means (delta method); pairs that come from the same
    episodes vary together, which makes it smaller.
    """
    first, second = _squares(above), _squares(below)
    if not second.mean() > 0.0:
        return Estimate(math.nan, math.nan)
    ratio = float(first.mean() / second.mean())
    error = (first - ratio * second).std(ddof=1) / second.mean() / math.sqrt(len(first))
    return Estimate(ratio, float(error))


def _squares(vectors: FloatArray) -> FloatArray:
    """Squared distances to the mean, scaled so that their mean is the trace [n]."""
    n = len(vectors)
    squares: FloatArray = np.square(vectors - vectors.mean(0)).sum(1)
    return squares * (n / (n - 1))
