"""The `random` agent: the floor that every other agent is compared with.

It reads nothing but the list of admissible actions, and never writes a subgoal.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hiper_envs.core import TaskInfo


class RandomAgent:
    """Draws every action uniformly from the admissible ones.

    Each episode has a generator of its own, seeded by `seed`, the task id, and how often this agent
    has met the task. An episode is therefore the same whichever batch it runs in.
    """

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._visits: Counter[str] = Counter()
        self._generators: list[Random] = []

    def __repr__(self) -> str:
        return f"RandomAgent(seed={self.seed})"

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        """Begins one episode per task."""
        self._generators = [self._generator(task.task_id) for task in tasks]

    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> list[str]:
        """Draws one admissible action per slot; `look` where there is none."""
        return [
            generator.choice(actions) if (actions := info["admissible_actions"]) else "look"
            for generator, info in zip(self._generators, infos, strict=True)
        ]

    def _generator(self, task_id: str) -> Random:
        visit = self._visits[task_id]
        self._visits[task_id] += 1
        # Not hash(): Python salts it per process.
        digest = hashlib.sha256(f"{self.seed}\0{visit}\0{task_id}".encode()).digest()
        return Random(digest)
