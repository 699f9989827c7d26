"""Figures of episodes, against values worked out by hand and against what must always hold."""

from __future__ import annotations

import itertools
import math
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.leaderboard.figures import (
    FiguresError,
    Timing,
    bootstrap_interval,
    costs_of,
    figures_of,
    pass_hat,
    result_of,
    row_of,
    timing_of,
)
from benchmarks.leaderboard.schema import (
    AgentSpec,
    EpisodeRow,
    Panel,
    PanelTask,
    Result,
    Sitting,
    Study,
    Trajectory,
    Turn,
    TurnInfo,
)

SHA = "0" * 64


def row(position: int, seed: int = 0, won: bool = False, **changed: Any) -> EpisodeRow:
    fields: dict[str, Any] = {
        "position": position,
        "seed": seed,
        "task_id": f"t/{position}",
        "task_type": "pick" if position % 2 == 0 else "look",
        "outcome": "won" if won else "lost",
        "won": won,
        "score": float(won),
        "turns": 4,
        "options": 2,
        "invalid_actions": 1,
        "format_errors": 0,
        "sha256": SHA,
    }
    return EpisodeRow(**{**fields, **changed})


def turn(boundary: bool = False, valid: bool = True, formed: bool = True, **details: Any) -> Turn:
    info = TurnInfo(
        action="look" if formed else "",
        action_valid=valid and formed,
        format_valid=formed,
        format_error="" if formed else "no action",
        subgoal="",
        option_id=0,
        option_step=0,
        option_boundary=boundary,
        option_closed=False,
        closed_option_length=0,
        closed_option_return=0.0,
        won=False,
        score=0.0,
    )
    return Turn(
        observation="o",
        admissible=0,
        output="x",
        switch=boundary,
        subgoal=None,
        reward=0.0,
        info=info,
        details=details or None,
    )


def trajectory(*turns: Turn, **changed: Any) -> Trajectory:
    fields: dict[str, Any] = {
        "task_id": "t/0",
        "task": "look",
        "task_type": "pick",
        "split": "generated",
        "position": 0,
        "seed": 3,
        "outcome": "won",
        "terminated": True,
        "truncated": False,
        "won": True,
        "score": 1.0,
        "admissible": (("look",),),
        "turns": turns,
        "final_observation": "",
        "seconds": (0.25,) * len(turns),
        "env_seconds": 0.5,
        "sha256": SHA,
    }
    return Trajectory(**{**fields, **changed})


def sitting(started: str = "2026-01-01T00:00:00Z", **changed: Any) -> Sitting:
    fields: dict[str, Any] = {
        "command": "hiper",
        "commit": "a" * 40,
        "versions": {"python": "3.11"},
        "machine": {},
        "num_envs": 2,
        "timeout": 60.0,
    }
    return Sitting(started=started, **{**fields, **changed})


def panel(size: int) -> Panel:
    return Panel(
        name="p",
        title="P",
        env="E-v0",
        split="generated",
        max_turns=5,
        data_version="1",
        syntax="1",
        source_sha256=SHA,
        tasks=tuple(
            PanelTask(task_id=each.task_id, task_type=each.task_type, sha256=SHA)
            for each in map(row, range(size))
        ),
        sha256=SHA,
    )


def study(*seeds: int, **changed: Any) -> Study:
    agent = AgentSpec(name="random", label="Random")
    return Study(agent=agent, panel="p", panel_sha256=SHA, seeds=seeds, **changed)


