"""Writes the result of a benchmark together with what is needed to make it again.

A record holds the command, the commit, library versions, the machine, seeds, and for repeated
measurements the number, mean, median and standard error. The module knows nothing about what is
measured.
"""

from __future__ import annotations

import datetime
import math
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hiper_agents.provenance import command_line, git_commit, versions, write_json

__all__ = ["RESULTS", "Summary", "cpu_model", "machine", "record", "summarise"]

RESULTS = Path(__file__).parent / "results"
"""Where records are kept under version control."""


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
        "command": command_line(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": git_commit(),
        "versions": versions(),
        "machine": machine(),
        "seeds": list(seeds),
        "n": n,
        "seconds": round(seconds, 1),
        "results": dict(results),
    }
    write_json(path, _plain(document))
    return path


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


def machine() -> dict[str, Any]:
    """The machine, as records name it: processor, cores, memory in GiB, system."""
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
