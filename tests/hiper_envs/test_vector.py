from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from hiper_base.errors import ResetOptionError, UnknownTaskError
from hiper_envs.core import Episode, HierarchicalTextEnv
from hiper_envs.tags import render
from hiper_envs.vector import TextVectorEnv, batch_infos

Make = Callable[..., Any]

NUM_ENVS = 4
TURNS = 5
TEXTS = (
    render("east", switch=True, subgoal="reach the end"),
    "east",
    "west",
    render("east", switch=True, subgoal="more"),
    "<action>east",
)
MODES = [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP]


def texts_of_turn(turn: int) -> list[str]:
    return [TEXTS[(turn * 3 + index) % len(TEXTS)] for index in range(NUM_ENVS)]


def plain(value: Any) -> Any:
    """Arrays as lists, keys in order, so that two results compare whatever their array flavour."""
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value)}
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.tolist()
    return value


def assert_same(ours: Sequence[Any], theirs: Sequence[Any]) -> None:
    for mine, gymnasiums in zip(ours, theirs, strict=True):
        assert plain(mine) == plain(gymnasiums)


def assert_columns(infos: dict[str, Any], dicts: Sequence[dict[str, Any]]) -> None:
    keys = set().union(*dicts)
    assert {key for key in infos if not key.startswith("_")} == keys
    for key in keys:
        having = [key in info for info in dicts]
        assert infos[f"_{key}"].tolist() == having
        for index in np.flatnonzero(having):
            if key == "final_info":
                final = dicts[index][key]
                assert {name: infos[key][name][index] for name in final} == final
            else:
                assert infos[key][index] == dicts[index][key]


@pytest.fixture
def make(make_corridors: Make) -> Callable[..., TextVectorEnv]:
    def make(num_envs: int = NUM_ENVS, **kwargs: Any) -> TextVectorEnv:
        reference = kwargs.pop("reference", False)
        return TextVectorEnv(make_corridors(reference=reference), num_envs, **kwargs)

    return make


@pytest.fixture
def make_sync(make_corridors: Make) -> Callable[..., SyncVectorEnv[Any, Any]]:
    def make_sync(autoreset_mode: AutoresetMode, **kwargs: Any) -> SyncVectorEnv[Any, Any]:
        reference = kwargs.pop("reference", False)
        return SyncVectorEnv(
            [lambda: HierarchicalTextEnv(make_corridors(reference=reference), **kwargs)] * NUM_ENVS,
            autoreset_mode=autoreset_mode,
        )

    return make_sync


class TestAgainstGymnasium:
    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.parametrize("reference", [False, True])
    def test_a_run_gives_the_same_bytes(
        self, make: Make, make_sync: Make, mode: AutoresetMode, reference: bool
    ) -> None:
        ours = make(autoreset_mode=mode, max_turns=TURNS, reference=reference)
        theirs = make_sync(mode, max_turns=TURNS, reference=reference)
        assert_same(ours.reset(seed=3), theirs.reset(seed=3))
        endings = 0
        for turn in range(4 * TURNS):
            step = ours.step(texts_of_turn(turn))
            assert_same(step, theirs.step(tuple(texts_of_turn(turn))))
            endings += int((step[2] | step[3]).sum())
        assert endings >= 2 * NUM_ENVS

    def test_a_disabled_autoreset_with_a_mask(self, make: Make, make_sync: Make) -> None:
        ours = make(autoreset_mode="Disabled", max_turns=TURNS)
        theirs = make_sync(AutoresetMode.DISABLED, max_turns=TURNS)
        assert_same(ours.reset(seed=3), theirs.reset(seed=3))
        resets = 0
        for turn in range(4 * TURNS):
            step = ours.step(texts_of_turn(turn))
            assert_same(step, theirs.step(tuple(texts_of_turn(turn))))
            ended = step[2] | step[3]
            if ended.any():
                resets += int(not ended.all())
                assert_same(
                    ours.reset(options={"reset_mask": ended}),
                    theirs.reset(options={"reset_mask": ended}),
                )
        assert resets, "no reset was partial"

    def test_one_seed_for_each_environment(self, make: Make, make_sync: Make) -> None:
        seeds = [7, 1, None, 7]
        ours, theirs = make(), make_sync(AutoresetMode.NEXT_STEP)
        assert_same(ours.reset(seed=5), theirs.reset(seed=5))
        assert_same(ours.reset(seed=seeds), theirs.reset(seed=seeds))

    def test_spaces(self, make: Make, make_sync: Make) -> None:
        ours, theirs = make(), make_sync(AutoresetMode.NEXT_STEP)
        assert ours.single_action_space == theirs.single_action_space
        assert ours.single_observation_space == theirs.single_observation_space
        assert ours.action_space == theirs.action_space
        assert ours.observation_space == theirs.observation_space
        observations, _ = ours.reset(seed=0)
        assert observations in ours.observation_space
        assert len(ours.step(ours.action_space.sample())[0]) == NUM_ENVS


