from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from hiper_envs.core import HierarchicalTextEnv
from hiper_envs.tags import render
from hiper_envs.wrappers import (
    InvalidActionCost,
    RecordTrajectory,
    StructuredAction,
    SubgoalObservation,
)

Make = Callable[..., Any]
ENV_ID = "Corridor-wrappers-v0"


@pytest.fixture
def env(make_corridors: Make) -> Iterator[gym.Env[str, str]]:
    def make(**kwargs: Any) -> HierarchicalTextEnv:
        return HierarchicalTextEnv(make_corridors(), max_turns=5, **kwargs)

    gym.register(ENV_ID, entry_point=make)
    yield gym.make(ENV_ID)
    del gym.registry[ENV_ID]


def at(env: gym.Env[Any, Any], length: int) -> tuple[Any, dict[str, Any]]:
    return env.reset(options={"task_id": f"corridor/{length}"})


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    "wrap",
    [
        StructuredAction,
        SubgoalObservation,
        lambda env: InvalidActionCost(env, cost=0.25),
        lambda env: RecordTrajectory(env, "never-written.jsonl"),
    ],
)
def test_the_spec_rebuilds_the_wrapped_environment(
    env: gym.Env[str, str], wrap: Callable[[Any], Any]
) -> None:
    wrapped = wrap(env)
    assert wrapped.spec is not None
    rebuilt = gym.make(wrapped.spec)
    assert str(rebuilt) == str(wrapped)
    assert rebuilt.spec == wrapped.spec
    assert rebuilt.reset(seed=1) == wrapped.reset(seed=1)


class TestStructuredAction:
    def test_parts_become_a_text(self, env: gym.Env[str, str]) -> None:
        wrapped = StructuredAction(env)
        at(wrapped, 4)
        *_, info = wrapped.step({"switch": 1, "subgoal": "reach the end", "action": "east"})
        assert (info["subgoal"], info["action"], info["action_valid"]) == (
            "reach the end",
            "east",
            True,
        )
        *_, info = wrapped.step({"switch": 0, "subgoal": "", "action": "east"})
        assert (info["option_boundary"], info["format_valid"]) == (False, True)

    def test_parts_that_cannot_be_written_are_malformed(self, env: gym.Env[str, str]) -> None:
        wrapped = StructuredAction(env)
        at(wrapped, 4)
        *_, info = wrapped.step({"switch": 1, "subgoal": "", "action": "east"})
        assert info["format_error"] == "SWITCH without a subgoal"

    def test_samples_are_legal(self, env: gym.Env[str, str]) -> None:
        wrapped = StructuredAction(env)
        wrapped.action_space.seed(0)
        at(wrapped, 9)
        for _ in range(5):
            sample = wrapped.action_space.sample()
            assert sample in wrapped.action_space
            assert wrapped.action(sample) in env.action_space
            wrapped.step(sample)


class TestInvalidActionCost:
    @pytest.mark.parametrize(
        ("text", "reward"),
        [("east", 0.5), ("west", -0.25), ("<action>east", -0.25), ("fly", -0.25)],
    )
    def test_only_inadmissible_actions_cost(
        self, env: gym.Env[str, str], text: str, reward: float
    ) -> None:
        wrapped = InvalidActionCost(env, cost=0.25)
        at(wrapped, 2)
        assert wrapped.step(text)[1] == reward

    def test_info_keeps_the_benchmarks_return(self, env: gym.Env[str, str]) -> None:
        wrapped = InvalidActionCost(env, cost=0.25)
        at(wrapped, 2)
        wrapped.step("fly")
        wrapped.step("east")
        *_, info = wrapped.step("east")
        assert info["closed_option_return"] == 1.5

    def test_a_reward_is_no_cost(self, env: gym.Env[str, str]) -> None:
        with pytest.raises(ValueError, match="negative"):
            InvalidActionCost(env, cost=-0.1)


