"""Batches for the tests of the estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hiper_agents.estimators import TurnBatch


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., TurnBatch]:
    """Builds a batch from the columns that matter; by default one trajectory in order."""

    def make(reward: Any, /, **columns: Any) -> TurnBatch:
        turns = len(reward)
        values: dict[str, Any] = {
            "terminated": np.zeros(turns, dtype=bool),
            "truncated": np.zeros(turns, dtype=bool),
            "boundary": np.zeros(turns, dtype=bool),
            "value_low": np.zeros(turns),
            "value_high": np.zeros(turns),
            "value_switch": np.zeros(turns),
            "trajectory_id": np.zeros(turns, dtype=np.int64),
            "turn": np.arange(turns),
            "group_id": np.zeros(turns, dtype=np.int64),
            "state_key": np.zeros(turns, dtype=np.int64),
        }
        return TurnBatch(**{**values, "reward": reward, **columns})

    return make
