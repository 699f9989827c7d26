"""From finished cells to the figures of a study: summaries, comparisons, sweeps.

Everything is a mean over seeds, and whatever is compared is compared on the seeds that both have.
What is measured: success in sampled play on the panel, at marks and at the end. Nothing is read
from training itself, where task types that fail are drawn more often, for each method others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.credit.cells import ABLATIONS, STUDY, Settings
from benchmarks.credit.outcomes import Outcome
from benchmarks.credit.statistics import Interval, PairedTest, holm, interval, paired_test
from benchmarks.credit.thresholds import Times, mean_success, restricted, times, turns_to

__all__ = ["METRICS", "Comparison", "Setting", "Summary", "analyse_settings", "metric"]

REFERENCE = "hae"
THRESHOLDS = (0.5, 0.8)


@dataclass(frozen=True)
class Metric:
    """One number a run.

    Attributes:
        title: What tables call it.
        value: The number; of turns to a success rate the budget stands for more than it.
        is_share: Whether it is a share from 0 to 1, else turns.
        threshold: The success rate, for turns.
    """

    title: str
    value: Callable[[Outcome], float]
    is_share: bool = True
    threshold: float | None = None


def time_of(outcome: Outcome, threshold: float) -> float | None:
    """Turns until a run's curve reaches a success rate; None if it does not."""
    return turns_to(outcome.turns, outcome.success, threshold, outcome.cell.plan.turns)


def _final(outcome: Outcome) -> float:
    return float(outcome.final["sampled"]["success_rate"])


def _mean(outcome: Outcome) -> float:
    return mean_success(outcome.turns, outcome.success, outcome.cell.plan.turns)


def _turns(threshold: float) -> Metric:
    return Metric(
        f"turns to {100 * threshold:.0f} %",
        lambda outcome: restricted(time_of(outcome, threshold), outcome.cell.plan.turns),
        is_share=False,
        threshold=threshold,
    )


METRICS: Mapping[str, Metric] = {
    "mean_success": Metric("mean success", _mean),
    "final": Metric("final success", _final),
    **{f"turns_to_{100 * at:.0f}": _turns(at) for at in THRESHOLDS},
}
"""What methods are compared by. The first is the primary one: it is defined for every run, counts
early learning and the end, and is not at its ceiling when all solve nearly everything at the end.
"""


def metric(name: str) -> Metric:
    """A metric by its name."""
    return METRICS[name]


@dataclass(frozen=True)
class Summary:
    """One method in one setting.

    Attributes:
        variant: Estimator, with the ablation if there is one.
        estimator: The estimator.
        ablation: Name of the ablation, or "".
        seeds: Which seeds are finished.
        final: Success at the end in sampled play.
        greedy: Success at the end in greedy play.
        score: The benchmark's score at the end in sampled play.
        mean_success: Mean success over the budget.
        times: Turns to each success rate of `THRESHOLDS`.
        by_type: Success at the end in sampled play, by task type.
        option_length: Mean turns of an option at the end.
        boundary_f1: How its boundaries agree with the oracle's in solved episodes, where known.
        minutes: Training time of a run.
        speed: Turns a second of training.
    """

    variant: str
    estimator: str
    ablation: str
    seeds: tuple[int, ...]
    final: Interval
    greedy: Interval
    score: Interval
    mean_success: Interval
    times: dict[float, Times]
    by_type: dict[str, Interval]
    option_length: Interval
    boundary_f1: Interval | None
    minutes: Interval
    speed: Interval

    @property
    def title(self) -> str:
        """What tables call it."""
        if not self.ablation:
            return self.estimator
        known = ABLATIONS.get(self.ablation)
        return f"{self.estimator}, {known.title if known else self.ablation}"


@dataclass(frozen=True)
class Comparison:
    """Two methods by one metric.

    Attributes:
        metric: Name in `METRICS`.
        first: Variant that the difference is taken of.
        second: Variant that is subtracted.
        seeds: Those that both have.
        censored: Runs of the two that did not reach the rate and count with their budget.
        test: Difference and p values.
        p_holm: p corrected for all comparisons of the same family.
    """

    metric: str
    first: str
    second: str
    seeds: tuple[int, ...]
    censored: int
    test: PairedTest
    p_holm: float


@dataclass(frozen=True)
class Setting:
    """All methods in one setting of the environment.

    Attributes:
        env: Gymnasium id.
        options: Options of the environment.
        name: They in one line.
        turns: Budget of a run.
        panel: Digest, split and number of the tasks evaluated on.
        outcomes: The finished cells.
        summaries: One for each method; whole agents first, the reference before all.
        rivals: The reference against every other estimator; a family for each metric.
        ablations: Each whole agent against itself with one part changed; a family for each
            estimator and metric.
    """

    env: str
    options: Settings
    name: str
    turns: int
    panel: tuple[Any, ...]
    outcomes: tuple[Outcome, ...]
    summaries: tuple[Summary, ...]
    rivals: tuple[Comparison, ...]
    ablations: tuple[Comparison, ...]

    def of(self, variant: str) -> dict[int, Outcome]:
        """The finished cells of a method, by seed."""
        return {o.cell.seed: o for o in self.outcomes if o.cell.variant == variant}


