"""Chooses the tasks of an iteration: half from all task types alike, half from those that fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


class TaskSampler:
    """Draws tasks by type, the more the less often the type is solved.

    With uniform sampling one task type can stay unsolved for good: what fails teaches little, and
    little of it is played. Which types fail is known from the episodes played so far.

    Args:
        task_types: Task type of every task.
        hard_share: Share of the draws that goes to types in proportion to their failure rate; the
            rest is shared by all types alike.
        natural_share: Share of the draws, before all else, that goes to all tasks alike.
        decay: Weight of an iteration's success rate in the running average.
    """

    def __init__(
        self,
        task_types: Sequence[str],
        hard_share: float = 0.5,
        decay: float = 0.1,
        natural_share: float = 0.0,
    ) -> None:
        self.names = sorted(set(task_types))
        number = {name: index for index, name in enumerate(self.names)}
        types = np.array([number[name] for name in task_types])
        self._tasks = [np.flatnonzero(types == index) for index in range(len(self.names))]
        self._success = np.zeros(len(self.names))
        self._hard_share = hard_share
        self._natural_share = natural_share
        self._decay = decay

    @property
    def success(self) -> dict[str, float]:
        """Running success rate of each task type."""
        return dict(zip(self.names, self._success.tolist(), strict=True))

    @success.setter
    def success(self, rates: Mapping[str, float]) -> None:
        self._success = np.array([rates[name] for name in self.names])

    def draw(self, count: int, rng: np.random.Generator) -> list[int]:
        """Positions of `count` tasks; a task may be drawn more than once."""
        failing = 1.0 - self._success
        hard = failing / failing.sum() if failing.sum() > 0 else np.full_like(failing, 0.0)
        weights = (1.0 - self._hard_share) / len(self.names) + self._hard_share * hard
        if self._natural_share:
            natural = np.array([len(tasks) for tasks in self._tasks], np.float64)
            natural /= natural.sum()
            weights = (1.0 - self._natural_share) * weights + self._natural_share * natural
        chosen = rng.choice(len(self.names), count, p=weights / weights.sum())
        return [int(rng.choice(self._tasks[kind])) for kind in chosen]

    def observe(self, task_types: Sequence[str], won: NDArray[np.bool_]) -> None:
        """Takes in the episodes of an iteration."""
        names = np.array(task_types)
        for index, name in enumerate(self.names):
            own = won[names == name]
            if len(own):
                weight = self._decay * min(1.0, 6.0 * len(own) / len(won))
                self._success[index] += weight * (own.mean() - self._success[index])
