"""Watches a GPU while something runs: its load and memory, every few seconds, in a file.

Without an NVIDIA GPU nothing is watched and nothing is written.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["GpuWatch"]

_QUERY = ("nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits")


class GpuWatch:
    """Context manager that appends a JSON line for every look at the first GPU.

    Args:
        path: The file.
        every: Seconds between two looks.
    """

    def __init__(self, path: Path, every: float = 2.0) -> None:
        self._path, self._every = path, every
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> GpuWatch:
        if shutil.which(_QUERY[0]) is not None:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    @staticmethod
    def summary(path: Path) -> dict[str, Any] | None:
        """Mean load in percent and most memory in MiB; None if nothing was watched."""
        if not path.exists():
            return None
        looks = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {
            "looks": len(looks),
            "mean_load_percent": statistics.fmean(look["load"] for look in looks),
            "most_memory_mib": max(look["memory"] for look in looks),
        }

    def _watch(self) -> None:
        with self._path.open("a", encoding="utf-8", buffering=1) as file:
            while not self._stop.wait(self._every):
                answer = subprocess.run(_QUERY, capture_output=True, text=True, check=False)
                if answer.returncode == 0:
                    load, memory = answer.stdout.splitlines()[0].split(",")
                    look = {"time": time.time(), "load": float(load), "memory": float(memory)}
                    file.write(json.dumps(look) + "\n")
