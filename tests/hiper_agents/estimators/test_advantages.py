from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hiper_agents.estimators import Advantages, TurnBatch, whiten

MakeBatch = Callable[..., TurnBatch]


def advantages(low: list[float], high: list[float], switch: list[float]) -> Advantages:
    returns = [np.full(len(low), float(i)) for i in range(3)]
    return Advantages(np.array(low), np.array(high), np.array(switch), *returns)


def test_each_head_is_whitened_over_its_own_turns(make_batch: MakeBatch) -> None:
    batch = make_batch(np.zeros(4), boundary=[True, False, True, False])
    raw = advantages([1.0, 1.0, 3.0, 3.0], [4.0, 0.0, 10.0, 0.0], [0.0, 0.0, 0.0, 4.0])
    out = whiten(raw, batch)
    # low: mean 2, deviation 1. high over turns 0 and 2: mean 7, deviation 3.
    # switch: mean 1, variance (3 * 1 + 9) / 4 = 3.
    assert_allclose(out.low, [-1.0, -1.0, 1.0, 1.0], rtol=1e-7)
    assert_allclose(out.high, [-1.0, 0.0, 1.0, 0.0], rtol=1e-7)
    assert_allclose(out.switch, np.array([-1.0, -1.0, -1.0, 3.0]) / np.sqrt(3.0), rtol=1e-7)
    assert out.returns_high is raw.returns_high
    assert raw.low.tolist() == [1.0, 1.0, 3.0, 3.0]


def test_one_turn_or_equal_turns_become_zero(make_batch: MakeBatch) -> None:
    batch = make_batch(np.zeros(2))
    out = whiten(advantages([1.0, 3.0], [5.0, 0.0], [2.0, 2.0]), batch)
    assert_array_equal(out.high, [0.0, 0.0])
    assert_array_equal(out.switch, [0.0, 0.0])


def test_a_shared_advantage_is_whitened_once_over_all_turns(make_batch: MakeBatch) -> None:
    shared = np.array([1.0, 3.0, 5.0, 7.0])
    raw = Advantages(shared, shared, shared, shared, shared, shared)
    out = whiten(raw, make_batch(np.zeros(4)))
    assert out.flat
    assert_allclose(out.low, np.array([-3.0, -1.0, 1.0, 3.0]) / np.sqrt(5.0), rtol=1e-7)
    assert out.returns_low is shared


def test_no_turns(make_batch: MakeBatch) -> None:
    assert whiten(advantages([], [], []), make_batch([])).low.shape == (0,)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_whitening_standardises_and_keeps_the_order(
    make_batch: MakeBatch, low: list[float]
) -> None:
    out = whiten(advantages(low, low, low), make_batch(np.zeros(len(low))))
    assert abs(out.low.mean()) < 1e-6
    assert (not out.low.any()) == (np.std(low) <= 1e-8 * np.abs(low).max())
    assert not out.low.any() or abs(out.low.std() - 1.0) < 1e-6
    assert (np.diff(out.low[np.argsort(low, kind="stable")]) >= 0.0).all()


def test_equal_advantages_are_not_blown_up_from_rounding(make_batch: MakeBatch) -> None:
    # The mean of these three equal numbers is not that number.
    low = [699050.9010062686] * 3
    assert not whiten(advantages(low, low, low), make_batch(np.zeros(3))).low.any()
