"""Pictures of the exact study, drawn from its record and from nothing else.

matplotlib is imported when a picture is drawn; no window system is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hiper_base.errors import MissingDependencyError
from hiper_base.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

Record = Mapping[str, Any]

_HAE, _GAE, _THIRD, _FOURTH = "#2a78d6", "#d95926", "#1a9c6f", "#4a3aa7"
_INK, _MUTED, _LINES = "#14140f", "#76756f", "#e4e3dd"
# Any, because the names of settings that matplotlib's own types allow differ between versions.
_STYLE: Any = {
    "font.size": 9.5,
    "axes.edgecolor": _MUTED,
    "axes.labelcolor": _INK,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "svg.fonttype": "path",
    "svg.hashsalt": "hiper-gym",
}
_AXES = {
    "horizon": "step limit (turns)",
    "subgoals": "subgoals",
    "delay": "delay of the reward (stages)",
    "skill": "skill of the policy",
}


def draw(results: Record, folder: Path) -> list[Path]:
    """Draws all pictures.

    Args:
        results: The study's results, as recorded.
        folder: Where the SVG files go.

    Returns:
        The files: `exact_variance.svg`, `exact_bias.svg`, `exact_lambda.svg`, `exact_census.svg`.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            'figures need matplotlib: pip install "hiper-gym[compact]"'
        ) from error
    pictures: tuple[tuple[str, tuple[float, float], Callable[[Figure, Record], None]], ...] = (
        ("exact_variance", (10.5, 3.4), _variance),
        ("exact_bias", (9.5, 3.8), _bias),
        ("exact_lambda", (9.5, 3.4), _lambda),
        ("exact_census", (9.5, 3.2), _census),
    )
    paths = []
    with matplotlib.rc_context(_STYLE):
        for name, size, picture in pictures:
            # A figure made without pyplot draws with Agg and leaves no state behind.
            figure = Figure(figsize=size, layout="constrained")
            picture(figure, results)
            paths.append(folder / f"{name}.svg")
            with replacing(paths[-1]) as temporary:
                figure.savefig(temporary, facecolor="white", metadata={"Date": None})
    return paths


def _variance(figure: Figure, results: Record) -> None:
    lines = (
        ("hae", "total", _HAE, "-", "HAE as published"),
        ("hae", "switch", _HAE, ":", "its switch head"),
        ("hae", "high", _HAE, "--", "its high head"),
        ("hae", "low", _HAE, "-.", "its low head"),
        ("hae, lam 1", "total", _THIRD, "-", "HAE, all lambda 1"),
        ("gae per head", "total", _GAE, "-", "GAE with HAE's baselines"),
    )
    panels = figure.subplots(1, len(_AXES), sharey=True)
    for axes, (axis, title) in zip(panels, _AXES.items(), strict=True):
        cells = _cells(results, axis)
        levels = [cell["level"] for cell in cells]
        for variant, part, color, style, label in lines:
            ratios = [_row(cell, variant)["variance_ratio"][part] for cell in cells]
            _line(axes, levels, ratios, color, style, label)
        _furnish(axes, title)
        axes.axhline(1.0, color=_MUTED, linewidth=1.0)
        axes.set_xticks(levels, [f"{level:g}" for level in levels])
        axes.set_ylim(0, 1.25)
    panels[0].set_ylabel("variance / variance of flat GAE")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=6,
                  frameon=False, fontsize=8)  # fmt: skip


