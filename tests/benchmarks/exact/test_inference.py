from __future__ import annotations

import numpy as np
import pytest

from benchmarks.exact.inference import (
    Estimate,
    f_tail,
    hotelling,
    mean_estimate,
    ratio_of_spreads,
    spread,
)


@pytest.mark.parametrize(
    ("f", "numerator", "denominator", "p"),
    [
        # Published tables of the F distribution.
        (7.559, 2, 10, 0.01),
        (2.866, 4, 20, 0.05),
        (3.119, 6, 60, 0.01),
        (0.0, 4, 20, 1.0),
    ],
)
def test_the_tail_of_f(f: float, numerator: int, denominator: int, p: float) -> None:
    assert f_tail(f, numerator, denominator) == pytest.approx(p, rel=1e-3)


@pytest.mark.parametrize("f", [0.7, 1.5, 2.2])
def test_the_tail_of_f_is_that_of_random_numbers(f: float) -> None:
    draws = np.random.default_rng(0).f(24, 31, 200_000)
    assert f_tail(f, 24, 31) == pytest.approx((draws > f).mean(), abs=0.005)


def test_an_odd_number_of_directions_is_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        f_tail(1.0, 3, 10)


def correlated(rng: np.random.Generator, n: int) -> np.ndarray:
    # Four components on different scales, strongly correlated.
    return rng.normal(size=(n, 4)) @ rng.normal(size=(4, 4)) * [1.0, 10.0, 0.1, 5.0]


def test_one_in_ten_true_means_is_rejected_at_one_in_ten() -> None:
    rng = np.random.default_rng(0)
    p = np.array([hotelling(correlated(rng, 30)).p for _ in range(600)])
    assert abs((p < 0.1).mean() - 0.1) < 0.04
    assert abs(np.median(p) - 0.5) < 0.07


def test_a_mean_that_differs_is_rejected() -> None:
    sample = correlated(np.random.default_rng(1), 200)
    off = sample - sample.mean(0) + 0.3 * sample.std(0)
    assert hotelling(sample - sample.mean(0)).p == pytest.approx(1.0)
    assert hotelling(off).p < 1e-4


def test_it_does_not_depend_on_the_axes() -> None:
    rng = np.random.default_rng(2)
    sample, turn = correlated(rng, 50) + 1.0, rng.normal(size=(4, 4))
    assert hotelling(sample @ turn).t2 == pytest.approx(hotelling(sample).t2, rel=1e-6)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (np.ones((4, 4)), "too few"),
        (np.ones((9, 2)), "without spread"),
        (np.arange(9.0)[:, None] * [1.0, 2.0], "dependent"),
    ],
)
def test_what_cannot_be_tested_is_refused(sample: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hotelling(sample)


def test_the_spread_is_the_trace_of_the_covariance() -> None:
    sample = correlated(np.random.default_rng(3), 40)
    assert spread(sample).value == pytest.approx(np.trace(np.cov(sample, rowvar=False)))


def test_standard_errors_are_what_repetition_shows() -> None:
    rng = np.random.default_rng(4)
    ratios, spreads = [], []
    for _ in range(400):
        below = rng.normal(size=(200, 3))
        above = 0.5 * below + 0.5 * rng.normal(size=(200, 3))
        ratios.append(ratio_of_spreads(above, below))
        spreads.append(spread(below))
    for found, truth in ((ratios, 0.5), (spreads, 3.0)):
        numbers = np.array([one.value for one in found])
        assert numbers.mean() == pytest.approx(truth, rel=0.02)
        assert np.mean([one.se for one in found]) == pytest.approx(numbers.std(), rel=0.15)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    low, high = np.array([mean_estimate(rng.normal(size=100)).interval(0.9) for _ in range(800)]).T
    assert abs(((low < 0.0) & (high > 0.0)).mean() - 0.9) < 0.04
    assert Estimate(1.0, 0.0).interval() == (1.0, 1.0)
