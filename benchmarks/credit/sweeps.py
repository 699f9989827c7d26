"""How success and learning time change along one option of the environment.

A sweep is made of settings that differ in one numeric option alone. Slopes are taken seed by seed,
so that their spread over seeds gives an interval, and two methods are compared on the same seeds.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import gymnasium as gym

from benchmarks.credit.analysis import METRICS, REFERENCE, Setting, time_of
from benchmarks.credit.outcomes import Outcome
from benchmarks.credit.statistics import Interval, PairedTest, interval, paired_test, slope
from benchmarks.credit.thresholds import Bound, slope_of_times

__all__ = ["SlopeDifference", "Sweep", "VariantSlope", "sweeps_of"]

FLAT = "gae"
"""What the reference's slope is compared with: the same critic and trainer without options."""
LENGTHS = frozenset({"subtasks"})
"""Options that count how long a task is; their slopes are those over each doubling."""


@dataclass(frozen=True)
class VariantSlope:
    """Slope of one metric of one method along a sweep.

    Attributes:
        variant: The method.
        metric: "mean_success" or "final": change of the share. "turns_to_50" and so on: change of
            log2(turns), so that 1 means twice the turns.
        seeds: Those that are finished in every setting of the sweep.
        slope: Mean over seeds, with its interval.
        bound: On which side of it the truth lies, where runs did not reach the rate.
    """

    variant: str
    metric: str
    seeds: tuple[int, ...]
    slope: Interval
    bound: Bound


@dataclass(frozen=True)
class SlopeDifference:
    """Slope of the reference minus that of the flat method, on the same seeds.

    Attributes:
        metric: As in `VariantSlope`.
        seeds: Those that both have.
        test: Difference and p values.
        is_censored: Whether a run of the two did not reach the rate; the difference of bounds is
            no bound.
    """

    metric: str
    seeds: tuple[int, ...]
    test: PairedTest
    is_censored: bool


@dataclass(frozen=True)
class Sweep:
    """Settings that differ in one option.

    Attributes:
        option: Its name.
        others: The options that they share.
        values: Its values, rising.
        settings: The settings, in the order of `values`.
        per_doubling: Whether slopes are over log2 of the value.
        slopes: One for each method and metric that has seeds in all settings.
        differences: The reference against the flat method, one for each metric.
    """

    option: str
    others: Mapping[str, Any]
    values: tuple[float, ...]
    settings: tuple[Setting, ...]
    per_doubling: bool
    slopes: tuple[VariantSlope, ...]
    differences: tuple[SlopeDifference, ...]


def sweeps_of(settings: Sequence[Setting]) -> list[Sweep]:
    """All sweeps that settings hold: at least two of one environment, differing in one option."""
    found: list[Sweep] = []
    for env in sorted({setting.env for setting in settings}):
        own = [setting for setting in settings if setting.env == env]
        names = {name for setting in own for name in setting.options}
        for option in sorted(names, key=lambda name: (name not in LENGTHS, name)):
            groups: dict[str, list[tuple[float, Setting]]] = {}
            for setting in own:
                value = _value(setting, option)
                if value is not None:
                    groups.setdefault(_rest(setting, option), []).append((value, setting))
            found += [
                _sweep(option, sorted(group, key=lambda pair: pair[0]))
                for _, group in sorted(groups.items())
                if len({value for value, _ in group}) > 1
            ]
    return found


def _sweep(option: str, group: Sequence[tuple[float, Setting]]) -> Sweep:
    values = tuple(value for value, _ in group)
    settings = tuple(setting for _, setting in group)
    per_doubling = option in LENGTHS and min(values) > 0
    places = [math.log2(value) for value in values] if per_doubling else list(values)
    variants = [summary.variant for summary in settings[0].summaries]
    slopes: list[VariantSlope] = []
    by_seed: dict[tuple[str, str], dict[int, tuple[float, Bound]]] = {}
    for variant in variants:
        for metric in METRICS:
            own = _slopes(settings, places, variant, metric)
            by_seed[variant, metric] = own
            if own:
                slopes.append(
                    VariantSlope(
                        variant,
                        metric,
                        tuple(own),
                        interval([value for value, _ in own.values()]),
                        _joint([bound for _, bound in own.values()]),
                    )
                )
    others = {name: v for name, v in settings[0].options.items() if name != option}
    return Sweep(
        option, others, values, settings, per_doubling, tuple(slopes), tuple(_differences(by_seed))
    )


def _slopes(
    settings: Sequence[Setting], places: Sequence[float], variant: str, metric: str
) -> dict[int, tuple[float, Bound]]:
    """Slope of each seed that is finished in every setting."""
    runs = [setting.of(variant) for setting in settings]
    seeds = sorted(set.intersection(*(set(own) for own in runs)))
    return {seed: _slope(places, [own[seed] for own in runs], metric) for seed in seeds}


def _slope(places: Sequence[float], runs: Sequence[Outcome], metric: str) -> tuple[float, Bound]:
    threshold = METRICS[metric].threshold
    if threshold is None:
        return slope(places, [METRICS[metric].value(run) for run in runs]), "exact"
    found = slope_of_times(
        places, [time_of(run, threshold) for run in runs], [run.cell.plan.turns for run in runs]
    )
    return found.value, found.bound


def _differences(
    by_seed: Mapping[tuple[str, str], Mapping[int, tuple[float, Bound]]],
) -> list[SlopeDifference]:
    found = []
    for metric in METRICS:
        first, second = by_seed.get((REFERENCE, metric), {}), by_seed.get((FLAT, metric), {})
        seeds = sorted(first.keys() & second.keys())
        if len(seeds) >= 2:
            bounds = [side[seed][1] for side in (first, second) for seed in seeds]
            found.append(
                SlopeDifference(
                    metric,
                    tuple(seeds),
                    paired_test([first[s][0] for s in seeds], [second[s][0] for s in seeds]),
                    any(bound != "exact" for bound in bounds),
                )
            )
    return found


def _joint(bounds: Sequence[Bound]) -> Bound:
    """What holds for a mean of slopes of which each has its own bound."""
    kinds = set(bounds) - {"exact"}
    if not kinds:
        return "exact"
    return kinds.pop() if len(kinds) == 1 else "unknown"


def _value(setting: Setting, option: str) -> float | None:
    """Value of an option, or its default; None if it is no number."""
    value = setting.options.get(option, _default(setting.env, option))
    return float(value) if isinstance(value, (bool, int, float)) else None


def _rest(setting: Setting, option: str) -> str:
    """The other options, without those that have their defaults, as a key."""
    rest = {
        name: value
        for name, value in setting.options.items()
        if name != option and value != _default(setting.env, name)
    }
    return repr(sorted(rest.items()))


def _default(env: str, option: str) -> Any:
    """What an environment takes where an option is not given; None if that is not known."""
    try:
        entry = gym.spec(env).entry_point
    except gym.error.Error:
        return None
    if isinstance(entry, str):
        module, _, name = entry.partition(":")
        entry = getattr(import_module(module), name)
    parameter = inspect.signature(entry).parameters.get(option) if callable(entry) else None
    if parameter is None or parameter.default is inspect.Parameter.empty:
        return None
    return parameter.default
