"""The columns of the ranking, and a run's and a quoted figure's cells in them.

Every cell carries what it is sorted by, so that the page's script compares and never reads text.
All markup of values is made by `element`, which escapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.leaderboard.published import Paper, PublishedRow
from benchmarks.leaderboard.schema import Figures, Share
from benchmarks.leaderboard.site.entries import Entry
from hiper_agents.training.curves import compact
from hiper_agents.training.report.episodes import cut
from hiper_agents.training.report.markup import Html, element, join

__all__ = ["COLUMNS", "DASH", "Column", "Scale", "heading", "percent", "quoted_row", "run_row"]

DASH = "\u2013"
WIDTH, HEIGHT = 96, 16
MAX_LABEL, MAX_REASON, MAX_REASONS = 120, 400, 12
_COMMIT, _COMMITS = 10, 3


class Column(NamedTuple):
    """A column of the ranking.

    Attributes:
        name: Heading, and what a cell is called where there is no room for headings.
        falling: Whether the highest value comes first when one sorts by it.
        hint: What it holds.
    """

    name: str
    falling: bool
    hint: str


COLUMNS = (
    Column("Rank", False, "By success; equal successes share a rank"),
    Column("Agent", False, "Who played"),
    Column("Success", True, "Share of episodes that were won, with its 95 % interval"),
    Column("Score", True, "The benchmark's score, with its 95 % interval"),
    Column("pass^k", True, "Chance that k plays of one task all succeed, k being the seeds"),
    Column("Plays", True, "Tasks times seeds"),
    Column("Turns", False, "Turns an episode"),
    Column("Options", False, "Options an episode"),
    Column("Invalid", False, "Share of turns with a well-formed action that was not admissible"),
    Column("Malformed", False, "Share of turns with a text that could not be read"),
    Column("Tokens", False, "Tokens read and written in an episode"),
    Column("Seconds", False, "The agent's seconds an episode, on the machine that it ran on"),
    Column("Date", True, "Day on which it was finished"),
)
_TEXTS = frozenset({"Agent", "Date"})


class Scale(NamedTuple):
    """Ends of the axis on which scores are drawn."""

    low: float
    high: float


def heading() -> Html:
    """The row of headings."""
    cells = (
        element(
            "th",
            column.name,
            scope="col",
            title=column.hint,
            data_falling="yes" if column.falling else None,
            data_text="yes" if column.name in _TEXTS else None,
        )
        for column in COLUMNS
    )
    return element("thead", element("tr", *cells))


def percent(share: float) -> str:
    """A share with one decimal."""
    return f"{100 * share:.1f} %"


def run_row(
    entry: Entry, figures: Figures, scale: Scale, *, rank: int | None, page: str | None
) -> Html:
    """A run's row.

    Args:
        entry: The run.
        figures: Its figures, of all tasks or of one type's.
        scale: Of scores.
        rank: Its place; None for a run that is not ranked.
        page: Address of its page; None without one.
    """
    cells = (
        _cell("Rank", rank, str(rank) if rank is not None else None),
        _agent(entry, page),
        _share_cell("Success", figures.success, Scale(0.0, 1.0), percents=True),
        _share_cell("Score", figures.score, scale, percents=False),
        _passes(figures),
        _plays(figures),
        _cell("Turns", figures.turns, compact(figures.turns)),
        _cell("Options", figures.options, compact(figures.options)),
        _cell("Invalid", figures.invalid_action_rate, percent(figures.invalid_action_rate)),
        _cell("Malformed", figures.format_error_rate, percent(figures.format_error_rate)),
        _tokens(figures),
        _seconds(entry),
        _cell("Date", entry.date or None, entry.date or None),
    )
    return element("tr", *cells, class_=None if rank is not None else "unranked")


def quoted_row(row: PublishedRow, paper: Paper) -> Html:
    """The row of a published figure. It has no rank, for nothing of it can be replayed."""
    source = element(
        "a",
        f"arXiv {row.arxiv}",
        href=f"https://arxiv.org/abs/{row.arxiv}",
        title=f"{paper.authors} ({paper.year}): {paper.title}",
        rel="noopener noreferrer",
    )
    agent = element(
        "td",
        element("bdi", row.method, class_="label"),
        element("span", "quoted", class_="chip quoted"),
        element("span", row.model, " · ", source, ", ", row.where, class_="sub"),
        class_="agent",
        data_label="Agent",
        data_v=f"{row.method} {row.model}".casefold(),
    )
    known = {"Agent": agent, "Success": _quoted_success(row)}
    cells = (known.get(column.name) or _cell(column.name, None, "") for column in COLUMNS)
    return element("tr", *cells, class_="quoted")


def _cell(name: str, value: float | str | None, shown: object) -> Html:
    """A cell: what is shown, and what it is sorted by; a dash without either."""
    return element(
        "td",
        element("span", DASH, class_="muted") if shown is None else shown,
        class_=name.lower().replace("^", "-"),
        data_label=name,
        data_v="" if value is None else value,
    )


def _agent(entry: Entry, page: str | None) -> Html:
    agent, about = entry.result.agent, entry.result.about
    label = element("bdi", cut(agent.label, MAX_LABEL), class_="label")
    model = about.get("model")
    facts = [
        cut(agent.name, MAX_LABEL) if agent.name != agent.label else "",
        cut(model, MAX_LABEL) if isinstance(model, str) else "",
        _commits(entry.result.commits),
    ]
    # Names may be written from right to left; each is kept to itself.
    named = [element("bdi", fact) for fact in facts if fact]
    reasons = entry.reasons[:MAX_REASONS]
    more = len(entry.reasons) - len(reasons)
    said = [cut(reason, MAX_REASON) for reason in reasons] + ([f"and {more} more"] if more else [])
    return element(
        "td",
        label if page is None else element("a", label, href=page),
        element("span", agent.mode, class_="chip"),
        element("span", "replayed", class_="chip good") if entry.replayed else None,
        element("span", join(named, " · "), class_="sub") if named else None,
        element("ul", *(element("li", each) for each in said), class_="reasons") if said else None,
        class_="agent",
        data_label="Agent",
        data_v=agent.label.casefold(),
    )


def _commits(commits: Sequence[str]) -> str:
    """Commits by their beginnings."""
    short = [
        cut(commit.removesuffix("-dirty"), _COMMIT).rstrip("…")
        + (" with changes" if commit.endswith("-dirty") else "")
        for commit in commits[:_COMMITS]
    ]
    return f"commit {', '.join(short)}{' …' if len(commits) > _COMMITS else ''}" if short else ""


def _share_cell(name: str, share: Share, scale: Scale, *, percents: bool) -> Html:
    low, high = share.interval.low, share.interval.high
    if percents:
        value, ends = percent(share.mean), f"{100 * low:.1f} to {100 * high:.1f}"
    else:
        value, ends = _score(share.mean), f"{_score(low)} to {_score(high)}"
    hint = f"95 % interval {ends} (resampled tasks)"
    if share.wilson is not None:
        hint += f"; Wilson's {100 * share.wilson.low:.1f} to {100 * share.wilson.high:.1f}"
    hint += f"; standard error {f'{100 * share.se:.1f}' if percents else _score(share.se)}"
    drawn = _bar(scale, low, share.mean, high, hint)
    shown = join(
        [element("b", value), element("span", drawn, class_="bar"), element("small", ends)]
    )
    return _cell(name, share.mean, shown)


def _score(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else compact(value)


def _bar(scale: Scale, low: float, mean: float, high: float, hint: str) -> Html:
    """An interval on an axis, with the mean as a stroke."""

    def place(value: float) -> float:
        share = (value - scale.low) / (scale.high - scale.low)
        return round(4 + (WIDTH - 8) * min(1.0, max(0.0, share)), 2)

    middle = HEIGHT // 2
    left, right, dot = place(low), place(high), place(mean)
    return element(
        "svg",
        element("title", hint),
        element("path", d=f"M4 {middle}H{WIDTH - 4}", class_="axis"),
        element("rect", x=left, y=middle - 4, width=round(right - left, 2), height=8, rx=2),
        element("path", d=f"M{dot} {middle - 6}V{middle + 6}", class_="mean"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=WIDTH,
        height=HEIGHT,
        role="img",
    )


def _quoted_success(row: PublishedRow) -> Html:
    share, half = row.success / 100, (row.deviation or 0.0) / 100
    known = [
        "" if row.deviation is None else f"\u00b1 {row.deviation:g}",
        "" if row.seeds is None else f"{row.seeds} seeds",
    ]
    spread = ", ".join(each for each in known if each)
    hint = ", ".join(each for each in (f"{row.success:g} %", spread, "as published") if each)
    drawn = _bar(Scale(0.0, 1.0), share - half, share, share + half, hint)
    shown = join(
        [
            element("b", f"{row.success:.1f} %"),
            element("span", drawn, class_="bar"),
            element("small", spread),
        ]
    )
    return _cell("Success", share, shown)


def _passes(figures: Figures) -> Html:
    last = max(figures.passes, key=lambda each: each.k, default=None)
    if last is None or last.k < 2:
        return _cell("pass^k", None, None)
    shown = join([percent(last.value), element("small", f"k = {last.k}")])
    return _cell("pass^k", last.value, shown)


def _plays(figures: Figures) -> Html:
    tasks, episodes = figures.tasks, figures.episodes
    detail = (
        f"{tasks} \u00d7 {episodes // tasks}" if tasks and episodes % tasks == 0 else f"{tasks}"
    )
    failed = figures.outcomes.get("failed", 0)
    shown = join(
        [
            str(episodes),
            element("small", detail),
            element("small", f"{failed} failed", class_="bad") if failed else "",
        ]
    )
    return _cell("Plays", episodes, shown)


def _tokens(figures: Figures) -> Html:
    read, written = figures.prompt_tokens, figures.output_tokens
    if read is None and written is None:
        return _cell("Tokens", None, None)
    parts = [
        f"{compact(count)} {what}"
        for count, what in ((read, "read"), (written, "written"))
        if count is not None
    ]
    shown = join(element("small", part) for part in parts)
    return _cell("Tokens", (read or 0.0) + (written or 0.0), shown)


def _seconds(entry: Entry) -> Html:
    if entry.costs is None:
        return _cell("Seconds", None, None)
    seconds = entry.costs.agent_seconds.mean
    return _cell("Seconds", seconds, "< 0.001" if seconds < 0.001 else compact(seconds))
