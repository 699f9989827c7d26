"""Puts the viewer's page together: one file that asks for nothing else.

Every episode stands in the page packed by itself, and is unpacked when it is looked at, so that a
page of a thousand long episodes opens at once. Markup is made here and by the page's own script
only; texts of runs never are markup, on either side.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.leaderboard.packing import whole
from benchmarks.leaderboard.store import StudyError, StudyFolder
from benchmarks.viewer.model import Head, Kinds, Place, Run, Tile
from benchmarks.viewer.samples import SampleRun
from benchmarks.viewer.skeleton import HELP, LIST, READER
from benchmarks.viewer.studies import StudyRun
from hiper_agents.training.report.markup import Html, element, trusted
from hiper_agents.training.samples import SAMPLES_FILE
from hiper_base.errors import HiperError
from hiper_base.files import replacing

__all__ = ["VIEW_FILE", "render_view", "write_view"]

VIEW_FILE = "view.html"

SCRIPTS = ("data.js", "list.js", "chart.js", "turn.js", "episode.js", "main.js")
"""In the order in which they stand in the page, as one script."""

LETTERS = ("A", "B")
MAX_ABOUT = 60


def write_view(
    run: Path,
    other: Path | None = None,
    *,
    out: Path | None = None,
    seed: int | None = None,
    max_episodes: int | None = None,
) -> Path:
    """Writes the page of a run, or of two side by side; a reader never sees half of it.

    Args:
        run: A study folder, finished, unfinished or packed, or the folder of a training run.
        other: Another one, whose tasks are shown beside those of `run`.
        out: Where the page goes; `view.html` in the folder of `run` when left out.
        seed: Only episodes of this seed of the agent.
        max_episodes: Only so many episodes, the first ones; of two runs so many tasks.

    Returns:
        The path of the page.

    Raises:
        StudyError: A folder is neither, is damaged, or has no episodes to show; or the page cannot
            be written, or there are no data to play a packed study again.
    """
    page = render_view(run, other, seed=seed, max_episodes=max_episodes)
    path = run / VIEW_FILE if out is None else out
    # Texts of a training run can hold halves of surrogate pairs, which UTF-8 cannot.
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(page.encode("utf-8", errors="replace"))
    except OSError as error:
        raise StudyError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def render_view(
    run: Path,
    other: Path | None = None,
    *,
    seed: int | None = None,
    max_episodes: int | None = None,
) -> Html:
    """The whole page; see :func:`write_view`."""
    kinds = Kinds()
    paths = [path for path in (run, other) if path is not None]
    with ExitStack() as copies:
        runs = [open_run(_unpacked(path, copies), kinds) for path in paths]
        return _render(runs, _choose(runs, seed, max_episodes))


def _unpacked(path: Path, copies: ExitStack) -> Path:
    """A folder with its trajectories: the same one, or a copy that ends with the stack."""
    try:
        return copies.enter_context(whole(path))
    except StudyError:
        raise
    except HiperError as error:
        raise StudyError(f"the packed study {path} cannot be played again: {error}") from error


def _render(runs: Sequence[Run], chosen: Sequence[Sequence[Place]]) -> Html:
    packed, rows = [], []
    for number, (each, places) in enumerate(zip(runs, chosen, strict=True)):
        for place in places:
            episode = each.episode(place)
            rows.append({"run": number, **episode.row})
            packed.append(_pack(episode.content))
    heads = [_partial(each.head(), each, places) for each, places in zip(runs, chosen, strict=True)]
    index = {"runs": [head.label for head in heads], "rows": rows}
    return _page(heads, [_pack(index), *packed])


def open_run(path: Path, kinds: Kinds) -> Run:
    """Reads what a folder is.

    Raises:
        StudyError: It is neither a study folder nor that of a training run, or is damaged.
    """
    if not path.is_dir():
        raise StudyError(f"{path} is not a folder")
    if StudyFolder(path).exists:
        return StudyRun(path, kinds)
    if (path / SAMPLES_FILE).is_file():
        return SampleRun(path, kinds)
    raise StudyError(
        f"{path} is neither a study folder, which has study.json, nor the folder of a training "
        f"run, which has {SAMPLES_FILE}"
    )


def _choose(runs: Sequence[Run], seed: int | None, max_episodes: int | None) -> list[list[Place]]:
    """The episodes of every run that are shown."""
    if max_episodes is not None and max_episodes < 1:
        raise StudyError(f"max_episodes has to be at least 1, not {max_episodes}")
    places = [[p for p in run.places if seed is None or p.seed == seed] for run in runs]
    for found, run in zip(places, runs, strict=True):
        if not found:
            which = "" if seed is None or not run.places else f" of seed {seed}"
            raise StudyError(f"{run.head().folder} has no episodes{which} to show yet")
    if len(runs) == 1:
        return [places[0][:max_episodes]]
    left, right = places
    there = {place.task_id for place in right if place.task_id}
    shared = list(dict.fromkeys(p.task_id for p in left if p.task_id in there))[:max_episodes]
    if not shared:
        raise StudyError("the two runs have no task in common, so nothing can be compared")
    kept = set(shared)
    return [[place for place in found if place.task_id in kept] for found in places]


def _partial(head: Head, run: Run, places: Sequence[Place]) -> Head:
    """Says so where the page has only some of a run's episodes."""
    if len(places) == len(run.places):
        return head
    note = f"This page has {len(places):,} of the {len(run.places):,} episodes that were played."
    return Head(**{**vars(head), "notes": [*head.notes, note]})


