"""Bias and variance of gradient estimates on errands of growing difficulty, by sampling.

A cell is one errand, one policy and some variants. All variants see the same batches, so that their
variances can be compared closely; one that wants rollouts to share strategies gets its own. What
the cells are is decided here; how anything is estimated is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.exact.batches import Columns, Scores
from benchmarks.exact.gradient import gradient, objective, values
from benchmarks.exact.inference import (
    Estimate,
    hotelling,
    mean_estimate,
    ratio_of_spreads,
    spread,
)
from benchmarks.exact.policy import HEADS, Policy, skilled_policy
from benchmarks.exact.process import Process, errands
from benchmarks.exact.rollouts import sample
from benchmarks.exact.variants import Variant, core_variants, lam_variants
from hiper_agents.estimators.segments import FloatArray

__all__ = ["Cell", "Sampling", "cells", "draw_estimates", "measure"]

SUCCESS = 0.4
"""Chance that the right work completes a stage: options of three to four turns."""
ERRORS = (0.25, 0.5, 1.0, 2.0)
"""Errors of the critic, in units of reward; the whole errand pays 10."""
LAMS = (0.0, 0.5, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True)
class Sampling:
    """How much is sampled.

    Attributes:
        batches: Gradient estimates a cell, n.
        episodes: Episodes a batch; 128 as published.
        start_group: Episodes in a row that begin in the same state; every group size divides it.
        chunk: Batches that are played at once.
        directions: Directions a head along which bias is tested; even.
        seed: Of everything.
    """

    batches: int = 1000
    episodes: int = 128
    start_group: int = 32
    chunk: int = 20
    directions: int = 8
    seed: int = 0


@dataclass(frozen=True)
class Cell:
    """One point on one axis of the study.

    Attributes:
        axis: What grows.
        level: Where on the axis.
        stages: Of the errand, like the next three.
        subgoals: Subgoals, and kinds of work.
        horizon: Step limit.
        delay: Stages between an achievement and its reward.
        variants: What is measured; the first is what variances are compared with.
        skill: Of the policy; see `skilled_policy`.
    """

    axis: str
    level: float
    stages: int
    subgoals: int
    horizon: int
    delay: int
    variants: tuple[Variant, ...]
    skill: float = 1.0

    def process(self) -> Process:
        """The errand."""
        return errands(self.stages, self.subgoals, self.horizon, delay=self.delay, success=SUCCESS)


def cells(others: Sequence[Variant], *, quick: bool = False) -> Iterator[Cell]:
    """The cells of the study.

    Longer horizons come with more stages, one for six turns, so that tasks get longer, not easier.
    The skill of the policy, the errors of the critic, and lambda vary on one errand of middle
    length.

    Args:
        others: Variants to measure beside GAE and HAE wherever the critic is exact.
        quick: Whether two levels an axis will do.
    """
    exact = (*core_variants(), *others)
    first, step = (1, 2) if quick else (0, 1)
    errors, lams = ERRORS[first::step], LAMS[first::step]
    for horizon in (12, 24, 48, 96)[first::step]:
        stages = horizon // 6
        yield Cell("horizon", horizon, stages, 4, horizon, stages - 1, exact)
    for subgoals in (2, 4, 6, 8)[first::step]:
        yield Cell("subgoals", subgoals, 4, subgoals, 24, 3, exact)
    for delay in (0, 1, 3, 7)[first::step]:
        yield Cell("delay", delay, 8, 4, 48, delay, exact)
    for skill in (0.0, 0.5, 1.0, 1.5)[first::step]:
        yield Cell("skill", skill, 4, 4, 24, 3, exact, skill)
    critics = tuple(variant for error in errors for variant in core_variants(error))
    yield Cell("error", 0.0, 4, 4, 24, 3, (*core_variants(), *critics))
    traces = tuple(variant for error in (0.0, 1.0) for variant in lam_variants(lams, error))
    yield Cell("lam", 0.0, 4, 4, 24, 3, (core_variants()[0], *traces))


def measure(cell: Cell, sampling: Sampling, index: int) -> dict[str, Any]:
    """Measures every variant of a cell.

    Args:
        cell: What to measure.
        sampling: How much to sample.
        index: Number of the cell, which makes its randomness its own.

    Returns:
        The cell, and one row a variant, ready to be recorded.
    """
    seeds = np.random.SeedSequence([sampling.seed, index]).spawn(3)
    process = cell.process()
    policy = skilled_policy(process, np.random.default_rng(seeds[0]), skill=cell.skill)
    exact = gradient(process, policy)
    directions = _directions(policy, exact, sampling.directions, np.random.default_rng(seeds[1]))
    estimates = draw_estimates(process, policy, cell.variants, sampling, seeds[2])
    reference = estimates[cell.variants[0].name]
    numbers = ("axis", "level", "stages", "subgoals", "horizon", "delay", "skill")
    return {
        **{name: getattr(cell, name) for name in numbers},
        "parameters": len(exact),
        "objective": objective(process, policy),
        "gradient_norm": float(np.linalg.norm(exact)),
        "reference": cell.variants[0].name,
        "rows": [
            {
                "variant": variant.name,
                "estimator": variant.estimator,
                "settings": dict(variant.settings),
                "critic_error": variant.error,
                **_test(estimates[variant.name], exact, policy, directions),
                **_size(estimates[variant.name], reference, exact, policy, sampling.episodes),
            }
            for variant in cell.variants
        ],
    }


def draw_estimates(
    process: Process,
    policy: Policy,
    variants: Sequence[Variant],
    sampling: Sampling,
    seed: np.random.SeedSequence,
) -> dict[str, FloatArray]:
    """Gradient estimates of sampled batches, per episode, by name of variant, each [n, P]."""
    rng, errors = (np.random.default_rng(child) for child in seed.spawn(2))
    exact = values(process, policy)
    critics = {
        error: (exact.perturbed(error, errors), exact.perturbed(error, errors))
        for error in sorted({variant.error for variant in variants})
    }
    estimates = {v.name: np.empty((sampling.batches, len(policy.vector))) for v in variants}
    for first in range(0, sampling.batches, sampling.chunk):
        count = min(sampling.chunk, sampling.batches - first)
        for same_subgoal in sorted({variant.same_subgoal for variant in variants}):
            rollouts = sample(
                process,
                policy,
                count * sampling.episodes,
                rng,
                same_start=sampling.start_group,
                same_subgoal=same_subgoal,
            )
            fitting = [v for v in variants if v.same_subgoal == same_subgoal]
            for batch in range(count):
                part = rollouts.part(batch * sampling.episodes, (batch + 1) * sampling.episodes)
                scores = Scores(part, policy, np.zeros_like(part.episode), 1, process.discount)
                columns = {e: Columns(part, policy, *critic) for e, critic in critics.items()}
                for variant in fitting:
                    advantages = variant.advantages(columns[variant.error], process.discount)
                    estimate = scores.estimate(advantages)[0] / sampling.episodes
                    estimates[variant.name][first + batch] = estimate
    return estimates


def _directions(
    policy: Policy, exact: FloatArray, count: int, rng: np.random.Generator
) -> FloatArray:
    """Columns of length 1 along which bias is tested, [P, D]: per head, the gradient and others."""
    found = []
    for head in HEADS:
        block = policy.blocks[head]
        table = getattr(policy, head)
        # Each row of a softmax has one direction in which nothing changes.
        freedom = table.size - table.size // table.shape[-1]
        for number in range(min(count, freedom - freedom % 2)):
            direction = np.zeros(len(exact))
            size = block.stop - block.start
            direction[block] = exact[block] if number == 0 else rng.normal(size=size)
            found.append(direction / np.linalg.norm(direction))
    return np.stack(found, axis=1)


def _across(directions: FloatArray, exact: FloatArray) -> FloatArray:
    """Directions in the span of the given ones [P, D] that are orthogonal to the gradient.

    An estimate that is right up to its length has no mean along them. An even number of them.
    """
    joined = np.column_stack([exact, directions])[:, :-1]
    across: FloatArray = np.linalg.qr(joined)[0][:, 1:]
    return across[:, : across.shape[1] - across.shape[1] % 2]


def _test(
    estimates: FloatArray, exact: FloatArray, policy: Policy, directions: FloatArray
) -> dict[str, Any]:
    """Is the expectation the exact gradient; is each head's; is it right up to its length?"""
    along = (estimates - exact) @ directions
    own = {head: (directions[block] != 0.0).any(0) for head, block in policy.blocks.items()}
    return {
        "test": vars(hotelling(along)),
        "p_by_head": {head: hotelling(along[:, columns]).p for head, columns in own.items()},
        "p_direction": hotelling(estimates @ _across(directions, exact)).p,
    }


