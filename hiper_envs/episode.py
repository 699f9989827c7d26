"""One task under the hierarchical protocol: tags, options, a step limit, and ``info``.

Environments, single and vectorised, differ only in how they hold episodes. The module knows nothing
of Gymnasium's environments, of how tasks are chosen, nor of any benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from gymnasium.error import ResetNeeded

from hiper_envs.contract import HierarchicalInfo, OpenTask
from hiper_envs.options import OptionTracker
from hiper_envs.tags import ParsedAction, parse

__all__ = ["INFO_KINDS", "Episode", "StepResult"]

StepResult = tuple[str, float, bool, bool, HierarchicalInfo]
"""Observation, reward, terminated, truncated, info."""

INFO_KINDS: dict[str, type] = {
    "task_id": object,
    "task": object,
    "task_type": object,
    "split": object,
    "admissible_actions": object,
    "won": bool,
    "score": float,
    "action": object,
    "action_valid": bool,
    "format_valid": bool,
    "format_error": object,
    "subgoal": object,
    "option_id": int,
    "option_step": int,
    "option_boundary": bool,
    "option_closed": bool,
    "closed_option_length": int,
    "closed_option_return": float,
    "reference_subgoal": object,
    "reference_boundary": bool,
    "expert_action": object,
}
"""The keys of :class:`HierarchicalInfo` in order, with the type of the array that batches them."""

_NOTHING_SAID = ParsedAction(False, None, "")


class Episode:
    """One task being played.

    Args:
        task: The open task.
        max_turns: Number of steps after which the episode is truncated.

    Attributes:
        turns: Number of steps taken.
        terminated: Whether the task has ended.
        truncated: Whether the step limit has ended the episode.
    """

    __slots__ = (
        "_action_valid",
        "_info",
        "_max_turns",
        "_options",
        "_parsed",
        "_state",
        "_task",
        "terminated",
        "truncated",
        "turns",
    )

    def __init__(self, task: OpenTask, max_turns: int) -> None:
        self._task = task
        self._max_turns = max_turns
        self._options = OptionTracker()
        self._state = task.world.reset()
        self._parsed = _NOTHING_SAID
        self._action_valid = True
        self._info: HierarchicalInfo | None = None
        self.turns = 0
        self.terminated = False
        self.truncated = False
        if task.reference is not None:
            task.reference.observe(
                self._state.observation, admissible=self._state.admissible_actions
            )

    @property
    def ended(self) -> bool:
        """Whether the episode is over."""
        return self.terminated or self.truncated

    @property
    def observation(self) -> str:
        """The latest text of the world."""
        return self._state.observation

    @property
    def parsed(self) -> ParsedAction:
        """The latest text of the agent, as it was read; empty before the first."""
        return self._parsed

    @property
    def info(self) -> HierarchicalInfo:
        """What the agent is told about the latest step; a new dict after every step."""
        if self._info is None:
            # With a reference the values are longer by its keys, which come last.
            info = dict(zip(INFO_KINDS, self.info_values(), strict=False))
            info.update(self._state.extra_info)
            self._info = cast("HierarchicalInfo", info)
        return self._info

    def step(self, text: str) -> StepResult:
        """Play one turn with an agent's text; see :meth:`play`.

        Raises:
            ResetNeeded: If the episode has ended.
        """
        reward = self.play(text)
        return self.observation, reward, self.terminated, self.truncated, self.info

    def play(self, text: str) -> float:
        """Play one turn with an agent's text, and return the reward only.

        A malformed text leaves the world as it is, repeats its observation and costs the turn.

        Raises:
            ResetNeeded: If the episode has ended.
        """
        if self.terminated or self.truncated:
            raise ResetNeeded(
                f"the episode of task {self._task.info.task_id!r} has ended after {self.turns} "
                "steps; call reset() before the next step()"
            )
        self._parsed = parsed = parse(text)
        self._info = None
        reward = 0.0
        if parsed.format_valid:
            listed = parsed.action.strip() in self._state.admissible_actions
            self._state = state = self._task.world.step(parsed.action)
            self._action_valid = listed if state.action_valid is None else state.action_valid
            reward = state.reward
            if self._task.reference is not None:
                self._task.reference.observe(
                    state.observation, parsed.action, state.admissible_actions
                )
        else:
            self._action_valid = False
        self.turns += 1
        self.terminated = self._state.terminated
        self.truncated = not self.terminated and self.turns >= self._max_turns
        self._options.step(
            switch=parsed.switch, subgoal=parsed.subgoal, reward=reward, ended=self.ended
        )
        return reward

    @property
    def extra_info(self) -> Mapping[str, Any]:
        """What the benchmark adds to :attr:`info` in this state; mostly nothing."""
        return self._state.extra_info

    def info_values(self) -> tuple[Any, ...]:
        """The values of :attr:`info` in the order of :data:`INFO_KINDS`.

        Without a reference the tuple ends before the reference's keys.
        """
        task, state, parsed, options = self._task.info, self._state, self._parsed, self._options
        values = (
            task.task_id,
            task.task,
            task.task_type,
            task.split,
            state.admissible_actions,
            state.won,
            state.score,
            parsed.action,
            self._action_valid,
            parsed.format_valid,
            parsed.format_error,
            options.subgoal,
            options.option_id,
            options.option_step,
            options.boundary,
            options.closed,
            options.closed_length,
            options.closed_return,
        )
        reference = self._task.reference
        if reference is None:
            return values
        return (*values, reference.subgoal, reference.boundary, reference.expert_action)
