"""The tables of the study's page. Every text that comes from data is escaped where it enters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.credit.analysis import METRICS, REFERENCE, THRESHOLDS, Comparison, Setting, Summary
from benchmarks.credit.cells import flat, setting_name
from benchmarks.credit.statistics import Interval
from benchmarks.credit.sweeps import FLAT, Sweep
from benchmarks.credit.thresholds import Times
from benchmarks.credit.tuning import Choice
from hiper_agents.training.curves import compact, percent
from hiper_agents.training.report.markup import Html, element, join

__all__ = [
    "ablation_table",
    "rival_table",
    "slope_table",
    "summary_table",
    "table",
    "tuning_table",
    "type_table",
]


def table(headings: Sequence[object], rows: Sequence[Sequence[object]]) -> Html:
    """A table whose first column is headings, too; it scrolls where the page is narrow."""
    return element(
        "div",
        element(
            "table",
            element("thead", element("tr", *(element("th", cell) for cell in headings))),
            element(
                "tbody",
                *(
                    element("tr", element("th", row[0]), *(element("td", cell) for cell in row[1:]))
                    for row in rows
                ),
            ),
        ),
        class_="scroll",
    )


def summary_table(summaries: Sequence[Summary]) -> Html:
    """Success and learning time of every method."""
    headings = ["", "seeds", "success, sampled", "greedy", "mean success"]
    headings += [f"turns to {100 * at:.0f} %" for at in THRESHOLDS]
    headings += ["turns an option", "minutes"]
    rows = [
        [
            summary.title,
            len(summary.seeds),
            share(summary.final),
            share(summary.greedy),
            share(summary.mean_success),
            *(learning_time(summary.times[at]) for at in THRESHOLDS),
            f"{summary.option_length.mean:.1f}",
            f"{summary.minutes.mean:.1f}",
        ]
        for summary in summaries
    ]
    return table(headings, rows)


def type_table(summaries: Sequence[Summary]) -> Html:
    """Success at the end by task type, a column a method."""
    types = sorted({name for summary in summaries for name in summary.by_type})
    rows = [
        [
            name.replace("_", " "),
            *(share(s.by_type[name]) if name in s.by_type else "-" for s in summaries),
        ]
        for name in types
    ]
    return table(["", *(summary.title for summary in summaries)], rows)


def rival_table(comparisons: Sequence[Comparison], titles: Mapping[str, str]) -> Html:
    """Differences to each rival by every metric, with corrected p values."""
    others = list(dict.fromkeys(c.second for c in comparisons))
    by_pair = {(c.second, c.metric): c for c in comparisons}
    rows = []
    for other in others:
        own = [by_pair.get((other, name)) for name in METRICS]
        seeds = len(next(c for c in own if c is not None).seeds)
        rows.append([titles.get(other, other), seeds, *map(_difference, own)])
    return table(["minus", "seeds", *(m.title for m in METRICS.values())], rows)


def ablation_table(comparisons: Sequence[Comparison], titles: Mapping[str, str]) -> Html:
    """Whole agents against themselves with one part changed."""
    return join(
        join(
            [
                element("h3", f"{titles.get(first, first)}, whole, minus what is changed"),
                rival_table([c for c in comparisons if c.first == first], titles),
            ]
        )
        for first in dict.fromkeys(c.first for c in comparisons)
    )


def slope_table(sweep: Sweep, titles: Mapping[str, str]) -> Html:
    """Slopes of every method along a sweep, and the two that are compared."""
    by_pair = {(s.variant, s.metric): s for s in sweep.slopes}
    rows: list[list[object]] = []
    for variant in dict.fromkeys(s.variant for s in sweep.slopes):
        own = [by_pair.get((variant, name)) for name in METRICS]
        cells = [
            "-" if found is None else _slope(found.slope, name, found.bound)
            for name, found in zip(METRICS, own, strict=True)
        ]
        rows.append([titles.get(variant, variant), *cells])
    if sweep.differences:
        differences = {d.metric: d for d in sweep.differences}
        cells = []
        for name in METRICS:
            found_ = differences.get(name)
            if found_ is None:
                cells.append("-")
                continue
            if found_.is_censored:
                cells.append(join(["-", _small("not known: some runs did not reach it")]))
                continue
            p = _small(f"p {_p(found_.test.p)}")
            cells.append(join([_slope(found_.test.difference, name, "exact"), p]))
        rows.append([f"{REFERENCE} minus {FLAT}", *cells])
    return table(["", *(m.title for m in METRICS.values())], rows)


def tuning_table(choices: Sequence[Choice]) -> Html:
    """What was tried for every estimator, and what was chosen."""
    rows = [
        [
            choice.estimator,
            setting_name(flat(choice.settings)),
            join(
                element("div", f"{setting_name(flat(trial.settings))}: {percent(trial.score)}")
                for trial in choice.trials
            ),
            choice.seed,
            compact(choice.turns),
        ]
        for choice in choices
    ]
    return table(["", "chosen", "mean success of each trial", "seed", "turns"], rows)


def titles_of(settings: Sequence[Setting]) -> dict[str, str]:
    """What tables call each method."""
    return {s.variant: s.title for setting in settings for s in setting.summaries}


def share(found: Interval) -> Html:
    """A share with its interval, both as percentages."""
    if found.low is None or found.high is None:
        return join([percent(found.mean)])
    low, high = max(0.0, found.low), min(1.0, found.high)
    return join([percent(found.mean), _small(f"{100 * low:.1f} to {100 * high:.1f}")])


def learning_time(found: Times) -> Html:
    """Median time, or that it is beyond the budget, and how many seeds reached the rate."""
    median = f"> {compact(found.budget)}" if found.median is None else compact(found.median)
    return join([median, _small(f"{found.reached} of {len(found.values)} reached it")])


def _difference(comparison: Comparison | None) -> Html | str:
    if comparison is None:
        return "-"
    is_share = METRICS[comparison.metric].is_share
    test = comparison.test
    notes = [f"p {_p(comparison.p_holm)} corrected, {_p(test.p)} alone"]
    notes.append(f"by permutation {_p(test.p_permutation)} (at least {_p(test.p_smallest)})")
    if comparison.censored:
        notes.append(f"{comparison.censored} runs did not reach it")
    return join([_interval(test.difference, is_share), _small(*notes)])


def _interval(found: Interval, is_share: bool) -> str:
    def written(value: float) -> str:
        if is_share:
            return f"{100 * value:+.1f}"
        return f"{'+' if value >= 0 else ''}{compact(round(value))}"

    if found.low is None or found.high is None:
        return written(found.mean)
    return f"{written(found.mean)} ({written(found.low)} to {written(found.high)})"


def _slope(found: Interval, metric: str, bound: str) -> Html:
    """Points of a hundred for shares; for turns the change of their logarithm to base 2."""
    if bound == "unknown":
        return join(["-", _small("not known: too few runs reached it")])
    scale = 100.0 if METRICS[metric].is_share else 1.0
    text = f"{scale * found.mean:+.2f}"
    if found.low is not None and found.high is not None:
        text += f" ({scale * found.low:+.2f} to {scale * found.high:+.2f})"
    return join([text, _small("" if bound == "exact" else f"the true one is {bound} this")])


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _small(*lines: str) -> Html:
    return join(element("small", line) for line in lines if line)
