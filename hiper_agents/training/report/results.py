"""The table of evaluation results that lie in a run folder, beside one another.

Results come from files: every figure may be missing, and is then a dash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hiper_agents.training.curves import number, shown
from hiper_agents.training.report.episodes import cut
from hiper_agents.training.report.markup import Html, element, join

_Row = Callable[..., tuple[str, list[str]]]

MAX_RESULTS = 6
MAX_TYPES = 12


def results_table(results: dict[str, dict[str, Any]]) -> Html:
    """One column a result, by file name; without results, how to get one."""
    if not results:
        return element(
            "p",
            "No result of ",
            element("code", "hiper eval --out"),
            " is in the folder of this run.",
            class_="empty",
        )
    chosen = dict(list(results.items())[:MAX_RESULTS])
    rows = _result_rows(list(chosen.values()))
    table = element(
        "table",
        element(
            "thead", element("tr", element("th", ""), *(element("th", cut(n, 60)) for n in chosen))
        ),
        element(
            "tbody",
            *(
                element("tr", element("th", label), *(element("td", cell) for cell in cells))
                for label, cells in rows
            ),
        ),
    )
    left_out = len(results) - len(chosen)
    return join(
        [
            element("div", table, class_="scroll"),
            element("p", f"{left_out} more results are in the folder.") if left_out else "",
        ]
    )


def _result_rows(results: Sequence[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Label and one cell a result, for every figure."""

    def row(label: str, *keys: str, shares: bool = False) -> tuple[str, list[str]]:
        return label, [shown(_follow(result, keys), shares=shares) for result in results]

    types = sorted({name for result in results for name in _mapping(result, "per_task_type")})
    return [
        ("split", [cut(result.get("split"), 40) for result in results]),
        ("play", [cut(result.get("mode"), 40) for result in results]),
        row("tasks", "n"),
        ("success", [_with_error(result) for result in results]),
        ("95 % interval", [_interval(result) for result in results]),
        *_score_rows(results, row),
        *(
            row(cut(name, 60).replace("_", " "), "per_task_type", name, "success_rate", shares=True)
            for name in types[:MAX_TYPES]
        ),
        row("turns an episode", "mean_turns"),
        row("turns a solved episode", "mean_turns_solved"),
        row("inadmissible actions", "invalid_action_rate", shares=True),
        row("options an episode", "options", "mean_per_episode"),
        row("options a solved episode", "options", "mean_per_solved_episode"),
        row("turns an option", "options", "mean_length"),
        row("options with the action they name", "options", "contains_named_action", shares=True),
        row("boundary agreement with the oracle, F1", "options", "boundary_agreement", "f1"),
    ]


def _score_rows(results: Sequence[dict[str, Any]], row: _Row) -> list[tuple[str, list[str]]]:
    """What a benchmark with partial successes adds, and one that knows which tasks can be won."""
    rows = []
    scores = [result for result in results if number(result.get("mean_score")) is not None]
    if any(result["mean_score"] != result.get("success_rate") for result in scores):
        rows.append(row("mean score", "mean_score", shares=True))
    if any(_mapping(result, "reachable") for result in results):
        rows += [
            row("tasks that can be won", "reachable", "n"),
            row("success on those", "reachable", "success_rate", shares=True),
            row("mean score on those", "reachable", "mean_score", shares=True),
        ]
    return rows


def _with_error(result: dict[str, Any]) -> str:
    rate, error = number(result.get("success_rate")), number(result.get("success_rate_se"))
    written = shown(rate, shares=True)
    return written if error is None else f"{written} ± {100 * error:.1f}"


def _interval(result: dict[str, Any]) -> str:
    bounds = result.get("success_rate_ci95")
    if not isinstance(bounds, list) or len(bounds) != 2:
        return "-"
    return " to ".join(shown(bound, shares=True) for bound in bounds)


def _mapping(result: dict[str, Any], key: str) -> dict[str, Any]:
    value = result.get(key)
    return value if isinstance(value, dict) else {}


def _follow(result: dict[str, Any], keys: Sequence[str]) -> object:
    value: object = result
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