def _bias(figure: Figure, results: Record) -> None:
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    rows = _cells(results, "horizon")[-1]["rows"][::-1]
    for place, row in enumerate(rows):
        along = row["bias_along_gradient"]
        low, high = along["interval_99"]
        color = _GAE if row["test"]["p"] < 0.01 else _HAE
        left.plot([low, high], [place, place], color=color, linewidth=2.0)
        left.plot([along["value"]], [place], "o", color=color, markersize=4)
    left.set_yticks(range(len(rows)), [row["variant"] for row in rows])
    left.axvline(0.0, color=_MUTED, linewidth=1.0)
    _furnish(left, "bias along the gradient / its length, 99 % intervals")
    left.set_title("exact values, longest task (orange: rejected)", loc="left")
    rows = _cells(results, "error")[0]["rows"]
    for estimator, color in (("hae", _HAE), ("hae, lam 1", _THIRD), ("gae", _GAE)):
        own = [row for row in rows if row["variant"].split(", error")[0] == estimator]
        errors = [row["critic_error"] for row in own]
        biases = [row["relative_bias"]["value"] for row in own]
        right.plot(errors, biases, "o-", color=color, markersize=4, label=estimator)
    _furnish(right, "error of the critic (success pays 10)")
    right.set_title("length of the bias / of the gradient", loc="left")
    right.legend(frameon=False, fontsize=8)


def _lambda(figure: Figure, results: Record) -> None:
    panels = figure.subplots(1, 3)
    rows = [row for row in _cells(results, "lam")[0]["rows"] if "lam_high" in row["settings"]]
    errors = sorted({row["critic_error"] for row in rows})
    for estimator, color in (("gae", _GAE), ("hae", _HAE)):
        for error, style in zip(errors, ("-", "--"), strict=True):
            own = [
                row for row in rows if (row["estimator"], row["critic_error"]) == (estimator, error)
            ]
            lams = [row["settings"]["lam_low"] for row in own]
            label = f"{estimator}, " + ("exact values" if not error else f"error {error:g}")
            variances = [row["variance_per_episode"] for row in own]
            _line(panels[0], lams, variances, color, style, label)
            biases = [row["relative_bias"]["value"] for row in own]
            panels[1].plot(lams, biases, "o", ls=style, color=color, markersize=3)
            episodes = [row["episodes_for_signal"] for row in own]
            panels[2].plot(lams, episodes, "o", ls=style, color=color, markersize=3)
    titles = ("variance per episode", "length of the bias / of the gradient", "episodes for signal")
    for axes, title in zip(panels, titles, strict=True):
        _furnish(axes, "lambda, all levels")
        axes.set_title(title, loc="left")
        axes.set_ylim(bottom=0)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4,
                  frameon=False, fontsize=8)  # fmt: skip


def _census(figure: Figure, results: Record) -> None:
    panels = figure.subplots(1, 2, sharey=True)
    titles = ("parameters shared by all turns", "every parameter used once an episode")
    lines = (
        ("hae, lam 1 / gae", _HAE, "HAE / GAE"),
        ("gae per head / gae", _GAE, "GAE with HAE's baselines / GAE"),
        ("hae, lam 1 / gae per head", _THIRD, "HAE / GAE with HAE's baselines"),
    )
    for axes, census, title in zip(panels, results["claims"]["census"], titles, strict=True):
        for pair, color, label in lines:
            ratios = np.sort(census["totals"][pair])
            shares = np.arange(1, len(ratios) + 1) / len(ratios)
            axes.step(ratios, shares, where="post", color=color, label=label)
        axes.axvline(1.0, color=_MUTED, linewidth=1.0)
        _furnish(axes, "ratio of variances, all lambda 1")
        axes.set_title(title, loc="left")
    panels[0].set_ylabel("share of random processes")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3,
                  frameon=False, fontsize=8)  # fmt: skip


def _cells(results: Record, axis: str) -> list[Record]:
    cells = [cell for cell in results["cells"] if cell["axis"] == axis]
    return sorted(cells, key=lambda cell: float(cell["level"]))


def _row(cell: Record, variant: str) -> Record:
    (row,) = (row for row in cell["rows"] if row["variant"] == variant)
    found: Record = row
    return found


def _line(
    axes: Axes,
    places: Sequence[float],
    estimates: Sequence[Mapping[str, float]],
    color: str,
    style: str,
    label: str,
) -> None:
    axes.errorbar(
        places,
        [estimate["value"] for estimate in estimates],
        yerr=[estimate["se"] for estimate in estimates],
        color=color,
        linestyle=style,
        linewidth=1.4,
        marker="o",
        markersize=3,
        label=label,
    )


def _furnish(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.grid(axis="y", color=_LINES, linewidth=0.8)
    axes.set_axisbelow(True)
