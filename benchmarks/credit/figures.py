"""The pictures of a study, as SVG texts that need no font and load nothing.

Matplotlib is imported when a picture is drawn, and no window system is needed. Nothing is computed
here but bands around curves.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.credit.analysis import METRICS, Comparison, Setting, Summary
from benchmarks.credit.outcomes import Outcome
from benchmarks.credit.statistics import Interval, student_t_quantile
from benchmarks.credit.sweeps import Sweep
from hiper_agents.training.figures import COLORS, ESTIMATOR_COLORS, INK, LINES, MUTED, STYLE
from hiper_base.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["band", "curves", "forest", "sweep_figure", "variant_styles"]

GRID_POINTS = 61
COLUMNS = 3
_DASHES = ("-", (0, (5, 2)), (0, (2, 1.5)), (0, (6, 1.5, 1, 1.5)))
_MARKERS = "osD^vPXh*"
Style = tuple[str, str | tuple[float, tuple[float, ...]], str]
"""Colour, dashes and marker."""
Drawing = Callable[["Figure"], None]


def variant_styles(variants: Sequence[str]) -> dict[str, Style]:
    """A colour, dashes and a marker for every method; the same for the same list."""
    free = [color for color in COLORS if color not in ESTIMATOR_COLORS.values()]
    styles: dict[str, Style] = {}
    others = 0
    for variant in dict.fromkeys(variants):
        color = ESTIMATOR_COLORS.get(variant)
        if color is not None:
            styles[variant] = (color, "-", _MARKERS[len(styles) % len(_MARKERS)])
            continue
        dashes = _DASHES[others // len(free) % len(_DASHES)]
        marker = _MARKERS[len(styles) % len(_MARKERS)]
        styles[variant] = (free[others % len(free)], dashes, marker)
        others += 1
    return styles


def band(
    outcomes: Sequence[Outcome],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean curve over seeds and its 95 % t interval at every place.

    Args:
        outcomes: Finished cells of one method in one setting, at least one.

    Returns:
        Turns, means, lower and upper ends, [GRID_POINTS] each; a single seed has no band: its
        ends are the curve itself. Ends lie within [0, 1].
    """
    grid = np.linspace(0.0, outcomes[0].cell.plan.turns, GRID_POINTS)
    values = np.stack([np.interp(grid, outcome.turns, outcome.success) for outcome in outcomes])
    means = values.mean(0)
    if len(outcomes) == 1:
        return grid, means, means, means
    half = student_t_quantile(0.95, len(outcomes) - 1) * (
        values.std(0, ddof=1) / np.sqrt(len(outcomes))
    )
    return grid, means, np.clip(means - half, 0.0, 1.0), np.clip(means + half, 0.0, 1.0)


def curves(setting: Setting, summaries: Sequence[Summary]) -> str:
    """Success against turns: all methods in the first panel, then each beside the first of them.

    Args:
        setting: What was measured.
        summaries: The methods to draw, the one that stands in every panel first.

    Returns:
        The picture as SVG.
    """
    styles = variant_styles([summary.variant for summary in summaries])
    bands = {s.variant: band(list(setting.of(s.variant).values())) for s in summaries}
    first, rivals = summaries[0], summaries[1:]
    panels = 1 + (len(rivals) if len(rivals) > 1 else 0)
    rows = -(-panels // COLUMNS)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(rows, min(panels, COLUMNS), sharex=True, sharey=True, squeeze=False)
        axes = list(grid.flat)
        for summary in reversed(summaries):
            _line(axes[0], summary.title, bands[summary.variant], styles[summary.variant], True)
        for rival, axis in zip(rivals, axes[1:], strict=False):
            for other in rivals:
                turns, means, *_ = bands[other.variant]
                axis.plot(turns, 100 * means, color=LINES, linewidth=1.0, zorder=1)
            for summary in (rival, first):
                _line(axis, summary.title, bands[summary.variant], styles[summary.variant], False)
            axis.set_title(_plain(rival.title), fontsize=9.5, loc="left", color=INK)
        for axis in axes[panels:]:
            axis.set_visible(False)
        for axis in axes[:panels]:
            axis.set_xlim(0, setting.turns)
            axis.set_ylim(0, 101)
            axis.grid(axis="y", color=LINES, linewidth=0.8)
            axis.tick_params(labelbottom=True)
            _thousands(axis)
        for row in grid:
            row[0].set_ylabel("solved (%)")
        axes[0].set_xlabel("turns")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles[::-1], labels[::-1], loc="outside upper left", ncols=COLUMNS, frameon=False
        )

    width = 9.6 if panels > 1 else 6.4
    return _svg((width, 2.5 * rows + 0.9), draw)


def forest(
    comparisons: Sequence[Comparison], titles: Mapping[str, str], metrics: Sequence[str]
) -> str:
    """Differences with their intervals, one panel a metric; right of 0 the first method is better.

    Args:
        comparisons: All with the same first method.
        titles: What the picture calls each method.
        metrics: Names of metrics that are shares.

    Returns:
        The picture as SVG.
    """
    rows = list(dict.fromkeys(c.second for c in comparisons))

    def draw(figure: Figure) -> None:
        for name, axis in zip(
            metrics, figure.subplots(1, len(metrics), sharey=True, squeeze=False).flat, strict=True
        ):
            axis.axvline(0, color=MUTED, linewidth=1.0, zorder=1)
            for comparison in comparisons:
                if comparison.metric != name:
                    continue
                y, difference = rows.index(comparison.second), comparison.test.difference
                low, high = _ends(difference)
                clear = comparison.p_holm < 0.05
                axis.plot([100 * low, 100 * high], [y, y], color=COLORS[0], linewidth=1.6)
                axis.plot(
                    100 * difference.mean,
                    y,
                    marker="o",
                    color=COLORS[0],
                    markerfacecolor=COLORS[0] if clear else "white",
                )
            axis.set_yticks(range(len(rows)), [_plain(titles.get(row, row)) for row in rows])
            axis.set_ylim(len(rows) - 0.5, -0.5)
            axis.grid(axis="x", color=LINES, linewidth=0.8)
            axis.set_xlabel(f"{METRICS[name].title}: difference (points of a hundred)")

    return _svg((9.6, 0.34 * len(rows) + 1.1), draw)


