from __future__ import annotations

import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env

from hiper_agents.integrations.errands import Errands


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("masked", [False, True])
def test_sb3_finds_nothing_wrong_with_it(masked: bool) -> None:
    check_env(Errands(masked=masked))


def test_an_errand_is_worth_something_if_it_was_asked_for() -> None:
    env = Errands(kinds=2, times=2, errands=2)
    observation, _ = env.reset(seed=0)
    asked = int(observation["asked"])
    observation, reward, *_, info = env.step((0, asked, asked))
    assert (reward, info["option_boundary"], observation["done"].item()) == (0.0, True, 0.5)
    observation, reward, terminated, *_, info = env.step((0, 1 - asked, asked))
    assert (reward, info["option_boundary"], terminated) == (1.0, False, False)
    other = 1 - int(observation["asked"])
    env.step((1, other, other))
    _, reward, terminated, *_ = env.step((0, other, other))
    assert (reward, terminated) == (0.0, True)


def test_a_switch_gives_up_what_was_done_and_another_action_wastes_the_turn() -> None:
    env = Errands(kinds=2, times=3, max_turns=3)
    env.reset(seed=0)
    assert env.step((1, 0, 0))[0]["done"].item() == pytest.approx(1 / 3)
    assert env.step((0, 0, 1))[0]["done"].item() == pytest.approx(1 / 3)
    observation, _, terminated, truncated, info = env.step((1, 1, 1))
    assert (int(observation["wanted"]), observation["done"].item()) == (1, pytest.approx(1 / 3))
    assert (terminated, truncated, info["option_boundary"]) == (False, True, True)


def test_masks_say_what_can_be_chosen() -> None:
    env = Errands(masked=True)
    observation, _ = env.reset(seed=0)
    assert observation["switch_mask"].tolist() == [0, 1]
    observation, *_ = env.step((1, 2, 2))
    assert observation["switch_mask"].tolist() == [1, 1]
    assert np.array_equal(observation["action_mask"], [*np.eye(3), [0, 0, 1]])
