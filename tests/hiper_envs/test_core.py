from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import TimeLimit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hiper_base.errors import ResetOptionError, UnknownTaskError
from hiper_envs.core import Episode, HierarchicalInfo, HierarchicalTextEnv
from hiper_envs.episode import INFO_KINDS
from hiper_envs.tags import render

INFO_TYPES: dict[str, type] = {
    "task_id": str,
    "task": str,
    "task_type": str,
    "split": str,
    "admissible_actions": tuple,
    "won": bool,
    "score": float,
    "action": str,
    "action_valid": bool,
    "format_valid": bool,
    "format_error": str,
    "subgoal": str,
    "option_id": int,
    "option_step": int,
    "option_boundary": bool,
    "option_closed": bool,
    "closed_option_length": int,
    "closed_option_return": float,
}
REFERENCE_TYPES = {"reference_subgoal": str, "reference_boundary": bool, "expert_action": str}
MALFORMED = "<switch>SWITCH</switch><action>east</action>"

Make = Callable[..., Any]


@pytest.fixture
def env(make_corridors: Make) -> HierarchicalTextEnv:
    return HierarchicalTextEnv(make_corridors(), max_turns=10)


def at(env: gym.Env[str, str], length: int) -> tuple[str, dict[str, Any]]:
    return env.reset(options={"task_id": f"corridor/{length}"})


def types_of(info: dict[str, Any]) -> dict[str, type]:
    return {key: type(value) for key, value in info.items()}


def through_pickle(env: HierarchicalTextEnv) -> Any:
    return pickle.loads(pickle.dumps(env))  # noqa: S301  (made in the same line)


class TestInfo:
    def test_keys_and_types_are_those_of_the_contract(self, env: HierarchicalTextEnv) -> None:
        _, info = at(env, 4)
        assert types_of(info) == INFO_TYPES
        *_, info = env.step("east")
        assert types_of(info) == INFO_TYPES
        assert HierarchicalInfo.__required_keys__ == set(INFO_TYPES)
        assert HierarchicalInfo.__optional_keys__ == set(REFERENCE_TYPES)
        kinds = {**INFO_TYPES, **REFERENCE_TYPES}
        assert list(INFO_KINDS.items()) == [
            (key, kind if kind in (bool, int, float) else object) for key, kind in kinds.items()
        ]

    def test_at_reset_no_option_runs(self, env: HierarchicalTextEnv) -> None:
        observation, info = at(env, 4)
        assert observation == "You are in cell 0 of 4 — a café is at the end."
        assert info == {
            "task_id": "corridor/4",
            "task": "go east",
            "task_type": "even",
            "split": "corridors",
            "admissible_actions": ("east",),
            "won": False,
            "score": 0.0,
            "action": "",
            "action_valid": True,
            "format_valid": True,
            "format_error": "",
            "subgoal": "",
            "option_id": -1,
            "option_step": 0,
            "option_boundary": False,
            "option_closed": False,
            "closed_option_length": 0,
            "closed_option_return": 0.0,
        }

    def test_a_reference_plans_from_what_the_agent_saw(self, make_corridors: Make) -> None:
        corridors = make_corridors(reference=True)
        env = HierarchicalTextEnv(corridors)
        first, info = at(env, 4)
        assert types_of(info) == {**INFO_TYPES, **REFERENCE_TYPES}
        assert info["reference_subgoal"] == "reach the middle"
        second, *_ = env.step(render("east"))
        env.step(MALFORMED)
        *_, info = env.step("east")
        assert info["reference_subgoal"] == "reach the end"
        assert info["reference_boundary"] is True
        seen = corridors.opened[-1].reference.seen
        assert seen[:2] == [(first, "", ("east",)), (second, "east", ("east", "west"))]
        assert [action for _, action, _ in seen] == ["", "east", "east"]