class TestSubgoalObservation:
    def test_the_running_subgoal_is_appended(self, env: gym.Env[str, str]) -> None:
        wrapped = SubgoalObservation(env, template="[goal: {subgoal}]")
        observation, _ = at(wrapped, 9)
        assert "goal" not in observation
        observation, *_ = wrapped.step(render("east", switch=True, subgoal="reach {the} end"))
        assert observation.splitlines()[1:] == ["[goal: reach {the} end]"]
        observation, *_ = wrapped.step("east")
        assert observation.splitlines()[1:] == ["[goal: reach {the} end]"]

    def test_the_space_has_room_for_the_longest_subgoal(self, env: gym.Env[str, str]) -> None:
        wrapped = SubgoalObservation(env)
        at(wrapped, 9)
        bare, *_ = env.step("west")
        room = env.action_space.max_length - len(render("east", switch=True, subgoal=""))
        longest = render("east", switch=True, subgoal="x" * room)
        assert longest in env.action_space
        added = len(wrapped.step(longest)[0]) - len(bare)
        assert added > room
        assert wrapped.observation_space.max_length >= env.observation_space.max_length + added

    def test_the_template_must_have_a_place_for_it(self, env: gym.Env[str, str]) -> None:
        with pytest.raises(ValueError, match="subgoal"):
            SubgoalObservation(env, template="goal")


class TestRecordTrajectory:
    def test_one_line_for_each_episode(self, env: gym.Env[str, str], tmp_path: Path) -> None:
        path = tmp_path / "new folder" / "episodes.jsonl"
        wrapped = RecordTrajectory(env, path)
        first, _ = at(wrapped, 2)
        second, *_ = wrapped.step(render("east", switch=True, subgoal="reach the end"))
        assert not path.exists()
        last, *_ = wrapped.step("east")
        assert len(read(path)) == 1
        at(wrapped, 9)
        for _ in range(5):
            wrapped.step("<action>east")

        won, lost = read(path)
        turns = won.pop("turns")
        assert won == {
            "task_id": "corridor/2",
            "task": "go east",
            "task_type": "even",
            "split": "corridors",
            "won": True,
            "score": 1.0,
            "return": 1.5,
            "terminated": True,
            "truncated": False,
            "final_observation": last,
        }
        assert turns[0] == {
            "observation": first,
            "admissible_actions": ["east"],
            "text": "<switch>SWITCH</switch><subgoal>reach the end</subgoal><action>east</action>",
            "reward": 0.5,
            "action": "east",
            "action_valid": True,
            "format_error": "",
            "subgoal": "reach the end",
            "option_id": 0,
            "option_step": 0,
            "option_boundary": True,
            "option_closed": False,
        }
        assert (turns[1]["observation"], turns[1]["admissible_actions"]) == (
            second,
            ["east", "west"],
        )
        assert (lost["truncated"], lost["return"], len(lost["turns"])) == (True, 0.0, 5)
        assert lost["turns"][4]["format_error"] == "<action> is not closed"

    def test_episodes_left_early(self, env: gym.Env[str, str], tmp_path: Path) -> None:
        path = tmp_path / "episodes.jsonl"
        wrapped = RecordTrajectory(env, path)
        at(wrapped, 9)
        at(wrapped, 8)
        wrapped.step("east")
        at(wrapped, 7)
        wrapped.step("east")
        wrapped.close()
        wrapped.close()
        episodes = read(path)
        assert [episode["task_id"] for episode in episodes] == ["corridor/8", "corridor/7"]
        assert not any(episode["terminated"] or episode["truncated"] for episode in episodes)

    def test_files_are_appended_to(self, env: gym.Env[str, str], tmp_path: Path) -> None:
        path = tmp_path / "episodes.jsonl"
        for _ in range(2):
            wrapped = RecordTrajectory(gym.make(ENV_ID), path)
            at(wrapped, 9)
            wrapped.step("east")
            wrapped.close()
        assert len(read(path)) == 2

    def test_dict_actions(self, env: gym.Env[str, str], tmp_path: Path) -> None:
        path = tmp_path / "episodes.jsonl"
        wrapped = RecordTrajectory(StructuredAction(env), path)
        at(wrapped, 9)
        wrapped.action_space.seed(0)
        action = {**wrapped.action_space.sample(), "subgoal": "é", "action": "east"}
        wrapped.step(action)
        wrapped.close()
        (episode,) = read(path)
        assert episode["turns"][0]["text"] == {
            "switch": int(action["switch"]),
            "subgoal": "é",
            "action": "east",
        }
