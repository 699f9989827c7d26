"""Writes the site: the page of all rankings, and a page for every run.

The pages ask for nothing beyond themselves. They are made from the folders only, so that the same
folders give the same bytes, and each is replaced in one step.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from benchmarks.leaderboard.published import Published, load_published
from benchmarks.leaderboard.site.boards import (
    MAX_TEXT,
    Board,
    board_section,
    boards_of,
    types_of,
    unranked_section,
)
from benchmarks.leaderboard.site.cells import COLUMNS
from benchmarks.leaderboard.site.entries import Entry, Gathered, gather
from benchmarks.leaderboard.store import StudyError
from hiper_agents.training.report.episodes import cut
from hiper_agents.training.report.markup import Html, element, trusted
from hiper_base.files import replacing

__all__ = ["INDEX_FILE", "RUNS_FOLDER", "render_site"]

INDEX_FILE = "index.html"
RUNS_FOLDER = "runs"
MAX_PROBLEM = 400

HOW_TO_READ = (
    "Success is the benchmark's own: reaching the step limit is none, and an episode in which the "
    "agent failed is lost. Bars are 95 % intervals of resampled tasks, each with all its seeds; "
    "the stroke is the mean.",
    "Runs whose intervals overlap are not told apart by their rank. The command hiper leaderboard "
    "compare takes two runs task by task and sees smaller differences.",
    "Turns, options, tokens and seconds are means of an episode. Seconds depend on the machine.",
)
REPLAYED = (
    "Every action of a run marked “replayed” was played again in the environment, and every "
    "observation, score and figure was found as the run says."
)
NOT_REPLAYED = "The runs were not replayed for this page: the figures are as their folders say."


def render_site(
    folders: Sequence[Path],
    out: Path,
    *,
    published: bool = True,
    verified: Mapping[Path, Sequence[str]] | None = None,
) -> Path:
    """Writes the site of some studies.

    A study has a rank if it was played on the tasks of its panel and, where studies were verified,
    nothing was found. Folders that are unfinished or damaged are named and left out. Pages of runs
    that an earlier site had are left where they are.

    Args:
        folders: Study folders.
        out: The folder of the site; made where it is missing.
        published: Quote figures of papers beside the panels that they were measured on.
        verified: For every folder what verification found, nothing for one that is as it should be.
            A folder that is not among them counts as not verified. None where nobody verified.

    Returns:
        The path of the index.

    Raises:
        PublishedError: The published figures are damaged.
        OSError: The site cannot be written.
    """
    found = gather(folders, verified)
    quotes = load_published() if published else None
    pages, problems = _write_runs(found.entries, out)
    index = _page(found, pages, problems, quotes, is_verified=verified is not None)
    path = out / INDEX_FILE
    with replacing(path) as temporary:
        temporary.write_bytes(index.encode("utf-8", errors="replace"))
    return path


def _write_runs(entries: Sequence[Entry], out: Path) -> tuple[dict[str, str], list[str]]:
    """Writes the runs' pages; returns their addresses by slug, and what could not be shown."""
    # Only now: the viewer reads studies by this package.
    from benchmarks.viewer import write_view

    pages: dict[str, str] = {}
    problems: list[str] = []
    for entry in entries:
        address = f"{RUNS_FOLDER}/{entry.slug}.html"
        try:
            write_view(entry.folder, out=out / address)
        except StudyError as error:
            name = entry.folder.resolve().name
            why = str(error).replace(str(entry.folder.resolve()), name)
            problems.append(f"{name} has no page: {why.replace(str(entry.folder), name)}")
        else:
            pages[entry.slug] = address
    return pages, problems


