"""What measurements share: fresh processes, resident memory, bounds. Knows no environment."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["in_fresh_process", "rss_mib", "target"]


def target(value: float, *, at_least: float | None = None, at_most: float | None = None) -> Any:
    """A measured value beside the bound that the project sets itself."""
    met = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    bound = {"at_least": at_least} if at_least is not None else {"at_most": at_most}
    return {"value": value, **bound, "met": met}


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a module-level function in a new interpreter and returns its result."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def rss_mib() -> float:
    """Resident memory of this process in MiB (Linux), else its peak (other Unix systems)."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
