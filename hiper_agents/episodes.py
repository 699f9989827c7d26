"""Records of finished episodes and what is measured on them.

An `EpisodeRecord` is gathered from the infos of an environment, step by step. `summarise` turns a
list of them into figures. Neither knows agents or environments, only the `info` contract.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, pstdev
from typing import Any

#: Whether an admissible primitive action is the one that a subgoal names: `(subgoal, action)`.
#: False for a subgoal whose words cannot be read.
NamedAction = Callable[[str, str], bool]


@dataclass
class OptionRecord:
    """One option of an episode.

    Attributes:
        subgoal: Its subgoal; "" for an agent that writes none.
        length: Steps, including malformed ones.
        actions: The admissible primitive actions that were executed.
    """

    subgoal: str
    length: int = 0
    actions: list[str] = field(default_factory=list)


@dataclass
class EpisodeRecord:
    """One episode.

    Attributes:
        task_id: Stable id of the task.
        task_type: The benchmark's category of the task.
        turns: Steps taken.
        won: Success by the benchmark's own definition. Reaching the step limit is no success.
        score: The benchmark's score at the end.
        truncated: The step limit ended it.
        invalid_actions: Well-formed actions that were not admissible.
        format_errors: Malformed strings.
        options: Its options in order.
        boundaries: For every step, whether the agent began an option there.
        reference_boundaries: The same of the oracle; empty without `reference=True`.
        is_reachable: Whether the task can be won at all; None where the benchmark cannot say.
        subtasks_done: Share of its subtasks that held at the end; None where none are counted.
    """

    task_id: str
    task_type: str
    turns: int = 0
    won: bool = False
    score: float = 0.0
    truncated: bool = False
    invalid_actions: int = 0
    format_errors: int = 0
    options: list[OptionRecord] = field(default_factory=list)
    boundaries: list[bool] = field(default_factory=list)
    reference_boundaries: list[bool] = field(default_factory=list)
    is_reachable: bool | None = None
    subtasks_done: float | None = None

    def add(self, before: Mapping[str, Any], after: Mapping[str, Any], truncated: bool) -> None:
        """Adds one step, given the infos before and after it."""
        self.turns += 1
        self.won = bool(after["won"])
        self.score = float(after["score"])
        self.truncated = truncated and not self.won
        if "subtasks" in after:
            self.subtasks_done = after["subtasks_done"] / after["subtasks"]
        self.boundaries.append(bool(after["option_boundary"]))
        if "reference_boundary" in before:
            self.reference_boundaries.append(bool(before["reference_boundary"]))
        if after["option_boundary"] or not self.options:
            self.options.append(OptionRecord(after["subgoal"]))
        option = self.options[-1]
        option.length += 1
        if not after["format_valid"]:
            self.format_errors += 1
        elif not after["action_valid"]:
            self.invalid_actions += 1
        else:
            option.actions.append(after["action"])


def summarise(
    episodes: Sequence[EpisodeRecord], named_action: NamedAction | None = None
) -> dict[str, Any]:
    """Figures of a list of episodes, as a JSON-able dict.

    Args:
        episodes: At least one.
        named_action: Tells whether an action is the one its subgoal names; without it the share
            of options that contain theirs is None.
    """
    n = len(episodes)
    shares = [episode.subtasks_done for episode in episodes if episode.subtasks_done is not None]
    turns = sum(episode.turns for episode in episodes)
    solved = [episode for episode in episodes if episode.won]
    by_type: dict[str, list[bool]] = defaultdict(list)
    for episode in episodes:
        by_type[episode.task_type].append(episode.won)
    return {
        **_results(episodes),
        "success_rate_ci95": list(wilson_interval(len(solved), n)),
        "reachable": _reachable(episodes),
        **({"mean_subtasks_done": fmean(shares)} if shares else {}),
        "per_task_type": {
            name: {"success_rate": sum(wins) / len(wins), "n": len(wins)}
            for name, wins in sorted(by_type.items())
        },
        "mean_turns": turns / n,
        "mean_turns_solved": fmean(episode.turns for episode in solved) if solved else None,
        "truncated_rate": sum(episode.truncated for episode in episodes) / n,
        "invalid_action_rate": sum(episode.invalid_actions for episode in episodes) / turns,
        "format_error_rate": sum(episode.format_errors for episode in episodes) / turns,
        "options": {
            "mean_per_episode": fmean(len(episode.options) for episode in episodes),
            "mean_length": turns / sum(len(episode.options) for episode in episodes),
            "mean_per_solved_episode": (
                fmean(len(episode.options) for episode in solved) if solved else None
            ),
            "contains_named_action": (
                contains_named_action(solved, named_action) if named_action else None
            ),
            "boundary_agreement": boundary_agreement(solved),
        },
    }


def _results(episodes: Sequence[EpisodeRecord]) -> dict[str, Any]:
    """How at least one episode ended: successes and scores, with their standard errors."""
    won, n = sum(episode.won for episode in episodes), len(episodes)
    scores = [episode.score for episode in episodes]
    return {
        "success_rate": won / n,
        "success_rate_se": standard_error(won, n),
        "mean_score": fmean(scores),
        "mean_score_se": standard_error_of_mean(scores),
        "n": n,
    }


def _reachable(episodes: Sequence[EpisodeRecord]) -> dict[str, Any] | None:
    """The results on the tasks that can be won; None where no benchmark says which those are."""
    if all(episode.is_reachable is None for episode in episodes):
        return None
    reachable = [episode for episode in episodes if episode.is_reachable]
    if reachable:
        return _results(reachable)
    nothing = ("success_rate", "success_rate_se", "mean_score", "mean_score_se")
    return {**dict.fromkeys(nothing), "n": 0}


def contains_named_action(
    episodes: Iterable[EpisodeRecord], named_action: NamedAction
) -> float | None:
    """Share of options in which the action that the subgoal names was executed.

    An option whose subgoal is empty or cannot be read counts as one without. None when there is no
    option.
    """
    options = [option for episode in episodes for option in episode.options]
    if not options:
        return None
    contained = sum(
        any(named_action(option.subgoal, action) for action in option.actions) for option in options
    )
    return contained / len(options)


def boundary_agreement(episodes: Iterable[EpisodeRecord]) -> dict[str, float | int | None] | None:
    """How well the agent's boundaries agree with those of the oracle, turn by turn.

    The oracle watches the agent's own trajectory. Turn 0 is left out: it is a boundary for both by
    definition.

    Returns:
        `precision`, `recall`, `f1` (None where undefined) and the counts behind them, or None when
        no episode has a reference.
    """
    both = agent = oracle = 0
    seen = False
    for episode in episodes:
        if not episode.reference_boundaries:
            continue
        seen = True
        pairs = zip(episode.boundaries[1:], episode.reference_boundaries[1:], strict=True)
        for mine, reference in pairs:
            both += mine and reference
            agent += mine
            oracle += reference
    if not seen:
        return None
    return {
        "precision": both / agent if agent else None,
        "recall": both / oracle if oracle else None,
        "f1": 2 * both / (agent + oracle) if agent + oracle else None,
        "agreed": both,
        "agent_boundaries": agent,
        "oracle_boundaries": oracle,
    }


def standard_error(successes: int, n: int) -> float:
    """Standard error of a success rate over `n` episodes: sqrt(p (1 - p) / n)."""
    rate = successes / n
    return math.sqrt(rate * (1 - rate) / n)


def standard_error_of_mean(values: Sequence[float]) -> float:
    """Standard error of the mean of at least one value: their deviation over sqrt(n).

    The deviation is that of the values themselves (divided by n), so that for values of 0 and 1
    this is :func:`standard_error`.

    Example:
        >>> standard_error_of_mean([0.0, 1.0, 1.0, 0.0]) == standard_error(2, 4)
        True
    """
    return pstdev(values) / math.sqrt(len(values))


def wilson_interval(successes: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a success rate; unlike the normal one it holds near 0 and 1.

    Wilson (1927), "Probable inference, the law of succession, and statistical inference".

    Args:
        successes: Number of successes.
        n: Number of episodes, at least 1.
        z: Quantile of the standard normal distribution; the default gives 95 %.

    Example:
        >>> low, high = wilson_interval(140, 140)
        >>> print(f"{low:.3f} {high:.3f}")
        0.973 1.000
    """
    rate = successes / n
    centre = rate + z * z / (2 * n)
    spread = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
