"""The table of results: which rows it has, and what a missing figure looks like."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hiper_agents.training.report.results import results_table

PARTIAL = {
    "success_rate": 0.5,
    "mean_score": 0.75,
    "reachable": {"n": 480, "success_rate": 0.625, "mean_score": 0.8},
}


def rows(results: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Cells by label."""
    found = re.findall(
        r"<tr><th>([^<]*)</th>((?:<td>[^<]*</td>)+)</tr>", str(results_table(results))
    )
    return {label: re.findall("<td>([^<]*)</td>", cells) for label, cells in found}


def test_partial_successes_and_what_can_be_won() -> None:
    shown = rows({"a.json": PARTIAL, "b.json": {"success_rate": 1.0}})
    assert shown["mean score"] == ["75.0 %", "-"]
    assert shown["tasks that can be won"] == ["480", "-"]
    assert shown["success on those"] == ["62.5 %", "-"]
    assert shown["mean score on those"] == ["80.0 %", "-"]


@pytest.mark.parametrize(
    "result",
    [
        {"success_rate": 0.5, "mean_score": 0.5, "reachable": None},
        {"success_rate": 0.5},
        {"success_rate": 0.5, "mean_score": "<b>", "reachable": []},
    ],
)
def test_other_benchmarks_have_no_such_rows(result: dict[str, Any]) -> None:
    assert not {"mean score", "tasks that can be won"} & rows({"a.json": result}).keys()
