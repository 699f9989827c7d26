"""Option actions as numbers: a space of (switch, subgoal, action), and wrappers around options.

Trainers take vectors of integers, not dicts of parts. The space here is such a vector that still
says which of its numbers is which. Nothing here knows a trainer or a benchmark.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from hiper_base.errors import HiperError

__all__ = [
    "ACTION_MASK",
    "SUBGOAL_MASK",
    "SWITCH_MASK",
    "FixedLengthOptions",
    "FlatOptionActions",
    "OptionActions",
    "OptionActionsError",
    "check_masks",
]

SWITCH_MASK = "switch_mask"
SUBGOAL_MASK = "subgoal_mask"
ACTION_MASK = "action_mask"
"""Keys of a Dict observation under which an environment says what can be chosen now: 1 for yes.

`switch_mask` is [2] (may it keep, may it switch), `subgoal_mask` [subgoals]. `action_mask` is
[actions], or [subgoals + 1, actions] where what can be done depends on the subgoal: a row for each
subgoal that could be chosen now, and the last one for the option that is running.
"""

_PARTS = ("switch", "subgoal", "action")


class OptionActionsError(HiperError, ValueError):
    """An action space is not made of a switch, a subgoal and an action."""


class OptionActions(spaces.MultiDiscrete):
    """Actions of three integers: switch (0 keeps the option, 1 begins one), subgoal, action.

    To everyone else it is a `MultiDiscrete`. The subgoal counts where an option begins and is
    ignored elsewhere.

    Args:
        subgoals: Number of subgoals.
        actions: Number of primitive actions.
        seed: Seed or generator for `sample`.

    Example:
        >>> OptionActions(subgoals=4, actions=6).nvec.tolist()
        [2, 4, 6]
    """

    def __init__(
        self, subgoals: int, actions: int, seed: int | np.random.Generator | None = None
    ) -> None:
        if subgoals < 1 or actions < 1:
            raise OptionActionsError(
                f"an option needs subgoals and actions to choose from, not {subgoals} and {actions}"
            )
        super().__init__([2, subgoals, actions], seed=seed)
        self.subgoals = subgoals
        self.actions = actions

    def __repr__(self) -> str:
        return f"OptionActions(subgoals={self.subgoals}, actions={self.actions})"


def check_masks(observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
    """Checks that the masks among a Dict of observations fit the actions.

    Raises:
        OptionActionsError: If one has another shape, or masks parts that actions do not have.
    """
    if not isinstance(observation_space, spaces.Dict):
        return
    expected: dict[str, tuple[tuple[int, ...], ...]] = {}
    if isinstance(action_space, OptionActions):
        subgoals, actions = action_space.subgoals, action_space.actions
        expected = {
            SWITCH_MASK: ((2,),),
            SUBGOAL_MASK: ((subgoals,),),
            ACTION_MASK: ((actions,), (subgoals + 1, actions)),
        }
    elif isinstance(action_space, spaces.MultiDiscrete):
        expected = {ACTION_MASK: ((int(action_space.nvec.sum()),),)}
    elif isinstance(action_space, spaces.Discrete):
        expected = {ACTION_MASK: ((int(action_space.n),),)}
    for key in (SWITCH_MASK, SUBGOAL_MASK, ACTION_MASK):
        shape = observation_space[key].shape if key in observation_space.spaces else None
        if shape is not None and shape not in expected.get(key, ()):
            fitting = " or ".join(map(str, expected.get(key, ()))) or "none"
            raise OptionActionsError(
                f"{key} has shape {shape}; what fits {action_space} is {fitting}"
            )


class FlatOptionActions(
    gym.ActionWrapper[Any, NDArray[np.int64], dict[str, Any]], RecordConstructorArgs
):
    """Takes option actions as three integers where the environment takes a dict of three parts.

    For environments whose action space is a `Dict` of `switch`, `subgoal` and `action`, all
    `Discrete`: trainers such as Stable-Baselines3 take no Dict actions. Nothing else changes.

    Args:
        env: The environment to wrap.

    Raises:
        OptionActionsError: If the action space is another one.
    """

    def __init__(self, env: gym.Env[Any, dict[str, Any]]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.ActionWrapper.__init__(self, env)
        space = env.action_space
        named = space.spaces if isinstance(space, spaces.Dict) else {}
        parts = [named.get(name) for name in _PARTS]
        found = [part for part in parts if isinstance(part, spaces.Discrete)]
        if len(named) != len(_PARTS) or len(found) != len(_PARTS) or found[0].n != 2:
            raise OptionActionsError(
                "expected a Dict of switch (Discrete(2)), subgoal and action (both Discrete), "
                f"not {space}"
            )
        self._starts = [int(part.start) for part in found]
        self.action_space = OptionActions(subgoals=int(found[1].n), actions=int(found[2].n))

    def action(self, action: NDArray[np.int64]) -> dict[str, Any]:
        """The parts by name."""
        values = (int(value) for value in action)
        return {
            name: np.int64(value + start)
            for name, value, start in zip(_PARTS, values, self._starts, strict=True)
        }


class FixedLengthOptions(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Says in `info["option_boundary"]` that an option begins every `length` steps.

    The simplest options that any environment can have: for environments that know none, and as the
    baseline of those that do. Nothing but `info` changes.

    Args:
        env: The environment to wrap.
        length: Steps of an option.

    Raises:
        ValueError: If `length` is less than 1.

    Example:
        >>> import gymnasium as gym
        >>> env = FixedLengthOptions(gym.make("CartPole-v1"), length=2)
        >>> _ = env.reset(seed=0)
        >>> [env.step(1)[4]["option_boundary"] for _ in range(4)]
        [True, False, True, False]
    """

    def __init__(self, env: gym.Env[Any, Any], length: int) -> None:
        if length < 1:
            raise ValueError(f"an option takes at least one step, not {length}")
        RecordConstructorArgs.__init__(self, length=length)
        gym.Wrapper.__init__(self, env)
        self._length = length
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        self._steps = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Play one step, and say whether it began an option."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        boundary = self._steps % self._length == 0
        self._steps += 1
        return observation, reward, terminated, truncated, {**info, "option_boundary": boundary}