class TestReset:
    def test_a_task_for_each_environment(self, make: Make) -> None:
        _, infos = make().reset(options={"task_id": [f"corridor/{n}" for n in (2, 5, 3, 5)]})
        assert infos["task_id"].tolist() == ["corridor/2", "corridor/5", "corridor/3", "corridor/5"]

    def test_one_task_for_all(self, make: Make) -> None:
        _, infos = make().reset(options={"task_id": "corridor/4"})
        assert set(infos["task_id"]) == {"corridor/4"}

    def test_options_are_left_as_they_were(self, make: Make) -> None:
        options = {"task_id": "corridor/4", "reset_mask": np.array([True] * NUM_ENVS)}
        make().reset(options=options)
        assert set(options) == {"task_id", "reset_mask"}

    def test_an_unknown_task_resets_nothing(self, make: Make) -> None:
        envs = make()
        envs.reset(options={"task_id": "corridor/9"})
        with pytest.raises(UnknownTaskError, match="corridor/99"):
            envs.reset(options={"task_id": ["corridor/2", "corridor/2", "corridor/99", None]})
        observations, *_ = envs.step(["east"] * NUM_ENVS)
        assert all("cell 1 of 9" in observation for observation in observations)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"task": "x"}, r"\['task'\]"),
            ({"task_id": ["corridor/2"]}, "1 values of 'task_id' for 4"),
            ({"reset_mask": [True] * 4}, "numpy array of booleans"),
            ({"reset_mask": np.ones(3, dtype=bool)}, r"shape \(4,\)"),
            ({"reset_mask": np.zeros(4, dtype=bool)}, "a True in it"),
        ],
    )
    def test_wrong_options(self, make: Make, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ResetOptionError, match=message):
            make().reset(options=options)

    def test_without_a_seed_environments_draw_apart(self, make_corridors: Make) -> None:
        envs = TextVectorEnv(make_corridors(10_000), 16)
        _, infos = envs.reset()
        assert len(set(infos["task_id"])) > 1

    @pytest.mark.parametrize("num_envs", [0, -1])
    def test_there_must_be_an_environment(self, make: Make, num_envs: int) -> None:
        with pytest.raises(ValueError, match="num_envs"):
            make(num_envs)


class TestStep:
    def test_the_second_step_limit_counts_too(self, make: Make) -> None:
        envs = make(max_turns=10, max_episode_steps=2)
        envs.reset(options={"task_id": "corridor/9"})
        envs.step(["east"] * NUM_ENVS)
        *_, truncated, infos = envs.step(["east"] * NUM_ENVS)
        assert truncated.all()
        assert infos["option_closed"].all()

    def test_before_reset(self, make: Make) -> None:
        with pytest.raises(ResetNeeded, match="environment 0"):
            make().step(["east"] * NUM_ENVS)

    def test_after_the_end_without_autoreset(self, make: Make) -> None:
        envs = make(autoreset_mode="Disabled", max_turns=1)
        envs.reset(seed=0)
        envs.step(["east"] * NUM_ENVS)
        with pytest.raises(ResetNeeded, match="has ended"):
            envs.step(["east"] * NUM_ENVS)

    @pytest.mark.parametrize("count", [0, NUM_ENVS - 1, NUM_ENVS + 1])
    def test_the_number_of_actions_must_fit(self, make: Make, count: int) -> None:
        envs = make()
        envs.reset(seed=0)
        with pytest.raises(ValueError, match=f"{count} actions for {NUM_ENVS}"):
            envs.step(["east"] * count)

    def test_results_are_not_reused(self, make: Make) -> None:
        envs = make()
        envs.reset(seed=0)
        first = envs.step(["east"] * NUM_ENVS)
        rewards, subgoals = first[1].copy(), first[4]["subgoal"].copy()
        envs.step([TEXTS[0]] * NUM_ENVS)
        assert data_equivalence(first[1], rewards)
        assert data_equivalence(first[4]["subgoal"], subgoals)