def sweep_figure(sweep: Sweep, variants: Sequence[str], titles: Mapping[str, str]) -> str:
    """Final success, mean success and turns to 50 % along one option, a line a method.

    Args:
        sweep: What was measured.
        variants: The methods to draw.
        titles: What the picture calls each.

    Returns:
        The picture as SVG.
    """
    styles = variant_styles(variants)

    def draw(figure: Figure) -> None:
        axes = figure.subplots(1, 3)
        for axis, name in zip(axes, ("final", "mean_success", "turns_to_50"), strict=True):
            for index, variant in enumerate(variants):
                _sweep_line(axis, sweep, name, variant, titles, styles[variant], index)
            _sweep_axis(axis, sweep, name)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=5, frameon=False)

    return _svg((9.6, 3.9), draw)


def _sweep_line(
    axis: Axes,
    sweep: Sweep,
    name: str,
    variant: str,
    titles: Mapping[str, str],
    style: Style,
    index: int,
) -> None:
    color, dashes, marker = style
    # Beside one another, so that the intervals of methods at one place can be told apart.
    shift = (index - 3) * 0.02
    places, means, lows, highs, open_ = [], [], [], [], []
    for place, setting in enumerate(sweep.settings):
        summary = next((s for s in setting.summaries if s.variant == variant), None)
        if summary is None:
            continue
        found, censored = _measured(summary, name)
        low, high = _ends(found)
        scale = 100.0 if METRICS[name].is_share else 1.0
        # On a logarithmic axis there is no room for what is below nothing.
        floor = 0.0 if METRICS[name].is_share else found.mean / 10
        places.append(place + shift)
        means.append(scale * found.mean)
        lows.append(scale * max(low, floor))
        highs.append(scale * (min(high, 1.0) if METRICS[name].is_share else high))
        open_.append(censored)
    axis.plot(places, means, color=color, linestyle=dashes, linewidth=1.6)
    axis.vlines(places, lows, highs, color=color, linewidth=1.0, alpha=0.7)
    label = _plain(titles.get(variant, variant))
    for censored in (False, True):
        chosen = [i for i, flag in enumerate(open_) if flag is censored]
        axis.plot(
            [places[i] for i in chosen],
            [means[i] for i in chosen],
            linestyle="none",
            marker=marker,
            markersize=5.5,
            color=color,
            markerfacecolor="white" if censored else color,
            zorder=3,
        )
    axis.plot([], [], color=color, linestyle=dashes, marker=marker, markersize=5.5, label=label)


def _sweep_axis(axis: Axes, sweep: Sweep, name: str) -> None:
    axis.set_xticks(range(len(sweep.values)), [f"{value:g}" for value in sweep.values])
    axis.set_xlabel(_plain(sweep.option))
    axis.grid(axis="y", color=LINES, linewidth=0.8)
    if METRICS[name].is_share:
        axis.set_ylim(0, 101)
        axis.set_ylabel(f"{METRICS[name].title} (%)")
        return
    axis.set_yscale("log")
    _round_turns(axis)
    axis.set_ylabel(METRICS[name].title)
    budgets = [setting.turns for setting in sweep.settings]
    axis.plot(range(len(budgets)), budgets, color=MUTED, linewidth=1.0, linestyle=(0, (4, 3)))


def _measured(summary: Summary, name: str) -> tuple[Interval, bool]:
    """Interval of a metric, and whether it is only a bound."""
    threshold = METRICS[name].threshold
    if threshold is None:
        return (summary.final if name == "final" else summary.mean_success), False
    found = summary.times[threshold]
    return found.restricted, found.is_censored


def _line(
    axis: Axes,
    title: str,
    drawn: tuple[
        NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]
    ],
    style: Style,
    faint: bool,
) -> None:
    turns, means, low, high = drawn
    color, dashes, _ = style
    alpha = 0.08 if faint else 0.2
    axis.fill_between(turns, 100 * low, 100 * high, color=color, alpha=alpha, linewidth=0)
    axis.plot(
        turns,
        100 * means,
        color=color,
        linestyle=dashes,
        linewidth=1.8,
        label=_plain(title),
        zorder=3,
    )


def _ends(found: Interval) -> tuple[float, float]:
    if found.low is None or found.high is None:
        return found.mean, found.mean
    return found.low, found.high


def _thousands(axis: Axes) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axis.xaxis.set_major_locator(MaxNLocator(4))
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))


def _round_turns(axis: Axes) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    axis.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter(EngFormatter(sep=""))
    axis.yaxis.set_minor_formatter(NullFormatter())


def _plain(label: str) -> str:
    # Matplotlib reads text between dollar signs as a formula and hides labels that begin with _.
    return label.replace("$", r"\$").lstrip("_") or "unnamed"


def _svg(size: tuple[float, float], draw: Drawing) -> str:
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            'figures need matplotlib: pip install "hiper-gym[compact]"'
        ) from error
    written = io.StringIO()
    with matplotlib.rc_context(STYLE):
        # A figure made without pyplot draws with Agg and leaves no state behind.
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(written, format="svg", facecolor="white", metadata={"Date": None})
    return written.getvalue()
