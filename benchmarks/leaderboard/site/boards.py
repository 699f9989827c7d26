"""The sections of the site: a ranking for every panel, and the runs that have no rank.

The ranking of every task type stands in the page as a body of the same table, hidden until it is
chosen; a table of all types beside one another shows the same where no script runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.leaderboard.published import Published, PublishedRow
from benchmarks.leaderboard.schema import Figures, Panel
from benchmarks.leaderboard.site.cells import DASH, Scale, heading, percent, quoted_row, run_row
from benchmarks.leaderboard.site.entries import Entry, ranks
from hiper_agents.training.report.episodes import cut
from hiper_agents.training.report.markup import Html, element, join

__all__ = ["Board", "board_section", "boards_of", "types_of", "unranked_section"]

MAX_TYPES = 40
MAX_TEXT = 120


class Board(NamedTuple):
    """A panel with the runs that are ranked on it, in their order."""

    panel: Panel
    entries: tuple[Entry, ...]


def boards_of(entries: Sequence[Entry]) -> list[Board]:
    """The panels of ranked runs, by title; panels of one name and other tasks are apart."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.place == "ranked":
            found.setdefault(entry.panel.sha256, []).append(entry)
    boards = [Board(part[0].panel, tuple(part)) for part in found.values()]
    return sorted(boards, key=lambda board: (board.panel.title, board.panel.sha256))


def types_of(entries: Sequence[Entry]) -> list[str]:
    """The task types of some runs."""
    return sorted({name for entry in entries for name in entry.result.per_task_type})[:MAX_TYPES]


def board_section(
    board: Board,
    number: int,
    types: Sequence[str],
    pages: Mapping[str, str],
    published: Published | None,
) -> Html:
    """The ranking of a panel.

    Args:
        board: The panel.
        number: Its number on the page, by which the page's filters know it.
        types: Task types of the whole page; a type's number is its place here.
        pages: Addresses of the runs' pages, by slug.
        published: Figures to quote.
    """
    panel = board.panel
    quoted = published.rows_of(panel.name) if published else ()
    bodies = [_body(board, None, pages, published, quoted)]
    bodies += [
        _body(board, (place, name), pages, published, ())
        for place, name in enumerate(types)
        if name in types_of(board.entries)
    ]
    title_id = f"board-{number}"
    return element(
        "section",
        element("h2", cut(panel.title, MAX_TEXT), id=title_id),
        element("p", join(_facts(panel), " · "), class_="facts"),
        element(
            "div",
            element("table", heading(), *bodies, class_="ranking", aria_labelledby=title_id),
            class_="scroll",
        ),
        _quoting(published, quoted, panel),
        _types_table(board),
        class_="board",
        data_panel=number,
    )


def unranked_section(
    title: str, why: str, entries: Sequence[Entry], pages: Mapping[str, str]
) -> Html | None:
    """Runs without a rank, each with the reasons; None without any."""
    if not entries:
        return None
    parts: list[Html] = []
    for panel_title in sorted({entry.panel.title for entry in entries}):
        part = [entry for entry in entries if entry.panel.title == panel_title]
        scale = _scale([entry.result.figures for entry in part])
        rows = [
            run_row(each, each.result.figures, scale, rank=None, page=pages.get(each.slug))
            for each in part
        ]
        table = element("table", heading(), element("tbody", *rows), class_="ranking")
        parts += [
            element("h3", cut(panel_title, MAX_TEXT)),
            element("div", table, class_="scroll"),
        ]
    head = (element("h2", title), element("p", why, class_="facts"))
    return element("section", *head, *parts, class_="others")


def _facts(panel: Panel) -> list[Html]:
    return [
        element("code", panel.name),
        element("span", f"{len(panel.tasks)} tasks"),
        element("span", f"at most {panel.max_turns} turns"),
        element("span", cut(panel.env, MAX_TEXT)),
        element("span", f"data {cut(panel.data_version, MAX_TEXT)}"),
        element("span", f"syntax {cut(panel.syntax, MAX_TEXT)}"),
        element("span", "digest ", element("code", panel.sha256[:12])),
    ]


def _body(
    board: Board,
    of_type: tuple[int, str] | None,
    pages: Mapping[str, str],
    published: Published | None,
    quoted: Sequence[PublishedRow],
) -> Html:
    """The rows of all tasks, or of one type's; quoted figures stand where their success does."""
    found = [
        (entry, figures)
        for entry in board.entries
        if (figures := _figures(entry, of_type)) is not None
    ]
    scale = _scale([figures for _, figures in found])
    places = ranks([figures.success.mean for _, figures in found])
    rows = [
        (
            (-figures.success.mean, 0, entry.result.agent.label),
            run_row(entry, figures, scale, rank=rank, page=pages.get(entry.slug)),
        )
        for (entry, figures), rank in zip(found, places, strict=True)
    ]
    if published is not None:
        rows += [
            ((-row.success / 100, 1, row.method), quoted_row(row, published.paper(row.arxiv)))
            for row in quoted
        ]
    rows.sort(key=lambda row: row[0])
    return element(
        "tbody",
        *(row for _, row in rows),
        data_type="all" if of_type is None else of_type[0],
        hidden=of_type is not None,
    )


def _figures(entry: Entry, of_type: tuple[int, str] | None) -> Figures | None:
    if of_type is None:
        return entry.result.figures
    return entry.result.per_task_type.get(of_type[1])


def _scale(figures: Sequence[Figures]) -> Scale:
    """From 0 to 1, and further where scores lie beyond."""
    ends = [end for each in figures for end in (each.score.interval.low, each.score.interval.high)]
    return Scale(min(0.0, *ends, 0.0), max(1.0, *ends, 1.0))


def _quoting(
    published: Published | None, quoted: Sequence[PublishedRow], panel: Panel
) -> Html | None:
    if published is None or not quoted:
        return None
    return element(
        "p",
        "Rows marked ",
        element("span", "quoted", class_="chip quoted"),
        f" are figures of the papers named, measured on {published.settings[panel.name]}, as the "
        "papers have it. Nothing of them was replayed, so they have no rank.",
        class_="note quoting",
    )


def _types_table(board: Board) -> Html | None:
    types = types_of(board.entries)
    if len(types) < 2:
        return None
    headings = (element("th", cut(name, MAX_TEXT), scope="col") for name in types)
    rows = [
        element(
            "tr",
            element("th", element("bdi", cut(entry.result.agent.label, MAX_TEXT)), scope="row"),
            *(_type_cell(entry.result.per_task_type.get(name)) for name in types),
        )
        for entry in board.entries
    ]
    table = element(
        "table",
        element("thead", element("tr", element("th", "Agent", scope="col"), *headings)),
        element("tbody", *rows),
        class_="types",
    )
    return element(
        "details",
        element("summary", "Success by task type"),
        element("div", table, class_="scroll"),
    )


def _type_cell(figures: Figures | None) -> Html:
    if figures is None:
        return element("td", DASH, class_="muted")
    return element("td", percent(figures.success.mean), element("small", f"{figures.tasks} tasks"))
