"""A wrapper that shows the running subgoal. Knows ``info``, nothing of any benchmark."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.spaces import Text
from gymnasium.utils import RecordConstructorArgs

from hiper_envs.core import MAX_ACTION_LENGTH
from hiper_envs.spaces import UnicodeText

__all__ = ["SubgoalObservation"]


class SubgoalObservation(gym.Wrapper[str, Any, str, Any], RecordConstructorArgs):
    """Appends the running option's subgoal to the observation.

    For agents without memory, which otherwise do not see what they are committed to. The
    observation space grows by the room that the line may need. While no subgoal is set, the
    observation stays as it is.

    Args:
        env: The environment to wrap.
        template: The line to append; ``{subgoal}`` stands for the subgoal.

    Raises:
        ValueError: If ``{subgoal}`` is not in ``template``.

    Example:
        >>> import gymnasium as gym
        >>> import hiper_envs
        >>> from hiper_envs.wrappers import SubgoalObservation
        >>> env = SubgoalObservation(gym.make("HiPER-ALFWorld-v0", split="generated"))
        >>> _ = env.reset(seed=0)
        >>> text = "<switch>SWITCH</switch><subgoal>find a mug</subgoal><action>look</action>"
        >>> env.step(text)[0].splitlines()[-1]
        'Subgoal: find a mug'
    """

    def __init__(self, env: gym.Env[str, Any], template: str = "Subgoal: {subgoal}") -> None:
        if "{subgoal}" not in template:
            raise ValueError(f"the template {template!r} has no {{subgoal}} in it")
        RecordConstructorArgs.__init__(self, template=template)
        gym.Wrapper.__init__(self, env)
        self._template = template
        inner = env.observation_space
        assert isinstance(inner, Text), "the observations to append to are texts"
        self.observation_space = UnicodeText(inner.max_length + len(template) + MAX_ACTION_LENGTH)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin a task; no subgoal is set yet."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._append(observation, info), info

    def step(self, action: Any) -> tuple[str, Any, bool, bool, dict[str, Any]]:
        """Play one turn and show the subgoal that it ran under."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._append(observation, info), reward, terminated, truncated, info

    def _append(self, observation: str, info: dict[str, Any]) -> str:
        if not info["subgoal"]:
            return observation
        # Not str.format: a subgoal is an agent's text and may have braces of its own.
        return f"{observation}\n{self._template.replace('{subgoal}', info['subgoal'])}"
