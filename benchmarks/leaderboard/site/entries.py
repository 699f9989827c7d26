"""Reads study folders for the site, and says of each whether it is ranked, or why not.

A folder is anyone's: what cannot be read is named and left out, and no folder keeps the others from
being shown. Knows nothing of markup.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.leaderboard.panels import load_panel, panel_names
from benchmarks.leaderboard.schema import Costs, Figures, Panel, Result
from benchmarks.leaderboard.store import StudyError, StudyFolder
from hiper_base.errors import HiperError

__all__ = ["Entry", "Gathered", "Place", "gather", "ranks"]

Place = Literal["ranked", "unranked", "unverified"]
"""Whether a study has a rank, was played on other data, or was found not to be what it says."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
MAX_NAME = 80


@dataclass(frozen=True)
class Entry:
    """A finished study.

    Attributes:
        folder: Where it lies.
        slug: Name of its page: unlike the others', and safe in addresses and file systems.
        panel: Its tasks.
        result: Its result.
        costs: What it took; None where that cannot be read.
        place: Whether it is ranked.
        reasons: Why it is not.
        replayed: Whether every action was replayed, and all was as the folder says.
    """

    folder: Path
    slug: str
    panel: Panel
    result: Result
    costs: Costs | None
    place: Place
    reasons: tuple[str, ...]
    replayed: bool

    @property
    def date(self) -> str:
        """The day of its last sitting, such as 2026-01-31; "" where that is not known."""
        sittings = self.costs.sittings if self.costs else ()
        found = _DATE.match(sittings[-1].started) if sittings else None
        return found[0] if found else ""


@dataclass(frozen=True)
class Gathered:
    """What was found.

    Attributes:
        entries: The finished studies, in an order that does not depend on that of the folders.
        left_out: Names of the other folders, with what is wrong.
    """

    entries: tuple[Entry, ...]
    left_out: tuple[tuple[str, str], ...]


def gather(
    folders: Sequence[Path], verified: Mapping[Path, Sequence[str]] | None = None
) -> Gathered:
    """Reads folders, each once.

    Args:
        folders: Study folders; whatever else they are is said.
        verified: For every folder what verification found, see :func:`render_site`.
    """
    findings = None if verified is None else {_key(path): verified[path] for path in verified}
    unique = {_key(folder): folder for folder in folders}
    entries: list[Entry] = []
    left_out: list[tuple[str, str]] = []
    taken: set[str] = set()
    for key, folder in sorted(unique.items(), key=lambda item: (item[0].name, str(item[0]))):
        try:
            entries.append(_read(folder, _slug(key.name, taken), findings))
        except StudyError as error:
            # Where the folder lies on this machine is no one's business.
            why = str(error).replace(f"{folder}", key.name).replace(f"{key}", key.name)
            left_out.append((key.name, why))
    entries.sort(key=lambda each: (-each.result.figures.success.mean, each.result.agent.label))
    return Gathered(tuple(entries), tuple(left_out))


def ranks(values: Sequence[float]) -> list[int]:
    """Places from 1, highest value first; equal values share one, and those after it are left out.

    Example:
        >>> ranks([0.5, 0.9, 0.9, 0.1])
        [3, 1, 1, 4]
    """
    return [1 + sum(other > value for other in values) for value in values]


def _key(folder: Path) -> Path:
    return Path(folder).resolve()


def _slug(name: str, taken: set[str]) -> str:
    """A name for a file; told apart also where upper and lower case are one."""
    plain = _NOT_IN_NAMES.sub("-", name).strip("-")[:MAX_NAME].lower() or "study"
    slug, count = plain, 1
    while slug in taken:
        count += 1
        slug = f"{plain}-{count}"
    taken.add(slug)
    return slug


def _read(folder: Path, slug: str, findings: Mapping[Path, Sequence[str]] | None) -> Entry:
    files = StudyFolder(folder)
    if not files.exists:
        raise StudyError(f"{folder} is no study folder")
    if not files.is_finished:
        raise StudyError(f"{folder} is not finished: it has no result yet")
    panel, result = files.panel(), files.result()
    _check(files, panel, result)
    found = () if findings is None else findings.get(_key(folder), ("It was not replayed.",))
    foreign = _foreign(panel)
    reasons = (*result.differences, *foreign)
    if not result.ranked and not reasons:
        reasons = ("Its result says that it was not played on the panel's tasks.",)
    place: Place = "unverified" if found else "unranked" if reasons else "ranked"
    return Entry(
        folder=folder,
        slug=slug,
        panel=panel,
        result=result,
        costs=_costs(files),
        place=place,
        reasons=tuple(found) if found else reasons,
        replayed=findings is not None and not found,
    )


def _check(files: StudyFolder, panel: Panel, result: Result) -> None:
    """Whether the files of a folder belong together, and its figures can be shown.

    Raises:
        StudyError: They do not, or cannot.
    """
    study = files.study()
    of_study = (study.agent, study.panel, study.panel_sha256, study.seeds)
    if of_study != (result.agent, result.panel, result.panel_sha256, result.seeds):
        raise StudyError(f"{files.path} is damaged: study.json and result.json are of two studies")
    if (panel.name, panel.sha256) != (result.panel, result.panel_sha256):
        raise StudyError(f"{files.path} is damaged: panel.json is not the panel of its result")
    for figures in (result.figures, *result.per_task_type.values()):
        if not all(0.0 <= share <= 1.0 for share in _shares(figures)):
            raise StudyError(f"{files.path} is damaged: a share in its result is not from 0 to 1")


def _shares(figures: Figures) -> tuple[float, ...]:
    success = figures.success
    wilson = (success.wilson.low, success.wilson.high) if success.wilson else ()
    return (
        success.mean,
        success.interval.low,
        success.interval.high,
        *wilson,
        *(each.value for each in figures.passes),
        figures.invalid_action_rate,
        figures.format_error_rate,
    )


def _costs(files: StudyFolder) -> Costs | None:
    try:
        return files.costs()
    except StudyError:  # what it took is shown beside the ranking and changes nothing in it
        return None


def _foreign(panel: Panel) -> tuple[str, ...]:
    """Why a panel that bears the name of one of the package's is not that one."""
    if panel.name not in panel_names():
        return ()
    try:
        known = load_panel(panel.name)
    except HiperError as error:
        return (f"The panel {panel.name} cannot be read here: {error}",)
    if known.sha256 == panel.sha256:
        return ()
    return (
        f"Its panel is called {panel.name} and is another one than this version's: digest "
        f"{panel.sha256[:12]}, not {known.sha256[:12]}.",
    )