class TestOptions:
    def test_an_episode_with_two_options(self, env: HierarchicalTextEnv) -> None:
        at(env, 4)
        *_, info = env.step(render("east", switch=True, subgoal="reach the middle"))
        assert (info["option_id"], info["option_boundary"]) == (0, True)
        _, reward, *_, info = env.step("east")
        assert (reward, info["option_step"], info["subgoal"]) == (0.5, 1, "reach the middle")
        *_, info = env.step(render("east", switch=True, subgoal="reach the end"))
        assert (info["option_id"], info["option_step"], info["subgoal"]) == (1, 0, "reach the end")
        assert info["option_closed"] is True
        assert (info["closed_option_length"], info["closed_option_return"]) == (2, 0.5)
        _, reward, terminated, truncated, info = env.step("east")
        assert (reward, terminated, truncated, info["won"]) == (1.0, True, False, True)
        assert info["option_closed"] is True
        assert (info["closed_option_length"], info["closed_option_return"]) == (2, 1.0)

    @pytest.mark.parametrize("text", ["east", render("east"), MALFORMED, render("fly")])
    def test_the_first_step_always_begins_an_option(
        self, env: HierarchicalTextEnv, text: str
    ) -> None:
        at(env, 4)
        *_, info = env.step(text)
        assert (info["option_boundary"], info["option_id"]) == (True, 0)
        *_, info = env.step("east")
        assert (info["option_boundary"], info["option_id"]) == (False, 0)

    def test_the_step_limit_closes_the_option(self, make_corridors: Make) -> None:
        env = HierarchicalTextEnv(make_corridors(), max_turns=3)
        at(env, 9)
        env.step("east")
        *_, truncated, info = env.step("east")
        assert (truncated, info["option_closed"]) == (False, False)
        _, _, terminated, truncated, info = env.step("east")
        assert (terminated, truncated) == (False, True)
        assert (info["option_closed"], info["closed_option_length"]) == (True, 3)

    def test_success_on_the_last_turn_is_no_truncation(self, make_corridors: Make) -> None:
        env = HierarchicalTextEnv(make_corridors(), max_turns=2)
        at(env, 2)
        env.step("east")
        _, _, terminated, truncated, _ = env.step("east")
        assert (terminated, truncated) == (True, False)


class TestMalformed:
    def test_it_costs_a_turn_and_changes_nothing(self, make_corridors: Make) -> None:
        corridors = make_corridors()
        env = HierarchicalTextEnv(corridors, max_turns=3)
        at(env, 4)
        before, *_ = env.step(render("east", switch=True, subgoal="reach the end"))
        observation, reward, terminated, truncated, info = env.step(MALFORMED)
        assert (observation, reward, terminated, truncated) == (before, 0.0, False, False)
        assert corridors.opened[-1].world.commands == ["east"]
        assert (info["action"], info["action_valid"], info["format_valid"]) == ("", False, False)
        assert info["format_error"] == "SWITCH without a subgoal"
        assert (info["subgoal"], info["option_step"]) == ("reach the end", 1)
        assert info["admissible_actions"] == ("east", "west")
        *_, truncated, _ = env.step(MALFORMED)
        assert truncated

    def test_an_inadmissible_action_reaches_the_world(self, make_corridors: Make) -> None:
        corridors = make_corridors()
        env = HierarchicalTextEnv(corridors)
        at(env, 4)
        *_, info = env.step("fly")
        assert corridors.opened[-1].world.commands == ["fly"]
        assert (info["action"], info["action_valid"], info["format_valid"]) == ("fly", False, True)

    @given(data=st.data())
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_no_text_raises(self, make_corridors: Make, data: st.DataObject) -> None:
        episode = Episode(make_corridors().open(0), max_turns=8)
        while not episode.ended:
            text = data.draw(
                st.text(max_size=12) | st.sampled_from([MALFORMED, "<action>", "east"])
            )
            *_, info = episode.step(text)
            assert info["format_valid"] == (info["format_error"] == "")


