"""Two results on one panel: worked out by hand, and against the plain permutation test."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from benchmarks.credit.statistics import sign_flip_p
from benchmarks.leaderboard.comparison import (
    Comparison,
    ComparisonError,
    compare,
    comparison_table,
    permutation_p,
)
from benchmarks.leaderboard.figures import figures_of
from benchmarks.leaderboard.schema import AgentSpec, EpisodeRow, Result

SHA = "0" * 64
EVIL = "[red]x[/red]\x1b[31m<script>"


def result(wins: Sequence[Sequence[float]], label: str = "One", **changed: Any) -> Result:
    """A result from the scores of every task's plays; a score of 1 is a success."""
    rows = [
        EpisodeRow(
            position=place,
            seed=seed,
            task_id=f"t/{place}",
            task_type="pick" if place % 2 == 0 else "look",
            outcome="won" if score == 1 else "lost",
            won=score == 1,
            score=score,
            turns=3,
            options=1,
            invalid_actions=0,
            format_errors=0,
            sha256=SHA,
        )
        for place, scores in enumerate(wins)
        for seed, score in enumerate(scores)
    ]
    figures = figures_of(rows)
    fields: dict[str, Any] = {
        "agent": AgentSpec(name="random", label=label),
        "panel": "p",
        "panel_sha256": SHA,
        "env": "E-v0",
        "seeds": tuple(range(max(map(len, wins)))),
        "ranked": True,
        "differences": (),
        "versions": {},
        "commits": (),
        "figures": figures,
        "per_task_type": {},
        "per_seed": {},
        "episodes": tuple(rows),
    }
    return Result(**{**fields, **changed})


def test_a_comparison_worked_out_by_hand() -> None:
    first = result([[1, 1], [1, 0.5], [0, 1], [0, 0]])
    second = result([[1, 0], [0, 0], [1, 1], [0, 0]], "Two")
    found = compare(first, second)
    assert found.tasks == 4
    # Differences of success are 1/2, 1/2, -1/2, 0; of score 1/2, 3/4, -1/2, 0.
    assert (found.success.first, found.success.second) == (0.5, 0.375)
    assert found.success.mean == 0.125
    assert found.score.mean == pytest.approx(0.1875)
    assert found.success.p == 1.0
    assert found.score.p == 0.75
    assert found.success.interval.low == -0.25
    assert found.success.interval.high == 0.5
    assert found.solved.model_dump() == {
        "both": 0,
        "only_first": 1,
        "only_second": 1,
        "neither": 2,
    }
    assert [each.position for each in found.largest] == [1, 0, 2]
    assert found.largest[0].model_dump() == {
        "position": 1,
        "task_id": "t/1",
        "task_type": "look",
        "first": 0.5,
        "second": 0.0,
        "success": 0.5,
        "score": 0.75,
    }
    look, pick = found.per_task_type["look"], found.per_task_type["pick"]
    assert (look.tasks, look.success.mean, look.success.p) == (2, 0.25, None)
    assert (pick.tasks, pick.success.mean) == (2, 0.0)
    assert found.remarks == ()
    assert Comparison.model_validate_json(found.model_dump_json()) == found


def test_the_tasks_are_paired() -> None:
    """Tasks of very different difficulty do not blur a difference that is the same on each."""
    first = result([[1.0, 1.0, 1.0, 0.0]] * 10 + [[1.0, 0.0, 0.0, 0.0]] * 10)
    second = result([[1.0, 1.0, 0.0, 0.0]] * 10 + [[0.0, 0.0, 0.0, 0.0]] * 10)
    found = compare(first, second).success
    assert found.interval.low == found.interval.high == found.mean == 0.25
    assert found.p == 2.0**-19


def test_results_may_have_different_numbers_of_seeds() -> None:
    found = compare(result([[1], [0]]), result([[1, 1, 0], [0, 0, 0]]))
    assert found.success.mean == pytest.approx(1 / 6)
    assert found.remarks == ("1 and 3 plays of every task.",)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=9))
