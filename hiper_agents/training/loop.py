"""The loop of a run: an iteration after the other, logged, with a checkpoint now and then.

What an iteration does is unknown here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from hiper_agents.training.metrics import Metrics, MetricsLog
from hiper_agents.training.ranks import Ranks

__all__ = ["Iterates", "LoopSettings", "loop"]


class LoopSettings(Protocol):
    """What the loop reads of a run's settings."""

    @property
    def checkpoint_seconds(self) -> float:
        """Time between checkpoints."""
        ...

    @property
    def tensorboard(self) -> bool:
        """Whether to write TensorBoard files."""
        ...

    @property
    def wandb_project(self) -> str:
        """Project of Weights & Biases; "" for none."""
        ...


class Iterates(Protocol):
    """What goes on from iteration to iteration."""

    @property
    def config(self) -> LoopSettings:
        """Its settings."""
        ...

    @property
    def ranks(self) -> Ranks:
        """The processes that do it together."""
        ...

    @property
    def saves_together(self) -> bool:
        """Whether all processes have to call `save`, for each has a part of what is written."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether no iteration is left to do."""
        ...

    def iterate(self) -> Metrics:
        """Does one."""
        ...

    def save(self, run: Path) -> None:
        """Writes a checkpoint."""
        ...


_Trainer = TypeVar("_Trainer", bound=Iterates)


def loop(
    trainer: _Trainer,
    run: Path,
    *,
    logged: int,
    on_iteration: Callable[[Metrics, _Trainer], None] | None = None,
) -> _Trainer:
    """Iterates until nothing is left to do, and writes a last checkpoint.

    Of several processes the first one writes the files. If all of them have to be there for it, a
    run that is stopped goes on from the last checkpoint in time.

    Args:
        trainer: What iterates.
        run: The run folder.
        logged: Iterations whose metrics stay in the log; those after them will be repeated.
        on_iteration: Called after every iteration with its metrics, by the first process.

    Returns:
        The trainer.
    """
    if not trainer.ranks.is_first:
        _follow(trainer, run)
        return trainer
    config = trainer.config
    saved, between = time.monotonic(), True
    with MetricsLog(run, logged, config.tensorboard, config.wandb_project) as log:
        try:
            while not trainer.is_finished:
                between = False
                metrics = trainer.iterate()
                between = True
                log.write(metrics)
                if on_iteration is not None:
                    on_iteration(metrics, trainer)
                due = time.monotonic() - saved >= config.checkpoint_seconds
                if _agreed(trainer, due):
                    trainer.save(run)
                    saved = time.monotonic()
        finally:
            # From within an iteration nothing could go on as if it had not been stopped, and what
            # has diverged is worth nothing: the last checkpoint stays.
            if between and not trainer.saves_together:
                trainer.save(run)
        if trainer.saves_together:
            trainer.save(run)
    return trainer


def _follow(trainer: Iterates, run: Path) -> None:
    """What other processes than the first one do."""
    while not trainer.is_finished:
        trainer.iterate()
        if _agreed(trainer, False):
            trainer.save(run)
    if trainer.saves_together:
        trainer.save(run)


def _agreed(trainer: Iterates, due: bool) -> bool:
    """Whether this process saves now: if all have to, then when the first one says so."""
    if not trainer.saves_together:
        return due
    # The last checkpoint is written anyway.
    return not trainer.is_finished and bool(trainer.ranks.gather_first(due))
