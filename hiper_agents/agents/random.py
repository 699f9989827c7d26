"""The `random` agent: the floor that every other agent is compared with.

It reads nothing but the list of admissible actions and, for an action that has to be filled in, the
words of the task. It never writes a subgoal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from hiper_agents.templates import fill, hole

if TYPE_CHECKING:
    from hiper_envs.core import TaskInfo

MOST_WORDS = 6
"""An action is filled in with so many words of the task at most."""

_WORD = re.compile(r"[\w'-]+")


class RandomAgent:
    """Draws every action uniformly from the admissible ones.

    What has to be filled in, such as the query of a search, is drawn too: a number of words from 1
    to MOST_WORDS, and then so many of the task's, in the order of the task.

    Each episode has a generator of its own, seeded by `seed` and the task id. An episode is
    therefore the same whichever batch it runs in, and whatever was played before.
    """

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._generators: list[Random] = []

    def __repr__(self) -> str:
        return f"RandomAgent(seed={self.seed})"

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        """Begins one episode per task."""
        self._generators = [self._generator(task.task_id) for task in tasks]

    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> list[str]:
        """Draws one admissible action per slot; `look` where there is none."""
        return [
            _draw(generator, info) for generator, info in zip(self._generators, infos, strict=True)
        ]

    def _generator(self, task_id: str) -> Random:
        # Not hash(): Python salts it per process. The 0 has no meaning; recorded results have it.
        text = "\0".join((str(self.seed), "0", task_id))
        return Random(hashlib.sha256(text.encode()).digest())


def _draw(generator: Random, info: Mapping[str, Any]) -> str:
    """One action, filled in where it has to be."""
    actions = info["admissible_actions"]
    if not actions:
        return "look"
    action: str = generator.choice(actions)
    missing = hole(action)
    if missing is None:
        return action
    words = _WORD.findall(info["task"]) or [missing]
    count = min(generator.randint(1, MOST_WORDS), len(words))
    chosen = sorted(generator.sample(range(len(words)), count))
    return fill(action, " ".join(words[place] for place in chosen))
