"""The log of a training run: one JSON line an iteration, and TensorBoard files beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hiper_base.files import write_text

METRICS_FILE = "metrics.jsonl"
Metrics = dict[str, Any]


class MetricsLog:
    """Appends metrics to `metrics.jsonl` and to TensorBoard files.

    Lines of iterations after the last checkpoint are dropped when a run goes on: it repeats them.
    """

    def __init__(self, run: Path, iteration: int, tensorboard: bool) -> None:
        path = run / METRICS_FILE
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        write_text(path, "".join(f"{line}\n" for line in lines[:iteration]))
        self._file = path.open("a", encoding="utf-8")
        self._writer = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(run / "tensorboard"), purge_step=iteration + 1)

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._writer is not None:
            self._writer.close()

    def write(self, metrics: Metrics) -> None:
        """Logs one iteration."""
        self._file.write(json.dumps(metrics) + "\n")
        self._file.flush()
        if self._writer is not None:
            for name, value in _scalars(metrics):
                self._writer.add_scalar(name, value, metrics["iteration"])


def _scalars(metrics: Metrics) -> list[tuple[str, float]]:
    flat = []
    for name, value in metrics.items():
        if isinstance(value, dict):
            flat += [(f"{name}/{part}", number) for part, number in value.items()]
        elif name != "iteration":
            flat.append((f"rollout/{name}", value))
    return flat
