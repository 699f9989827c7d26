"""The three advantages of an episode, as the project's own estimator has them.

They are for reading: the discount and the decays are those of the paper (arXiv 2602.16165),
whatever a training run used, and nothing is whitened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hiper_agents.estimators import TurnBatch, get_estimator
from hiper_agents.training.curves import number

__all__ = ["SETTINGS", "Triple", "advantages_of", "values_in"]

SETTINGS: dict[str, Any] = {"gamma": 1.0, "lam_low": 1.0, "lam_high": 0.95}
"""Arguments of `hae`."""

Triple = tuple[float, float, float]
"""Of the low, the high and the switch head."""


def values_in(values: object) -> Triple | None:
    """V_L, V_H and V_T from what an agent has told of a turn; None where they are not there.

    Example:
        >>> values_in([0.5, 1, 0.25])
        (0.5, 1.0, 0.25)
        >>> values_in([0.5, None, 0.25]) is None
        True
    """
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 3:
        return None
    low, high, switch = (number(value) for value in values)
    return None if low is None or high is None or switch is None else (low, high, switch)


def advantages_of(
    values: Sequence[Triple | None],
    rewards: Sequence[float],
    boundaries: Sequence[bool],
    *,
    terminated: bool,
    truncated: bool,
) -> list[tuple[float, float | None, float] | None]:
    """The low, high and switch advantage of every turn of one episode.

    An episode that has ended in neither way counts as truncated.

    Args:
        values: V_L, V_H and V_T of every turn.
        rewards: Of every turn.
        boundaries: Whether the turn began an option.
        terminated: Whether the task ended with the last turn.
        truncated: Whether the step limit ended the episode there.

    Returns:
        One triple a turn; the high one is None where no subgoal was chosen. Without the values of
        every turn there are no advantages: all are None.
    """
    size = len(values)
    there = [triple for triple in values if triple is not None]
    if not size or len(there) < size or any(number(reward) is None for reward in rewards):
        return [None] * size
    last = np.arange(size) == size - 1
    low, high, switch = np.asarray(there, dtype=np.float64).T
    batch = TurnBatch(
        reward=np.asarray(rewards, dtype=np.float64),
        terminated=last & terminated,
        truncated=last & truncated,
        boundary=np.asarray(boundaries, dtype=bool),
        value_low=low,
        value_high=high,
        value_switch=switch,
        trajectory_id=np.zeros(size, dtype=np.int64),
        turn=np.arange(size),
        group_id=np.zeros(size, dtype=np.int64),
        state_key=np.arange(size),
    )
    found = get_estimator("hae")(batch, **SETTINGS)
    return [
        (float(a_low), float(a_high) if chosen else None, float(a_switch))
        for a_low, a_high, a_switch, chosen in zip(
            found.low, found.high, found.switch, batch.boundary, strict=True
        )
    ]
