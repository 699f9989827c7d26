"""The files of a cell: what it is, what was measured so far, and its result.

| file | holds | written |
|---|---|---|
| `cell.json` | identity of the cell, and what has worked on it | when it is begun |
| `evaluations.json` | one evaluation for every mark that was passed | after each |
| `result.json` | all of it with the final evaluations | once, at the end |

All else in the folder is that of a run folder of `hiper train`. A cell is finished when it has a
result; the result alone is enough for every table and picture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.credit.cells import Cell, StudyError
from benchmarks.credit.origin import COMPARED
from hiper_agents.provenance import write_json

__all__ = [
    "CELL_FILE",
    "FORMAT",
    "RESULT_FILE",
    "Outcome",
    "claim_folder",
    "folders_with",
    "outcomes_in",
    "read_evaluations",
    "read_outcome",
    "write_evaluations",
    "write_result",
]

FORMAT = 1
CELL_FILE = "cell.json"
EVALUATIONS_FILE = "evaluations.json"
RESULT_FILE = "result.json"
MODES = ("sampled", "greedy")


@dataclass(frozen=True)
class Outcome:
    """A finished cell.

    Attributes:
        cell: Which.
        folder: Where it was read.
        origins: What has worked on it, one entry for each that differs.
        turns: [n] turns played before each evaluation, rising from 0.
        success: [n] share of the panel solved in sampled play.
        final: Evaluation at the end, by mode: "sampled" and "greedy".
        document: All that was written.
    """

    cell: Cell
    folder: Path
    origins: tuple[dict[str, Any], ...]
    turns: tuple[float, ...]
    success: tuple[float, ...]
    final: dict[str, dict[str, Any]]
    document: dict[str, Any]

    @property
    def panel(self) -> tuple[Any, ...]:
        """Digest of the task set that it was evaluated on, the split, and how many tasks."""
        played = self.final["sampled"]
        return played.get("panel_sha256"), played.get("split"), played.get("n")


def claim_folder(
    cell: Cell, folder: Path, origin: Mapping[str, Any], *, allow_mixed: bool = False
) -> list[dict[str, Any]]:
    """Begins a cell's folder, or checks that the cell that was begun there is this one.

    Args:
        cell: The cell.
        folder: Its folder.
        origin: What is going to work on it.
        allow_mixed: Go on even if other versions have begun it.

    Returns:
        All that has worked on it, this one included.

    Raises:
        StudyError: Another cell was begun there, or other versions have begun it.
    """
    path, identity = folder / CELL_FILE, cell.identity
    origins: list[dict[str, Any]] = []
    if path.exists():
        kept = _read(path)
        different = differences(kept.get("cell", {}), identity)
        if different:
            raise StudyError(f"{folder} was begun with other settings: {'; '.join(different)}")
        origins = list(kept.get("origins", []))
        for before in origins:
            different = differences(compared(before), compared(origin))
            if different and not allow_mixed:
                raise StudyError(
                    f"{folder} was begun by other versions: {'; '.join(different)}; go on with "
                    "those, begin in another folder, or allow it with --allow-mixed"
                )
    if not any(compared(before) == compared(origin) for before in origins):
        origins.append(dict(origin))
        write_json(path, {"format": FORMAT, "cell": identity, "origins": origins})
    return origins


def read_evaluations(folder: Path) -> list[dict[str, Any]]:
    """The evaluations made so far; none where there is no file."""
    path = folder / EVALUATIONS_FILE
    return list(_read(path)["evaluations"]) if path.exists() else []


def write_evaluations(folder: Path, evaluations: Sequence[Mapping[str, Any]]) -> None:
    """Replaces the evaluations made so far."""
    write_json(folder / EVALUATIONS_FILE, {"evaluations": list(evaluations)})


def write_result(folder: Path, document: Mapping[str, Any]) -> None:
    """Finishes a cell."""
    write_json(folder / RESULT_FILE, {"format": FORMAT, **document})


def read_outcome(folder: Path) -> Outcome | None:
    """The result in a folder; None if the cell is not finished.

    Raises:
        StudyError: The file is damaged or of another version.
    """
    path = folder / RESULT_FILE
    if not path.exists():
        return None
    document = _read(path)
    try:
        if document["format"] != FORMAT:
            raise StudyError(f"{path} is of format {document['format']}, not {FORMAT}")
        evaluations = document["evaluations"]
        outcome = Outcome(
            cell=Cell.from_identity(document["cell"]),
            folder=folder,
            origins=tuple(document["origins"]),
            turns=tuple(float(entry["turns"]) for entry in evaluations),
            success=tuple(float(entry["success_rate"]) for entry in evaluations),
            final={mode: dict(document["final"][mode]) for mode in MODES},
            document=document,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StudyError(f"{path} is damaged: {error!r}") from error
    if not outcome.turns or sorted(outcome.turns) != list(outcome.turns):
        raise StudyError(f"{path} is damaged: its evaluations are not in order")
    return outcome


def outcomes_in(root: Path) -> list[Outcome]:
    """All finished cells under a folder, sorted by path."""
    found = (read_outcome(folder) for folder in folders_with(root, RESULT_FILE))
    return [outcome for outcome in found if outcome is not None]


def folders_with(root: Path, name: str) -> list[Path]:
    """Folders under a folder that hold a file of this name, sorted; hidden ones are left out.

    A hidden folder is a copy that was not completed.
    """
    return [
        path.parent
        for path in sorted(root.rglob(name))
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]


def compared(origin: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an origin that has to agree."""
    return {name: origin.get(name) for name in COMPARED}


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """One phrase for every key whose values differ, those within dicts by their dotted names.

    Example:
        >>> differences({"plan": {"turns": 10}}, {"plan": {"turns": 20}})
        ['plan.turns is 10, not 20']
    """
    found = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} is {json.dumps(a)}, not {json.dumps(b)}")
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(f"cannot read {path}: {error}") from error
    if not isinstance(document, dict):
        raise StudyError(f"{path} is damaged: it holds no object")
    return document
