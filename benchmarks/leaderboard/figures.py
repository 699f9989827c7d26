"""Figures of episodes: shares with their intervals, pass^k, counts an episode, and what it cost.

The same rows give the same figures to the last bit, in whatever order they come and on whatever
machine: sums are exact or taken in a fixed order, and the bootstrap is seeded. Knows the data
format, and nothing of folders, agents or environments.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple, get_args

import numpy as np

from benchmarks.leaderboard.schema import (
    Cost,
    Costs,
    EpisodeRow,
    Figures,
    Interval,
    Outcome,
    Panel,
    Passes,
    Result,
    Share,
    Sitting,
    Study,
    Trajectory,
)
from hiper_agents.episodes import standard_error_of_mean, wilson_interval
from hiper_base.errors import HiperError

__all__ = [
    "FiguresError",
    "Timing",
    "bootstrap_interval",
    "costs_of",
    "figures_of",
    "pass_hat",
    "result_of",
    "row_of",
    "timing_of",
]

RESAMPLES = 10_000
MAX_NUMBER = 2.0**53
"""Scores, seconds and tokens beyond it are nobody's, and could no longer be added."""


class FiguresError(HiperError):
    """There is nothing to measure, or the episodes are not those of the study."""


class Timing(NamedTuple):
    """What an episode took.

    Attributes:
        agent: Seconds of the agent.
        env: Seconds of the environment.
        turns: Turns that were played.
    """

    agent: float
    env: float
    turns: int


def row_of(trajectory: Trajectory) -> EpisodeRow:
    """What a result keeps of an episode.

    Options are counted by the turns that began one. Tokens are summed where the agent told them of
    every turn, and None where it did not. A failed episode is not won and scores 0.
    """
    infos = [turn.info for turn in trajectory.turns]
    failed = trajectory.outcome == "failed"
    return EpisodeRow(
        position=trajectory.position,
        seed=trajectory.seed,
        task_id=trajectory.task_id,
        task_type=trajectory.task_type,
        outcome=trajectory.outcome,
        won=trajectory.won and not failed,
        score=0.0 if failed else trajectory.score,
        turns=len(infos),
        options=sum(info.option_boundary for info in infos),
        invalid_actions=sum(info.format_valid and not info.action_valid for info in infos),
        format_errors=sum(not info.format_valid for info in infos),
        prompt_tokens=_tokens(trajectory, "prompt_tokens"),
        output_tokens=_tokens(trajectory, "output_tokens"),
        sha256=trajectory.sha256,
    )


def figures_of(rows: Sequence[EpisodeRow], *, seed: int = 0) -> Figures:
    """Measures episodes.

    Args:
        rows: At least one; a task may have been played with any number of seeds.
        seed: Of the bootstrap.

    Raises:
        FiguresError: There is no episode, one is there twice, or a score is beyond all measure.
    """
    by_task = _by_task(rows)
    plays = [row for task in by_task for row in task]
    won = [row for row in plays if row.won]
    turns = sum(row.turns for row in plays)
    low, high = wilson_interval(len(won), len(plays))
    success = _share([[float(row.won) for row in task] for task in by_task], seed)
    return Figures(
        episodes=len(plays),
        tasks=len(by_task),
        success=success.model_copy(update={"wilson": Interval(low=low, high=high)}),
        score=_share([[row.score for row in task] for task in by_task], seed),
        passes=_passes(by_task),
        outcomes={name: sum(row.outcome == name for row in plays) for name in _outcomes()},
        turns=turns / len(plays),
        turns_won=fmean(row.turns for row in won) if won else None,
        options=sum(row.options for row in plays) / len(plays),
        invalid_action_rate=_rate(sum(row.invalid_actions for row in plays), turns),
        format_error_rate=_rate(sum(row.format_errors for row in plays), turns),
        prompt_tokens=_mean_tokens([row.prompt_tokens for row in plays], turns),
        output_tokens=_mean_tokens([row.output_tokens for row in plays], turns),
    )


