from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from hiper_agents.estimators import TurnBatch, get_estimator

MakeBatch = Callable[..., TurnBatch]

# Four turns in two options of two turns. gamma and both lam are 1/2, so every number is exact.
# V_H is read at boundaries only; the 9s must not matter.
LAST = [False, False, False, True]
TWO_OPTIONS = {
    "boundary": [True, False, True, False],
    "value_low": [1.0, 2.0, 3.0, 4.0],
    "value_high": [2.0, 9.0, 4.0, 9.0],
    "value_switch": [1.0, 1.0, 1.0, 1.0],
}
REWARD = [1.0, 2.0, 0.0, 4.0]
HALVES = {"gamma": 0.5, "lam_low": 0.5, "lam_high": 0.5}


def test_two_options_terminated(make_batch: MakeBatch) -> None:
    # low     delta(3) = 4 + 0             - 4 =  0    A(3) =  0
    #         delta(2) = 0 + 1/2 * 4       - 3 = -1    A(2) = -1 + 1/4 * 0 = -1
    #         delta(1) = 2 + 1/2 * V_H = 4 - 2 =  2    A(1) =  2             (end of option 0)
    #         delta(0) = 1 + 1/2 * 2       - 1 =  1    A(0) =  1 + 1/4 * 2 = 1.5
    # switch  G(3) = 4          G(2) = 0 + 1/2 * 4 = 2
    #         G(1) = 2 + 1/2 * V_H = 4   gives 4       G(0) = 1 + 1/2 * 4 = 3
    # high    R_1 = 0 + 1/2 * 4 = 2   delta_1 = 2 - 4 = -2                   A(1) = -2
    #         R_0 = 1 + 1/2 * 2 = 2   delta_0 = 2 + 1/4 * 4 - 2 = 1
    #                                 A(0) = 1 + 1/4 * 1/2 * -2 = 0.75
    batch = make_batch(REWARD, terminated=LAST, **TWO_OPTIONS)
    out = get_estimator("hae")(batch, **HALVES)
    assert_array_equal(out.low, [1.5, 2.0, -1.0, 0.0])
    assert_array_equal(out.returns_low, [2.5, 4.0, 2.0, 4.0])
    assert_array_equal(out.returns_switch, [3.0, 4.0, 2.0, 4.0])
    assert_array_equal(out.switch, [2.0, 3.0, 1.0, 3.0])
    assert_array_equal(out.high, [0.75, 0.0, -2.0, 0.0])
    # Outside boundaries the advantage is 0, so the target is V_H itself.
    assert_array_equal(out.returns_high, [2.75, 9.0, 2.0, 9.0])
    assert not out.flat


@pytest.mark.parametrize("flag", ["truncated", "neither"])
def test_two_options_truncated_with_bootstrap(make_batch: MakeBatch, flag: str) -> None:
    # Option 0 is as above. At the end of option 1:
    # low     delta(3) = 4 + 1/2 * V_L(3) = 4 - 4 = 2   A(3) = 2    A(2) = -1 + 1/4 * 2 = -0.5
    # switch  G(3) = 4 + 1/2 * V_H(s_1) = 4 gives 6     G(2) = 0 + 1/2 * 6 = 3
    # high    delta_1 = 2 + 1/4 * V_H(s_1) = 4 - 4 = -1  A(1) = -1
    #         A(0) = 1 + 1/4 * 1/2 * -1 = 0.875
    ends = {"truncated": LAST} if flag == "truncated" else {}
    batch = make_batch(REWARD, **ends, **TWO_OPTIONS)
    out = get_estimator("hae")(batch, **HALVES, bootstrap_truncated=True)
    assert_array_equal(out.low, [1.5, 2.0, -0.5, 2.0])
    assert_array_equal(out.returns_switch, [3.0, 4.0, 3.0, 6.0])
    assert_array_equal(out.switch, [2.0, 3.0, 2.0, 5.0])
    assert_array_equal(out.high, [0.875, 0.0, -1.0, 0.0])
    assert_array_equal(out.returns_high, [2.875, 9.0, 3.0, 9.0])


@pytest.mark.parametrize("flag", ["truncated", "neither"])
def test_two_options_truncated_without_bootstrap(make_batch: MakeBatch, flag: str) -> None:
    # Nothing is worth anything past the end: the same numbers as terminated.
    ends = {"truncated": LAST} if flag == "truncated" else {}
    batch = make_batch(REWARD, **ends, **TWO_OPTIONS)
    out = get_estimator("hae")(batch, **HALVES, bootstrap_truncated=False)
    assert_array_equal(out.low, [1.5, 2.0, -1.0, 0.0])
    assert_array_equal(out.switch, [2.0, 3.0, 1.0, 3.0])
    assert_array_equal(out.high, [0.75, 0.0, -2.0, 0.0])


def test_without_the_bootstrap_at_boundaries(make_batch: MakeBatch) -> None:
    # low     delta(1) = 2 + 0 - 2 = 0, so A(1) = 0 and A(0) = 1 + 1/4 * 0 = 1; option 1 as above
    # switch and high, and option 1 truncated, as above.
    batch = make_batch(REWARD, terminated=LAST, **TWO_OPTIONS)
    out = get_estimator("hae")(batch, **HALVES, boundary_bootstrap=False)
    assert_array_equal(out.low, [1.0, 0.0, -1.0, 0.0])
    assert_array_equal(out.returns_low, [2.0, 2.0, 2.0, 4.0])
    assert_array_equal(out.switch, [2.0, 3.0, 1.0, 3.0])
    assert_array_equal(out.high, [0.75, 0.0, -2.0, 0.0])
    cut = make_batch(REWARD, truncated=LAST, **TWO_OPTIONS)
    out = get_estimator("hae")(cut, **HALVES, boundary_bootstrap=False)
    assert_array_equal(out.low, [1.0, 0.0, -0.5, 2.0])
    assert_array_equal(out.high, [0.875, 0.0, -1.0, 0.0])


