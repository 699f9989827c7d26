"""Sample episodes as timelines: one coloured band an option, with what was read, done and expected.

A band's colour stands for the kind of its subgoal, which is its first word. The samples come from a
file, so every part of them may be missing or of another type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from hiper_agents.training.curves import Column, number
from hiper_agents.training.report.charts import Chart, Series, draw
from hiper_agents.training.report.markup import Html, element, join

MAX_TURNS = 100
MAX_TEXT = 1000
MAX_MARKUP = 600_000
COLORS = 8
#: Heads in the order of a turn's `values`, as the legend names them.
HEADS = ("low (executor)", "high (planner)", "switch")


@dataclass(frozen=True)
class _Band:
    """One option of a sample episode."""

    subgoal: str
    first: int
    turns: list[dict[str, Any]]


def episodes(samples: Sequence[dict[str, Any]]) -> tuple[Html, str]:
    """Draws the samples, as many as fit.

    Returns:
        The markup, and a sentence about what was left out, "" if nothing was.
    """
    kinds: dict[str, int] = {}
    drawn: list[Html] = []
    size = 0
    for sample in samples:
        markup = _episode(sample, kinds, opened=not drawn)
        if size + len(markup) > MAX_MARKUP:
            break
        size += len(markup)
        drawn.append(markup)
    left_out = len(samples) - len(drawn)
    return join(drawn), f"{left_out} more do not fit on this page." if left_out else ""


def _episode(sample: dict[str, Any], kinds: dict[str, int], *, opened: bool) -> Html:
    listed = sample.get("turns")
    turns = [turn for turn in listed if isinstance(turn, dict)] if isinstance(listed, list) else []
    shown = turns[:MAX_TURNS]
    bands = _bands(shown)
    kind = cut(sample.get("task_type"), 60).replace("_", " ")
    won = sample.get("won") is True
    colors = [_color(band.subgoal, kinds) for band in bands]
    summary = element(
        "summary",
        element("b", "solved" if won else "not solved", class_=f"badge {'good' if won else 'bad'}"),
        element("span", cut(sample.get("task")) or "task unknown", class_="task"),
        element(
            "span",
            f"{kind} · {_turns(len(turns))} · {len(bands)} options",
            class_="muted",
        ),
    )
    strip = element(
        "div",
        *(
            element(
                "span",
                band.subgoal or "no subgoal",
                class_=f"c{color}",
                style=f"flex-grow:{len(band.turns)}",
                title=f"{band.subgoal}: {_turns(len(band.turns))}",
            )
            for band, color in zip(bands, colors, strict=True)
        ),
        class_="strip",
    )
    cut_short = f"Only the first {MAX_TURNS} turns are shown." if len(turns) > MAX_TURNS else ""
    return element(
        "details",
        summary,
        element("p", cut(sample.get("task_id")), class_="muted id"),
        strip if bands else element("p", "This sample has no turns.", class_="empty"),
        _values(shown),
        *(_option(band, color) for band, color in zip(bands, colors, strict=True)),
        element("p", cut_short, class_="muted") if cut_short else None,
        class_="episode",
        open=opened,
    )


def _bands(turns: Sequence[dict[str, Any]]) -> list[_Band]:
    """Splits turns at their boundaries, or by option id where no boundaries were written."""
    starts = []
    for index, turn in enumerate(turns):
        boundary = turn.get("boundary")
        if not isinstance(boundary, bool):
            boundary = turn.get("option_id") != turns[index - 1].get("option_id")
        starts.append(boundary or index == 0)
    numbers = [sum(starts[: index + 1]) for index in range(len(turns))]
    bands = []
    for _, group in groupby(range(len(turns)), key=numbers.__getitem__):
        members = list(group)
        own = [turns[index] for index in members]
        bands.append(_Band(cut(own[0].get("subgoal"), 120), members[0], own))
    return bands


def _option(band: _Band, color: int) -> Html:
    return element(
        "section",
        element(
            "h4",
            band.subgoal or "no subgoal",
            element("span", _turns(len(band.turns)), class_="muted"),
        ),
        element(
            "ol",
            *(_turn(turn) for turn in band.turns),
            start=band.first + 1,
            style=f"counter-reset:turn {band.first}",
        ),
        class_=f"option c{color}",
    )


def _turn(turn: dict[str, Any]) -> Html:
    values = _triple(turn)
    return element(
        "li",
        element("p", cut(turn.get("observation")), class_="observation"),
        element(
            "p",
            element("code", cut(turn.get("action"))),
            element("small", " / ".join("-" if v is None else f"{v:.2f}" for v in values))
            if any(value is not None for value in values)
            else None,
            class_="action",
        ),
    )


def _values(turns: Sequence[dict[str, Any]]) -> Html | None:
    """The three values along the episode, under the strip and on its scale."""
    triples = [_triple(turn) for turn in turns]
    if not any(value is not None for triple in triples for value in triple):
        return None
    series = [
        Series(name, [triple[head] for triple in triples], head) for head, name in enumerate(HEADS)
    ]
    places: Column = [float(index + 1) for index in range(len(turns))]
    return draw(Chart("Values", places, series, "turn", counted=True))


def _triple(turn: dict[str, Any]) -> list[float | None]:
    values = turn.get("values")
    found = [number(value) for value in values[:3]] if isinstance(values, list) else []
    return found + [None] * (3 - len(found))


def _color(subgoal: str, kinds: dict[str, int]) -> int:
    """One colour a kind of subgoal, in the order in which kinds are met."""
    kind = subgoal.split(" ", 1)[0]
    return kinds.setdefault(kind, len(kinds)) % COLORS


def _turns(count: int) -> str:
    return f"{count} turn" if count == 1 else f"{count} turns"


def cut(value: object, limit: int = MAX_TEXT) -> str:
    """A value from a file as text of bounded length; "" for None."""
    written = "" if value is None else value if isinstance(value, str) else repr(value)
    return written if len(written) <= limit else f"{written[:limit]}…"
