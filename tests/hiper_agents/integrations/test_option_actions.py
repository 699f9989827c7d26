from __future__ import annotations

import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from hiper_agents.integrations import FixedLengthOptions, FlatOptionActions, OptionActions
from hiper_agents.integrations.option_actions import OptionActionsError


class Parts(gym.Env[int, dict[str, Any]]):
    """Repeats its action in info."""

    def __init__(self, **parts: spaces.Space[Any]) -> None:
        self.observation_space = spaces.Discrete(1)
        self.action_space = spaces.Dict(parts)

    def step(self, action: dict[str, Any]) -> tuple[int, float, bool, bool, dict[str, Any]]:
        assert action in self.action_space
        return 0, 0.0, False, False, {"action": action}


def test_option_actions_are_a_multi_discrete_that_survives_pickling() -> None:
    space = OptionActions(subgoals=4, actions=6, seed=0)
    assert space == spaces.MultiDiscrete([2, 4, 6])
    copied = pickle.loads(pickle.dumps(space))  # noqa: S301  (written a moment ago)
    assert isinstance(copied, OptionActions)
    assert (copied.subgoals, copied.actions) == (4, 6)
    assert copied.sample() in space


def test_an_option_needs_something_to_choose_from() -> None:
    with pytest.raises(OptionActionsError, match="not 0 and 5"):
        OptionActions(subgoals=0, actions=5)


def test_a_dict_of_parts_is_taken_as_integers() -> None:
    env = FlatOptionActions(
        Parts(
            switch=spaces.Discrete(2),
            subgoal=spaces.Discrete(4, start=1),
            action=spaces.Discrete(6),
        )
    )
    assert isinstance(env.action_space, OptionActions)
    assert env.action_space.nvec.tolist() == [2, 4, 6]
    info = env.step(np.array([1, 0, 5]))[4]
    assert info["action"] == {"switch": 1, "subgoal": 1, "action": 5}


@pytest.mark.parametrize(
    "parts",
    [
        {"switch": spaces.Discrete(2), "action": spaces.Discrete(6)},
        {name: spaces.Discrete(3) for name in ("switch", "subgoal", "action")},
        {
            "switch": spaces.Discrete(2),
            "subgoal": spaces.Box(0.0, 1.0, (2,)),
            "action": spaces.Discrete(6),
        },
        {name: spaces.Discrete(2) for name in ("switch", "subgoal", "action", "other")},
    ],
)
def test_other_actions_are_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(OptionActionsError, match="expected a Dict of switch"):
        FlatOptionActions(Parts(**parts))


def test_options_of_fixed_length_begin_anew_with_every_episode() -> None:
    env = FixedLengthOptions(gym.make("CartPole-v1"), length=3)
    for _ in range(2):
        env.reset(seed=0)
        begun = [env.step(1)[4]["option_boundary"] for _ in range(5)]
        assert begun == [True, False, False, True, False]
    with pytest.raises(ValueError, match="at least one step, not 0"):
        FixedLengthOptions(env, length=0)
