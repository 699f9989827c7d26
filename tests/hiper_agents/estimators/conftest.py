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


@pytest.fixture(scope="session")
def make_rollouts(make_batch: Callable[..., TurnBatch]) -> Callable[..., TurnBatch]:
    """Builds a batch from the rewards of each trajectory, all terminated and of one group.

    The groups and strategies are given once a trajectory, other columns once a turn.
    """

    def make(rewards: list[list[float]], /, **columns: Any) -> TurnBatch:
        lengths = [len(reward) for reward in rewards]
        for name in ("group_id", "strategy_id"):
            if name in columns:
                columns[name] = np.repeat(columns[name], lengths)
        ends = np.cumsum(lengths) - 1
        turns = sum(lengths)
        return make_batch(
            np.concatenate(rewards),
            trajectory_id=np.repeat(np.arange(len(rewards)), lengths),
            turn=np.concatenate([np.arange(length) for length in lengths]),
            terminated=np.isin(np.arange(turns), ends),
            **columns,
        )

    return make
