"""Which estimators the study runs, with which settings and which values.

A variant is a registered estimator with everything around it fixed. All estimators are called as
trainers call them, on real batches; nothing here computes an advantage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.exact.batches import Columns
from hiper_agents.estimators import Advantages, Needs, get_estimator, list_estimators, whiten

__all__ = ["Variant", "available", "core_variants", "lam_variants"]

PROVIDED = ("strategy_id", "divergence", "q_value")
"""The optional columns that `Columns` fills."""


@dataclass(frozen=True)
class Variant:
    """An estimator with its settings and the values that it reads.

    Attributes:
        name: What records call it.
        estimator: Name in the registry.
        settings: Keyword arguments beside gamma. Ends at the step limit are worth 0 unless they say
            otherwise: the objective counts nothing after it.
        values: `declared` gives `value_low` as the estimator's `flat` asks; `action` gives V_L to a
            flat one as well, which is wrong; `per_head` calls it once a head, with that head's own
            value for `value_low`.
        error: Standard deviation of the critic's fixed errors, in units of reward.
        whitened: Whether advantages are whitened, per head, as trainers may do.
    """

    name: str
    estimator: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    values: Literal["declared", "action", "per_head"] = "declared"
    error: float = 0.0
    whitened: bool = False

    @property
    def needs(self) -> Needs:
        """What its estimator asks of the rollouts."""
        return get_estimator(self.estimator).needs

    @property
    def same_subgoal(self) -> int:
        """How many rollouts in a row share a strategy: here, the first subgoal."""
        return self.needs.group_size // self.needs.strategies if self.needs.strategies > 1 else 1

    def advantages(self, columns: Columns, gamma: float) -> Advantages:
        """Runs the estimator on some episodes."""
        estimator, needs = get_estimator(self.estimator), self.needs
        settings = {"gamma": gamma, "bootstrap_truncated": False, **self.settings}
        if self.values == "per_head":
            heads = {
                head: estimator(batch, **settings) for head, batch in columns.head_batches().items()
            }
            low, high, switch = (heads[head] for head in ("low", "high", "switch"))
            return Advantages(
                low.low,
                high.low,
                switch.low,
                low.returns_low,
                high.returns_low,
                switch.returns_low,
            )
        flat = estimator.flat and self.values == "declared"
        batch = columns.batch(flat=flat, group_size=needs.group_size, strategies=needs.strategies)
        advantages = estimator(batch, **settings)
        return whiten(advantages, batch) if self.whitened else advantages


_ONES = {"lam_low": 1.0, "lam_high": 1.0}


def core_variants(error: float = 0.0) -> tuple[Variant, ...]:
    """HAE with the published lambdas and with 1, and the flat baseline, under a critic that errs.

    `gae per head` is flat GAE whose three blocks have HAE's three baselines. It separates what
    HAE's baselines do from what cutting returns at boundaries does.
    """
    suffix = f", error {error:g}" if error else ""
    return (
        Variant(f"gae{suffix}", "gae", {"lam_low": 1.0}, error=error),
        Variant(f"hae{suffix}", "hae", {"lam_low": 1.0, "lam_high": 0.95}, error=error),
        Variant(f"hae, lam 1{suffix}", "hae", _ONES, error=error),
        Variant(f"gae per head{suffix}", "gae", {"lam_low": 1.0}, "per_head", error=error),
    )


def lam_variants(lams: Sequence[float], error: float) -> tuple[Variant, ...]:
    """GAE and HAE with one lambda on all levels."""
    suffix = f", error {error:g}" if error else ""
    return tuple(
        Variant(
            f"{name}, lam {lam:g}{suffix}",
            name,
            {"lam_low": lam, "lam_high": lam},
            error=error,
        )
        for name in ("gae", "hae")
        for lam in lams
    )


def available() -> tuple[tuple[Variant, ...], dict[str, str]]:
    """Every other registered estimator with its defaults, and why some are left out.

    GAE and HAE are there once more as trainers often use them, with whitened advantages.

    Returns:
        The variants, and the reason by name for each estimator that is none of them.
    """
    variants, left_out = [], {}
    for name in list_estimators():
        needs = get_estimator(name).needs
        missing = [column for column in needs.columns if column not in PROVIDED]
        if missing:
            left_out[name] = f"needs {', '.join(missing)}, which no table of this study holds"
        elif name in ("gae", "hae"):
            variants.append(Variant(f"{name}, whitened", name, whitened=True))
        else:
            variants.append(Variant(name, name))
    return tuple(variants), left_out
