"""`HiPER-ALFWorldLong-v0`: the contract, the dials, and the vector version."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv

import hiper_envs  # noqa: F401  (registers the ids)
from hiper_base.errors import DataError, UnknownTaskError
from hiper_envs.alfworld.long_env import AlfworldLongEnv
from hiper_envs.tags import render

ENV_ID = "HiPER-ALFWorldLong-v0"


def walkthrough(env: gym.Env[str, str], task_id: str) -> tuple[str, ...]:
    source = env.get_wrapper_attr("source")
    return tuple(source.game(source.index(task_id)).walkthrough)


def test_check_env_without_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(ENV_ID).unwrapped)
        check_env(gym.make(ENV_ID, subtasks=2, distractors=3, reference=True).unwrapped)


@pytest.mark.usefixtures("no_data")
def test_it_works_without_data() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make(ENV_ID, subtasks=4)
        observation, info = env.reset(seed=0)
    assert observation.endswith(f"Your task is to: {info['task']}")
    assert info["task_id"].startswith("long-k4/train/")


@pytest.mark.parametrize("subtasks", [1, 4, 8])
def test_a_walkthrough_wins(subtasks: int) -> None:
    env = gym.make(ENV_ID, subtasks=subtasks, split="valid")
    for seed in range(3):
        _, info = env.reset(seed=seed)
        assert (info["subtasks"], info["subtasks_done"]) == (subtasks, 0)
        rewards = []
        for command in walkthrough(env, info["task_id"]):
            assert command in info["admissible_actions"]
            _, reward, terminated, truncated, info = env.step(command)
            rewards.append(reward)
        assert rewards == [0.0] * (len(rewards) - 1) + [1.0]
        assert (terminated, truncated, info["won"], info["score"]) == (True, False, True, 1.0)
        assert info["subtasks_done"] == subtasks
        assert info["closed_option_return"] == 1.0


def test_an_expert_wins_with_options() -> None:
    env = gym.make(ENV_ID, subtasks=3, reference=True)
    for seed in range(5):
        _, info = env.reset(seed=seed)
        ended = False
        while not ended:
            switch, subgoal = info["reference_boundary"], info["reference_subgoal"]
            text = render(info["expert_action"], switch=switch, subgoal=subgoal)
            _, _, terminated, truncated, info = env.step(text)
            ended = terminated or truncated
        assert info["won"]
        assert info["option_id"] >= 2


@pytest.mark.parametrize(
    ("kwargs", "limit"),
    [
        ({"subtasks": 1}, 50),
        ({}, 200),
        ({"subtasks": 2, "reward_delay": 7}, 107),
        ({"subtasks": 8, "max_turns": 9}, 9),
    ],
)
def test_the_step_limit(kwargs: dict[str, Any], limit: int) -> None:
    env = gym.make(ENV_ID, **kwargs)
    env.reset(seed=0)
    steps = 1
    while not env.step("look")[3]:
        steps += 1
    assert steps == limit


def test_the_reward_is_paid_late_and_within_the_limit() -> None:
    env = gym.make(ENV_ID, subtasks=1, reward_delay=4)
    task_id = "long-k1-d4/train/000003"
    _, info = env.reset(options={"task_id": task_id})
    for command in walkthrough(env, task_id):
        _, reward, terminated, _, info = env.step(command)
        assert (reward, terminated, info["won"]) == (0.0, False, False)
    assert info["subtasks_done"] == 1
    # A malformed text reaches no world, so that its turn does not count.
    rewards = [env.step(text)[1] for text in ("look", "<action>", "dance", "look", "look")]
    assert rewards == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_task_ids() -> None:
    env = gym.make(ENV_ID, subtasks=2, distractors=5)
    task_id = "long-k2-n5/train/000123"
    _, info = env.reset(options={"task_id": task_id})
    assert (info["task_id"], info["task_type"]) == (task_id, "chain_cool")
    with pytest.raises(UnknownTaskError, match="long-k2-n5"):
        env.reset(options={"task_id": "long-k2/train/000123"})
    with pytest.raises(DataError, match="subtasks"):
        gym.make(ENV_ID, subtasks=12)


def test_the_spec_rebuilds_it() -> None:
    env = gym.make(ENV_ID, subtasks=2, distractors=4, reward_delay=3, task_types=["chain_look"])
    assert env.spec is not None
    assert gym.make(env.spec).reset(seed=2) == env.reset(seed=2)


@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
def test_a_copy_goes_on_in_mid_episode(how: str) -> None:
    env = AlfworldLongEnv(subtasks=3, distractors=2, reward_delay=2, reference=True)
    _, info = env.reset(seed=4)
    commands = (*walkthrough(env, info["task_id"]), "look", "look")
    for command in commands[:-2]:
        env.step(command)
    twin: Any = copy.deepcopy(env)
    if how == "pickle":
        twin = pickle.loads(pickle.dumps(env))  # noqa: S301  (made in the same line)
    for command in commands[-2:]:
        step = env.step(command)
        assert twin.step(command) == step
    assert step[1] == 1.0


def test_the_same_bytes_in_another_process() -> None:
    code = (
        "import gymnasium, hiper_envs\n"
        f"env = gymnasium.make('{ENV_ID}', subtasks=5, distractors=9, split='valid')\n"
        "print(env.reset(seed=3))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    env = gym.make(ENV_ID, subtasks=5, distractors=9, split="valid")
    assert said.stdout.strip() == str(env.reset(seed=3))


def test_the_vector_version_is_that_of_gymnasium() -> None:
    kwargs: dict[str, Any] = {"subtasks": 2, "split": "valid", "reward_delay": 1}
    ours = gym.make_vec(ENV_ID, num_envs=3, **kwargs)
    theirs = SyncVectorEnv([lambda: gym.make(ENV_ID, **kwargs)] * 3)
    observations, infos = ours.reset(seed=5)
    reference, expected = theirs.reset(seed=5)
    assert observations == reference
    assert set(infos) == set(expected)
    for _ in range(30):
        actions = [commands[0] for commands in infos["admissible_actions"]]
        observations, _, _, _, infos = ours.step(actions)
        reference, _, _, _, expected = theirs.step(actions)
        assert observations == reference
        for key in ("subtasks", "subtasks_done", "_subtasks_done"):
            np.testing.assert_array_equal(infos[key], expected[key])
