"""The Gymnasium environment around text worlds with the hierarchical contract.

The types of :mod:`hiper_envs.contract` and :class:`~hiper_envs.episode.Episode` can be imported
from here as well. Nothing here knows a benchmark, and nothing here builds prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import gymnasium as gym
from gymnasium.error import ResetNeeded

from hiper_base.errors import ResetOptionError
from hiper_envs.contract import (
    HierarchicalInfo,
    OpenTask,
    Reference,
    TaskInfo,
    TaskSource,
    World,
    WorldState,
)
from hiper_envs.episode import Episode, StepResult
from hiper_envs.spaces import UnicodeText
from hiper_envs.time_limit import outer_time_limit

__all__ = [
    "Episode",
    "HierarchicalInfo",
    "HierarchicalTextEnv",
    "OpenTask",
    "Reference",
    "StepResult",
    "TaskInfo",
    "TaskSource",
    "World",
    "WorldState",
]

MAX_OBSERVATION_LENGTH = 65536  # a WebShop description may be long
MAX_ACTION_LENGTH = 8192


class HierarchicalTextEnv(gym.Env[str, str]):
    """A text environment whose ``info`` carries the options of the agent.

    An action is a primitive action or a text in the grammar of :mod:`hiper_envs.tags`. ``reset``
    draws a task with ``np_random``, or takes the one of ``options={"task_id": ...}``.

    Pickling and ``copy.deepcopy`` keep the state in mid-episode: the copy is built from the same
    arguments and the actions so far are played again, which tasks being deterministic allows.

    Args:
        source: The tasks.
        max_turns: Number of steps after which an episode is truncated.
        render_mode: None, or "ansi" for :meth:`render`.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012  (Env declares it so)

    def __init__(
        self, source: TaskSource, *, max_turns: int = 50, render_mode: str | None = None
    ) -> None:
        check_limits(source, max_turns)
        self.render_mode = render_mode
        self.observation_space = UnicodeText(MAX_OBSERVATION_LENGTH)
        self.action_space = UnicodeText(MAX_ACTION_LENGTH, min_length=1)
        self.max_turns = max_turns
        self.source = source
        self._constructor_kwargs: dict[str, Any] = {
            "source": source,
            "max_turns": max_turns,
            "render_mode": render_mode,
        }
        self._episode: Episode | None = None
        self._texts: list[str] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin a task.

        Args:
            seed: Seeds the draws of tasks, from this one on.
            options: ``{"task_id": ...}`` begins that task and draws nothing.

        Raises:
            UnknownTaskError: If no task has the given id.
            ResetOptionError: If ``options`` has another key.
        """
        super().reset(seed=seed)
        task_id = task_id_option(options)
        if task_id is None:
            index = int(self.np_random.integers(len(self.source)))
        else:
            index = self.source.index(task_id)
        limit = outer_time_limit(self)
        self._begin(index, self.max_turns if limit is None else min(limit, self.max_turns))
        assert self._episode is not None
        return self._episode.observation, cast("dict[str, Any]", self._episode.info)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Play one turn; see :class:`Episode`.

        Raises:
            ResetNeeded: Before the first :meth:`reset` and after the end of an episode.
        """
        if self._episode is None:
            raise ResetNeeded("no task has begun; call reset() before step()")
        result = self._episode.step(action)
        self._texts.append(action)
        return cast("tuple[str, float, bool, bool, dict[str, Any]]", result)

    def render(self) -> str | None:
        """The task, the running option, the last action and the observation, as text."""
        if self.render_mode is None:
            gym.logger.warn("render() needs render_mode='ansi' in gym.make")
            return None
        if self._episode is None:
            raise ResetNeeded("no task has begun; call reset() before render()")
        return render_episode(self._episode)

    def close(self) -> None:
        """Drop the running episode."""
        self._episode = None

    def _begin(self, index: int, max_turns: int) -> None:
        self._episode = Episode(self.source.open(index), max_turns)
        self._texts = []
        self._begun = (index, max_turns)

    def __getstate__(self) -> dict[str, Any]:
        return {
            "kwargs": self._constructor_kwargs,
            "begun": None if self._episode is None else self._begun,
            "texts": self._texts,
            "random": (self._np_random, self._np_random_seed),
            "spaces": (self.observation_space, self.action_space),
            "spec": self.spec,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        # The constructor is looked up on the class: subclasses record their own arguments.
        type(self).__init__(self, **state["kwargs"])
        self._np_random, self._np_random_seed = state["random"]
        self.observation_space, self.action_space = state["spaces"]
        self.spec = state["spec"]
        if state["begun"] is not None:
            self._begin(*state["begun"])
            for text in state["texts"]:
                self.step(text)


def check_limits(source: TaskSource, max_turns: int) -> None:
    """Refuse a source without tasks and a step limit that no episode can meet.

    Raises:
        ValueError: If there is no task, or ``max_turns`` is not positive.
    """
    if len(source) == 0:
        raise ValueError("the task source is empty: there is nothing to play")
    if max_turns < 1:
        raise ValueError(f"max_turns must be at least 1, not {max_turns}")


def task_id_option(options: Mapping[str, Any] | None) -> str | None:
    """The task id among the options of ``reset``, or None.

    Raises:
        ResetOptionError: If there is another key, or the id is not a string.
    """
    if not options:
        return None
    unknown = sorted(str(key) for key in options if key != "task_id")
    if unknown:
        raise ResetOptionError(f"unknown reset options {unknown}; the only option is 'task_id'")
    task_id = options["task_id"]
    if task_id is not None and not isinstance(task_id, str):
        raise ResetOptionError(f"'task_id' must be a string, not {type(task_id).__name__}")
    return task_id


def render_episode(episode: Episode) -> str:
    """An episode's current state as text for people."""
    info = episode.info
    lines = [f"Task: {info['task']}"]
    if info["option_id"] >= 0:
        subgoal = info["subgoal"] or "(no subgoal)"
        lines.append(f"Option {info['option_id']}, step {info['option_step']}: {subgoal}")
        lines.append(f"> {info['action'] or info['format_error']}")
    return "\n".join([*lines, episode.observation])