def test_the_other_way_round_everything_is_reversed(wins: list[tuple[int, int]]) -> None:
    one, two = (
        result([[1.0] * pair[side] + [0.0] * (3 - pair[side]) for pair in wins]) for side in (0, 1)
    )
    there, back = compare(one, two), compare(two, one)
    assert there.success.mean == -back.success.mean
    assert there.success.p == back.success.p
    assert there.score.p == back.score.p
    assert there.solved.only_first == back.solved.only_second
    assert [each.position for each in there.largest] == [each.position for each in back.largest]
    assert compare(one, one).success.p == 1.0


@given(st.lists(st.integers(-6, 6), max_size=12))
def test_the_exact_p_is_that_of_all_sign_patterns(thirds: list[int]) -> None:
    expected = sign_flip_p([value / 3 for value in thirds]) if thirds else 1.0
    assert permutation_p([Fraction(value, 3) for value in thirds]) == pytest.approx(expected)
    assert permutation_p([value / 3 for value in thirds]) == pytest.approx(expected)


def test_the_drawn_p_is_near_the_exact_one() -> None:
    halves = [Fraction(1, 2)] * 25 + [Fraction(-1, 2)] * 12
    exact = permutation_p(halves)
    assert permutation_p([float(value) for value in halves]) == pytest.approx(exact, abs=0.004)
    assert 0.01 < exact < 0.1


def test_a_grid_that_would_fill_the_memory_is_not_made() -> None:
    strange = [Fraction(1, 9973), Fraction(-1, 9967), Fraction(2, 9949)] * 6
    assert permutation_p(strange) == permutation_p([float(value) for value in strange])


def test_a_large_panel_is_fast_and_certain_differences_stay_possible() -> None:
    ones, noughts = [[0.9, 0.8, 1.0]] * 500, [[0.1, 0.3, 0.0]] * 500
    started = time.process_time()
    found = compare(result(ones), result(noughts))
    assert time.process_time() - started < 12.0
    assert found.success.p is not None
    assert 0.0 < found.success.p < 1e-100
    assert found.score.p == 1 / 100_001


def test_other_panels_and_other_tasks_are_refused() -> None:
    one = result([[1], [0]])
    with pytest.raises(ComparisonError, match=r"different panels .*: p \(0+\) and q \(1+\)"):
        compare(one, result([[1], [0]], panel="q", panel_sha256="1" * 64))
    with pytest.raises(ComparisonError, match="only the first result has position 1"):
        compare(one, result([[1]]))
    with pytest.raises(ComparisonError, match="without episodes"):
        compare(one, one.model_copy(update={"episodes": ()}))
    changed = [one.episodes[0].model_copy(update={"task_id": "t/9"}), one.episodes[1]]
    with pytest.raises(ComparisonError, match=r"position 0 .* not one task: 't/0' and 't/9'"):
        compare(one, one.model_copy(update={"episodes": tuple(changed)}))


def test_what_else_differs_is_said() -> None:
    agent = AgentSpec(name="random", label="Two", mode="sampled")
    other = result(
        [[1]],
        agent=agent,
        ranked=False,
        differences=("one task differs",),
        noun_tagger="b",
        commits=("c0ffee",),
    )
    remarks = " ".join(compare(result([[1]], noun_tagger="a"), other).remarks)
    for said in ("second result is not ranked: one task", "by a and by b", "sampled", "commits"):
        assert said in remarks


def test_the_table_shows_labels_as_they_are_written() -> None:
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(comparison_table(compare(result([[1], [0.25]], EVIL), result([[0], [0.5]]))))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[red]x[/red]�[31m<script>" in shown
    assert "\x1b" not in shown
    assert "+50.0" in shown
    assert "+0.375" in shown
    assert "pick (1), %" in shown
    assert "only by 1: 1" in shown


def test_the_table_fits_a_narrow_terminal() -> None:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    ones, noughts = [[1.0]] * 60, [[0.0]] * 60
    console.print(comparison_table(compare(result(ones, "One " * 20), result(noughts))))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "+100.0 to +100.0" in shown
    assert "< 0.0001" in shown
    assert max(map(len, shown.splitlines())) <= 80
