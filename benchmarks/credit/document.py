"""The study as JSON: every figure of the page, and what it was computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.credit.analysis import Comparison, Setting, Summary
from benchmarks.credit.outcomes import Outcome
from benchmarks.credit.report import METHOD, Study
from benchmarks.credit.sweeps import Sweep
from benchmarks.evaluating import PRIOR

__all__ = ["study_document"]

_KEPT = ("episodes", "iterations", "training_seconds", "evaluation_seconds")


def study_document(study: Study) -> dict[str, Any]:
    """All that is reported, as a JSON-able dict."""
    return {
        "settings": [_setting(setting) for setting in study.settings],
        "sweeps": [_sweep(sweep) for sweep in study.sweeps],
        "tuning": [asdict(choice) for choice in study.choices],
        "origins": _origins(study.settings),
        "problems": list(study.problems),
        "method": list(METHOD),
        "note": f"The benchmark's reward alone. {PRIOR} `seconds` counts the time of all runs.",
    }


def _setting(setting: Setting) -> dict[str, Any]:
    digest, split, tasks = setting.panel
    return {
        "env": setting.env,
        "env_options": dict(setting.options),
        "turns": setting.turns,
        "panel": {"sha256": digest, "split": split, "tasks": tasks},
        "methods": [_summary(summary) for summary in setting.summaries],
        "hae_against_rivals": [_comparison(one) for one in setting.rivals],
        "ablations": [_comparison(one) for one in setting.ablations],
        "runs": [_run(outcome) for outcome in setting.outcomes],
    }


def _summary(summary: Summary) -> dict[str, Any]:
    written = asdict(summary)
    times: Mapping[float, Any] = written.pop("times")
    return {**written, "turns_to": {f"{100 * at:.0f} %": found for at, found in times.items()}}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {**asdict(comparison), "p": comparison.test.p}


def _sweep(sweep: Sweep) -> dict[str, Any]:
    return {
        "env": sweep.settings[0].env,
        "option": sweep.option,
        "values": sweep.values,
        "others": dict(sweep.others),
        "per_doubling": sweep.per_doubling,
        "slopes": [asdict(one) for one in sweep.slopes],
        "hae_minus_gae": [asdict(one) for one in sweep.differences],
    }


def _run(outcome: Outcome) -> dict[str, Any]:
    cell, document = outcome.cell, outcome.document
    return {
        "method": cell.variant,
        "seed": cell.seed,
        "tuned": dict(cell.tuned),
        "turns": [round(turns) for turns in outcome.turns],
        "success": outcome.success,
        "final": {mode: played["success_rate"] for mode, played in outcome.final.items()},
        **{name: document[name] for name in _KEPT},
    }


def _origins(settings: Sequence[Setting]) -> list[dict[str, Any]]:
    """All that has worked on the runs, without repetition."""
    found: list[dict[str, Any]] = []
    for setting in settings:
        for outcome in setting.outcomes:
            found += [entry for entry in outcome.origins if entry not in found]
    return found