def _page(
    found: Gathered,
    pages: Mapping[str, str],
    problems: Sequence[str],
    published: Published | None,
    *,
    is_verified: bool,
) -> Html:
    boards = boards_of(found.entries)
    types = types_of([entry for board in boards for entry in board.entries])
    script, style = _asset("site.js"), _style()
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        trusted('<meta charset="utf-8">'),
        trusted('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        trusted(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("title", "Leaderboard"),
        element("style", trusted(style)),
    )
    main = element(
        "main",
        _header(boards, found),
        _left_out(found, problems),
        _filters(boards, types, published),
        *(
            board_section(board, number, types, pages, published)
            for number, board in enumerate(boards)
        ),
        None if boards else element("p", "No run is ranked yet.", class_="empty"),
        *_others(found.entries, pages),
        _reading(is_verified),
    )
    body = element("body", main, element("script", trusted(script)))
    return Html(f'<!doctype html>\n<html lang="en">{head}{body}</html>\n')


def _asset(name: str) -> str:
    return files("benchmarks.leaderboard.site").joinpath(name).read_text(encoding="utf-8")


def _style() -> str:
    base = files("hiper_agents.training.report").joinpath("report.css")
    return base.read_text(encoding="utf-8") + _asset("site.css")


def _digest(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


def _header(boards: Sequence[Board], found: Gathered) -> Html:
    runs, panels = sum(len(board.entries) for board in boards), len(boards)
    counts = f"{runs} ranked {'run' if runs == 1 else 'runs'} on {panels} " + (
        "panel" if panels == 1 else "panels"
    )
    others = len(found.entries) - runs
    if others:
        counts += f", {others} without a rank"
    return element(
        "header",
        element("p", "hiper leaderboard", class_="muted"),
        element("h1", "Leaderboard"),
        element("p", counts, class_="muted"),
    )


def _left_out(found: Gathered, problems: Sequence[str]) -> Html | None:
    said = [f"{name} is left out: {why}" for name, why in found.left_out] + list(problems)
    if not said:
        return None
    return element(
        "aside",
        element("h2", "Not on this page"),
        element("ul", *(element("li", cut(each, MAX_PROBLEM)) for each in said)),
        class_="problems",
    )


def _filters(
    boards: Sequence[Board], types: Sequence[str], published: Published | None
) -> Html | None:
    """The controls; hidden until the script that they need has run."""
    if not boards:
        return None
    panels = [(str(number), board.panel.title) for number, board in enumerate(boards)]
    kinds = [(str(place), name) for place, name in enumerate(types)]
    sorting = [(str(place), column.name) for place, column in enumerate(COLUMNS)]
    quoted = trusted('<input type="checkbox" id="quoted" checked>')
    search = trusted('<input type="search" id="search" placeholder="agent, model, commit">')
    return element(
        "div",
        _select("panel", "Panel", [("all", "All panels"), *panels]),
        _select("type", "Task type", [("all", "All task types"), *kinds]),
        _field("search", "Find", search),
        _select("sort", "Sort by", sorting),
        element("label", quoted, " Quoted figures", class_="check") if published else None,
        element("p", "", id="count", class_="muted", aria_live="polite"),
        id="filters",
        hidden=True,
    )


def _select(name: str, label: str, options: Sequence[tuple[str, str]]) -> Html:
    chosen = (element("option", cut(text, MAX_TEXT), value=value) for value, text in options)
    return _field(name, label, element("select", *chosen, id=name))


def _field(name: str, label: str, control: Html) -> Html:
    return element("label", element("span", label), control, class_=f"field {name}")


def _others(entries: Sequence[Entry], pages: Mapping[str, str]) -> list[Html | None]:
    return [
        unranked_section(
            "Not ranked",
            "Played on other tasks than the panel's, so that the figures are not on one scale.",
            [entry for entry in entries if entry.place == "unranked"],
            pages,
        ),
        unranked_section(
            "Not verified",
            "Replaying did not give what these folders say, or was not done. Figures are theirs.",
            [entry for entry in entries if entry.place == "unverified"],
            pages,
        ),
    ]


def _reading(is_verified: bool) -> Html:
    said = (*HOW_TO_READ, REPLAYED if is_verified else NOT_REPLAYED)
    return element(
        "aside",
        element("h2", "How to read this"),
        *(element("p", each) for each in said),
        class_="reading",
    )
