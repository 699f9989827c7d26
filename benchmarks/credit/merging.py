"""Puts folders of several machines together, and refuses cells that cannot stand in one table."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.credit.cells import STUDY, StudyError, json_able
from benchmarks.credit.outcomes import (
    CELL_FILE,
    RESULT_FILE,
    Outcome,
    compared,
    differences,
    folders_with,
    read_outcome,
)
from benchmarks.credit.worker import LOCK_FILE

__all__ = ["check_mixture", "merge"]


def merge(source: Path, root: Path) -> int:
    """Copies the cells of another folder into this one.

    A finished cell replaces an unfinished one; of two unfinished ones the one that is here stays.
    Cells appear whole or not at all.

    Args:
        source: Folder of studies made elsewhere.
        root: Folder of all studies here.

    Returns:
        How many were copied.

    Raises:
        StudyError: `source` holds no cell, or a cell is finished in both with different results.
    """
    found = folders_with(source, CELL_FILE) if source.is_dir() else []
    if not found:
        raise StudyError(f"{source} holds no cell of a study")
    copied = 0
    for folder in found:
        target = root / folder.relative_to(source)
        theirs, ours = (folder / RESULT_FILE).exists(), (target / RESULT_FILE).exists()
        if theirs and ours:
            _check_same(folder, target)
        elif theirs or not (target / CELL_FILE).exists():
            _copy(folder, target)
            copied += 1
    return copied


def check_mixture(outcomes: Sequence[Outcome], *, allow_mixed: bool = False) -> list[str]:
    """Checks that cells which are compared differ in nothing but what is compared.

    In one setting of the environment all share plan, panel and versions, and every estimator has
    one set of chosen settings.

    Args:
        outcomes: Finished cells; those that only chose settings are left out.
        allow_mixed: Return what differs instead of refusing it.

    Returns:
        One sentence for everything that differs, none without `allow_mixed`.

    Raises:
        StudyError: Something differs.
    """
    cells = [outcome for outcome in outcomes if outcome.cell.purpose == STUDY]
    found: list[str] = []
    for env, setting in sorted({(o.cell.plan.env, o.cell.plan.setting) for o in cells}):
        group = [o for o in cells if (o.cell.plan.env, o.cell.plan.setting) == (env, setting)]
        where = f"{env}, {setting}"
        found += _differing(where, ((o, {"plan": o.cell.identity["plan"]}) for o in group))
        found += _differing(where, ((o, {"panel": json_able(o.panel)}) for o in group))
        found += _differing(where, ((o, compared(entry)) for o in group for entry in o.origins))
        for estimator in sorted({o.cell.estimator for o in group}):
            own = [o for o in group if o.cell.estimator == estimator]
            chosen = ((o, {"tuned": o.cell.identity["tuned"]}) for o in own)
            found += _differing(f"{where}, {estimator}", chosen)
    if found and not allow_mixed:
        raise StudyError(
            "these cells cannot be compared: "
            + "; ".join(found)
            + " (--allow-mixed reports them all the same, and says so)"
        )
    return found


def _differing(where: str, values: Iterable[tuple[Outcome, Mapping[str, Any]]]) -> list[str]:
    """What the others have that the first has not; one sentence for each way of differing."""
    first: tuple[Outcome, Mapping[str, Any]] | None = None
    sentences: dict[str, str] = {}
    for outcome, value in values:
        if first is None:
            first = outcome, value
            continue
        different = "; ".join(differences(value, first[1]))
        if different:
            sentences.setdefault(
                different,
                f"{where}: {outcome.cell.name} against {first[0].cell.name}: {different}",
            )
    return list(sentences.values())


def _check_same(theirs: Path, ours: Path) -> None:
    """Refuses two results of one cell that differ in more than the time they took."""
    first, second = read_outcome(theirs), read_outcome(ours)
    if first is None or second is None:
        raise StudyError(f"{theirs} or {ours} lost its result while it was read")
    different = differences(first.cell.identity, second.cell.identity)
    if (first.turns, first.success) != (second.turns, second.success):
        different.append("their curves are not the same")
    if different:
        raise StudyError(f"{theirs} and {ours} are one cell with two results: {different[0]}")


def _copy(folder: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        shutil.copytree(folder, temporary, ignore=shutil.ignore_patterns(LOCK_FILE, "tensorboard"))
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