def test_figures_worked_out_by_hand() -> None:
    rows = [
        row(0, 0, True, turns=2, prompt_tokens=10, output_tokens=1),
        row(0, 1, True, turns=4, prompt_tokens=20, output_tokens=2),
        row(1, 0, True, turns=6, score=0.75, prompt_tokens=30, output_tokens=3),
        row(1, 1, False, score=0.25, outcome="truncated", turns=8, format_errors=4).model_copy(
            update={"prompt_tokens": 40, "output_tokens": 4}
        ),
    ]
    figures = figures_of(rows)
    assert (figures.episodes, figures.tasks) == (4, 2)
    assert figures.success.mean == 0.75
    assert figures.success.se == pytest.approx(math.sqrt(0.75 * 0.25 / 4))
    assert figures.score.mean == 0.75
    assert figures.score.se == pytest.approx(math.sqrt((2 * 0.0625 + 0.25) / 4 / 4))
    # Two tasks that succeed always and half the time: a resample holds one, the other or both.
    assert (figures.success.bootstrap.low, figures.success.bootstrap.high) == (0.5, 1.0)
    assert figures.success.wilson is not None
    assert figures.success.wilson.low == pytest.approx(0.30064, abs=1e-5)
    assert figures.success.wilson.high == pytest.approx(0.95442, abs=1e-5)
    assert figures.score.wilson is None
    # k = 2: 1 of the first task, 0 of the second.
    assert [(passes.k, passes.value) for passes in figures.passes] == [(1, 0.75), (2, 0.5)]
    assert figures.outcomes == {"won": 3, "lost": 0, "truncated": 1, "failed": 0}
    assert (figures.turns, figures.turns_won, figures.options) == (5.0, 4.0, 2.0)
    assert figures.invalid_action_rate == 4 / 20
    assert figures.format_error_rate == 4 / 20
    assert (figures.prompt_tokens, figures.output_tokens) == (25.0, 2.5)


def test_what_nobody_won_and_nobody_told_is_none() -> None:
    figures = figures_of([row(0, prompt_tokens=5), row(1)])
    assert figures.turns_won is None
    assert (figures.prompt_tokens, figures.output_tokens) == (None, None)


def test_episodes_without_a_turn_have_rates_of_nought_and_no_tokens() -> None:
    fields = {"turns": 0, "options": 0, "invalid_actions": 0, "outcome": "failed"}
    figures = figures_of([row(0, prompt_tokens=0, output_tokens=0, **fields)])
    assert (figures.invalid_action_rate, figures.format_error_rate) == (0.0, 0.0)
    assert figures.prompt_tokens is None


def test_the_bootstrap_is_that_of_all_resamples() -> None:
    tasks = [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0, 0.0], [0.5]]
    means = sorted(
        sum(map(sum, drawn)) / sum(map(len, drawn)) for drawn in itertools.product(tasks, repeat=4)
    )
    interval = bootstrap_interval(tasks)
    # Of 256 equally likely resamples the sixth and seventh are the 2.5 % from either side.
    assert means[4] <= interval.low <= means[8]
    assert means[-9] <= interval.high <= means[-5]


def test_plays_of_one_task_do_not_count_as_independent() -> None:
    tasks = [[float(index % 2)] * 8 for index in range(20)]
    alone = [[value] for plays in tasks for value in plays]
    together, apart = bootstrap_interval(tasks), bootstrap_interval(alone)
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_one_task_is_a_point() -> None:
    figures = figures_of([row(0, 0, True), row(0, 1), row(0, 2)])
    assert figures.success.bootstrap.low == figures.success.mean == figures.success.bootstrap.high


def test_the_bootstrap_of_a_large_panel_is_fast() -> None:
    rows = [row(place, seed, place % 3 == 0) for place in range(500) for seed in range(3)]
    started = time.process_time()
    figures_of(rows)
    assert time.process_time() - started < 3.0


@pytest.mark.parametrize(
    ("won", "plays", "k", "expected"),
    [(3, 4, 2, 0.5), (4, 4, 4, 1.0), (1, 3, 2, 0.0), (2, 3, 1, 2 / 3), (2, 3, 2, 1 / 3)],
)
def test_pass_hat(won: int, plays: int, k: int, expected: float) -> None:
    assert pass_hat(won, plays, k) == pytest.approx(expected)
    # The estimator is the share of the choices of k plays in which all were won.
    outcomes = [True] * won + [False] * (plays - won)
    choices = list(itertools.combinations(outcomes, k))
    assert pass_hat(won, plays, k) == pytest.approx(sum(map(all, choices)) / len(choices))