def bootstrap_interval(tasks: Sequence[Sequence[float]], seed: int = 0) -> Interval:
    """95 % percentile interval of the mean over plays, of tasks that are drawn with replacement.

    A task comes with all its plays, for they share its difficulty: plays of one task do not count
    as independent. Efron and Tibshirani (1993), "An introduction to the bootstrap", chapter 13. The
    ends are means that were drawn, the 250th from either side of 10,000. With one task there is
    nothing to draw, and the interval is a point.

    Args:
        tasks: For every task the values of its plays; at least one task, at least one play each.
        seed: Of the draws.

    Example:
        >>> bootstrap_interval([[1.0, 1.0], [0.0, 0.0]])
        Interval(low=0.0, high=1.0)
    """
    sums = np.array([math.fsum(values) for values in tasks])
    counts = np.array([float(len(values)) for values in tasks])
    rng = np.random.default_rng(seed)
    total, plays = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
    # One draw of every resample at a time: little memory, and additions in a fixed order.
    for _ in tasks:
        drawn = rng.integers(len(tasks), size=RESAMPLES)
        total += sums[drawn]
        plays += counts[drawn]
    means = np.sort(total / plays)
    tail = RESAMPLES // 40
    return Interval(low=float(means[tail - 1]), high=float(means[-tail]))


def pass_hat(won: int, plays: int, k: int) -> float:
    """Unbiased estimate of the chance that k plays of a task all succeed: C(won, k) / C(plays, k).

    Yao et al. (2024), tau-bench, arXiv 2406.12045, section 4.

    Example:
        >>> pass_hat(won=3, plays=4, k=2)
        0.5

    Raises:
        FiguresError: There are fewer plays than k, or k is not at least 1.
    """
    if not 1 <= k <= plays:
        raise FiguresError(f"pass^{k} cannot be estimated from {plays} plays of a task")
    return math.comb(won, k) / math.comb(plays, k)


def timing_of(trajectory: Trajectory) -> Timing:
    """What an episode took."""
    return Timing(math.fsum(trajectory.seconds), trajectory.env_seconds, len(trajectory.turns))


def costs_of(timings: Sequence[Timing], sittings: Sequence[Sitting]) -> Costs:
    """What a study took.

    Args:
        timings: Of every episode, in any order.
        sittings: Who played, in any order; the costs list them by when they began.

    Raises:
        FiguresError: There is no episode, or a time is beyond all measure.
    """
    if not timings:
        raise FiguresError("there is no episode to add up the costs of")
    agent, env = [timing.agent for timing in timings], [timing.env for timing in timings]
    if max(*agent, *env) > MAX_NUMBER:
        raise FiguresError(f"an episode took {max(*agent, *env)} seconds, which nothing can take")
    total = math.fsum([*agent, *env])
    return Costs(
        agent_seconds=Cost(mean=fmean(agent), se=standard_error_of_mean(agent)),
        env_seconds=Cost(mean=fmean(env), se=standard_error_of_mean(env)),
        total_seconds=total,
        turns_per_second=_rate(sum(timing.turns for timing in timings), total),
        sittings=_in_order(sittings),
    )


def result_of(
    study: Study, panel: Panel, rows: Iterable[EpisodeRow], sittings: Sequence[Sitting]
) -> Result:
    """The result of a study whose episodes are all there.

    What differs between sittings is shown in full: every version, every commit. Titles whose nouns
    were found by more than one tagger were scored by more than one rule, so that is a difference
    from the panel.

    Args:
        study: What was to be played.
        panel: On which tasks.
        rows: Every episode once, in any order.
        sittings: Who played, at least one, in any order. What the agent says of itself is taken
            from the one that began last.

    Raises:
        FiguresError: An episode is missing, is there twice or belongs to another task, nobody
            played, or the panel is another one than the study's.
    """
    if panel.sha256 != study.panel_sha256:
        raise FiguresError(f"the study is not of this panel {panel.name}: the digests differ")
    if not sittings:
        raise FiguresError("there is no sitting: nobody says who played the episodes")
    ordered = _complete(study, panel, rows)
    in_order = _in_order(sittings)
    taggers = sorted({each.noun_tagger for each in in_order if each.noun_tagger is not None})
    differences = study.differences
    if len(taggers) > 1:
        differences += (f"nouns were found by more than one tagger: {', '.join(taggers)}",)
    types = sorted({row.task_type for row in ordered})
    return Result(
        agent=study.agent,
        about=in_order[-1].about,
        panel=panel.name,
        panel_sha256=panel.sha256,
        env=panel.env,
        noun_tagger=", ".join(taggers) or None,
        seeds=study.seeds,
        ranked=not differences,
        differences=differences,
        versions=_versions(in_order),
        commits=tuple(sorted({each.commit for each in in_order if each.commit is not None})),
        figures=figures_of(ordered),
        per_task_type={
            name: figures_of([row for row in ordered if row.task_type == name]) for name in types
        },
        per_seed={
            str(seed): figures_of([row for row in ordered if row.seed == seed])
            for seed in study.seeds
        },
        episodes=tuple(ordered),
    )


