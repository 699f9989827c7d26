"""Finds the step limit that ``gym.make(id, max_episode_steps=...)`` puts around an environment.

Gymnasium's ``TimeLimit`` truncates from outside, when the inner ``info`` is already written, and
``gym.make`` tells the inner environment nothing about it. But the step that is truncated has to
report its option as closed, so the limit must be known inside.
"""

from __future__ import annotations

import sys

import gymnasium as gym
from gymnasium.wrappers import TimeLimit

__all__ = ["outer_time_limit"]

_DEEPEST_STACK_OF_WRAPPERS = 32


def outer_time_limit(env: gym.Env[str, str]) -> int | None:
    """The smallest limit among the ``TimeLimit`` wrappers whose ``reset`` is calling ``env.reset``.

    A wrapper holds its environment but not the other way round, so while ``reset`` runs, the call
    stack is the one place where the wrappers can be seen. Without any, the answer is None.

    Args:
        env: The innermost environment, inside its ``reset``.
    """
    limits = []
    frame = sys._getframe(1)
    for _ in range(_DEEPEST_STACK_OF_WRAPPERS):
        caller = frame.f_locals.get("self")
        if isinstance(caller, TimeLimit) and caller.unwrapped is env:
            limits.append(caller._max_episode_steps)
        if frame.f_back is None:
            break
        frame = frame.f_back
    return min(limits, default=None)