@pytest.mark.parametrize("k", [0, 4])
def test_pass_hat_of_more_than_there_are_is_refused(k: int) -> None:
    with pytest.raises(FiguresError, match="from 3 plays"):
        pass_hat(1, 3, k)


def test_pass_k_averages_over_the_tasks_that_were_played_often_enough() -> None:
    figures = figures_of([row(0, 0, True), row(0, 1, True), row(1, 0, False)])
    assert [(passes.k, passes.value) for passes in figures.passes] == [(1, 0.5), (2, 1.0)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no episode"),
        ([row(0), row(0)], "seed 0, position 0 is there twice"),
        ([row(0, score=1e308)], "beyond all measure"),
    ],
)
def test_what_cannot_be_measured(rows: list[EpisodeRow], message: str) -> None:
    with pytest.raises(FiguresError, match=message):
        figures_of(rows)


PLAYS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans(), st.floats(-1, 1)),
    min_size=1,
    max_size=12,
    unique_by=lambda play: play[:2],
)


@given(PLAYS, st.randoms(use_true_random=False))
def test_figures_hold_together_in_any_order(plays: Any, chance: random.Random) -> None:
    rows = [row(place, seed, won, score=score) for place, seed, won, score in plays]
    figures = figures_of(rows)
    chance.shuffle(rows)
    assert figures_of(rows).model_dump_json() == figures.model_dump_json()
    for share in (figures.success, figures.score):
        assert -1 <= share.bootstrap.low <= share.bootstrap.high <= 1
        assert share.se >= 0
    wilson = figures.success.wilson
    assert wilson is not None
    assert 0 <= wilson.low <= figures.success.mean + 1e-12
    assert figures.success.mean - 1e-12 <= wilson.high <= 1
    assert sum(figures.outcomes.values()) == figures.episodes == len(rows)


@given(st.lists(st.integers(0, 2**4 - 1), min_size=1, max_size=6))
def test_pass_k_falls_with_k_where_all_tasks_are_played_alike(wins: list[int]) -> None:
    rows = [
        row(place, seed, bool(mask >> seed & 1))
        for place, mask in enumerate(wins)
        for seed in range(4)
    ]
    passes = [each.value for each in figures_of(rows).passes]
    assert passes == sorted(passes, reverse=True)
    assert passes[0] == pytest.approx(figures_of(rows).success.mean)


def test_a_row_counts_what_the_turns_say() -> None:
    turns = [
        turn(boundary=True, prompt_tokens=7, output_tokens=2),
        turn(valid=False, prompt_tokens=8, output_tokens=0),
        turn(formed=False, boundary=True, prompt_tokens=9, output_tokens=5),
    ]
    counted = row_of(trajectory(*turns))
    assert (counted.turns, counted.options) == (3, 2)
    assert (counted.invalid_actions, counted.format_errors) == (1, 1)
    assert (counted.prompt_tokens, counted.output_tokens) == (24, 7)
    assert (counted.won, counted.score, counted.outcome, counted.seed) == (True, 1.0, "won", 3)


def test_a_failed_episode_is_not_won_and_scores_nothing() -> None:
    failed = row_of(trajectory(turn(), outcome="failed", failure="hung", won=True, score=0.5))
    assert (failed.won, failed.score, failed.outcome) == (False, 0.0, "failed")


@pytest.mark.parametrize("told", [None, True, -1, 1.0, "5", [1], 10**400])
def test_tokens_that_are_no_count_are_not_told(told: Any) -> None:
    turns = [turn(output_tokens=3), turn(output_tokens=told)]
    assert row_of(trajectory(*turns)).output_tokens is None


def test_tokens_of_some_turns_only_are_not_told() -> None:
    assert row_of(trajectory(turn(output_tokens=3), turn())).output_tokens is None


def test_costs_worked_out_by_hand() -> None:
    first = timing_of(trajectory(turn(), turn()))
    assert first == Timing(agent=0.5, env=0.5, turns=2)
    costs = costs_of([first, Timing(1.5, 0.5, 4)], [sitting("2"), sitting("1")])
    assert (costs.agent_seconds.mean, costs.agent_seconds.se) == (1.0, 0.5 / math.sqrt(2))
    assert (costs.env_seconds.mean, costs.env_seconds.se) == (0.5, 0.0)
    assert (costs.total_seconds, costs.turns_per_second) == (3.0, 2.0)
    assert [each.started for each in costs.sittings] == ["1", "2"]