class TestReset:
    def test_a_seed_fixes_this_task_and_the_following_ones(self, make_corridors: Make) -> None:
        def tasks(seed: int) -> list[str]:
            env = HierarchicalTextEnv(make_corridors(100))
            drawn = [env.reset(seed=seed)[1]["task_id"]]
            return drawn + [env.reset()[1]["task_id"] for _ in range(5)]

        assert tasks(3) == tasks(3)
        assert len(set(tasks(3))) > 1
        assert tasks(3) != tasks(4)

    def test_a_task_id_draws_nothing(self, env: HierarchicalTextEnv) -> None:
        env.reset(seed=1)
        expected = env.reset()[1]["task_id"]
        env.reset(seed=1)
        assert at(env, 7)[1]["task_id"] == "corridor/7"
        assert env.reset()[1]["task_id"] == expected

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"task_id": "corridor/99"}, UnknownTaskError, "corridor/99"),
            ({"task": "corridor/3"}, ResetOptionError, r"\['task'\]"),
            ({"task_id": 3}, ResetOptionError, "must be a string, not int"),
        ],
    )
    def test_wrong_options(
        self, env: HierarchicalTextEnv, options: Any, error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            env.reset(options=options)

    def test_step_before_reset(self, env: HierarchicalTextEnv) -> None:
        with pytest.raises(ResetNeeded, match="call reset"):
            env.step("east")

    def test_step_after_the_end(self, env: HierarchicalTextEnv) -> None:
        at(env, 2)
        env.step("east")
        env.step("east")
        with pytest.raises(ResetNeeded, match=r"corridor/2.* has ended after 2 steps"):
            env.step("east")

    def test_step_after_close(self, env: HierarchicalTextEnv) -> None:
        at(env, 2)
        env.close()
        env.close()
        with pytest.raises(ResetNeeded):
            env.step("east")

    @pytest.mark.parametrize("max_turns", [0, -1])
    def test_a_step_limit_must_be_positive(self, make_corridors: Make, max_turns: int) -> None:
        with pytest.raises(ValueError, match="max_turns"):
            HierarchicalTextEnv(make_corridors(), max_turns=max_turns)

    def test_a_source_must_have_tasks(self, make_corridors: Make) -> None:
        with pytest.raises(ValueError, match="empty"):
            HierarchicalTextEnv(make_corridors(0))


class TestOuterTimeLimit:
    def test_it_closes_the_option_that_it_cuts(self, env: HierarchicalTextEnv) -> None:
        limited = TimeLimit(gym.wrappers.OrderEnforcing(env), max_episode_steps=3)
        at(limited, 9)
        limited.step("east")
        *_, truncated, info = limited.step("east")
        assert (truncated, info["option_closed"]) == (False, False)
        *_, truncated, info = limited.step("east")
        assert (truncated, info["option_closed"], info["closed_option_length"]) == (True, True, 3)

    def test_the_smaller_limit_counts(self, env: HierarchicalTextEnv) -> None:
        limited = TimeLimit(TimeLimit(env, 30), 20)
        at(limited, 9)
        for _ in range(9):
            *_, truncated, info = limited.step("west")
        assert not truncated
        *_, truncated, info = limited.step("west")
        assert (truncated, info["option_closed"]) == (True, True)

    def test_the_limit_of_another_environment_does_not(self, make_corridors: Make) -> None:
        inner = HierarchicalTextEnv(make_corridors(), max_turns=10)

        class Outer(gym.Env[str, str]):
            observation_space, action_space = inner.observation_space, inner.action_space

            def reset(self, **kwargs: Any) -> tuple[str, dict[str, Any]]:
                return inner.reset(options={"task_id": "corridor/9"})

        TimeLimit(Outer(), 2).reset()
        inner.step("east")
        *_, truncated, info = inner.step("east")
        assert (truncated, info["option_closed"]) == (False, False)


class TestGymnasium:
    def test_check_env_without_warnings(self, make_corridors: Make) -> None:
        gym.register(
            "Corridor-core-v0",
            entry_point=lambda **kwargs: HierarchicalTextEnv(make_corridors(100), **kwargs),
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                check_env(gym.make("Corridor-core-v0").unwrapped)
        finally:
            del gym.registry["Corridor-core-v0"]

    def test_observations_and_actions_lie_in_their_spaces(self, env: HierarchicalTextEnv) -> None:
        observation, _ = at(env, 3)
        assert observation in env.observation_space
        assert render("東へ行く", switch=True, subgoal="é") in env.action_space
        assert "" not in env.action_space
        env.action_space.seed(0)
        samples = [env.action_space.sample() for _ in range(100)]
        assert all(sample in env.action_space for sample in samples)
        assert len(set(samples)) == 100

    def test_render(self, make_corridors: Make) -> None:
        env = HierarchicalTextEnv(make_corridors(), render_mode="ansi")
        at(env, 3)
        assert env.render() == "Task: go east\nYou are in cell 0 of 3 — a café is at the end."
        env.step(render("east", switch=True, subgoal="reach the end"))
        assert env.render() == (
            "Task: go east\nOption 0, step 0: reach the end\n> east\n"
            "You are in cell 1 of 3 — a café is at the end."
        )
        env.step(MALFORMED)
        assert "> SWITCH without a subgoal" in (env.render() or "")

    @pytest.mark.parametrize("copier", [copy.deepcopy, through_pickle])
    def test_a_copy_goes_on_where_the_original_is(
        self, env: HierarchicalTextEnv, copier: Callable[[Any], Any]
    ) -> None:
        env.reset(seed=5)
        at(env, 6)
        env.step(render("east", switch=True, subgoal="reach the end"))
        env.step(MALFORMED)
        twin = copier(env)
        for text in (render("east", switch=True, subgoal="more"), "west", "east"):
            assert twin.step(text) == env.step(text)
        assert twin.reset() == env.reset()

    def test_a_copy_is_independent(self, env: HierarchicalTextEnv) -> None:
        at(env, 6)
        twin = copy.deepcopy(env)
        env.step("east")
        observation, *_ = twin.step("west")
        assert "cell 0" in observation
