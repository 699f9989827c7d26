"""Figures of episodes, against values worked out by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_agents.episodes import (
    EpisodeRecord,
    OptionRecord,
    boundary_agreement,
    contains_named_action,
    summarise,
    wilson_interval,
)


def info(**changes: Any) -> dict[str, Any]:
    values = {
        "won": False,
        "score": 0.0,
        "action": "look",
        "action_valid": True,
        "format_valid": True,
        "subgoal": "find a mug",
        "option_boundary": False,
        "reference_boundary": False,
    }
    return {**values, **changes}


def recorded(*steps: dict[str, Any], truncated: bool = False) -> EpisodeRecord:
    """The record of an episode with these infos, the first of which is that of the reset."""
    record = EpisodeRecord("toy/0", "toy")
    for number, (before, after) in enumerate(pairwise(steps), start=2):
        record.add(before, after, truncated and number == len(steps))
    return record


def test_a_record_gathers_one_episode() -> None:
    record = recorded(
        info(reference_boundary=True),
        info(action="go to desk 1", option_boundary=True, reference_boundary=True),
        info(action="", format_valid=False, action_valid=False),
        info(action="fly", action_valid=False, reference_boundary=True),
        info(action="heat mug 1", option_boundary=True, subgoal="heat the mug", won=True, score=1),
    )
    assert record.options == [
        OptionRecord("find a mug", length=3, actions=["go to desk 1"]),
        OptionRecord("heat the mug", length=1, actions=["heat mug 1"]),
    ]
    assert (record.turns, record.format_errors, record.invalid_actions) == (4, 1, 1)
    assert (record.won, record.score, record.truncated) == (True, 1.0, False)
    assert record.boundaries == [True, False, False, True]
    assert record.reference_boundaries == [True, True, False, True]


def test_the_step_limit_is_no_success() -> None:
    record = recorded(info(), info(option_boundary=True), info(score=0.5), truncated=True)
    assert (record.won, record.truncated) == (False, True)
    assert summarise([record])["success_rate"] == 0.0
    assert summarise([record])["truncated_rate"] == 1.0


def episode(kind: str, won: bool, turns: int, **changes: Any) -> EpisodeRecord:
    record = EpisodeRecord("id", kind, turns=turns, won=won, score=float(won))
    record.options = [OptionRecord("find a mug", turns, ["take mug 1"])]
    for name, value in changes.items():
        setattr(record, name, value)
    return record


def test_summary() -> None:
    episodes = [
        episode("heat", True, 4, invalid_actions=1),
        episode("heat", True, 8, format_errors=2),
        episode("cool", False, 50, truncated=True),
        episode("cool", True, 18),
    ]
    figures = summarise(episodes)
    assert figures["success_rate"] == 0.75
    assert figures["success_rate_se"] == pytest.approx((0.75 * 0.25 / 4) ** 0.5)
    assert figures["n"] == 4
    assert figures["mean_score"] == 0.75
    assert figures["per_task_type"] == {
        "cool": {"success_rate": 0.5, "n": 2},
        "heat": {"success_rate": 1.0, "n": 2},
    }
    assert figures["mean_turns"] == 20
    assert figures["mean_turns_solved"] == 10
    assert figures["invalid_action_rate"] == 1 / 80
    assert figures["format_error_rate"] == 2 / 80
    assert figures["options"]["mean_per_episode"] == 1
    assert figures["options"]["mean_length"] == 20
    assert figures["options"]["contains_named_action"] is None
    assert figures["options"]["boundary_agreement"] is None


def test_subtasks_are_counted_where_a_benchmark_counts_them() -> None:
    record = recorded(
        info(subtasks=4, subtasks_done=0),
        info(subtasks=4, subtasks_done=3, option_boundary=True),
        info(subtasks=4, subtasks_done=1),
    )
    assert record.subtasks_done == 0.25
    other = episode("look", True, 3, subtasks_done=1.0)
    assert summarise([record, other])["mean_subtasks_done"] == 0.625
    assert "mean_subtasks_done" not in summarise([episode("heat", True, 4)])


def test_scores_between_0_and_1() -> None:
    scores = (1.0, 0.5, 0.0, 0.5)
    episodes = [episode("heat", score == 1.0, 4, score=score) for score in scores]
    figures = summarise(episodes)
    assert (figures["success_rate"], figures["mean_score"]) == (0.25, 0.5)
    # Deviation 0.5 / sqrt(2), over the root of four episodes.
    assert figures["mean_score_se"] == pytest.approx(0.125**0.5 / 2)
    assert figures["reachable"] is None
    assert summarise(episodes[:1])["mean_score_se"] == 0.0


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_for_all_or_nothing_both_standard_errors_agree(wins: list[bool]) -> None:
    figures = summarise([episode("heat", won, 4) for won in wins])
    assert figures["mean_score_se"] == pytest.approx(figures["success_rate_se"])


class TestReachable:
    def test_the_results_on_the_tasks_that_can_be_won(self) -> None:
        episodes = [
            episode("heat", True, 4, is_reachable=True),
            episode("heat", False, 4, is_reachable=True, score=0.5),
            episode("heat", False, 4, is_reachable=False, score=0.8),
        ]
        figures = summarise(episodes)
        assert figures["success_rate"] == pytest.approx(1 / 3)
        assert figures["reachable"] == {
            "n": 2,
            "success_rate": 0.5,
            "success_rate_se": pytest.approx(0.125**0.5),
            "mean_score": 0.75,
            "mean_score_se": pytest.approx(0.25 / 2**0.5),
        }

    def test_none_of_them(self) -> None:
        reachable = summarise([episode("heat", False, 4, is_reachable=False)])["reachable"]
        assert reachable["n"] == 0
        assert reachable["success_rate"] is reachable["mean_score"] is None


def test_nothing_solved_has_no_turns_to_average() -> None:
    figures = summarise([episode("heat", False, 50)])
    assert figures["mean_turns_solved"] is None
    assert figures["options"]["mean_per_solved_episode"] is None


def test_contains_named_action() -> None:
    def named(subgoal: str, action: str) -> bool:
        return (subgoal, action) == ("find a mug", "take mug 1")

    options = [
        OptionRecord("find a mug", 2, ["go to desk 1", "take mug 1"]),
        OptionRecord("find a mug", 2, ["go to desk 1"]),
        OptionRecord("", 1, ["take mug 1"]),
        OptionRecord("find a mug", 1, []),
    ]
    assert contains_named_action([episode("heat", True, 6, options=options)], named) == 0.25
    assert contains_named_action([], named) is None


def test_boundary_agreement_leaves_turn_0_out() -> None:
    yes, no = True, False
    record = episode(
        "heat",
        True,
        6,
        boundaries=[yes, yes, no, yes, no, yes],
        reference_boundaries=[yes, yes, no, no, yes, yes],
    )
    agreement = boundary_agreement([record])
    assert agreement is not None
    counts = (agreement["agreed"], agreement["agent_boundaries"], agreement["oracle_boundaries"])
    assert counts == (2, 3, 3)
    assert agreement["precision"] == agreement["recall"] == agreement["f1"] == pytest.approx(2 / 3)


def test_boundary_agreement_of_one_option_an_episode() -> None:
    record = episode("heat", True, 2, boundaries=[True, False], reference_boundaries=[True, True])
    agreement = boundary_agreement([record])
    assert agreement is not None
    assert (agreement["precision"], agreement["recall"], agreement["f1"]) == (None, 0.0, 0.0)


def test_wilson_interval_of_a_published_example() -> None:
    """Newcombe (1998), table I, method 3: 81 of 263 gives 0.2553 to 0.3662."""
    low, high = wilson_interval(81, 263)
    assert (low, high) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_contains_the_rate(case: tuple[int, int]) -> None:
    successes, n = case
    low, high = wilson_interval(successes, n)
    assert 0 <= low <= successes / n + 1e-12
    assert successes / n - 1e-12 <= high <= 1
    mirrored = wilson_interval(n - successes, n)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))
