"""A wrapper that writes episodes to a file. Knows ``info``, nothing of any benchmark."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

__all__ = ["RecordTrajectory"]

_TASK_KEYS = ("task_id", "task", "task_type", "split")
_TURN_KEYS = (
    "action",
    "action_valid",
    "format_error",
    "subgoal",
    "option_id",
    "option_step",
    "option_boundary",
    "option_closed",
)


class RecordTrajectory(gym.Wrapper[str, Any, str, Any], RecordConstructorArgs):
    """Appends every episode to a JSON Lines file, one line an episode.

    For demonstrations, debugging and viewers. Nothing that the agent sees changes. A line is
    appended in one write when its episode ends, so that an interrupted run leaves whole lines only
    and several environments can share a file; an episode left early, by ``reset`` or ``close``, is
    recorded with ``terminated`` and ``truncated`` both false.

    A line holds ``task_id``, ``task``, ``task_type``, ``split``, ``won``, ``score``, ``return``,
    ``terminated``, ``truncated``, ``final_observation`` and ``turns``. A turn holds the
    ``observation`` and the ``admissible_actions`` that the agent acted on, the ``text`` it wrote
    (any JSON value, for wrapped action spaces), the ``reward``, and what ``info`` says of the turn.

    Args:
        env: The environment to wrap.
        path: The file; it and its folder are created when the first episode ends.

    Example:
        >>> import json, pathlib, tempfile
        >>> import gymnasium as gym
        >>> import hiper_envs
        >>> from hiper_envs.wrappers import RecordTrajectory
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(folder.name) / "episodes.jsonl"
        >>> env = RecordTrajectory(gym.make("HiPER-ALFWorld-v0", split="generated"), path)
        >>> _ = env.reset(seed=0)
        >>> _ = env.step("look")
        >>> env.close()
        >>> [turn["text"] for turn in json.loads(path.read_text())["turns"]]
        ['look']
        >>> folder.cleanup()
    """

    def __init__(self, env: gym.Env[str, Any], path: str | Path) -> None:
        RecordConstructorArgs.__init__(self, path=path)
        gym.Wrapper.__init__(self, env)
        self._path = Path(path)
        self._observation = ""
        self._info: dict[str, Any] = {}
        self._turns: list[dict[str, Any]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin a task, after recording an episode that was left early."""
        self._write(terminated=False, truncated=False)
        self._observation, self._info = self.env.reset(seed=seed, options=options)
        return self._observation, self._info

    def step(self, action: Any) -> tuple[str, Any, bool, bool, dict[str, Any]]:
        """Play one turn and record it."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._turns.append(
            {
                "observation": self._observation,
                "admissible_actions": self._info["admissible_actions"],
                "text": action,
                "reward": float(reward),
                **{key: info[key] for key in _TURN_KEYS},
            }
        )
        self._observation, self._info = observation, info
        if terminated or truncated:
            self._write(terminated=terminated, truncated=truncated)
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Record an episode that was left early, and close the environment."""
        self._write(terminated=False, truncated=False)
        super().close()

    def _write(self, *, terminated: bool, truncated: bool) -> None:
        """Append the episode, if it has a turn."""
        turns, self._turns = self._turns, []
        if not turns:
            return
        episode = {
            **{key: self._info[key] for key in _TASK_KEYS},
            "won": self._info["won"],
            "score": self._info["score"],
            "return": sum(turn["reward"] for turn in turns),
            "terminated": terminated,
            "truncated": truncated,
            "final_observation": self._observation,
            "turns": turns,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        _append_line(self._path, json.dumps(episode, default=_plain))


def _append_line(path: Path, line: str) -> None:
    """Append a line in one write; with O_APPEND those of several processes do not mix."""
    data = f"{line}\n".encode()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        written = os.write(file, data)
    finally:
        os.close(file)
    if written != len(data):
        raise OSError(f"{path}: only {written} of {len(data)} bytes of an episode were written")


def _plain(value: Any) -> Any:
    """The Python value of a numpy scalar or array, which a wrapped action may hold."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
