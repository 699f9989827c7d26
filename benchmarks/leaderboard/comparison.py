"""Two results on one panel, compared task by task.

Both agents met the same tasks, so the differences are taken on each task first: how hard a task is
cancels out. A task counts once, with the mean of its plays. Knows results and nothing of folders.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import fmean

import numpy as np
from pydantic import BaseModel, ConfigDict
from rich.table import Table
from rich.text import Text

from benchmarks.credit.statistics import MAX_EXACT, SAMPLED_PATTERNS, sign_flip_p
from benchmarks.leaderboard.figures import bootstrap_interval
from benchmarks.leaderboard.schema import EpisodeRow, Interval, Result
from hiper_base.errors import HiperError

__all__ = [
    "Comparison",
    "ComparisonError",
    "Difference",
    "Side",
    "Solved",
    "TaskDifference",
    "TypeDifference",
    "compare",
    "comparison_table",
    "permutation_p",
]

SHOWN = 20
"""Tasks that a comparison lists at most."""
_CHUNK = 5_000
_MAX_REACH = 200_000


class ComparisonError(HiperError):
    """Two results cannot be compared: they are not of the same tasks."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Side(_Model):
    """One of the two.

    Attributes:
        label: Of the agent.
        mode: Whether it took the most likely choice or drew one.
        seeds: Its seeds.
        ranked: Whether it was played on the data of the panel.
    """

    label: str
    mode: str
    seeds: tuple[int, ...]
    ranked: bool


class Difference(_Model):
    """Of a mean over tasks.

    Attributes:
        first: Of the first result.
        second: Of the second.
        mean: First minus second.
        interval: 95 % percentile interval of the mean, of tasks drawn with replacement.
        p: Two-sided p of the hypothesis that on every task the two might as well have been
            exchanged, see :func:`permutation_p`; None of parts of a panel, where many tests side
            by side would find something by chance.
    """

    first: float
    second: float
    mean: float
    interval: Interval
    p: float | None = None


class Solved(_Model):
    """Tasks by who solved them, which is to win more than half of one's plays."""

    both: int
    only_first: int
    only_second: int
    neither: int


class TaskDifference(_Model):
    """A task on which the two differ; `first` and `second` are shares of plays that were won."""

    position: int
    task_id: str
    task_type: str
    first: float
    second: float
    success: float
    score: float


class TypeDifference(_Model):
    """The tasks of one type."""

    tasks: int
    success: Difference
    score: Difference


class Comparison(_Model):
    """How two results differ; first minus second everywhere.

    Attributes:
        panel: Name of the panel.
        panel_sha256: Its digest.
        first: One of them.
        second: The other.
        tasks: Number of tasks.
        success: Share of plays that were won.
        score: The benchmark's score.
        solved: Who solved how many tasks.
        per_task_type: Of each type's tasks.
        largest: Tasks with the largest differences, of success first, then of score.
        remarks: What else differs and may explain the differences, a sentence each.
    """

    panel: str
    panel_sha256: str
    first: Side
    second: Side
    tasks: int
    success: Difference
    score: Difference
    solved: Solved
    per_task_type: dict[str, TypeDifference]
    largest: tuple[TaskDifference, ...]
    remarks: tuple[str, ...]


def compare(first: Result, second: Result, *, seed: int = 0) -> Comparison:
    """Compares two results on the same panel.

    Args:
        first: A result with any number of seeds.
        second: Another.
        seed: Of the bootstrap, and of sign patterns where they are drawn.

    Raises:
        ComparisonError: They are of different panels, or their episodes of different tasks.
    """
    if first.panel_sha256 != second.panel_sha256:
        raise ComparisonError(
            f"results on different panels cannot be compared: {first.panel} "
            f"({first.panel_sha256[:12]}) and {second.panel} ({second.panel_sha256[:12]})"
        )
    tasks = _paired(_plays(first), _plays(second))
    types = sorted({each.task_type for each in tasks})
    by_type = {name: [each for each in tasks if each.task_type == name] for name in types}
    return Comparison(
        panel=first.panel,
        panel_sha256=first.panel_sha256,
        first=_side(first),
        second=_side(second),
        tasks=len(tasks),
        success=_success(tasks, seed, tested=True),
        score=_score(tasks, seed, tested=True),
        solved=_solved(tasks),
        per_task_type={
            name: TypeDifference(
                tasks=len(part), success=_success(part, seed), score=_score(part, seed)
            )
            for name, part in by_type.items()
        },
        largest=_largest(tasks),
        remarks=tuple(_remarks(first, second)),
    )


