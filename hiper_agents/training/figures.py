"""Training curves of several runs in one picture, for papers and pages.

Runs of one label (by default their estimator) share a colour: each is a thin line, their mean a
heavy one with a band of one standard error. Reads run folders only; matplotlib is imported when a
picture is drawn, and no window system is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hiper_agents.training.curves import trailing_mean
from hiper_agents.training.records import RunRecords, read_run
from hiper_base.errors import HiperError, MissingDependencyError
from hiper_base.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colour-blind safe on white; after them the colours begin again.
COLORS = ("#2a78d6", "#d95926", "#1a9c6f", "#4a3aa7", "#b07800", "#c74f82", "#5d6b78")
#: Colours of estimators that are compared often, the same in every picture.
ESTIMATOR_COLORS = {"hae": COLORS[0], "gae": COLORS[1]}
GRID_POINTS = 400
#: In per cent of the axis.
LABEL_HEIGHT = 5.0
#: Text, axes and what stands back, lines of the grid.
INK, MUTED, LINES = "#14140f", "#76756f", "#e4e3dd"
# Any, because the names of settings that matplotlib's own types allow differ between versions.
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "svg.fonttype": "path",
    "svg.hashsalt": "hiper-gym",
}


@dataclass(frozen=True)
class Curve:
    """Success of one run.

    Attributes:
        label: Group that it belongs to.
        minutes: [n] time of training.
        turns: [n] turns played.
        success: [n] share of episodes solved, smoothed.
    """

    label: str
    minutes: NDArray[np.float64]
    turns: NDArray[np.float64]
    success: NDArray[np.float64]


def training_curve(
    runs: Sequence[Path],
    out: Path,
    labels: Sequence[str] | None = None,
    *,
    references: Mapping[str, float] | None = None,
    smooth: float = 0.04,
) -> tuple[Path, Path]:
    """Draws success against minutes and against turns.

    The curves are those of training: sampled play on training tasks, of which those that fail are
    drawn more often. They are smoothed by a trailing mean.

    Args:
        runs: Run folders.
        out: Where the picture goes; its suffix is replaced by `.png` and `.svg`.
        labels: One a run; runs of the same label are one group. By default the estimators.
        references: Success rates from 0 to 1 to draw as horizontal lines, by name.
        smooth: Length of the trailing mean, as a share of a run's iterations.

    Returns:
        The paths of the PNG and of the SVG.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        HiperError: There is no run, a folder is no run folder or holds no success, or there are
            not as many labels as runs.
    """
    if not runs:
        raise HiperError("a training curve needs at least one run")
    if labels is not None and len(labels) != len(runs):
        raise HiperError(f"{len(labels)} labels do not fit {len(runs)} runs")
    named = labels if labels is not None else [None] * len(runs)
    curves = [_curve(read_run(run), label, smooth) for run, label in zip(runs, named, strict=True)]
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            'figures need matplotlib: pip install "hiper-gym[compact]"'
        ) from error
    with matplotlib.rc_context(STYLE):
        # A figure made without pyplot draws with Agg and leaves no state behind.
        figure = Figure(figsize=(9.0, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _draw(left, curves, "minutes", references or {})
        _draw(right, curves, "turns", references or {})
        _label(left, right, references or {})
        handles, names = left.get_legend_handles_labels()
        figure.legend(
            handles, names, loc="outside upper left", ncols=min(4, len(names)), frameon=False
        )
        png, svg = out.with_suffix(".png"), out.with_suffix(".svg")
        _save(figure, png, dpi=200)
        _save(figure, svg, metadata={"Date": None})
    return png, svg


def band(
    curves: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean of curves and its standard error, over the range that all of them cover.

    Args:
        curves: Pairs of places [n] and values [n] with n of its own; places rise.

    Returns:
        Places, means and standard errors (0 for a single curve), [GRID_POINTS] each; empty where
        the curves have no range in common.
    """
    low, high = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    if high < low:
        nothing = np.zeros(0)
        return nothing, nothing, nothing
    grid = np.linspace(low, high, GRID_POINTS)
    values = np.stack([np.interp(grid, x, y) for x, y in curves])
    if len(curves) == 1:
        return grid, values[0], np.zeros(GRID_POINTS)
    return grid, values.mean(0), values.std(0, ddof=1) / np.sqrt(len(curves))


def _curve(records: RunRecords, label: str | None, smooth: float) -> Curve:
    columns = [records.column(key) for key in ("seconds", "turns", "success")]
    rows = [row for row in zip(*columns, strict=True) if None not in row]
    if not rows:
        raise HiperError(f"{records.folder} holds no iteration with seconds, turns and success")
    seconds, turns, success = (list(column) for column in zip(*rows, strict=True))
    smoothed = trailing_mean(success, max(1, round(smooth * len(rows))))
    name = label if label is not None else str(records.config.get("estimator", "unknown"))
    return Curve(
        name,
        np.array(seconds, np.float64) / 60.0,
        np.array(turns, np.float64),
        np.array(smoothed, np.float64),
    )


def _save(figure: Figure, path: Path, **settings: Any) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, facecolor="white", **settings)


def _draw(axes: Axes, curves: Sequence[Curve], unit: str, references: Mapping[str, float]) -> None:
    for value in references.values():
        axes.axhline(100 * value, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    for label, color in _colors(curves).items():
        group = [(getattr(c, unit), 100 * c.success) for c in curves if c.label == label]
        x, means, errors = band(group)
        if len(group) > 1:
            for places, values in group:
                axes.plot(places, values, color=color, linewidth=0.7, alpha=0.45, zorder=2)
            axes.fill_between(x, means - errors, means + errors, color=color, alpha=0.2, lw=0)
        runs = "1 run" if len(group) == 1 else f"mean of {len(group)} runs"
        axes.plot(x, means, color=color, linewidth=2.0, zorder=3, label=f"{_shown(label)}, {runs}")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 101)
    axes.grid(axis="y", color=LINES, linewidth=0.8)
    axes.set_axisbelow(True)


def _label(left: Axes, right: Axes, references: Mapping[str, float]) -> None:
    from matplotlib.ticker import EngFormatter

    left.set_ylabel("success in training (%)")
    left.set_xlabel("minutes of training")
    right.set_xlabel("turns played")
    right.xaxis.set_major_formatter(EngFormatter(sep=""))
    # In the margin, beside their lines, one below the other where lines lie close together.
    place = np.inf
    for name, value in sorted(references.items(), key=lambda item: -item[1]):
        place = min(100 * value, place - LABEL_HEIGHT)
        right.annotate(
            f"{_shown(name)} {100 * value:.1f} %",
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=MUTED,
            annotation_clip=False,
        )


def _colors(curves: Sequence[Curve]) -> dict[str, str]:
    """A colour for every label, in the order in which labels are met."""
    labels = list(dict.fromkeys(curve.label for curve in curves))
    taken = {ESTIMATOR_COLORS[label] for label in labels if label in ESTIMATOR_COLORS}
    free = [color for color in COLORS if color not in taken] or list(COLORS)
    others = [label for label in labels if label not in ESTIMATOR_COLORS]
    rest = {label: free[index % len(free)] for index, label in enumerate(others)}
    return {label: ESTIMATOR_COLORS.get(label) or rest[label] for label in labels}


def _shown(label: str) -> str:
    # Matplotlib reads text between dollar signs as a formula and hides labels that begin with _.
    return label.replace("$", r"\$").lstrip("_") or "unnamed"
