from __future__ import annotations

from collections.abc import Callable

import pytest

from hiper_agents.buffer import option_statistics
from hiper_agents.estimators import TurnBatch

MakeBatch = Callable[..., TurnBatch]


def test_options_are_counted_and_measured(make_batch: MakeBatch) -> None:
    # Trajectory 0: options of 2 and 1 turns, worth 1 + 2 and 4. Trajectory 1: 3 turns, worth 8.
    batch = make_batch(
        [8.0, 1.0, 2.0, 4.0, 0.0, 0.0],
        trajectory_id=[1, 0, 0, 0, 1, 1],
        turn=[2, 0, 1, 2, 0, 1],
        boundary=[False, True, False, True, False, False],
    )
    out = option_statistics(batch)
    assert (out.episodes, out.options) == (2, 3)
    assert out.lengths.tolist() == [2, 1, 3]
    assert out.returns.tolist() == [3.0, 4.0, 8.0]
    assert out.options_per_episode == 1.5
    assert out.mean_length == 2.0
    assert out.mean_return == pytest.approx(5.0)


def test_no_turns(make_batch: MakeBatch) -> None:
    out = option_statistics(make_batch([]))
    assert (out.episodes, out.options, out.options_per_episode) == (0, 0, 0.0)
    assert (out.mean_length, out.mean_return, out.returns.shape) == (0.0, 0.0, (0,))
