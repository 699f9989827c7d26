"""What the options of a batch look like: how many, how long, worth how much.

It knows nothing about what the subgoals say or whether they were reached.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.segments import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class OptionStatistics:
    """How a batch's episodes fall into options. Means are 0 where there is nothing to average.

    Attributes:
        episodes: Trajectories in the batch.
        options: Options in the batch, K.
        options_per_episode: Mean number of options of an episode.
        mean_length: Mean length of an option, in turns.
        mean_return: Mean return of an option.
        lengths: Turns of each option, int64 [K], by trajectory and then by turn.
        returns: Undiscounted reward of each option, float64 [K], in the same order.
    """

    episodes: int
    options: int
    options_per_episode: float
    mean_length: float
    mean_return: float
    lengths: IntArray
    returns: FloatArray


def option_statistics(batch: TurnBatch) -> OptionStatistics:
    """Counts and measures the options of a batch."""
    layout = batch.layout
    lengths, options = layout.lengths, len(layout.lengths)
    episodes = int(layout.trajectory_end.sum())
    returns = np.zeros(0)
    if options:
        returns = np.add.reduceat(layout.sort(batch.reward), layout.starts)
    return OptionStatistics(
        episodes=episodes,
        options=options,
        options_per_episode=options / max(episodes, 1),
        mean_length=len(batch) / max(options, 1),
        mean_return=float(returns.sum()) / max(options, 1),
        lengths=lengths,
        returns=returns,
    )
