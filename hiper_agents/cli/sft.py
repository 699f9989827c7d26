"""`hiper sft`: teaches a language model by the searching expert's demonstrations."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hiper_base.errors import MissingDependencyError

try:
    from hiper_agents.llm.sft import SftConfig, SupervisedTrainer, sft
    from hiper_agents.training.metrics import Metrics
    from hiper_agents.training.ranks import launched
except ImportError as error:
    raise MissingDependencyError(
        f'language models need {error.name}, which comes with: pip install "hiper-gym[agents]"'
    ) from error

_SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True)
class SftArgs(SftConfig):
    """Teach a language model by demonstrations; everything goes into one run folder."""

    out: Path = Path("runs/sft")
    """The run folder."""
    resume: bool = False
    """Go on with the run in the folder; its settings are kept, except for the time budget."""


def run(args: SftArgs) -> None:
    """Trains, with a progress bar in a terminal and a line now and then elsewhere."""
    config = SftConfig(**{field.name: getattr(args, field.name) for field in fields(SftConfig)})
    if not launched().is_first:
        sft(config, args.out, resume=args.resume).ranks.leave()
        return
    console = Console()
    printed = -_SECONDS_BETWEEN_LINES
    with _progress(console) as progress:
        bar = progress.add_task("steps", total=None, loss="")

        def show(metrics: Metrics, trainer: SupervisedTrainer) -> None:
            nonlocal printed
            loss = f"loss {metrics['losses']['token']:.3f} a token"
            total = trainer.total_steps
            progress.update(bar, completed=trainer.step, total=total, loss=loss)
            if not console.is_terminal and trainer.seconds - printed >= _SECONDS_BETWEEN_LINES:
                printed = trainer.seconds
                console.print(f"step {trainer.step} of {total} | {loss}", highlight=False)

        trainer = sft(config, args.out, resume=args.resume, on_iteration=show)
    trainer.ranks.leave()
    console.print(
        f"{len(trainer.demonstrations)} demonstrated turns, {trainer.step} of "
        f"{trainer.total_steps} steps in {trainer.seconds / 60:.1f} minutes\n"
        f"hiper eval --agent {args.out} --env {trainer.config.env}\n"
        f"hiper train --agent llm --start {args.out} --env {trainer.config.env} --out runs/llm",
        highlight=False,
        soft_wrap=True,
    )


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
