"""How an environment's option boundaries come into a rollout buffer.

`info["option_boundary"]` after a step says whether that step began an option, so it belongs to the
turn that the buffer is given next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from hiper_agents.integrations.sb3.buffers import HAERolloutBuffer
from hiper_base.errors import HiperError

__all__ = ["MarkBoundaries", "OptionBoundaryError", "mark_boundaries"]


class OptionBoundaryError(HiperError, KeyError):
    """An environment's info does not say where options begin."""


def mark_boundaries(buffer: HAERolloutBuffer, infos: Sequence[Mapping[str, Any]]) -> None:
    """Marks in which environments the step just taken began an option.

    Args:
        buffer: Gets that step next.
        infos: Of every environment after the step. A flat estimator does without boundaries.

    Raises:
        OptionBoundaryError: If an info has no `option_boundary`.
    """
    missing = [number for number, info in enumerate(infos) if "option_boundary" not in info]
    if missing and not buffer.estimator.flat:
        raise OptionBoundaryError(
            f"the info of environment {missing[0]} has no option_boundary: say there whether the "
            "step began an option, or wrap the environment in FixedLengthOptions"
        )
    buffer.mark_boundaries([bool(info.get("option_boundary", False)) for info in infos])


class MarkBoundaries(BaseCallback):
    """Brings options into SB3's own `PPO` and `A2C`, which know nothing of them.

    The algorithm then learns its action from A_L; its one value serves all heads.

    Example:
        >>> import gymnasium as gym
        >>> from stable_baselines3 import PPO
        >>> from hiper_agents.integrations import FixedLengthOptions
        >>> env = FixedLengthOptions(gym.make("CartPole-v1"), length=5)
        >>> model = PPO("MlpPolicy", env, n_steps=64, rollout_buffer_class=HAERolloutBuffer)
        >>> model = model.learn(64, callback=MarkBoundaries())
        >>> int(model.rollout_buffer.boundaries.sum()) >= 64 // 5
        True
    """

    def _on_step(self) -> bool:
        assert isinstance(self.model, OnPolicyAlgorithm)
        buffer = self.model.rollout_buffer
        if not isinstance(buffer, HAERolloutBuffer):
            raise TypeError(
                "MarkBoundaries needs rollout_buffer_class=HAERolloutBuffer (or the Dict one), not "
                f"{type(buffer).__name__}"
            )
        mark_boundaries(buffer, self.locals["infos"])
        return True
