"""An iteration that several processes have played, put together.

Advantages are compared and whitened over all turns of an iteration, and its figures are those of
all episodes, whoever played them. Tokens are not exchanged: each process learns from its own turns.
Nothing here knows how turns are played, nor what is learned from them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.estimators import Advantages
from hiper_agents.llm.rollout import Rollout
from hiper_agents.training.ranks import Ranks
from hiper_agents.training.trainer import Episodes

__all__ = ["pool_rollout", "pool_turns", "rows_of"]


def pool_turns(own: OptionRolloutBuffer, whole: OptionRolloutBuffer, ranks: Ranks) -> slice:
    """Fills a buffer with the turns of all processes.

    Args:
        own: Those of this process; its trajectories count from 0. With one process it may be
            `whole` itself.
        whole: Gets all of them. Trajectories count on from process to process; groups keep their
            numbers.
        ranks: The processes.

    Returns:
        The rows of `whole` that are this process's own, in their order.
    """
    if ranks.size == 1:
        return slice(0, len(own))
    columns = own.columns()
    counts = ranks.gather([len(own), int(columns["trajectory_id"].max()) + 1])
    turns, trajectories = np.sum(counts[: ranks.rank], 0, dtype=int) if ranks.rank else (0, 0)
    columns["trajectory_id"] += trajectories
    whole.fill(ranks.gather_arrays(columns))
    return slice(int(turns), int(turns) + len(own))


def rows_of(advantages: Advantages, rows: slice) -> Advantages:
    """Some of the advantages; what was one array for three heads still is."""
    parts = {id(array): array[rows] for array in vars(advantages).values()}
    return Advantages(**{name: parts[id(array)] for name, array in vars(advantages).items()})


def pool_rollout(rollout: Rollout, ranks: Ranks) -> Rollout:
    """The episodes and figures of all processes, beside the turns of this one.

    Figures are means over turns; but of seconds the most, for the others wait so long.
    """
    if ranks.size == 1:
        return rollout
    weights, everyone = zip(*ranks.gather([len(rollout.turns), rollout.figures]), strict=True)
    figures = {}
    for name in rollout.figures:
        theirs = [figures_of_one[name] for figures_of_one in everyone]
        mean = np.average(theirs, weights=weights)
        figures[name] = max(theirs) if name.endswith("_seconds") else float(mean)
    episodes = vars(rollout.episodes)
    columns = ranks.gather_arrays({name: np.asarray(column) for name, column in episodes.items()})
    types = columns.pop("task_types").tolist()
    return replace(rollout, episodes=Episodes(**columns, task_types=types), figures=figures)