def _size(
    estimates: FloatArray,
    reference: FloatArray,
    exact: FloatArray,
    policy: Policy,
    episodes: int,
) -> dict[str, Any]:
    """How large bias and variance are, and the variance beside the reference's."""
    along, variance = _along(estimates, exact), spread(estimates)
    return {
        "bias_along_gradient": {**vars(along), "interval_99": along.interval(0.99)},
        "relative_bias": _relative_bias(estimates, exact),
        "cosine": _cosine(estimates.mean(0), exact),
        "variance_per_episode": {
            "value": variance.value * episodes,
            "se": variance.se * episodes,
        },
        "variance_ratio": {
            part: vars(ratio_of_spreads(estimates[:, rows], reference[:, rows]))
            for part, rows in {"total": slice(None), **policy.blocks}.items()
        },
        "episodes_for_signal": _episodes_for_signal(estimates, exact, episodes),
    }


def _along(estimates: FloatArray, exact: FloatArray) -> Estimate:
    """How much too long the estimate is along the exact gradient: 0 is right, -1 is nothing."""
    return mean_estimate((estimates - exact) @ exact / (exact @ exact))


def _relative_bias(estimates: FloatArray, exact: FloatArray) -> dict[str, float]:
    """Length of the bias beside that of the gradient, and what noise alone would look like.

    The square is freed of what the mean's own noise adds to it; where that leaves less than
    nothing, the bias is too small to be seen.
    """
    noise = spread(estimates).value / len(estimates)
    square = float(np.square(estimates.mean(0) - exact).sum()) - noise
    norm = float(np.linalg.norm(exact))
    return {"value": max(0.0, square) ** 0.5 / norm, "noise": noise**0.5 / norm}


def _episodes_for_signal(estimates: FloatArray, exact: FloatArray, episodes: int) -> float | None:
    """Episodes after which the estimate's part along the gradient is as long as its noise.

    It does not depend on an estimator's scale. None if the estimate points the wrong way.
    """
    signal = float(estimates.mean(0) @ exact / np.linalg.norm(exact))
    return spread(estimates).value * episodes / signal**2 if signal > 0.0 else None


def _cosine(mean: FloatArray, exact: FloatArray) -> float | None:
    lengths = float(np.linalg.norm(mean) * np.linalg.norm(exact))
    return float(mean @ exact) / lengths if lengths else None
