from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

import hiper_envs  # noqa: F401  (registers the ids)
from hiper_base.errors import DataError, DataNotFoundError, UnknownSplitError, UnknownTaskError
from hiper_envs.alfworld.backends import AlfworldTasks, make_world
from hiper_envs.alfworld.data import load_tasks
from hiper_envs.alfworld.env import AlfworldEnv, AlfworldVectorEnv
from hiper_envs.tags import render

ENV_ID = "HiPER-ALFWorld-v0"
GENERATED = {"split": "generated"}
HEAT = "pick_heat_then_place_in_recep"


@pytest.fixture
def env() -> Iterator[gym.Env[str, str]]:
    env = gym.make(ENV_ID, **GENERATED)
    yield env
    env.close()


def walkthrough(env: gym.Env[str, str], task_id: str) -> tuple[str, ...]:
    source = env.get_wrapper_attr("source")
    return tuple(source.task_set.game(source.index(task_id)).walkthrough)


class TestSingle:
    def test_check_env_without_warnings(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            env = gym.make(ENV_ID, **GENERATED)
            check_env(env.unwrapped)
            check_env(gym.make(ENV_ID, reference=True, **GENERATED).unwrapped)

    def test_a_walkthrough_wins(self, env: gym.Env[str, str]) -> None:
        for seed in range(3):
            _, info = env.reset(seed=seed)
            rewards = []
            for command in walkthrough(env, info["task_id"]):
                assert command in info["admissible_actions"]
                _, reward, terminated, truncated, info = env.step(command)
                rewards.append(reward)
            assert rewards == [0.0] * (len(rewards) - 1) + [1.0]
            assert (terminated, truncated, info["won"], info["score"]) == (True, False, True, 1.0)
            assert (info["closed_option_length"], info["closed_option_return"]) == (
                len(rewards),
                1.0,
            )

    def test_an_expert_wins_with_options(self) -> None:
        env = gym.make(ENV_ID, reference=True, **GENERATED)
        wins = 0
        for seed in range(10):
            _, info = env.reset(seed=seed)
            assert info["reference_boundary"]
            ended = False
            while not ended:
                subgoal = info["reference_subgoal"]
                text = render(
                    info["expert_action"], switch=info["reference_boundary"], subgoal=subgoal
                )
                _, _, terminated, truncated, info = env.step(text)
                assert info["format_valid"]
                ended = terminated or truncated
            wins += info["won"]
        assert wins >= 8

    def test_the_limit_of_make_closes_the_option(self) -> None:
        env = gym.make(ENV_ID, max_episode_steps=2, **GENERATED)
        env.reset(seed=0)
        env.step("look")
        *_, truncated, info = env.step("look")
        assert (truncated, info["option_closed"], info["closed_option_length"]) == (True, True, 2)

    def test_task_types_filter(self) -> None:
        env = gym.make(ENV_ID, task_types=[HEAT], **GENERATED)
        assert {env.reset(seed=seed)[1]["task_type"] for seed in range(5)} == {HEAT}

    def test_the_spec_rebuilds_it(self) -> None:
        env = gym.make(ENV_ID, task_types=[HEAT], reference=True, max_turns=7, **GENERATED)
        assert env.spec is not None
        rebuilt = gym.make(env.spec)
        assert rebuilt.spec == env.spec
        assert rebuilt.reset(seed=2) == env.reset(seed=2)

    def test_few_tasks_in_small_houses(self) -> None:
        small = {"generated_tasks": 12, "generated_receptacles": 3}
        env = gym.make(ENV_ID, task_types=[HEAT], **small, **GENERATED)
        ids = [task.task_id for task in env.get_wrapper_attr("source").task_set]
        assert ids == ["generated-r3/3", "generated-r3/9"]
        observation, info = env.reset(options={"task_id": ids[0]})
        assert info["split"] == "generated"
        places = [a for a in info["admissible_actions"] if a.startswith("go to ")]
        assert len(places) == 3
        # One process may play houses of several sizes; a task of one is none of another.
        full = gym.make(ENV_ID, task_types=[HEAT], **GENERATED)
        assert full.reset(options={"task_id": "generated/3"})[0] != observation
        with pytest.raises(UnknownTaskError):
            full.reset(options={"task_id": ids[0]})
        assert env.spec is not None
        assert gym.make(env.spec).reset(seed=2) == env.reset(seed=2)
        envs = gym.make_vec(ENV_ID, num_envs=2, task_types=[HEAT], **small, **GENERATED)
        assert set(envs.reset(seed=0)[1]["task_id"]) <= set(ids)

    @pytest.mark.parametrize("how", ["pickle", "deepcopy"])
    def test_a_copy_goes_on_in_mid_episode(self, how: str) -> None:
        env = gym.make(ENV_ID, reference=True, **GENERATED)
        _, info = env.reset(seed=4)
        commands = walkthrough(env, info["task_id"])
        for command in commands[:2]:
            env.step(command)
        twin: Any = copy.deepcopy(env)
        if how == "pickle":
            twin = pickle.loads(pickle.dumps(env))  # noqa: S301  (made in the same line)
        for command in commands[2:]:
            assert twin.step(command) == env.step(command)
        assert twin.reset() == env.reset()

    def test_environments_share_their_tasks(self) -> None:
        first, second = AlfworldEnv(**GENERATED), AlfworldEnv(reference=True, **GENERATED)
        assert first.source.task_set is second.source.task_set

    def test_the_same_bytes_in_another_process(self, env: gym.Env[str, str]) -> None:
        code = (
            "import gymnasium, hiper_envs\n"
            f"env = gymnasium.make({ENV_ID!r}, split='generated')\n"
            "results = [env.reset(seed=11), env.step('look'), env.reset()]\n"
            "print(ascii(results))"
        )
        for hash_seed in ("1", "2"):
            result = subprocess.run(
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                check=True,
                env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
            )
            assert result.stdout.strip() == ascii(
                [env.reset(seed=11), env.step("look"), env.reset()]
            )


class TestErrors:
    @pytest.mark.parametrize("split", ["", "test", "Train"])
    def test_an_unknown_split(self, split: str) -> None:
        with pytest.raises(UnknownSplitError):
            gym.make(ENV_ID, split=split)

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ({"generated_receptacles": 1}, "2 to 10 receptacles, not 1"),
            ({"generated_receptacles": 3.0}, "2 to 10 receptacles, not 3.0"),
            ({"generated_tasks": 0}, "num >= 1"),
        ],
    )
    def test_impossible_generated_tasks(self, option: dict[str, Any], message: str) -> None:
        gym.make(ENV_ID, generated_receptacles=3, **GENERATED)
        with pytest.raises(DataError, match=message):
            gym.make(ENV_ID, **option, **GENERATED)

    @pytest.mark.parametrize("split", [None, "train", "valid_seen"])
    def test_published_houses_have_the_size_they_have(self, split: str | None) -> None:
        with pytest.raises(DataError, match="only houses of split 'generated' can be small"):
            gym.make(ENV_ID, split=split, generated_receptacles=3)

    def test_an_unknown_backend(self) -> None:
        with pytest.raises(ValueError, match=r"unknown backend 'thor'.*native.*textworld"):
            AlfworldEnv(split="generated", backend="thor")
        with pytest.raises(ValueError, match="unknown backend 'thor'"):
            make_world("thor", load_tasks("generated"), 0)

    def test_an_unknown_task(self, env: gym.Env[str, str]) -> None:
        with pytest.raises(
            UnknownTaskError, match=r"no task 'valid_seen/x/y' .* split 'generated'"
        ):
            env.reset(options={"task_id": "valid_seen/x/y"})

    def test_a_given_split_without_data(self, no_data: Path) -> None:
        with pytest.raises(DataNotFoundError):
            AlfworldEnv(split="train")

    def test_no_split_and_no_data(self, no_data: Path) -> None:
        with pytest.warns(UserWarning, match="falls back to split='generated'"):
            env = AlfworldEnv()
        assert env.reset(seed=0)[1]["split"] == "generated"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            twin = copy.deepcopy(env)
        assert twin.reset(seed=0)[1]["split"] == "generated"

    def test_the_fallback_is_said_once(self, no_data: Path) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            for _ in range(3):
                AlfworldEnv()
            AlfworldVectorEnv(2)
        assert len(caught) == 1


