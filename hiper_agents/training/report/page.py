"""Puts the report page together from the records of a run.

The page is one file and asks for nothing else: no script but its own may run on it, and nothing is
loaded. It shows what is in the run folder and measures nothing itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from hiper_agents.training.curves import Column, duration, mean, shown
from hiper_agents.training.records import RunRecords, read_run
from hiper_agents.training.report.charts import Chart, Series, draw
from hiper_agents.training.report.episodes import COLORS, cut, episodes
from hiper_agents.training.report.markup import Html, element, join, trusted
from hiper_agents.training.report.results import results_table
from hiper_base.files import replacing

REPORT_FILE = "report.html"
MAX_SETTINGS = 300
MAX_SETTING = 500
MAX_TYPES = 12

GIVEN = (
    "The compact agent does not read language the way a language model does. Before its network "
    "sees anything, each text is turned into structure: the types of objects and receptacles, what "
    "of it matches the task, and what has been seen where in this episode. Its subgoals are chosen "
    "from the benchmark's vocabulary, and while an option runs the executor is held to it: it may "
    "search, or do the one thing that the subgoal names. A language model gets none of this, so "
    "the figures here are not on one scale with those of language models."
)


def write_report(run: Path) -> Path:
    """Writes `report.html` into a run folder.

    What is missing from the folder is missing from the page, which then says so. The file is
    replaced in one step, so that a reader never sees half of it.

    Args:
        run: A folder made by `hiper train`; the run may still be going on.

    Returns:
        The path of the page.

    Raises:
        HiperError: The folder does not exist or is no run folder.
    """
    page = render(read_run(run))
    path = run / REPORT_FILE
    # JSON can hold halves of surrogate pairs, which UTF-8 cannot.
    with replacing(path) as temporary:
        temporary.write_bytes(page.encode("utf-8", errors="replace"))
    return path


def render(records: RunRecords) -> Html:
    """The whole page."""
    script = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    title = _title(records)
    samples, left_out = episodes(records.samples)
    problems = records.problems + ([f"Sample episodes: {left_out}"] if left_out else [])
    head = element(
        "head",
        trusted('<meta charset="utf-8">'),
        trusted('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        trusted(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("title", title),
        element("style", trusted(_asset("report.css"))),
    )
    body = element(
        "body",
        element(
            "main",
            _header(records, title),
            _problems(problems),
            _tiles(records),
            _given(records),
            _section("Training", _charts(records), class_="charts"),
            _section("Success by task type", _type_charts(records), class_="charts small"),
            _section("Evaluation", results_table(records.results)),
            _section("Sample episodes", _samples(samples, bool(records.samples))),
            _section("Settings", _settings(records.config)),
        ),
        element("script", trusted(script)),
    )
    return Html(f'<!doctype html>\n<html lang="en">{head}{body}</html>\n')


def _asset(name: str) -> str:
    return files("hiper_agents.training.report").joinpath(name).read_text(encoding="utf-8")


def _title(records: RunRecords) -> str:
    config = records.config
    parts = [cut(config.get(key), 60) for key in ("env", "estimator")]
    if config.get("seed") is not None:
        parts.append(f"seed {cut(config['seed'], 20)}")
    return " · ".join(part for part in parts if part) or f"Run {records.folder.resolve().name}"


def _header(records: RunRecords, title: str) -> Html:
    agent = cut(records.config.get("agent"), 60)
    return element(
        "header",
        element("p", f"hiper train · {records.folder.resolve().name}", class_="muted"),
        element("h1", title),
        element("p", f"agent {agent}", class_="muted") if agent else None,
    )


def _problems(problems: Sequence[str]) -> Html | None:
    if not problems:
        return None
    return element(
        "aside",
        element("h2", "Not on this page"),
        element("ul", *(element("li", cut(problem, 300)) for problem in problems)),
        class_="problems",
    )


def _tiles(records: RunRecords) -> Html:
    """The headline figures."""
    window = _window(records)
    success = records.last("success")
    recent = mean(records.column("success")[-window:])
    seconds, turns = records.last("seconds"), records.last("turns")
    speed = turns / seconds if turns and seconds else records.last("turns_per_second")
    evaluated = [
        _tile(
            f"{cut(result.get('split'), 40)}, {cut(result.get('mode'), 20)}",
            shown(result.get("success_rate"), shares=True),
            f"of {cut(result.get('n'), 12)} tasks",
        )
        for result in list(records.results.values())[:2]
    ]
    return element(
        "section",
        *evaluated,
        _tile(
            "success in training",
            shown(success, shares=True),
            f"mean of the last {window}: {shown(recent, shares=True)}" if window > 1 else "",
        ),
        _tile("time", "-" if seconds is None else duration(seconds), ""),
        _tile("turns", shown(turns), f"{shown(speed)} a second"),
        _tile("episodes", shown(records.last("episodes")), ""),
        _tile("iterations", f"{len(records.metrics):,}", ""),
        _tile(
            "options an episode",
            shown(records.last("options")),
            f"{shown(records.last('option_length'))} turns each",
        ),
        class_="tiles",
    )


def _tile(label: str, value: str, detail: str) -> Html:
    return element(
        "div",
        element("span", label),
        element("strong", value),
        element("small", detail) if detail else None,
    )


def _given(records: RunRecords) -> Html | None:
    """What the agent is given, for the agent that this is true of."""
    config = records.config
    if config.get("agent") not in (None, "compact"):
        return None
    warm = config.get("warm_start")
    start = (
        f"It started from demonstrations of the searching expert (warm_start: {cut(warm, 60)})."
        if warm
        else "It started from random weights and learned from the reward of success alone."
        if "warm_start" in config
        else None
    )
    return element(
        "aside",
        element("h2", "What this agent is given"),
        element("p", GIVEN),
        element("p", start) if start else None,
        class_="given",
    )


def _section(title: str, content: Html, class_: str | None = None) -> Html:
    return element("section", element("h2", title), element("div", content, class_=class_))


def _window(records: RunRecords) -> int:
    """Iterations that the heavy line of a noisy curve averages."""
    return max(1, round(len(records.metrics) / 25))


def _minutes(records: RunRecords) -> Column:
    return [None if value is None else value / 60 for value in records.column("seconds")]


def _charts(records: RunRecords) -> Html:
    turns, minutes = records.column("turns"), _minutes(records)
    window = _window(records)
    success = [Series("success", records.column("success"), 0)]
    note = "Sampled play on training tasks; types that fail are drawn more often."
    if window > 1:
        note += f" Line: mean of {window} iterations."
    charts = [
        Chart(
            "Success against turns", turns, success, "turns", shares=True, window=window, note=note
        ),
        Chart(
            "Success against minutes",
            minutes,
            success,
            "minutes",
            shares=True,
            window=window,
            note=note,
        ),
    ]
    plain = [
        ("Options an episode", "options"),
        ("Turns an option", "option_length"),
        ("Turns an episode", "mean_turns"),
        ("Turns a second", "turns_per_second"),
    ]
    charts += [
        Chart(title, turns, [Series(key, records.column(key), 3)], "turns", window=window)
        for title, key in plain
    ]
    losses = records.names("losses")
    for title, prefix in (("Value losses", "value_"), ("Entropies", "entropy_")):
        names = [name for name in losses if name.startswith(prefix)][:COLORS]
        series = [
            Series(
                name.removeprefix(prefix), records.column("losses", name), _head_color(name, index)
            )
            for index, name in enumerate(names)
        ]
        charts.append(Chart(title, turns, series, "turns"))
    for title, name, shares in (
        ("KL divergence from the policy that played", "kl", False),
        ("Clipped action ratios", "clipped", True),
    ):
        series = [Series(name, records.column("losses", name), 6)]
        charts.append(Chart(title, turns, series, "turns", shares=shares))
    return join(draw(chart) for chart in charts)


def _head_color(name: str, index: int) -> int:
    """The same colour for a head wherever it is drawn: executor 0, planner 1, switch 2."""
    heads = {"low": 0, "action": 0, "high": 1, "subgoal": 1, "switch": 2}
    return heads.get(name.rsplit("_", 1)[-1], 3 + index % (COLORS - 3))


def _type_charts(records: RunRecords) -> Html:
    names = records.names("success_by_type")[:MAX_TYPES]
    if not names:
        return element("p", "No figures by task type.", class_="empty")
    turns, window = records.column("turns"), _window(records)
    return join(
        draw(
            Chart(
                cut(name, 60).replace("_", " "),
                turns,
                [Series("success", records.column("success_by_type", name), 0)],
                "turns",
                shares=True,
                window=window,
            )
        )
        for name in names
    )


def _samples(drawn: Html, there: bool) -> Html:
    if not there:
        return element("p", "No sample episodes have been written.", class_="empty")
    note = element(
        "p",
        "Greedy play. Every band is an option, as wide as it is long; its colour stands for the "
        "kind of its subgoal. Beside each action: the values of executor, planner and switch.",
        class_="muted",
    )
    return join([note, drawn])


def _settings(config: dict[str, Any]) -> Html:
    if not config:
        return element("p", "The settings of this run are not known.", class_="empty")
    rows = [
        element(
            "div",
            element("dt", cut(key, 100)),
            element("dd", cut(value if isinstance(value, str) else json.dumps(value), MAX_SETTING)),
        )
        for key, value in _flat(config)[:MAX_SETTINGS]
    ]
    return element("dl", *rows, class_="settings")


def _flat(config: dict[str, Any]) -> list[tuple[str, Any]]:
    """Settings with the groups of settings among them taken apart: `ppo.clip`."""
    pairs: list[tuple[str, Any]] = []
    for key, value in config.items():
        if isinstance(value, dict):
            pairs += [(f"{key}.{name}", inner) for name, inner in value.items()]
        else:
            pairs.append((key, value))
    return pairs
