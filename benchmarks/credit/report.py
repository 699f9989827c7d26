"""The page of a study: one HTML file that asks for nothing else and runs no script.

Pictures stand in it as images, so that nothing in them can act on the page. The page measures
nothing: it shows what `analysis`, `sweeps` and `tuning` have found.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.credit.analysis import METRICS, REFERENCE, Comparison, Setting
from benchmarks.credit.cells import flat, setting_name
from benchmarks.credit.figures import curves, forest, sweep_figure
from benchmarks.credit.sweeps import Sweep
from benchmarks.credit.tables import (
    ablation_table,
    rival_table,
    slope_table,
    summary_table,
    titles_of,
    tuning_table,
    type_table,
)
from benchmarks.credit.tuning import Choice
from benchmarks.evaluating import PRIOR
from hiper_agents.training.curves import compact
from hiper_agents.training.report.markup import Html, element, join, trusted
from hiper_base.files import replacing, write_text

__all__ = ["Study", "render", "write_page", "write_plots"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9]+")
_SHARES = tuple(name for name, measured in METRICS.items() if measured.is_share)


@dataclass(frozen=True)
class Study:
    """All that is reported.

    Attributes:
        settings: The settings of the environments.
        sweeps: Those that differ in one option.
        choices: What was tuned.
        problems: What is missing, failed, or should not have been put together; a sentence each.
        command: How it was made.
        commit: Of the code that wrote the report.
    """

    settings: Sequence[Setting]
    sweeps: Sequence[Sweep]
    choices: Sequence[Choice]
    problems: Sequence[str]
    command: str
    commit: str | None = None


def write_plots(study: Study, folder: Path, name: str) -> list[Path]:
    """Writes the pictures of the page as SVG files, each replaced in one step.

    Args:
        study: What is reported.
        folder: Where to; made where it is missing.
        name: What file names begin with.

    Returns:
        `<name>_against_<option>.svg` for each sweep, with what else is set in it, then
        `<name>_<setting>.svg` for the curves of each setting.
    """
    pictures: dict[str, str] = {}
    for sweep in study.sweeps:
        others = f" {setting_name(sweep.others)}" if sweep.others else ""
        pictures[f"{name} against {sweep.option}{others}"] = _sweep_picture(sweep)
    for setting in study.settings:
        if whole := [summary for summary in setting.summaries if not summary.ablation]:
            pictures[f"{name} {setting.name}"] = curves(setting, whole)
    paths = []
    for title, picture in pictures.items():
        paths.append(folder / f"{_NOT_IN_NAMES.sub('_', title)}.svg")
        write_text(paths[-1], picture)
    return paths


def write_page(study: Study, path: Path) -> Path:
    """Writes the page; a reader never sees half of it.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    page = render(study)
    with replacing(path) as temporary:
        temporary.write_bytes(page.encode("utf-8", errors="replace"))
    return path


