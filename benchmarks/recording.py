"""Writes the result of a benchmark together with what is needed to make it again.

A record holds the command, the commit, library versions, the machine, seeds, and for repeated
measurements the number, mean, median and standard error. The module knows nothing about what is
measured.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import math
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["RESULTS", "Summary", "cpu_model", "record", "summarise", "write_json"]

RESULTS = Path(__file__).parent / "results"
"""Where records are kept under version control."""

_REPOSITORY = Path(__file__).parent.parent
_LIBRARIES = ("hiper-gym", "numpy", "gymnasium", "torch", "textworld", "alfworld")


@dataclass(frozen=True)
class Summary:
    """A repeated measurement.

    Attributes:
        n: Number of repeats.
        mean: Arithmetic mean.
        median: Median, which a busy machine disturbs less.
        se: Standard error of the mean; nan for a single repeat.
        values: The repeats, in order.
    """

    n: int
    mean: float
    median: float
    se: float
    values: tuple[float, ...]


def summarise(values: Sequence[float]) -> Summary:
    """Summarises repeats of one measurement.

    Args:
        values: At least one number.

    Raises:
        ValueError: ``values`` is empty.

    Example:
        >>> summary = summarise([1.0, 2.0, 6.0])
        >>> summary.mean, summary.median, round(summary.se, 3)
        (3.0, 2.0, 1.528)
    """
    if not values:
        raise ValueError("nothing to summarise")
    se = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Summary(
        len(values), statistics.fmean(values), statistics.median(values), se, tuple(values)
    )


def record(
    name: str,
    results: Mapping[str, Any],
    *,
    seeds: Sequence[int],
    n: int,
    seconds: float,
    path: Path | None = None,
) -> Path:
    """Writes ``benchmarks/results/<name>.json``.

    Args:
        name: Name of the benchmark.
        results: What was measured; :class:`Summary` values are written out.
        seeds: Seeds that the measurement used.
        n: Number of measured units (games, repeats), as the benchmark defines them.
        seconds: Wall-clock duration of the benchmark.
        path: Another file to write instead.

    Returns:
        The file that was written.
    """
    path = path or RESULTS / f"{name}.json"
    document = {
        "benchmark": name,
        "command": _command(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "versions": _versions(),
        "machine": _machine(),
        "seeds": list(seeds),
        "n": n,
        "seconds": round(seconds, 1),
        "results": dict(results),
    }
    write_json(path, document)
    return path


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Writes a JSON file that is never seen half written.

    Args:
        path: The file; missing folders are made.
        document: JSON-able values and :class:`Summary`; nan is written as null.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        temporary = Path(file.name)
        file.write(text + "\n")
    try:
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def cpu_model() -> str:
    """Name of the processor, as the operating system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _plain(value: Any) -> Any:
    if isinstance(value, Summary):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _command() -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    program = ["python", "-m", spec.name] if spec else ["python", *sys.argv[:1]]
    return shlex.join([*program, *sys.argv[1:]])


def _commit() -> dict[str, Any]:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=_REPOSITORY, check=True, capture_output=True, text=True
        ).stdout.strip()

    try:
        # Files that are not tracked cannot have been imported by a clean checkout of this commit,
        # so they do not count; the results themselves change with every run.
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!*/results/*")
        return {"sha": git("rev-parse", "HEAD"), "dirty": bool(changed)}
    except (OSError, subprocess.CalledProcessError):
        return {"sha": None, "dirty": None}


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            versions[library] = None
    return versions


def _machine() -> dict[str, Any]:
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, OSError, ValueError):  # not on every system
        memory = math.nan
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": cpu_model(),
        "cores": cores,
        "memory_gib": round(memory, 1) if math.isfinite(memory) else None,
        "system": f"{platform.system()} {platform.release()}",
    }