def test_costs_of_nothing_and_of_the_impossible() -> None:
    assert costs_of([Timing(0.0, 0.0, 0)], []).turns_per_second == 0.0
    with pytest.raises(FiguresError, match="no episode"):
        costs_of([], [])
    with pytest.raises(FiguresError, match="nothing can take"):
        costs_of([Timing(1e308, 0.0, 1), Timing(1e308, 0.0, 1)], [])


def test_a_result_is_the_same_whatever_the_order() -> None:
    rows = [row(place, seed, place == seed) for seed in (7, 2) for place in range(3)]
    sittings = [
        sitting("2026-01-01", about={"model": "old"}, versions={"python": "3.12"}),
        sitting("2026-01-02", about={"model": "new"}, commit="b" * 40),
        sitting("2026-01-03", about={"model": "last"}, commit=None, versions={"numpy": "2"}),
    ]
    result = result_of(study(7, 2), panel(3), rows, sittings)
    again = result_of(study(7, 2), panel(3), iter(rows[::-1]), sittings[::-1])
    assert result.model_dump_json() == again.model_dump_json()
    assert Result.model_validate_json(result.model_dump_json()) == result
    assert [(each.seed, each.position) for each in result.episodes] == [
        (seed, place) for seed in (7, 2) for place in range(3)
    ]
    assert result.versions == {"numpy": ("2",), "python": ("3.11", "3.12")}
    assert list(result.versions) == ["numpy", "python"]
    assert result.commits == ("a" * 40, "b" * 40)
    assert result.about == {"model": "last"}
    assert (list(result.per_seed), list(result.per_task_type)) == (["7", "2"], ["look", "pick"])
    assert result.per_seed["2"].success.mean == 1 / 3
    assert result.per_task_type["look"].episodes == 2
    assert result.figures == figures_of(rows)
    assert result.ranked


def test_a_study_of_other_data_is_not_ranked() -> None:
    result = result_of(study(0, differences=("3 tasks differ",)), panel(1), [row(0)], [sitting()])
    assert (result.ranked, result.differences) == (False, ("3 tasks differ",))


def test_two_noun_taggers_are_a_difference() -> None:
    sittings = [sitting(noun_tagger="b"), sitting(noun_tagger="a"), sitting()]
    result = result_of(study(0), panel(1), [row(0)], sittings)
    assert (result.noun_tagger, result.ranked) == ("a, b", False)
    assert "more than one tagger" in result.differences[0]
    assert result_of(study(0), panel(1), [row(0)], sittings[1:]).noun_tagger == "a"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(0), row(0, 1)], "2 of 4 episodes are missing.*seed 0, position 1"),
        ([row(0), row(1), row(0, 1), row(1, 1), row(1, 1)], "there twice"),
        ([row(0), row(1), row(0, 1), row(1, 1), row(2)], "seed 0, position 2 is not of the study"),
        ([row(0), row(1), row(0, 1), row(1, 1, task_id="t/9")], "is 't/1' .*, not 't/9'"),
        ([row(0), row(1), row(0, 1), row(1, 1, task_type="pick")], "look.*not 't/1' .pick"),
    ],
)
def test_a_result_needs_the_episodes_of_the_study(rows: list[EpisodeRow], message: str) -> None:
    with pytest.raises(FiguresError, match=message):
        result_of(study(0, 1), panel(2), rows, [sitting()])


def test_a_result_needs_its_own_panel_and_a_sitting() -> None:
    with pytest.raises(FiguresError, match="no sitting"):
        result_of(study(0), panel(1), [row(0)], [])
    other = panel(1).model_copy(update={"sha256": "1" * 64})
    with pytest.raises(FiguresError, match="digests differ"):
        result_of(study(0), other, [row(0)], [sitting()])
