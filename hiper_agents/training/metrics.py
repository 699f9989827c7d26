"""The log of a training run: one JSON line an iteration, and what else is told of it.

TensorBoard files lie beside the lines; Weights & Biases is told where a project is named.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from hiper_base.errors import MissingDependencyError
from hiper_base.files import write_text

METRICS_FILE = "metrics.jsonl"
CONFIG_FILE = "config.json"
WANDB_FILE = "wandb-id.txt"
Metrics = dict[str, Any]


class MetricsLog:
    """Appends metrics to `metrics.jsonl`, to TensorBoard files, and to a project of W&B.

    Lines of iterations after the last checkpoint are dropped when a run goes on: it repeats them.

    Args:
        run: The run folder.
        iteration: Iterations whose metrics stay.
        tensorboard: Whether to write TensorBoard files.
        wandb_project: Project of Weights & Biases; "" for none.

    Raises:
        MissingDependencyError: A project is named, and `wandb` is not installed.
    """

    def __init__(
        self, run: Path, iteration: int, tensorboard: bool, wandb_project: str = ""
    ) -> None:
        path = run / METRICS_FILE
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._wandb = _wandb_run(run, wandb_project) if wandb_project else None
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
        if self._wandb is not None:
            self._wandb.finish()

    def write(self, metrics: Metrics) -> None:
        """Logs one iteration."""
        self._file.write(json.dumps(metrics) + "\n")
        self._file.flush()
        scalars = _scalars(metrics)
        if self._writer is not None:
            for name, value in scalars:
                self._writer.add_scalar(name, value, metrics["iteration"])
        if self._wandb is not None:
            self._wandb.log(dict(scalars), step=metrics["iteration"], commit=True)


def _wandb_run(run: Path, project: str) -> Any:
    """The run of W&B that belongs to a run folder; it has an id, by which it goes on."""
    try:
        import wandb
    except ImportError as error:
        raise MissingDependencyError(
            "logging to Weights & Biases needs wandb: pip install 'hiper-gym[wandb]'"
        ) from error
    path = run / WANDB_FILE
    if not path.exists():
        write_text(path, f"{uuid.uuid4().hex[:12]}\n")
    config = run / CONFIG_FILE
    return wandb.init(
        project=project,
        id=path.read_text(encoding="utf-8").strip(),
        resume="allow",
        name=run.resolve().name,
        dir=str(run),
        config=json.loads(config.read_text(encoding="utf-8")) if config.exists() else None,
    )


def _scalars(metrics: Metrics) -> list[tuple[str, float]]:
    flat = []
    for name, value in metrics.items():
        if isinstance(value, dict):
            flat += [(f"{name}/{part}", number) for part, number in value.items()]
        elif name != "iteration":
            flat.append((f"rollout/{name}", value))
    return flat
