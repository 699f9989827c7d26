"""The two claims about HAE, checked without sampling.

On processes so small that all episodes can be listed, an estimator that treats each episode by
itself has an expectation and a variance that are plain sums. Then bias is zero or it is not, up to
rounding. The claims (HiPER, arXiv 2602.16165): HAE is unbiased, and its variance is at most that of
flat GAE. Nothing here knows how the estimators work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.exact.batches import Columns, Scores
from benchmarks.exact.gradient import gradient, occupancy, values
from benchmarks.exact.policy import HEADS, SWITCH, Policy, random_policy
from benchmarks.exact.process import Process, random_process, unrolled
from benchmarks.exact.rollouts import enumerate_episodes
from benchmarks.exact.variants import Variant, core_variants
from hiper_agents.estimators.segments import FloatArray

_PAIRS = (
    ("hae, lam 1", "gae"),
    ("hae", "gae"),
    ("gae per head", "gae"),
    ("hae, lam 1", "gae per head"),
)

__all__ = ["Moments", "census", "counterexamples", "moments"]


@dataclass(frozen=True, eq=False)
class Moments:
    """Exact moments of an estimate made from one episode.

    Attributes:
        mean: Its expectation, float64 [P].
        variance: Variances of its components, float64 [P].
        advantage: Expected sum of squared advantages over the turns of each head.
        blocks: Where the heads' parameters lie.
    """

    mean: FloatArray
    variance: FloatArray
    advantage: dict[str, float]
    blocks: dict[str, slice]

    def traces(self) -> dict[str, float]:
        """Trace of the covariance, in total and by head."""
        heads = {head: float(self.variance[self.blocks[head]].sum()) for head in HEADS}
        return {"total": float(self.variance.sum()), **heads}


def moments(
    process: Process,
    policy: Policy,
    variants: Sequence[Variant],
    *,
    seed: int = 0,
    discount_scores: bool = True,
    blind: bool = False,
) -> dict[str, Moments]:
    """Exact moments by name of variant. Only for estimators that treat episodes one by one.

    Args:
        process: Small enough to list its episodes.
        policy: Who plays it.
        variants: Which estimators.
        seed: Of the critic's errors.
        discount_scores: Whether turn t counts discount^t in the estimate, as the objective asks.
        blind: Whether the critic is not told the turn.
    """
    rollouts, probability = enumerate_episodes(process, policy)
    discount = process.discount if discount_scores else 1.0
    scores = Scores(rollouts, policy, rollouts.episode, rollouts.episodes, discount)
    weight, exact = probability[rollouts.episode], values(process, policy)
    exact = exact.blind(occupancy(process, policy)) if blind else exact
    everywhere = np.ones(len(rollouts), dtype=bool)
    own = {"switch": rollouts.turn > 0, "high": rollouts.switch, "low": everywhere}
    found = {}
    for variant in variants:
        critic = exact.perturbed(variant.error, np.random.default_rng(seed))
        columns = Columns(rollouts, policy, critic, critic)
        advantages = variant.advantages(columns, process.discount)
        estimate = scores.estimate(advantages)
        mean = probability @ estimate
        squares = {
            head: float(weight[own[head]] @ np.square(getattr(advantages, head)[own[head]]))
            for head in HEADS
        }
        variance = probability @ np.square(estimate - mean)
        found[variant.name] = Moments(mean, variance, squares, policy.blocks)
    return found


def census(count: int, seed: int, *, spread: float = 1.5, once: bool = False) -> dict[str, Any]:
    """Variance ratios on random processes of 2 states, actions and subgoals, 3 turns long.

    Args:
        count: How many processes.
        seed: Of the processes and policies.
        spread: Standard deviation of the policies' logits.
        once: Whether the turn is part of the state, so that an episode uses no parameter twice.

    Returns:
        The largest bias met, and for pairs of variants their ratios: of variances of the gradient
        estimate, in total and by head, and of squared advantages by head.
    """
    ratios: dict[str, list[dict[str, float]]] = {f"{a} / {b}": [] for a, b in _PAIRS}
    bias: dict[str, float] = {variant.name: 0.0 for variant in core_variants()}
    for rng in (
        np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(count)
    ):
        process = random_process(rng, states=2, actions=2, subgoals=2, horizon=3)
        process = unrolled(process) if once else process
        policy = random_policy(process, rng, spread)
        exact = gradient(process, policy)
        found = moments(process, policy, core_variants())
        for name, one in found.items():
            bias[name] = max(bias[name], float(np.abs(one.mean - exact).max()))
        for above, below in _PAIRS:
            ratios[f"{above} / {below}"].append(_ratios(found[above], found[below]))
    return {
        "processes": count,
        "once": once,
        "largest_bias": bias,
        "ratios": {
            pair: {key: _distribution([one[key] for one in rows]) for key in rows[0]}
            for pair, rows in ratios.items()
        },
        "totals": {pair: [one["total"] for one in rows] for pair, rows in ratios.items()},
    }


def counterexamples() -> dict[str, Any]:
    """Two processes on which HAE's gradient estimate has more variance than flat GAE's.

    `baseline`: one turn, two subgoals, an action that wins and one that does not. Under the first
    subgoal, chosen one time in ten, the policy takes the winning action one time in twenty; under
    the second nearly always. A rare action's score is long, so the best baseline lies near what the
    rare action earns, and there lies the flat baseline, not V_L.

    `second try`: two turns, one state, one subgoal, a new option every turn. The one action that
    wins, and ends the episode, is taken one time in five. All baselines are equal. Who comes to the
    second try failed at the first: the noise that HAE removes from the first turn's estimate is
    correlated with the second turn's, and removing it leaves more than it takes.
    """
    one_turn = Process(
        start=np.ones(1),
        transition=np.array([[[0.0, 1.0], [0.0, 1.0]]]),
        reward=np.array([[[0.0, 0.0], [0.0, 1.0]]]),
        subgoals=2,
        horizon=1,
    )
    torn = Policy(np.zeros((1, 2, 2)), np.log([[0.1, 0.9]]), np.log([[[0.95, 0.05], [0.01, 0.99]]]))
    two_tries = Process(
        start=np.ones(1),
        transition=np.array([[[1.0, 0.0], [0.0, 1.0]]]),
        reward=np.array([[[0.0, 0.0], [0.0, 1.0]]]),
        subgoals=1,
        horizon=2,
    )
    restless = np.zeros((1, 1, 2))
    restless[..., SWITCH] = 40.0
    timid = Policy(restless, np.zeros((1, 1)), np.log([[[0.8, 0.2]]]))
    found = {
        "baseline": moments(one_turn, torn, core_variants()),
        "second try": moments(two_tries, timid, core_variants()),
    }
    return {
        name: {variant: one.traces() for variant, one in by_variant.items()}
        for name, by_variant in found.items()
    }


def _ratios(above: Moments, below: Moments) -> dict[str, float]:
    traces, others = above.traces(), below.traces()
    gradients = {key: traces[key] / others[key] for key in traces}
    squares = {
        f"advantage, {head}": above.advantage[head] / below.advantage[head] for head in HEADS
    }
    return {**gradients, **squares}


def _distribution(ratios: Sequence[float]) -> dict[str, float]:
    # Where two variants agree, their ratio is 1 up to rounding.
    return {
        "min": min(ratios),
        "median": float(np.median(ratios)),
        "max": max(ratios),
        "share_above_1": float(np.mean(np.array(ratios) > 1.0 + 1e-9)),
    }