def analyse_settings(outcomes: Sequence[Outcome]) -> list[Setting]:
    """Summarises and compares, setting by setting.

    Args:
        outcomes: Finished cells; those that only chose settings are left out.
    """
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.cell.purpose == STUDY:
            groups.setdefault((outcome.cell.plan.env, outcome.cell.plan.setting), []).append(
                outcome
            )
    return [_setting(group) for _, group in sorted(groups.items())]


def _setting(outcomes: Sequence[Outcome]) -> Setting:
    variants = {o.cell.variant: o.cell for o in outcomes}
    order = sorted(
        variants, key=lambda v: (variants[v].ablation != "", variants[v].estimator != REFERENCE, v)
    )
    by_variant = {
        variant: {o.cell.seed: o for o in outcomes if o.cell.variant == variant}
        for variant in order
    }
    whole = [v for v in order if not variants[v].ablation]
    rivals: list[Comparison] = []
    if REFERENCE in whole:
        rivals = compare(by_variant, REFERENCE, [v for v in whole if v != REFERENCE])
    ablations: list[Comparison] = []
    for estimator in whole:
        parts = [v for v in order if variants[v].ablation and variants[v].estimator == estimator]
        ablations += compare(by_variant, estimator, parts)
    cell = outcomes[0].cell
    return Setting(
        env=cell.plan.env,
        options=cell.plan.env_options,
        name=cell.plan.setting,
        turns=cell.plan.turns,
        panel=outcomes[0].panel,
        outcomes=tuple(outcomes),
        summaries=tuple(summarise(list(by_variant[variant].values())) for variant in order),
        rivals=tuple(rivals),
        ablations=tuple(ablations),
    )


def compare(
    by_variant: Mapping[str, Mapping[int, Outcome]], first: str, others: Sequence[str]
) -> list[Comparison]:
    """One method against others by every metric, corrected for the number of others.

    Others with fewer than two seeds in common are left out: nothing can be said of them.
    """
    found: list[Comparison] = []
    for name, measured in METRICS.items():
        family = []
        for second in others:
            seeds = sorted(by_variant[first].keys() & by_variant[second].keys())
            if len(seeds) < 2:
                continue
            pairs = [(by_variant[first][seed], by_variant[second][seed]) for seed in seeds]
            test = paired_test(
                [measured.value(a) for a, _ in pairs], [measured.value(b) for _, b in pairs]
            )
            family.append((second, tuple(seeds), _censored(measured, pairs), test))
        for (second, seeds_, censored, test), p in zip(
            family, holm([test.p for *_, test in family]), strict=True
        ):
            found.append(Comparison(name, first, second, seeds_, censored, test, p))
    return found


def summarise(outcomes: Sequence[Outcome]) -> Summary:
    """Summarises the seeds of one method in one setting."""
    cell = outcomes[0].cell
    sampled = [outcome.final["sampled"] for outcome in outcomes]
    types = sorted({name for played in sampled for name in played["per_task_type"]})
    return Summary(
        variant=cell.variant,
        estimator=cell.estimator,
        ablation=cell.ablation,
        seeds=tuple(sorted(outcome.cell.seed for outcome in outcomes)),
        final=interval([_final(outcome) for outcome in outcomes]),
        greedy=interval([float(o.final["greedy"]["success_rate"]) for o in outcomes]),
        score=interval([float(played["mean_score"]) for played in sampled]),
        mean_success=interval([_mean(outcome) for outcome in outcomes]),
        times={
            at: times([time_of(outcome, at) for outcome in outcomes], cell.plan.turns)
            for at in THRESHOLDS
        },
        by_type={
            name: interval(
                [
                    float(played["per_task_type"][name]["success_rate"])
                    for played in sampled
                    if name in played["per_task_type"]
                ]
            )
            for name in types
        },
        option_length=interval([float(played["options"]["mean_length"]) for played in sampled]),
        boundary_f1=_known((p["options"]["boundary_agreement"] or {}).get("f1") for p in sampled),
        minutes=interval([o.document["training_seconds"] / 60.0 for o in outcomes]),
        speed=interval(
            [o.document["turns"] / max(o.document["training_seconds"], 1e-9) for o in outcomes]
        ),
    )


def _censored(measured: Metric, pairs: Iterable[tuple[Outcome, Outcome]]) -> int:
    if measured.threshold is None:
        return 0
    return sum(time_of(run, measured.threshold) is None for pair in pairs for run in pair)


def _known(values: Iterable[float | None]) -> Interval | None:
    """Interval of what could be measured: a run that solves nothing has no solved episodes."""
    known = [value for value in values if value is not None]
    return interval(known) if known else None
