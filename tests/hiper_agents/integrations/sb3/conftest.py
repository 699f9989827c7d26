"""A small environment with plain actions and options of its own."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces


class Corridor(gym.Env[Any, Any]):
    """Walk right for a reward; every other step begins an option. Some episodes are cut off."""

    def __init__(self, length: int = 5, limit: int = 7) -> None:
        self.observation_space = spaces.Box(0.0, 1.0, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.length, self.limit = length, limit

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = self.turn = 0
        return self._look(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        boundary = self.turn % 2 == 0
        self.place = max(0, self.place + (1 if int(action) else -1))
        self.turn += 1
        terminated = self.place == self.length
        truncated = not terminated and self.turn == self.limit
        info = {"option_boundary": boundary}
        return self._look(), float(terminated), terminated, truncated, info

    def _look(self) -> Any:
        return np.array([self.place / self.length, self.turn / self.limit], np.float32)


@pytest.fixture
def corridor() -> type[Corridor]:
    return Corridor
