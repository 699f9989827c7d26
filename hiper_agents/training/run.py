"""`hiper train`: play, learn, log, checkpoint, until the budget is used up.

The loop is the same for every agent; what an iteration does is its trainer's affair.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hiper_agents.agent import CHECKPOINT_FILE
from hiper_agents.training.config import TrainConfig, config_for, read_config
from hiper_agents.training.kinds import part_of
from hiper_agents.training.loop import loop
from hiper_agents.training.metrics import CONFIG_FILE, Metrics
from hiper_agents.training.ranks import launched
from hiper_agents.training.settings import RunConfig
from hiper_agents.training.trainer import Trainer
from hiper_base.errors import HiperError
from hiper_base.files import write_text

LOG = logging.getLogger(__name__)

__all__ = ["TrainConfig", "Trainer", "config_for", "make_trainer", "read_config", "train"]


def make_trainer(config: RunConfig) -> Trainer[Any]:
    """The trainer that the settings ask for, before its first iteration.

    Raises:
        HiperError: If the settings name something that does not exist.
        MissingDependencyError: If the agent needs an extra that is not installed.
    """
    trainer: Trainer[Any] = part_of(config.agent, "trainer")(config)
    if (count := launched().size) != trainer.ranks.size:
        raise HiperError(
            f"{count} processes were launched, but agent {config.agent} is trained by one"
        )
    return trainer


def train(
    config: RunConfig,
    run: Path,
    *,
    resume: bool = False,
    on_iteration: Callable[[Metrics, Trainer[Any]], None] | None = None,
) -> Trainer[Any]:
    """Trains until the budget of `config` is used up.

    Of several processes that train together, the first one writes the files.

    Args:
        config: The settings. With `resume` the run folder's own, except for the budget.
        run: The run folder; made if it does not exist.
        resume: Go on from the folder's checkpoint; without one, begin.
        on_iteration: Called after every iteration with its metrics, by the first process.

    Returns:
        The trainer after the last iteration; its state is in the run folder.

    Raises:
        HiperError: If the folder holds a run and `resume` is not set, or the settings or the
            checkpoint are unusable.
    """
    trainer = _open(config, run, resume)
    if not (run / CHECKPOINT_FILE).exists():
        trainer.warm_start()
    return loop(trainer, run, logged=trainer.iteration, on_iteration=on_iteration)


def _open(config: Any, run: Path, resume: bool) -> Trainer[Any]:
    """A new trainer, or the one that a run folder holds."""
    settings, checkpoint = run / CONFIG_FILE, run / CHECKPOINT_FILE
    if not resume and (settings.exists() or checkpoint.exists()):
        raise HiperError(f"{run} already holds a run: choose another folder, or --resume it")
    if settings.exists():
        budgets = {name: getattr(config, name) for name in ("minutes", "iterations", "turns")}
        config = replace(read_config(run), **budgets)
    trainer = make_trainer(config)
    if checkpoint.exists():
        trainer.load(run)
        LOG.info("resuming %s after iteration %d", run, trainer.iteration)
    # From here on there are files that a process which has not come this far must not find.
    trainer.ranks.gather_check("settings", [asdict(trainer.config), trainer.iteration])
    if trainer.ranks.is_first:
        run.mkdir(parents=True, exist_ok=True)
        write_text(settings, json.dumps(asdict(trainer.config), indent=1))
    return trainer