class TestVector:
    @pytest.mark.parametrize("mode", ["sync", "async", "vector_entry_point"])
    def test_every_mode_plays_the_same(self, mode: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            envs = gym.make_vec(ENV_ID, num_envs=2, vectorization_mode=mode, **GENERATED)
        kinds = {"sync": SyncVectorEnv, "async": AsyncVectorEnv}
        assert isinstance(envs, kinds.get(mode, AlfworldVectorEnv))
        singles = [gym.make(ENV_ID, **GENERATED) for _ in range(2)]
        try:
            observations, infos = envs.reset(seed=5)
            resets = [single.reset(seed=5 + i) for i, single in enumerate(singles)]
            assert observations == tuple(observation for observation, _ in resets)
            for _ in range(4):
                for key in resets[0][1]:
                    assert list(infos[key]) == [info[key] for _, info in resets]
                actions = tuple(info["admissible_actions"][0] for _, info in resets)
                observations, *_, infos = envs.step(actions)
                steps = [s.step(action) for s, action in zip(singles, actions, strict=True)]
                resets = [(step[0], step[-1]) for step in steps]
                assert observations == tuple(observation for observation, _ in resets)
        finally:
            envs.close()

    def test_the_limit_of_make_vec(self) -> None:
        envs = gym.make_vec(ENV_ID, num_envs=2, max_episode_steps=1, **GENERATED)
        envs.reset(seed=0)
        *_, truncated, infos = envs.step(["look", "look"])
        assert truncated.all()
        assert infos["option_closed"].all()

    def test_the_batched_one_is_the_default(self) -> None:
        envs = gym.make_vec(ENV_ID, num_envs=2, autoreset_mode="SameStep", **GENERATED)
        assert isinstance(envs, AlfworldVectorEnv)
        assert envs.spec is not None
        rebuilt = gym.make_vec(envs.spec)
        assert rebuilt.metadata["autoreset_mode"] is envs.metadata["autoreset_mode"]
        assert rebuilt.reset(seed=1)[0] == envs.reset(seed=1)[0]


class TestTasks:
    def test_positions_and_types(self) -> None:
        tasks = AlfworldTasks(load_tasks("generated"))
        assert len(tasks) == len(tasks.task_types) > 6
        for position in (0, 3, len(tasks) - 1):
            opened = tasks.open(position)
            assert tasks.index(opened.info.task_id) == position
            assert opened.info.task_type == tasks.task_types[position]
            assert opened.reference is None
        assert len(tasks.sha256) == 64

    def test_worlds_are_independent(self) -> None:
        tasks = AlfworldTasks(load_tasks("generated"))
        first, second = tasks.open(0).world, tasks.open(0).world
        start = first.reset()
        assert second.reset() == start
        for command in start.admissible_actions[:3]:
            first.step(command)
        assert second.step("look") == _fresh_look(tasks)


def _fresh_look(tasks: AlfworldTasks) -> Any:
    world = tasks.open(0).world
    world.reset()
    return world.step("look")


class TestRealData:
    def test_a_published_task_by_id(self, real_data: Path) -> None:
        env = gym.make(ENV_ID, split="valid_seen", data_root=str(real_data))
        observation, info = env.reset(seed=0)
        assert observation.startswith("-= Welcome to TextWorld, ALFRED! =-")
        assert info["task_id"].startswith("valid_seen/")
        assert info["task"] in observation
        again = env.reset(options={"task_id": info["task_id"]})
        assert again == (observation, info)

    def test_train_is_the_default(self, real_data: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            env = gym.make(ENV_ID)
        assert env.reset(seed=0)[1]["split"] == "train"

    def test_textworld_behind_the_same_environment(self, real_data: Path) -> None:
        pytest.importorskip("textworld", reason="needs the extra alfworld")
        kwargs = {"split": "valid_seen", "task_types": [HEAT]}
        native = gym.make(ENV_ID, backend="native", **kwargs)
        upstream = gym.make(ENV_ID, backend="textworld", **kwargs)
        assert upstream.reset(seed=0) == native.reset(seed=0)
        for text in ("look", render("inventory", switch=True, subgoal="find a mug"), "<action>"):
            assert upstream.step(text) == native.step(text)
