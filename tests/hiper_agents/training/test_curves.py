"""Smoothing, thinning and ticks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_agents.training.curves import compact, duration, mean, number, thin, ticks, trailing_mean

FINITE = st.floats(-1e9, 1e9)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2, 2.0),
        (0.5, 0.5),
        (True, None),
        ("2", None),
        (None, None),
        (math.nan, None),
        (math.inf, None),
        (1e200, None),
        (10**400, None),
    ],
)
def test_number(value: object, expected: float | None) -> None:
    assert number(value) == expected


def test_trailing_mean_skips_gaps() -> None:
    assert trailing_mean([1.0, None, 3.0, 5.0], 3) == [1.0, None, 2.0, 4.0]
    assert trailing_mean([None, None], 2) == [None, None]


def test_thin_averages_neighbours() -> None:
    x, (column,) = thin([1.0, 2.0, 3.0, 4.0, 5.0], [[0.0, 2.0, None, 4.0, None]], 3)
    assert x == [1.5, 3.5, 5.0]
    assert column == [1.0, 4.0, None]


@given(st.lists(st.one_of(st.none(), FINITE), max_size=60), st.integers(1, 20))
def test_thin_keeps_to_the_limit_and_to_the_mean(column: list[float | None], limit: int) -> None:
    x, (thinned,) = thin([float(i) for i in range(len(column))], [column], limit)
    assert len(x) == len(thinned) <= limit
    assert x == sorted(x)
    assert (mean(thinned) is None) == (mean(column) is None)


@given(FINITE, FINITE, st.booleans())
def test_ticks_enclose_the_range(one: float, other: float, whole: bool) -> None:
    low, high = sorted((one, other))
    found = ticks(low, high, whole=whole)
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert 2 <= len(found) <= 7
    assert found[0] <= low + slack
    assert found[-1] >= high - slack


def test_whole_ticks() -> None:
    assert ticks(0.5, 2.5, whole=True) == [0.0, 1.0, 2.0, 3.0]
    assert ticks(0.5, 9.5, count=8, whole=True) == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]


def test_written_numbers() -> None:
    assert [compact(v) for v in (9_999.0, 10_000.0, 999_900.0, -2_500_000.0)] == [
        "9999",
        "10k",
        "1M",
        "-2.5M",
    ]
    assert [duration(s) for s in (-1.0, 59.6, 3600.0)] == ["0:00 min", "1:00 min", "1:00 h"]
