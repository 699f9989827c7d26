"""Line charts as inline SVG.

Lines and grid are SVG that stretches to the width of the page; labels are HTML placed by
percentages, so that they keep their size on a phone. `report.js` reads the numbers out of the
chart's data attributes to show them under the pointer. Nothing here knows what is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hiper_agents.training.curves import Column, compact, shown, thin, ticks, trailing_mean
from hiper_agents.training.report.markup import Html, element, join

MAX_POINTS = 400
_WIDTH, _HEIGHT = 1000, 400


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        name: Shown in the legend.
        values: One a point; None is a gap.
        color: Number of its colour in the style sheet.
    """

    name: str
    values: Column
    color: int = 0


@dataclass(frozen=True)
class Chart:
    """What one chart shows.

    Attributes:
        title: Above it.
        x: Place of every point; a point without place is left out.
        series: The lines.
        x_label: What x counts, with its unit.
        shares: Values are shares of 1, shown as percentages on an axis from 0 to 100 %.
        window: Draw the mean of so many points, and the points themselves faintly behind it.
        note: A sentence under the title.
        counted: Points are counted 1, 2, ...; each is in the middle of one unit of the axis.
    """

    title: str
    x: Column
    series: Sequence[Series]
    x_label: str
    shares: bool = False
    window: int = 1
    note: str = ""
    counted: bool = False


def draw(chart: Chart) -> Html:
    """The chart as a `figure`; without any number it says so."""
    kept = [i for i, x in enumerate(chart.x) if x is not None]
    places = [x for x in chart.x if x is not None]
    raw = [[series.values[i] for i in kept] for series in chart.series]
    smooth = [trailing_mean(column, chart.window) for column in raw]
    if not any(value is not None for column in raw for value in column):
        return element("figure", _caption(chart, []), element("p", "No figures.", class_="empty"))
    last = [next((v for v in reversed(c) if v is not None), None) for c in smooth]
    x, thinned = thin(places, raw + smooth, MAX_POINTS)
    raw, smooth = thinned[: len(raw)], thinned[len(raw) :]
    return element(
        "figure", _caption(chart, last), _plot(chart, x, raw if chart.window > 1 else [], smooth)
    )


def _caption(chart: Chart, last: Sequence[float | None]) -> Html:
    legend = [
        element(
            "span",
            element("i", class_=f"swatch c{series.color}"),
            series.name if len(chart.series) > 1 else "last",
            element("b", shown(value, shares=chart.shares)),
        )
        for series, value in zip(chart.series, last, strict=False)
    ]
    return element(
        "figcaption",
        element("h3", chart.title),
        element("p", chart.note) if chart.note else None,
        element("div", *legend, class_="legend") if legend else None,
    )


def _plot(chart: Chart, x: list[float], raw: list[Column], smooth: list[Column]) -> Html:
    y_ticks = _y_ticks(chart, raw + smooth)
    low, high = y_ticks[0], y_ticks[-1]
    left, right = (0.5, max(x) + 0.5) if chart.counted else (min(0.0, *x), max(x))
    right = right if right > left else left + 1.0
    x_ticks = ticks(left, right, count=8 if chart.counted else 4, whole=chart.counted)
    across = [_WIDTH * (value - left) / (right - left) for value in x]

    def up(value: float) -> float:
        return _HEIGHT * (high - min(max(value, low), high)) / (high - low)

    grid = [element("path", d=f"M0 {up(y):.1f}H{_WIDTH}", class_="grid") for y in y_ticks]
    lines = []
    for kind, columns in (("faint", raw), ("line", smooth)):
        for series, column in zip(chart.series, columns, strict=False):
            lines.append(
                element("path", d=_path(across, column, up), class_=f"{kind} c{series.color}")
            )
    named = ", ".join(series.name for series in chart.series)
    drawing = element(
        "svg",
        *grid,
        *lines,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{chart.title}: {named}, against {chart.x_label}",
    )
    return element(
        "div",
        drawing,
        _labels(y_ticks, lambda y: f"top:{100 * up(y) / _HEIGHT:.2f}%", "y", chart.shares),
        _labels(
            [tick for tick in x_ticks if left <= tick <= right * (1 + 1e-9)],
            lambda tick: f"left:{100 * (tick - left) / (right - left):.2f}%",
            "x",
            False,
        ),
        element("span", chart.x_label, class_="axis"),
        class_="plot",
        data_x=json.dumps([_rounded(value) for value in x], separators=(",", ":")),
        data_left=left,
        data_right=right,
        data_unit=chart.x_label,
        data_shares="yes" if chart.shares else None,
        data_series=json.dumps(
            [
                [series.name, series.color, [_rounded(value) for value in column]]
                for series, column in zip(chart.series, smooth, strict=True)
            ],
            separators=(",", ":"),
        ),
    )


def _labels(
    values: Sequence[float], style: Callable[[float], str], axis: str, shares: bool
) -> Html:
    return join(
        element(
            "span",
            f"{100 * value:.0f} %" if shares else compact(value),
            class_=f"tick {axis}",
            style=style(value),
        )
        for value in values
    )


def _y_ticks(chart: Chart, columns: Sequence[Column]) -> list[float]:
    if chart.shares:
        return [0.0, 0.25, 0.5, 0.75, 1.0]
    values = [value for column in columns for value in column if value is not None]
    return ticks(min(0.0, *values), max(0.0, *values))


def _path(across: Sequence[float], column: Column, up: Callable[[float], float]) -> str:
    """Path data of a line with gaps; a point between gaps is drawn as a dot."""
    parts: list[str] = []
    pen_down = False
    for x, value in zip(across, column, strict=True):
        if value is None:
            pen_down = False
            continue
        parts.append(f"{'L' if pen_down else 'M'}{x:.1f} {up(value):.1f}{'' if pen_down else 'h0'}")
        pen_down = True
    return "".join(parts)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
