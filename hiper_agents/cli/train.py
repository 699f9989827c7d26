"""`hiper train`: trains an agent with a live display and writes a run folder."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console

from hiper_base.errors import MissingDependencyError
from hiper_base.files import write_text

try:
    from hiper_agents.compact.domain import DomainError
    from hiper_agents.training.metrics import Metrics
    from hiper_agents.training.progress import TrainingProgress
    from hiper_agents.training.report import write_report
    from hiper_agents.training.run import TrainConfig, Trainer, config_for, train
    from hiper_agents.training.samples import SAMPLES_FILE
except ImportError as error:
    raise MissingDependencyError(
        f'training needs {error.name}, which comes with: pip install "hiper-gym[compact]"'
    ) from error

_REPORT_SECONDS = 60.0


@dataclass(frozen=True)
class TrainArgs(TrainConfig):
    """Train an agent; everything it produces goes into one run folder."""

    out: Path = Path("runs/demo")
    """The run folder."""
    resume: bool = False
    """Go on with the run in the folder; its settings are kept, except for the budget."""


def defaults(argv: Sequence[str]) -> TrainArgs:
    """What the flags begin with: the settings that suit the environment that they name."""
    named = [
        value.partition("=")[2] if "=" in value else following
        for value, following in zip(argv, [*argv[1:], ""], strict=True)
        if value.partition("=")[0] == "--env"
    ]
    env = named[-1] if named else TrainConfig.env
    try:
        config = config_for(env)
    except DomainError:
        config = TrainConfig(env=env)  # whoever trains says what is wrong with it
    return TrainArgs(**{field.name: getattr(config, field.name) for field in fields(TrainConfig)})


def run(args: TrainArgs) -> None:
    """Trains, then writes sample episodes and the report."""
    config = TrainConfig(**{field.name: getattr(args, field.name) for field in fields(TrainConfig)})
    console = Console()
    reported = time.monotonic()

    with TrainingProgress(
        config.minutes, config.iterations, console, turns=config.turns
    ) as progress:

        def show(metrics: Metrics, trainer: Trainer[Any]) -> None:
            nonlocal reported
            progress.update(metrics)
            if time.monotonic() - reported >= _REPORT_SECONDS:
                _publish(trainer, args.out)
                reported = time.monotonic()

        trainer = train(config, args.out, resume=args.resume, on_iteration=show)
    report = _publish(trainer, args.out)
    console.print(
        f"trained for {trainer.seconds / 60:.1f} minutes: {trainer.iteration} iterations, "
        f"{trainer.total_episodes} episodes, {trainer.total_turns} turns\nreport: {report}",
        highlight=False,
    )


def _publish(trainer: Trainer[Any], run: Path) -> Path:
    """Plays sample episodes and writes the report."""
    write_text(run / SAMPLES_FILE, json.dumps(trainer.samples()))
    return write_report(run)
