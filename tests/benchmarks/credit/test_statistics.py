"""Intervals, tests and slopes against values that were worked out by hand or printed in tables."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.credit.statistics import (
    MAX_EXACT,
    holm,
    interval,
    paired_test,
    sign_flip_p,
    slope,
    smallest_sign_flip_p,
    student_t_quantile,
    student_t_within,
)

NUMBERS = st.floats(-100, 100).map(lambda value: round(value, 3))


@pytest.mark.parametrize(
    ("df", "quantile"), [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (30, 2.04227)]
)
def test_quantiles_of_the_printed_table(df: int, quantile: float) -> None:
    assert student_t_quantile(0.95, df) == pytest.approx(quantile, rel=1e-5)
    assert student_t_within(quantile, df) == pytest.approx(0.95, abs=1e-6)


def test_t_has_closed_forms_for_one_and_two_degrees_of_freedom() -> None:
    assert student_t_within(1.0, 1) == pytest.approx(0.5)  # Cauchy: 2 atan(t) / pi
    assert student_t_within(2.0, 2) == pytest.approx(2 / math.sqrt(6))  # t / sqrt(2 + t^2)
    assert student_t_within(math.inf, 4) == 1.0


def test_t_refuses_what_has_no_meaning() -> None:
    with pytest.raises(ValueError, match="degree"):
        student_t_within(1.0, 0)
    with pytest.raises(ValueError, match="level"):
        student_t_quantile(1.0, 3)


def test_interval_by_hand() -> None:
    # Mean 3, sd sqrt(2.5), se sqrt(0.5), t(4) = 2.77645.
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.n, found.mean) == (5, 3.0)
    assert found.high == pytest.approx(3 + 2.776445 * math.sqrt(0.5))
    assert found.low == pytest.approx(3 - 2.776445 * math.sqrt(0.5))


def test_one_value_has_no_interval() -> None:
    found = interval([0.5])
    assert (found.mean, found.low, found.high) == (0.5, None, None)
    with pytest.raises(ValueError, match="at least one"):
        interval([])


def test_paired_t_by_hand() -> None:
    # Differences 1, 2, 3: mean 2, se 1/sqrt(3), t = 2 sqrt(3) with 2 df: p = 1 - t/sqrt(2+t^2).
    test = paired_test([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    t = 2 * math.sqrt(3)
    assert test.p_t == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert test.difference.mean == 2.0
    assert (test.p_permutation, test.p_smallest) == (0.25, 0.25)
    assert test.p == test.p_t


def test_equal_runs_differ_in_nothing() -> None:
    test = paired_test([1.0, 1.0], [1.0, 1.0])
    assert (test.p_t, test.p_permutation) == (1.0, 1.0)


@pytest.mark.parametrize("first", [[0.3, 0.4, 0.5], [0.3]])
def test_where_t_says_nothing_the_permutation_does(first: list[float]) -> None:
    test = paired_test(first, [value - 0.1 for value in first])
    assert test.p_t is None
    assert test.p == test.p_permutation == smallest_sign_flip_p(len(first))


def test_unpaired_values_are_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        paired_test([1.0], [1.0, 2.0])


@given(st.lists(NUMBERS, min_size=1, max_size=7))
def test_sign_flips_are_counted(differences: list[float]) -> None:
    observed = abs(math.fsum(differences))
    sums = [
        abs(math.fsum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    expected = sum(total >= observed - 1e-7 for total in sums) / len(sums)
    assert sign_flip_p(differences) == expected
    assert sign_flip_p([-d for d in differences]) == expected


def test_many_differences_are_sampled() -> None:
    n = MAX_EXACT + 1
    assert sign_flip_p([1.0] * n) == pytest.approx(smallest_sign_flip_p(n), rel=5)
    assert sign_flip_p([1.0, -1.0] * n) == pytest.approx(1.0)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.5: times 4, 3, 2, 1, never falling.
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_holm_lies_between_the_p_and_bonferroni(p_values: list[float]) -> None:
    for p, adjusted in zip(p_values, holm(p_values), strict=True):
        assert p <= adjusted <= min(1.0, len(p_values) * p) + 1e-12


def test_slope_by_hand() -> None:
    assert slope([1.0, 2.0, 3.0], [1.0, 1.0, 4.0]) == pytest.approx(1.5)
    with pytest.raises(ValueError, match="two different"):
        slope([2.0, 2.0], [0.0, 1.0])
