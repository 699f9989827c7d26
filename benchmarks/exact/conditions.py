"""What each condition of unbiasedness is worth: the bias, without sampling, when it is broken.

All cases are one small errand whose episodes can be listed; see `claims`. Which conditions there
are is a matter of proof (docs/exact_study.md), not of this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.exact.claims import moments
from benchmarks.exact.gradient import gradient
from benchmarks.exact.policy import skilled_policy
from benchmarks.exact.process import errands
from benchmarks.exact.variants import Variant

__all__ = ["Case", "cases", "conditions"]

_ONES = {"lam_low": 1.0, "lam_high": 1.0}
_PUBLISHED = {"lam_low": 1.0, "lam_high": 0.95}
_HALF = {"lam_low": 0.5, "lam_high": 0.5}


@dataclass(frozen=True)
class Case:
    """Some variants under one condition.

    Attributes:
        name: What records call it.
        variants: What is measured.
        discount: Of the objective, and gamma of the estimators.
        discount_scores: Whether turn t counts discount^t in the gradient estimate.
        blind: Whether the critic is not told the turn.
    """

    name: str
    variants: tuple[Variant, ...]
    discount: float = 1.0
    discount_scores: bool = True
    blind: bool = False


def cases() -> tuple[Case, ...]:
    """All conditions kept, and then one broken at a time."""
    hae, gae = Variant("hae", "hae", _PUBLISHED), Variant("gae", "gae", _ONES)
    stand_in = {"bootstrap_truncated": True}
    return (
        Case("exact values", _with_error(0.0)),
        Case("the critic errs by 1", _with_error(1.0)),
        Case("the critic is not told the turn", _with_error(0.0), blind=True),
        Case(
            "values stand in at the step limit",
            (
                Variant("hae", "hae", {**_PUBLISHED, **stand_in}),
                Variant("gae", "gae", {**_ONES, **stand_in}),
            ),
        ),
        Case(
            "an option's end is worth nothing",
            (Variant("hae", "hae", {**_PUBLISHED, "boundary_bootstrap": False}),),
        ),
        Case("a flat estimator is given V_L", (Variant("gae", "gae", _ONES, "action"),)),
        Case("discount 0.9, turn t weighs 0.9^t", (hae, gae), 0.9),
        Case("discount 0.9, all turns weigh the same", (hae, gae), 0.9, discount_scores=False),
    )


def conditions(seed: int) -> Iterator[dict[str, Any]]:
    """Relative biases on an errand of 3 stages and 2 subgoals, cut off after 4 turns.

    Args:
        seed: Of the policy and of the critic's errors.
    """
    for case in cases():
        process = errands(stages=3, subgoals=2, horizon=4, discount=case.discount)
        policy = skilled_policy(process, np.random.default_rng(seed))
        exact = gradient(process, policy)
        found = moments(
            process,
            policy,
            case.variants,
            seed=seed,
            discount_scores=case.discount_scores,
            blind=case.blind,
        )
        for name, one in found.items():
            parts = {"total": slice(None), **policy.blocks}
            yield {
                "case": case.name,
                "variant": name,
                "relative_bias": {
                    part: float(
                        np.linalg.norm((one.mean - exact)[rows]) / np.linalg.norm(exact[rows])
                    )
                    for part, rows in parts.items()
                },
            }


def _with_error(error: float) -> tuple[Variant, ...]:
    return (
        Variant("hae", "hae", _PUBLISHED, error=error),
        Variant("hae, lam 1", "hae", _ONES, error=error),
        Variant("hae, lam 0.5", "hae", _HALF, error=error),
        Variant("gae", "gae", _ONES, error=error),
        Variant("gae, lam 0.5", "gae", _HALF, error=error),
    )