class TestDicts:
    @pytest.mark.parametrize("mode", MODES)
    def test_they_are_the_batch_by_environment(self, make: Make, mode: AutoresetMode) -> None:
        batched, listed = (make(autoreset_mode=mode, max_turns=TURNS) for _ in range(2))
        observations, infos = batched.reset(seed=1)
        texts, dicts = listed.reset_dicts(seed=1)
        assert list(observations) == texts
        assert_columns(infos, dicts)
        for turn in range(3 * TURNS):
            *columns, infos = batched.step(texts_of_turn(turn))
            *lists, dicts = listed.step_dicts(texts_of_turn(turn))
            assert [list(column) for column in columns] == lists
            assert_columns(infos, dicts)

    def test_some_environments_in_any_order(self, make: Make) -> None:
        envs = make(autoreset_mode="Disabled")
        ids = [f"corridor/{length}" for length in (2, 3, 4, 5)]
        envs.reset_dicts(task_id=ids)
        observations, *_, infos = envs.step_dicts(["east", "west"], [3, 1])
        assert [info["task_id"] for info in infos] == ["corridor/5", "corridor/3"]
        assert ["cell 1 of 5" in observations[0], "cell 0 of 3" in observations[1]] == [True, True]
        observations, infos = envs.reset_dicts([2, 0], task_id=["corridor/9", None], seed=[1, 2])
        assert infos[0]["task_id"] == "corridor/9"
        observations, *_ = envs.step_dicts(["east"] * NUM_ENVS)
        assert ["of 9" in observations[2], "cell 2 of 5" in observations[3]] == [True, True]


class TestBatchInfos:
    def test_environments_without_an_info_are_masked(self, make_corridors: Make) -> None:
        episodes = [Episode(make_corridors().open(length - 2), 9) for length in (4, 6)]
        episodes[1].step("east")
        batched = batch_infos(episodes, [0, 2], 3)
        assert batched["task_id"].tolist() == ["corridor/4", None, "corridor/6"]
        assert batched["admissible_actions"].tolist() == [("east",), None, ("east", "west")]
        assert plain(batched["option_id"]) == ("int64", [-1, 0, 0])
        assert plain(batched["option_boundary"]) == ("bool", [False, False, True])
        assert plain(batched["score"]) == ("float64", [0.0, 0.0, 0.0])
        masks = [value.tolist() for key, value in batched.items() if key.startswith("_")]
        assert masks == [[True, False, True]] * (len(batched) // 2)

    def test_tuples_of_one_length_stay_tuples(self, make_corridors: Make) -> None:
        episodes = [Episode(make_corridors().open(5), 9) for _ in range(2)]
        for episode in episodes:
            episode.step("east")
        batched = batch_infos(episodes, range(2), 2)
        assert batched["admissible_actions"].tolist() == [("east", "west")] * 2


def test_render_and_close(make: Make) -> None:
    envs = make(2, render_mode="ansi")
    envs.reset(options={"task_id": "corridor/3"})
    frames = envs.render()
    assert frames == ("Task: go east\nYou are in cell 0 of 3 — a café is at the end.",) * 2
    envs.close()
    envs.close()
    with pytest.raises(ResetNeeded):
        envs.step(["east"] * 2)
    assert make().render() is None
