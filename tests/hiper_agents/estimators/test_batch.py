from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hiper_agents.estimators import TurnBatch

MakeBatch = Callable[..., TurnBatch]


def test_columns_are_converted(make_batch: MakeBatch) -> None:
    batch = make_batch([1, 2], terminated=[0, 1], turn=np.array([0, 1], dtype=np.uint8))
    assert len(batch) == 2
    assert batch.reward.dtype == np.float64
    assert batch.terminated.dtype == np.bool_
    assert batch.turn.dtype == np.int64


def test_arrays_of_the_right_type_are_not_copied(make_batch: MakeBatch) -> None:
    reward = np.zeros(3)
    assert make_batch(reward).reward is reward


def test_turn_0_is_a_boundary_and_the_callers_array_stays_as_it_is(make_batch: MakeBatch) -> None:
    boundary = np.array([False, True, False])
    batch = make_batch(np.zeros(3), turn=[1, 2, 0], boundary=boundary)
    assert batch.boundary.tolist() == [False, True, True]
    assert boundary.tolist() == [False, True, False]


def test_ids_may_be_strings(make_batch: MakeBatch) -> None:
    ids = ["train/b", "train/a", "train/b"]
    batch = make_batch([1.0, 2.0, 3.0], trajectory_id=ids, turn=[1, 0, 0], group_id=ids)
    assert batch.layout.lengths.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("column", "value", "error", "message"),
    [
        ("reward", ["a", "b"], TypeError, "reward must hold real numbers, not <U1"),
        ("value_high", [1j, 2j], TypeError, "value_high must hold real numbers, not complex128"),
        ("value_low", [0.0, np.nan], ValueError, "value_low holds a value that is not finite"),
        ("reward", [0.0, np.inf], ValueError, "reward holds a value that is not finite"),
        ("terminated", [0.0, 1.0], TypeError, "terminated must hold booleans, not float64"),
        ("boundary", [0, 2], ValueError, "boundary holds an integer other than 0 and 1"),
        ("turn", [0.0, 1.0], TypeError, "turn must hold integers, not float64"),
        ("turn", np.array([0, 2**63], np.uint64), ValueError, "does not fit into int64"),
        ("trajectory_id", [0.5, 0.5], TypeError, "trajectory_id must hold integers or strings"),
        ("state_key", [None, None], TypeError, "state_key must hold integers or strings"),
        ("group_id", [1, 2, 3], ValueError, r"group_id has shape \(3,\)"),
        ("value_switch", [[1.0], [2.0]], ValueError, r"value_switch has shape \(2, 1\)"),
        ("truncated", False, ValueError, r"truncated has shape \(\)"),
        ("turn", [0, 2], ValueError, "trajectory 0 has a gap"),
        ("terminated", [True, False], ValueError, "trajectory 0 is terminated at turn 0, but goes"),
        ("q_value", [0.0, np.nan], ValueError, "q_value holds a value that is not finite"),
        ("q_value", [0.0], ValueError, r"q_value has shape \(1,\)"),
        ("divergence", [0.0, -0.1], ValueError, "divergence holds a negative value"),
        ("off_plan", [0.0, 1.0], TypeError, "off_plan must hold booleans, not float64"),
        ("strategy_id", [0.5, 1.5], TypeError, "strategy_id must hold integers or strings"),
        ("truncated", [True, True], ValueError, "trajectory 0 is truncated at turn 0, but goes"),
    ],
)
def test_what_a_batch_refuses(
    make_batch: MakeBatch, column: str, value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_batch([0.0, 1.0], **{column: value})


def test_optional_columns_are_converted_or_stay_none(make_batch: MakeBatch) -> None:
    batch = make_batch([1, 2], divergence=[0, 3], off_plan=[0, 1], strategy_id=["a", "a"])
    assert batch.divergence is not None
    assert batch.divergence.dtype == np.float64
    assert batch.off_plan is not None
    assert batch.off_plan.dtype == np.bool_
    assert batch.q_value is None


def test_a_flag_in_the_middle_is_reported_for_turns_in_any_order(make_batch: MakeBatch) -> None:
    with pytest.raises(ValueError, match="trajectory 'b' is truncated at turn 0"):
        make_batch(
            [0.0] * 3,
            trajectory_id=["b", "a", "b"],
            turn=[1, 0, 0],
            truncated=[True, False, True],
        )
