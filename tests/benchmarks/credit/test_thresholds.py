"""Turns to a success rate: where curves cross it, and what is said of those that do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.credit.thresholds import mean_success, slope_of_times, times, turns_to


def test_a_crossing_lies_between_measurements() -> None:
    turns, success = [0, 100, 200, 300], [0.0, 0.2, 0.6, 0.4]
    assert turns_to(turns, success, 0.5, 300) == pytest.approx(175.0)
    assert turns_to(turns, success, 0.2, 300) == 100.0
    assert turns_to(turns, success, 0.7, 300) is None


def test_what_is_there_before_training_needs_no_turns() -> None:
    assert turns_to([0, 100], [0.5, 0.4], 0.5, 100) == 0.0


def test_a_crossing_beyond_the_budget_is_none() -> None:
    # Iterations are whole: the last evaluation may lie beyond the budget.
    assert turns_to([0, 120], [0.0, 0.6], 0.5, 110) == pytest.approx(100.0)
    assert turns_to([0, 120], [0.0, 0.6], 0.5, 90) is None


@pytest.mark.parametrize(
    ("values", "median"),
    [
        ([1.0, 5.0, 3.0], 3.0),
        ([1.0, None, 3.0], 3.0),
        ([1.0, None, None], None),
        ([1.0, 3.0, None, None], None),
        ([1.0, 3.0, 5.0, None], 4.0),
    ],
)
def test_a_median_is_given_where_it_is_known(
    values: list[float | None], median: float | None
) -> None:
    found = times(values, budget=10)
    assert found.median == median
    assert found.reached == len(values) - values.count(None)
    assert found.is_censored == (None in values)


def test_censored_times_count_as_the_budget() -> None:
    assert times([2.0, None], budget=10).restricted.mean == 6.0


def test_mean_success_by_hand() -> None:
    # 0 to 0.4 over 100 turns, 0.4 to 0.8 over the next 100: areas 20 and 60 of 200.
    assert mean_success([0, 100, 200], [0.0, 0.4, 0.8], 200) == pytest.approx(0.4)
    # What lies beyond the budget does not count.
    assert mean_success([0, 100, 300], [0.0, 0.4, 0.8], 200) == pytest.approx((20 + 50) / 200)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_mean_success_is_a_mean(success: list[float]) -> None:
    turns = [10.0 * index for index in range(len(success))]
    found = mean_success(turns, success, turns[-1])
    assert min(success) - 1e-9 <= found <= max(success) + 1e-9


def test_slope_of_log_times() -> None:
    found = slope_of_times([1, 2, 3], [100.0, 200.0, 400.0], [1000] * 3)
    assert found.value == pytest.approx(1.0)
    assert found.bound == "exact"


@pytest.mark.parametrize(
    ("values", "bound"),
    [
        ([100.0, 200.0, None], "at least"),
        ([None, 200.0, 400.0], "at most"),
        ([None, 200.0, None], "unknown"),
        ([100.0, None, 400.0], "exact"),
    ],
)
def test_a_censored_time_pulls_by_its_place(values: list[float | None], bound: str) -> None:
    assert slope_of_times([1, 2, 3], values, [1000] * 3).bound == bound


@given(st.floats(1000, 1e6))
def test_the_truth_lies_where_the_bound_says(truth: float) -> None:
    censored = slope_of_times([1, 2, 3], [100.0, 200.0, None], [1000] * 3)
    assert slope_of_times([1, 2, 3], [100.0, 200.0, truth], [10**6] * 3).value >= (
        censored.value - 1e-12
    )