def _pack(value: Any) -> Html:
    """JSON, compressed, as base64: nothing in it can end the element that it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    # Without a time, so that equal runs give equal pages.
    packed = gzip.compress(text.encode("ascii"), compresslevel=6, mtime=0)
    return trusted(base64.b64encode(packed).decode("ascii"))


def _page(heads: Sequence[Head], packed: Sequence[Html]) -> Html:
    style, script = _style(), "".join(_asset(name) for name in SCRIPTS)
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    title = " and ".join(head.label for head in heads)
    head = element(
        "head",
        trusted('<meta charset="utf-8">'),
        trusted('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        trusted(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("title", f"{title} · hiper view"),
        element("style", trusted(style)),
    )
    body = element(
        "body",
        element("header", *_heads(heads), class_="top" if len(heads) == 1 else "top two"),
        element("noscript", element("p", "This page needs scripts to show its episodes.")),
        element("div", LIST, READER, class_="panes"),
        HELP,
        *_data(packed),
        element("script", trusted(script)),
    )
    return Html(f'<!doctype html>\n<html lang="en">{head}{body}</html>\n')


def _data(packed: Sequence[Html]) -> Iterator[Html]:
    """The index, then the episodes in its order; no browser runs scripts of this type."""
    for number, text in enumerate(packed):
        yield element("script", text, type="text/plain", id=f"data-{number}")


def _heads(heads: Sequence[Head]) -> Iterator[Html]:
    for number, head in enumerate(heads):
        letter = element("b", LETTERS[number], class_=f"letter side{number}")
        yield element(
            "section",
            element("p", f"hiper view · {head.kind} · {head.folder}", class_="muted"),
            element("h1", letter if len(heads) > 1 else None, head.label),
            element("p", " · ".join(head.facts), class_="facts"),
            element("aside", *(element("p", note) for note in head.notes), class_="problems")
            if head.notes
            else None,
            element("div", *map(_tile, head.tiles), class_="tiles") if head.tiles else None,
            _about(head.about),
        )


def _tile(tile: Tile) -> Html:
    return element(
        "div",
        element("span", tile.label),
        element("strong", tile.value),
        element("small", tile.detail) if tile.detail else None,
    )


def _about(about: Sequence[tuple[str, str]]) -> Html | None:
    if not about:
        return None
    rows = [
        element("div", element("dt", name), element("dd", value))
        for name, value in about[:MAX_ABOUT]
    ]
    return element(
        "details", element("summary", "Particulars"), element("dl", *rows, class_="settings")
    )


def _style() -> str:
    base = files("hiper_agents.training.report").joinpath("report.css")
    return base.read_text(encoding="utf-8") + _asset("view.css")


def _asset(name: str) -> str:
    return files("benchmarks.viewer").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
