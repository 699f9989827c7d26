"""Reads what a training run has written into its folder, as far as it can be read.

A run may be going on, killed half way through a line, or copied in part. What is missing or damaged
becomes a sentence in `RunRecords.problems` and never an exception: only a folder that is no run
folder at all is an error. Nothing here needs torch, and no file is changed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiper_agents.agent import CHECKPOINT_FILE
from hiper_agents.training.curves import Column, number
from hiper_agents.training.metrics import CONFIG_FILE, METRICS_FILE
from hiper_agents.training.samples import SAMPLES_FILE
from hiper_base.errors import HiperError

_MARKS = (CONFIG_FILE, CHECKPOINT_FILE, METRICS_FILE)


@dataclass(frozen=True)
class RunRecords:
    """The records of a run.

    Attributes:
        folder: The run folder.
        config: The settings of the run.
        metrics: One dict an iteration, in order; iterations that a resumed run has done again
            replace those of before.
        samples: Sample episodes.
        results: Evaluation results by file name.
        problems: What is missing or damaged, one sentence each.
    """

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def column(self, *keys: str) -> Column:
        """One value an iteration, found by following `keys`; None where there is no number."""
        return [number(_follow(row, keys)) for row in self.metrics]

    def names(self, key: str) -> list[str]:
        """Sorted keys that the dicts under `key` have in any iteration."""
        dicts = [row[key] for row in self.metrics if isinstance(row.get(key), dict)]
        return sorted({name for entry in dicts for name in entry})

    def last(self, *keys: str) -> float | None:
        """The last number of a column."""
        return next((v for v in reversed(self.column(*keys)) if v is not None), None)


def read_run(folder: Path) -> RunRecords:
    """Reads a run folder.

    Raises:
        HiperError: The folder does not exist or holds nothing of a training run.
    """
    if not folder.is_dir():
        raise HiperError(f"{folder} is not a folder")
    if not any((folder / name).is_file() for name in _MARKS):
        raise HiperError(
            f"{folder} is not a run folder of `hiper train`: it has none of {', '.join(_MARKS)}"
        )
    records = RunRecords(folder)
    records.config.update(_read_json(folder / CONFIG_FILE, records.problems, dict) or {})
    _read_metrics(folder / METRICS_FILE, records)
    samples = _read_json(folder / SAMPLES_FILE, records.problems, list)
    if samples is not None:
        records.samples.extend(entry for entry in samples if isinstance(entry, dict))
        if len(records.samples) < len(samples) or not samples:
            records.problems.append(f"{SAMPLES_FILE} holds entries that are no episodes, or none.")
    _read_results(folder, records)
    return records


def _follow(row: dict[str, Any], keys: tuple[str, ...]) -> object:
    value: object = row
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _read_metrics(path: Path, records: RunRecords) -> None:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        records.problems.append(f"{path.name} cannot be read: {error.strerror}.")
        return
    damaged = 0
    for line in filter(bytes.strip, lines):
        row = _decode_line(line)
        if row is None:
            damaged += 1
            continue
        iteration = number(row.get("iteration"))
        # A resumed run repeats the iterations since its checkpoint: the newer line counts, and
        # the lines after the older one belong to a history that was given up.
        while iteration is not None and records.metrics:
            before = number(records.metrics[-1].get("iteration"))
            if before is None or before < iteration:
                break
            records.metrics.pop()
        records.metrics.append(row)
    if damaged:
        records.problems.append(f"{path.name}: left out {damaged} damaged of {len(lines)} lines.")
    if not records.metrics:
        records.problems.append(f"{path.name} holds no iteration.")


def _read_results(folder: Path, records: RunRecords) -> None:
    """Any JSON file whose content looks like a result of `hiper eval`."""
    own = {CONFIG_FILE, CHECKPOINT_FILE, SAMPLES_FILE}
    for path in sorted(folder.glob("*.json")):
        if path.name in own:
            continue
        content = _read_json(path, records.problems, object)
        if isinstance(content, dict) and number(content.get("success_rate")) is not None:
            records.results[path.name] = content


def _read_json(path: Path, problems: list[str], kind: type) -> Any:
    """Content of a JSON file; None, after saying why, if it has none of this kind."""
    try:
        content = json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        problems.append(f"{path.name} is not there.")
    except OSError as error:
        problems.append(f"{path.name} cannot be read: {error.strerror}.")
    except (ValueError, RecursionError) as error:
        problems.append(f"{path.name} is damaged: {error}.")
    else:
        if isinstance(content, kind):
            return content
        problems.append(f"{path.name} does not hold what it should.")
    return None


def _decode_line(line: bytes) -> dict[str, Any] | None:
    """One line of the metrics; None if it is damaged."""
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