def render(study: Study) -> Html:
    """The whole page."""
    envs = ", ".join(dict.fromkeys(setting.env for setting in study.settings))
    title = f"Credit assignment on {envs}" if envs else "Credit assignment"
    head = element(
        "head",
        trusted('<meta charset="utf-8">'),
        trusted('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        trusted(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        element("title", title),
        element("style", trusted(_style())),
    )
    cells = sum(len(setting.outcomes) for setting in study.settings)
    main = element(
        "main",
        element("header", element("h1", title), element("p", f"{cells} runs", class_="muted")),
        _problems(study.problems),
        element("aside", element("h2", "What the agent is given"), element("p", PRIOR)),
        *(_sweep(sweep) for sweep in study.sweeps),
        *(_setting(setting) for setting in study.settings),
        _tuning(study),
        _method(study),
        _provenance(study),
    )
    return Html(f'<!doctype html>\n<html lang="en">{head}{element("body", main)}</html>\n')


def _style() -> str:
    base = files("hiper_agents.training.report").joinpath("report.css")
    own = files("benchmarks.credit").joinpath("report.css")
    return base.read_text(encoding="utf-8") + own.read_text(encoding="utf-8")


def _problems(problems: Sequence[str]) -> Html | None:
    if not problems:
        return None
    return element(
        "aside",
        element("h2", "To be known first"),
        element("ul", *(element("li", problem) for problem in problems)),
        class_="problems",
    )


def _sweep(sweep: Sweep) -> Html:
    shared = setting_name(sweep.others) if sweep.others else "all else at its default"
    titles = titles_of(sweep.settings)
    over = "for each doubling" if sweep.per_doubling else "for each unit"
    return element(
        "section",
        element("h2", f"Against {sweep.option}"),
        _prose(f"{sweep.settings[0].env}; {shared}."),
        _picture(
            _sweep_picture(sweep),
            f"Final success, mean success and turns to 50 % against {sweep.option}. Means over "
            "seeds with 95 % t intervals. Hollow: some seeds did not reach the rate and count with "
            "their budget (dashed), so that the truth is higher.",
        ),
        element("h3", f"Slopes {over}"),
        _prose(
            "Success: points of a hundred. Turns: change of log2(turns), so that 1 is twice the "
            "turns and 0 no more than before."
        ),
        slope_table(sweep, titles),
    )


def _sweep_picture(sweep: Sweep) -> str:
    whole = [s.variant for s in sweep.settings[0].summaries if not s.ablation]
    return sweep_figure(sweep, whole, titles_of(sweep.settings))


def _setting(setting: Setting) -> Html:
    digest, split, tasks = setting.panel
    titles = titles_of([setting])
    whole = [summary for summary in setting.summaries if not summary.ablation]
    changed = [summary for summary in setting.summaries if summary.ablation]
    name = f"{setting.env}, {setting.name}" if setting.options else setting.env
    return element(
        "section",
        element("h2", name),
        _prose(
            f"{compact(setting.turns)} turns a run; evaluated on {tasks} tasks of {split} "
            f"(task set {str(digest)[:12]})."
        ),
        _prose(verdict(setting.rivals)) if setting.rivals else None,
        summary_table(whole or setting.summaries),
        _picture(
            curves(setting, whole),
            "Success on the panel in sampled play against turns of training: means over seeds with "
            "95 % t intervals. First all methods, then each beside the first.",
        )
        if whole
        else None,
        _compared(setting.rivals, titles, "HAE minus each rival"),
        element("h3", "By task type"),
        _prose("Success at the end, sampled play."),
        type_table(whole or setting.summaries),
        _ablations(setting, titles) if changed and setting.ablations else None,
    )


def verdict(comparisons: Sequence[Comparison]) -> str:
    """What the primary metric says of the reference, in a sentence."""
    name = next(iter(METRICS))
    own = [c for c in comparisons if c.metric == name]
    better = [c.second for c in own if c.p_holm < 0.05 and c.test.difference.mean > 0]
    worse = [c.second for c in own if c.p_holm < 0.05 and c.test.difference.mean < 0]
    rest = [c.second for c in own if c.second not in (*better, *worse)]
    parts = [
        f"{words} {', '.join(names)}"
        for words, names in (
            ("more than", better),
            ("less than", worse),
            ("not told apart from", rest),
        )
        if names
    ]
    return (
        f"{REFERENCE.upper()} by {METRICS[name].title} over the budget, at 5 % corrected for "
        f"{len(own)} comparisons: {'; '.join(parts)}."
    )


def _compared(comparisons: Sequence[Comparison], titles: dict[str, str], title: str) -> Html | None:
    if not comparisons:
        return None
    return join(
        [
            element("h3", title),
            _picture(
                forest(comparisons, titles, _SHARES),
                "Differences over the same seeds with 95 % t intervals, not corrected. Right of 0: "
                "more success than the rival. Filled: p below 0.05 after correction.",
            ),
            rival_table(comparisons, titles),
        ]
    )


def _ablations(setting: Setting, titles: dict[str, str]) -> Html:
    parents = dict.fromkeys(s.estimator for s in setting.summaries if s.ablation)
    families = [[s for s in setting.summaries if s.estimator == parent] for parent in parents]
    caption = "Success on the panel in sampled play: the agent and its ablations."
    return join(
        [
            element("h3", "Ablations"),
            summary_table([summary for family in families for summary in family]),
            *(_picture(curves(setting, family), caption) for family in families),
            ablation_table(setting.ablations, titles),
        ]
    )


def _tuning(study: Study) -> Html:
    if not study.choices:
        cells = [outcome.cell for setting in study.settings for outcome in setting.outcomes]
        tuned = {cell.estimator: setting_name(flat(cell.tuned)) for cell in cells if cell.tuned}
        note = "Nothing was tuned: all have the settings that `hiper train` begins with."
        if tuned:
            listed = "; ".join(f"{name}: {settings}" for name, settings in sorted(tuned.items()))
            note = (
                "Nothing was tuned here. Settings were chosen in another study, each estimator's "
                f"from the same grid: {listed}."
            )
        return element("section", element("h2", "Tuning"), _prose(note))
    return element(
        "section",
        element("h2", "Tuning"),
        _prose(
            "Every estimator had the same grid, the same turns, and one seed that is not among the "
            "study's. Trials were scored on tasks of the training split. Ablations have the "
            "settings of their whole agent and were not tuned again, which favours the whole."
        ),
        tuning_table(study.choices),
    )


METHOD = (
    "A run is a function of its settings and its seed; the seed is the unit of repetition. All "
    "methods have the same network, update, budget in turns, and panel of tasks; methods that "
    "compare rollouts of one task draw fewer different tasks for the same number of episodes.",
    "Success is measured on the panel in sampled play, before training, at marks at equal "
    "distances, and at the end, where greedy play is measured as well. Curves are straight between "
    "marks. Mean success is the area under the curve over the budget, over its length.",
    "Turns to a rate: where the curve first reaches it. A run that does not within its budget is "
    "censored. Medians are given where they do not depend on censored runs; differences and means "
    "take the budget for a censored time, and so are those of min(time, budget).",
    "Intervals are Student's t over seeds. They say how runs vary, not how well the panel stands "
    "for all tasks; where all seeds solve everything they have no width. A percentile bootstrap of "
    "five values is too narrow.",
    "Tests are paired by seed: two-sided paired t, corrected by Holm's method for the number of "
    "rivals, for each metric by itself. Beside it the exact sign-flip permutation p, which assumes "
    "no distribution but cannot be small with few seeds: with five, never below 0.0625. Where all "
    "differences are equal but not zero, t says nothing and the permutation p takes its place.",
    "The primary metric is mean success, fixed before any run: final success is at its ceiling "
    "where the task is easy, and turns to a rate are censored where it is hard.",
)


def _method(study: Study) -> Html:
    over = sorted({len(s.seeds) for setting in study.settings for s in setting.summaries})
    seeds = " to ".join(str(n) for n in dict.fromkeys((over[0], over[-1]))) if over else "no"
    return element(
        "section",
        element("h2", "How it was measured"),
        _prose(f"{seeds} seeds a method."),
        *(_prose(sentence) for sentence in METHOD),
    )


def _provenance(study: Study) -> Html:
    origins: list[dict[str, Any]] = []
    for setting in study.settings:
        for outcome in setting.outcomes:
            origins += [entry for entry in outcome.origins if entry not in origins]
    rows = [
        element("div", element("dt", name), element("dd", text))
        for entry in origins
        for name, text in (
            ("versions", ", ".join(f"{k} {v}" for k, v in flat(entry["versions"]).items())),
            ("code", str(entry["code"])),
            ("plug-in", str(entry["plugin"] or "-")),
            ("commit", str(entry["commit"])),
            ("processor", str(entry["cpu"])),
        )
    ]
    settings = [
        element("div", element("dt", name), element("dd", setting_name({"": value})[1:]))
        for setting in study.settings[:1]
        for name, value in flat(setting.outcomes[0].document.get("config", {})).items()
    ]
    return element(
        "section",
        element("h2", "Where it comes from"),
        _prose(study.command),
        element("dl", *rows, class_="settings"),
        element(
            "details",
            element("summary", "Settings of the first run"),
            element("dl", *settings, class_="settings"),
        )
        if settings
        else None,
    )


def _prose(text: str) -> Html:
    return element("p", text, class_="prose")


def _picture(svg: str, caption: str) -> Html:
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    image = f"data:image/svg+xml;base64,{data}"
    return element(
        "figure",
        element("figcaption", caption),
        _image(image, caption),
        class_="picture",
    )


def _image(address: str, alt: str) -> Html:
    """An image, which in HTML has no end tag."""
    return Html(element("img", src=address, alt=alt).removesuffix("</img>"))