def test_termination_wins_over_truncation(make_batch: MakeBatch) -> None:
    batch = make_batch(REWARD, terminated=LAST, truncated=LAST, **TWO_OPTIONS)
    out = get_estimator("hae")(batch, **HALVES, bootstrap_truncated=True)
    assert_array_equal(out.low, [1.5, 2.0, -1.0, 0.0])
    assert_array_equal(out.high, [0.75, 0.0, -2.0, 0.0])


def test_the_published_settings_on_three_options_of_unequal_length(make_batch: MakeBatch) -> None:
    # gamma 1, lam_low 1, lam_high 0.95; success reward 10 at the last of 1 + 3 + 1 turns.
    # V_H at the boundaries 0, 1, 4 is 4, 6, 9; V_L is 5 everywhere; V_T is 3 everywhere.
    # low     option 0: 0 + 6 - 5 = 1. Option 1: 9 - 5 = 4 at each turn, as V_L telescopes.
    #         option 2: 10 - 5 = 5
    # switch  G = 6 | 9 9 9 | 10, less 3
    # high    delta = 6 - 4 = 2, 9 - 6 = 3, 10 - 9 = 1
    #         A(2) = 1   A(1) = 3 + 0.95 = 3.95   A(0) = 2 + 0.95 * 3.95 = 5.7525
    batch = make_batch(
        [0.0, 0.0, 0.0, 0.0, 10.0],
        terminated=[False] * 4 + [True],
        boundary=[True, True, False, False, True],
        value_low=[5.0] * 5,
        value_high=[4.0, 6.0, 0.0, 0.0, 9.0],
        value_switch=[3.0] * 5,
    )
    out = get_estimator("hae")(batch)
    assert_array_equal(out.low, [1.0, 4.0, 4.0, 4.0, 5.0])
    assert_array_equal(out.switch, [3.0, 6.0, 6.0, 6.0, 7.0])
    assert_allclose(out.high, [5.7525, 3.95, 0.0, 0.0, 1.0], rtol=1e-15)


@pytest.mark.parametrize("first", [True, False])
def test_termination_inside_the_first_option(make_batch: MakeBatch, first: bool) -> None:
    # One option of three turns; a KEEP at turn 0 begins it as well. gamma 1/2, lam_low 1/2.
    # low     delta(2) = 8 - 2 = 6             A(2) = 6
    #         delta(1) = 0 + 1/2 * 2 - 2 = -1  A(1) = -1 + 1/4 * 6   =  0.5
    #         delta(0) = 0 + 1/2 * 2 - 2 = -1  A(0) = -1 + 1/4 * 0.5 = -0.875
    # switch  G = 2, 4, 8, less 1
    # high    R = 8 / 4 = 2                    A(0) = 2 - 5 = -3
    batch = make_batch(
        [0.0, 0.0, 8.0],
        terminated=[False, False, True],
        boundary=[first, False, False],
        value_low=[2.0, 2.0, 2.0],
        value_high=[5.0, 7.0, 7.0],
        value_switch=[1.0, 1.0, 1.0],
    )
    out = get_estimator("hae")(batch, **HALVES)
    assert_array_equal(out.low, [-0.875, 0.5, 6.0])
    assert_array_equal(out.switch, [1.0, 3.0, 7.0])
    assert_array_equal(out.high, [-3.0, 0.0, 0.0])


def test_a_single_turn(make_batch: MakeBatch) -> None:
    # Truncated after one turn, gamma 1/2: low 1 + 2 - 4, high 1 + 1 - 2, switch 1 + 1 - 8.
    batch = make_batch([1.0], truncated=[True], value_low=[4.0], value_high=[2.0], value_switch=[8])
    out = get_estimator("hae")(batch, gamma=0.5)
    assert [out.low[0], out.high[0], out.switch[0]] == [-1.0, 0.0, -6.0]


def test_an_empty_batch(make_batch: MakeBatch) -> None:
    out = get_estimator("hae")(make_batch([]))
    assert [column.shape for column in vars(out).values()] == [(0,)] * 6


def test_an_option_of_many_turns_does_not_overflow_or_vanish(make_batch: MakeBatch) -> None:
    # 0.5 ** 5000 is 0 in floating point; the sum 1 + 1/2 + 1/4 + ... is 2 all the same.
    turns = 5000
    batch = make_batch(np.ones(turns), terminated=np.arange(turns) == turns - 1)
    out = get_estimator("hae")(batch, gamma=0.5)
    assert out.high[0] == 2.0
    assert out.low[-2:].tolist() == [1.5, 1.0]


@pytest.mark.parametrize("setting", ["gamma", "lam_low", "lam_high"])
def test_settings_outside_the_unit_interval(make_batch: MakeBatch, setting: str) -> None:
    with pytest.raises(ValueError, match=rf"{setting} must lie in \[0, 1\], not 1.5"):
        get_estimator("hae")(make_batch(REWARD), **{setting: 1.5})
