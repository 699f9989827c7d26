"""A wrapper that takes actions as dicts. Knows the tag grammar, nothing of any benchmark."""

from __future__ import annotations

from typing import TypedDict, cast

import gymnasium as gym
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs

from hiper_envs.core import MAX_ACTION_LENGTH
from hiper_envs.spaces import UnicodeText
from hiper_envs.tags import render

__all__ = ["HierarchicalAction", "StructuredAction"]

_MAX_BLOCK_LENGTH = MAX_ACTION_LENGTH // 2 - 64  # two blocks and their tags fit into one action


class HierarchicalAction(TypedDict):
    """An action in three parts.

    Keys:
        switch: 1 begins a new option, 0 keeps the running one.
        subgoal: The new option's subgoal; "" leaves the block out.
        action: The primitive action.
    """

    switch: int
    subgoal: str
    action: str


class StructuredAction(gym.ActionWrapper[str, HierarchicalAction, str], RecordConstructorArgs):
    """Takes actions as ``{"switch": 0 or 1, "subgoal": str, "action": str}``.

    For agents that produce the three parts separately, so that they need not know the tags. The
    action space becomes a :class:`gymnasium.spaces.Dict`; nothing else changes. Parts that the
    grammar cannot carry, such as a switch without a subgoal, count as a malformed action.

    Args:
        env: The environment to wrap.

    Example:
        >>> import gymnasium as gym
        >>> import hiper_envs
        >>> from hiper_envs.wrappers import StructuredAction
        >>> env = StructuredAction(gym.make("HiPER-ALFWorld-v0", split="generated"))
        >>> _ = env.reset(seed=0)
        >>> *_, info = env.step({"switch": 1, "subgoal": "find a mug", "action": "look"})
        >>> info["subgoal"], info["action"]
        ('find a mug', 'look')
    """

    def __init__(self, env: gym.Env[str, str]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.ActionWrapper.__init__(self, env)
        space = spaces.Dict(
            {
                "switch": spaces.Discrete(2),
                "subgoal": UnicodeText(_MAX_BLOCK_LENGTH),
                "action": UnicodeText(_MAX_BLOCK_LENGTH, min_length=1),
            }
        )
        self.action_space = cast("spaces.Space[HierarchicalAction]", space)

    def action(self, action: HierarchicalAction) -> str:
        """Write the parts in the tag grammar."""
        return render(
            action["action"], switch=bool(action["switch"]), subgoal=action["subgoal"] or None
        )