def _complete(study: Study, panel: Panel, rows: Iterable[EpisodeRow]) -> list[EpisodeRow]:
    """The rows by seed, in the order of the study, then by position."""
    by_place: dict[tuple[int, int], EpisodeRow] = {}
    for row in rows:
        if by_place.setdefault((row.seed, row.position), row) is not row:
            raise FiguresError(f"seed {row.seed}, position {row.position} is there twice")
    places = [(seed, place) for seed in study.seeds for place in range(len(panel.tasks))]
    missing = [place for place in places if place not in by_place]
    if missing:
        seed, position = missing[0]
        raise FiguresError(
            f"{len(missing)} of {len(places)} episodes are missing, the first of them seed {seed}, "
            f"position {position}"
        )
    foreign = sorted(by_place.keys() - set(places))
    if foreign:
        raise FiguresError("seed {}, position {} is not of the study".format(*foreign[0]))
    for (_, position), row in by_place.items():
        task = panel.tasks[position]
        if (row.task_id, row.task_type) != (task.task_id, task.task_type):
            raise FiguresError(
                f"position {position} of the panel is {task.task_id!r} ({task.task_type}), not "
                f"{row.task_id!r} ({row.task_type})"
            )
    return [by_place[place] for place in places]


def _by_task(rows: Sequence[EpisodeRow]) -> list[list[EpisodeRow]]:
    """The plays of every task, both in an order that is always the same."""
    if not rows:
        raise FiguresError("there is no episode to measure")
    by_task: dict[int, dict[int, EpisodeRow]] = {}
    for row in sorted(rows, key=lambda row: (row.position, row.seed)):
        if abs(row.score) > MAX_NUMBER:
            raise FiguresError(f"the score {row.score} of {row.task_id!r} is beyond all measure")
        plays = by_task.setdefault(row.position, {})
        if row.seed in plays:
            raise FiguresError(f"seed {row.seed}, position {row.position} is there twice")
        plays[row.seed] = row
    return [list(plays.values()) for plays in by_task.values()]


def _share(tasks: Sequence[Sequence[float]], seed: int) -> Share:
    values = [value for plays in tasks for value in plays]
    return Share(
        mean=fmean(values),
        se=standard_error_of_mean(values),
        bootstrap=bootstrap_interval(tasks, seed),
    )


def _passes(by_task: Sequence[Sequence[EpisodeRow]]) -> tuple[Passes, ...]:
    """pass^k over the tasks that were played at least k times, for every k that any was."""
    counts = [(sum(row.won for row in plays), len(plays)) for plays in by_task]
    return tuple(
        Passes(k=k, value=fmean(pass_hat(won, n, k) for won, n in counts if n >= k))
        for k in range(1, max(n for _, n in counts) + 1)
    )


def _outcomes() -> tuple[Outcome, ...]:
    return get_args(Outcome)


def _rate(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _tokens(trajectory: Trajectory, name: str) -> int | None:
    """Sum over the turns; None where a turn has none, or something that is no count."""
    total = 0
    for turn in trajectory.turns:
        tokens = (turn.details or {}).get(name)
        # What an agent tells of itself may be anything, such as True.
        if type(tokens) is not int or not 0 <= tokens <= MAX_NUMBER:
            return None
        total += tokens
    return total


def _mean_tokens(counts: Sequence[int | None], turns: int) -> float | None:
    told = [count for count in counts if count is not None and count <= MAX_NUMBER]
    # Without any turn there was nothing to tell.
    return sum(told) / len(told) if turns and len(told) == len(counts) else None


def _in_order(sittings: Iterable[Sitting]) -> tuple[Sitting, ...]:
    return tuple(sorted(sittings, key=lambda each: (each.started, each.model_dump_json())))


def _versions(sittings: Sequence[Sitting]) -> dict[str, tuple[str, ...]]:
    """Every version of everything that any sitting names."""
    names = sorted({name for each in sittings for name in each.versions})
    return {
        name: tuple(sorted({each.versions[name] for each in sittings if name in each.versions}))
        for name in names
    }
