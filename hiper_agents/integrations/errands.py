"""`Errands`: the smallest environment in which options are there to be learned.

It has no texts and runs at any speed, so that a trainer of options can be tried in seconds: when to
switch, what to want, and what to do all have to be found out, from rewards that come at the end of
an option. Nothing here knows a trainer.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from hiper_agents.integrations.option_actions import (
    ACTION_MASK,
    SUBGOAL_MASK,
    SWITCH_MASK,
    OptionActions,
)

__all__ = ["Errands"]


class Errands(gym.Env[dict[str, Any], Any]):
    """Errands, one after the other: want what is asked for, then do it several times.

    The observation shows what is asked for, what is wanted (`kinds` for nothing yet), and how much
    of it is done. An option begins on SWITCH, and where nothing is wanted; from then on the chosen
    subgoal is wanted. Doing what is wanted moves the errand on, anything else wastes the turn. A
    finished errand is worth 1 if it was the one asked for, and the next one is asked for.

    Args:
        kinds: Kinds of errands.
        times: How often a thing has to be done.
        errands: Errands of an episode, which ends with the last one.
        max_turns: Steps after which an episode is truncated.
        masked: Whether the observation holds masks: KEEP is out where nothing is wanted, and so is
            all that a subgoal does not name.

    Example:
        >>> env = Errands(times=1)
        >>> observation, _ = env.reset(seed=0)
        >>> asked = observation["asked"]
        >>> *_, info = env.step((1, asked, asked))
        >>> info["option_boundary"], info["finished"]
        (True, 1)
    """

    def __init__(
        self,
        kinds: int = 3,
        times: int = 2,
        errands: int = 3,
        max_turns: int = 20,
        masked: bool = False,
    ) -> None:
        self.kinds, self.times, self.errands = kinds, times, errands
        self.max_turns, self.masked = max_turns, masked
        shown: dict[str, spaces.Space[Any]] = {
            "asked": spaces.Discrete(kinds),
            "wanted": spaces.Discrete(kinds + 1),
            "done": spaces.Box(0.0, 1.0, (1,), np.float32),
        }
        if masked:
            shown[SWITCH_MASK] = spaces.MultiBinary(2)
            shown[SUBGOAL_MASK] = spaces.MultiBinary(kinds)
            shown[ACTION_MASK] = spaces.MultiBinary([kinds + 1, kinds])
        self.observation_space = spaces.Dict(shown)
        self.action_space = OptionActions(subgoals=kinds, actions=kinds)
        self._turn = self._finished = self._done = self._asked = 0
        self._wanted = kinds

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        self._turn = self._finished = 0
        self._ask()
        return self._look(), {"finished": 0}

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Play one turn: (switch, subgoal, action)."""
        switch, subgoal, act = (int(part) for part in action)
        boundary = bool(switch) or self._wanted == self.kinds
        if boundary:
            self._wanted, self._done = subgoal, 0
        self._done += act == self._wanted
        self._turn += 1
        reward = 0.0
        if self._done == self.times:
            reward = float(self._wanted == self._asked)
            self._finished += 1
            self._ask()
        terminated = self._finished == self.errands
        truncated = not terminated and self._turn == self.max_turns
        info = {"option_boundary": boundary, "finished": self._finished}
        return self._look(), reward, terminated, truncated, info

    def _ask(self) -> None:
        self._asked = int(self.np_random.integers(self.kinds))
        self._wanted, self._done = self.kinds, 0

    def _look(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "asked": np.int64(self._asked),
            "wanted": np.int64(self._wanted),
            "done": np.array([self._done / self.times], np.float32),
        }
        if self.masked:
            is_running = self._wanted < self.kinds
            permitted = np.eye(self.kinds + 1, self.kinds, dtype=np.int8)
            if is_running:
                permitted[-1, self._wanted] = 1
            shown[SWITCH_MASK] = np.array([is_running, 1], np.int8)
            shown[SUBGOAL_MASK] = np.ones(self.kinds, np.int8)
            shown[ACTION_MASK] = permitted
        return shown