def permutation_p(differences: Sequence[float | Fraction], seed: int = 0) -> float:
    """Two-sided p of a sum of differences, each of which might as well have had the other sign.

    Exact for fractions of few denominators, however many there are, by the distribution of the sum:
    each difference shifts it up or down. Of other numbers up to 16 that are not 0 are counted out,
    and of more 100,000 sign patterns are drawn, see
    :func:`~benchmarks.credit.statistics.sign_flip_p`.

    Example:
        >>> permutation_p([Fraction(1, 3)] * 3)
        0.25
        >>> permutation_p([0.5, 0.0, 0.25])
        0.5
    """
    # Zeros have no sign, and the sum is the same without them.
    found = [value for value in differences if value]
    exact = [value for value in found if isinstance(value, Fraction)]
    if len(exact) == len(found):
        grid = math.lcm(*(value.denominator for value in exact))
        steps = [int(value * grid) for value in exact]
        # Two odd numbers of seeds in the hundreds would make a grid that fills the memory.
        if sum(map(abs, steps)) <= _MAX_REACH:
            return _exact_p(steps)
    numbers = [float(value) for value in found]
    return sign_flip_p(numbers) if len(numbers) <= MAX_EXACT else _sampled_p(numbers, seed)


def comparison_table(comparison: Comparison) -> Table:
    """The comparison as a table for a terminal."""
    first, second, solved = comparison.first, comparison.second, comparison.solved
    title = f"{comparison.panel}: {comparison.tasks} tasks\n1: {first.label}\n2: {second.label}"
    counts = (
        f"Tasks solved by both: {solved.both}, only by 1: {solved.only_first}, only by 2: "
        f"{solved.only_second}, by neither: {solved.neither}."
    )
    caption = "\n".join([counts, *comparison.remarks])
    table = Table(title=_plain(title), caption=_plain(caption), caption_justify="left")
    table.add_column("", overflow="fold")
    for heading in ("1", "2", "1 - 2", "95 %", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    _add(table, "success, %", comparison.success, percent=True)
    _add(table, "score", comparison.score)
    table.add_section()
    for name, part in comparison.per_task_type.items():
        _add(table, f"{name} ({part.tasks}), %", part.success, percent=True)
    return table


class _Task:
    """A task with what both made of it."""

    def __init__(self, first: Sequence[EpisodeRow], second: Sequence[EpisodeRow]) -> None:
        self.position = first[0].position
        self.task_id = first[0].task_id
        self.task_type = first[0].task_type
        self.won = tuple(
            Fraction(sum(row.won for row in rows), len(rows)) for rows in (first, second)
        )
        self.scores = tuple(fmean(row.score for row in rows) for rows in (first, second))


def _plays(result: Result) -> dict[int, list[EpisodeRow]]:
    plays: dict[int, list[EpisodeRow]] = {}
    for row in result.episodes:
        plays.setdefault(row.position, []).append(row)
    return plays


def _paired(
    first: Mapping[int, Sequence[EpisodeRow]], second: Mapping[int, Sequence[EpisodeRow]]
) -> list[_Task]:
    if not first or not second:
        raise ComparisonError("a result without episodes cannot be compared")
    alone = sorted(first.keys() ^ second.keys())
    if alone:
        which = "first" if alone[0] in first else "second"
        raise ComparisonError(
            f"only the {which} result has position {alone[0]} of the panel "
            f"({len(alone)} positions are in one result only)"
        )
    for position in sorted(first):
        names = {(row.task_id, row.task_type) for row in (*first[position], *second[position])}
        if len(names) > 1:
            ids = " and ".join(repr(task_id) for task_id, _ in sorted(names))
            raise ComparisonError(f"position {position} of the panel is not one task: {ids}")
    return [_Task(first[position], second[position]) for position in sorted(first)]


def _side(result: Result) -> Side:
    agent = result.agent
    return Side(label=agent.label, mode=agent.mode, seeds=result.seeds, ranked=result.ranked)


def _success(tasks: Sequence[_Task], seed: int, tested: bool = False) -> Difference:
    differences = [task.won[0] - task.won[1] for task in tasks]
    return Difference(
        first=float(sum(task.won[0] for task in tasks) / len(tasks)),
        second=float(sum(task.won[1] for task in tasks) / len(tasks)),
        mean=float(sum(differences) / len(tasks)),
        interval=bootstrap_interval([[float(value)] for value in differences], seed),
        p=permutation_p(differences, seed) if tested else None,
    )


def _score(tasks: Sequence[_Task], seed: int, tested: bool = False) -> Difference:
    differences = [task.scores[0] - task.scores[1] for task in tasks]
    return Difference(
        first=fmean(task.scores[0] for task in tasks),
        second=fmean(task.scores[1] for task in tasks),
        mean=fmean(differences),
        interval=bootstrap_interval([[value] for value in differences], seed),
        p=permutation_p(differences, seed) if tested else None,
    )


def _solved(tasks: Sequence[_Task]) -> Solved:
    half = Fraction(1, 2)
    found = [tuple(won > half for won in task.won) for task in tasks]
    return Solved(
        both=found.count((True, True)),
        only_first=found.count((True, False)),
        only_second=found.count((False, True)),
        neither=found.count((False, False)),
    )


def _largest(tasks: Sequence[_Task]) -> tuple[TaskDifference, ...]:
    differing = [
        TaskDifference(
            position=task.position,
            task_id=task.task_id,
            task_type=task.task_type,
            first=float(task.won[0]),
            second=float(task.won[1]),
            success=float(task.won[0] - task.won[1]),
            score=task.scores[0] - task.scores[1],
        )
        for task in tasks
    ]
    differing = [each for each in differing if each.success or each.score]
    differing.sort(key=lambda each: (-abs(each.success), -abs(each.score), each.position))
    return tuple(differing[:SHOWN])


def _remarks(first: Result, second: Result) -> list[str]:
    remarks = [
        f"The {which} result is not ranked: {'; '.join(result.differences)}."
        for which, result in (("first", first), ("second", second))
        if not result.ranked
    ]
    if first.noun_tagger != second.noun_tagger:
        remarks.append(
            f"Nouns were found by {first.noun_tagger} and by {second.noun_tagger}: the scores are "
            "not of one rule."
        )
    if first.agent.mode != second.agent.mode:
        remarks.append(f"One played {first.agent.mode}, the other {second.agent.mode}.")
    if len(first.seeds) != len(second.seeds):
        remarks.append(f"{len(first.seeds)} and {len(second.seeds)} plays of every task.")
    if first.commits != second.commits:
        remarks.append("They were played by different commits of hiper-gym.")
    return remarks


def _exact_p(steps: Sequence[int]) -> float:
    """The distribution of the sum, one difference at a time."""
    observed, reach = abs(sum(steps)), sum(map(abs, steps))
    chance = np.zeros(2 * reach + 1)
    chance[reach] = 1.0
    for step in steps:
        half = 0.5 * chance
        # Nothing is ever shifted beyond the reach, so that nothing wraps around.
        chance = np.roll(half, step) + np.roll(half, -step)
    sums = np.abs(np.arange(-reach, reach + 1))
    return min(1.0, float(chance[sums >= observed].sum()))


def _sampled_p(differences: Sequence[float], seed: int) -> float:
    """As `sign_flip_p` draws it, some patterns at a time: all at once would fill the memory."""
    values = np.asarray(differences, np.float64)
    limit = abs(values.sum()) - 1e-9 * max(1.0, float(np.abs(values).sum()))
    rng = np.random.default_rng(seed)
    reached = 0
    for _ in range(SAMPLED_PATTERNS // _CHUNK):
        up = rng.integers(2, size=(_CHUNK, len(values)), dtype=np.int8)
        reached += int((np.abs((2.0 * up - 1.0) @ values) >= limit).sum())
    return (reached + 1) / (SAMPLED_PATTERNS + 1)


def _plain(value: str) -> Text:
    """A text that a terminal shows and does not obey."""
    return Text("".join(char if char.isprintable() or char == "\n" else "�" for char in value))


def _add(table: Table, name: str, difference: Difference, percent: bool = False) -> None:
    scale, digits = (100.0, 1) if percent else (1.0, 3)
    low, high = scale * difference.interval.low, scale * difference.interval.high
    table.add_row(
        _plain(name),
        f"{scale * difference.first:.{digits}f}",
        f"{scale * difference.second:.{digits}f}",
        f"{scale * difference.mean:+.{digits}f}",
        f"{low:+.{digits}f} to {high:+.{digits}f}",
        "" if difference.p is None else _p_value(difference.p),
    )


def _p_value(p: float) -> str:
    return f"{p:.4f}" if p >= 1e-4 else "< 0.0001"
