"""A wrapper that charges for invalid actions. Knows ``info``, nothing of any benchmark."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from gymnasium.utils import RecordConstructorArgs

__all__ = ["InvalidActionCost"]


class InvalidActionCost(gym.Wrapper[str, Any, str, Any], RecordConstructorArgs):
    """Subtracts a cost from the reward of every step whose action was not admissible.

    For training, where a policy has to learn what can be done; a malformed text counts as not
    admissible. Only the reward changes: ``info``, with ``closed_option_return`` in it, still holds
    the benchmark's own figures.

    Args:
        env: The environment to wrap.
        cost: What is subtracted; HiPER (arXiv 2602.16165) trains with 0.1 beside a success reward
            of 10.

    Raises:
        ValueError: If ``cost`` is negative.

    Example:
        >>> import gymnasium as gym
        >>> import hiper_envs
        >>> from hiper_envs.wrappers import InvalidActionCost
        >>> env = InvalidActionCost(gym.make("HiPER-ALFWorld-v0", split="generated"), cost=0.1)
        >>> _ = env.reset(seed=0)
        >>> _, reward, _, _, info = env.step("fly to the moon")
        >>> reward, info["action_valid"]
        (-0.1, False)
    """

    def __init__(self, env: gym.Env[str, Any], cost: float = 0.1) -> None:
        if cost < 0:
            raise ValueError(f"cost must not be negative: {cost}")
        RecordConstructorArgs.__init__(self, cost=cost)
        gym.Wrapper.__init__(self, env)
        self._cost = cost

    def step(self, action: Any) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Play one turn and charge for it if its action was not admissible."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        charge = 0.0 if info["action_valid"] else self._cost
        return observation, float(reward) - charge, terminated, truncated, info
