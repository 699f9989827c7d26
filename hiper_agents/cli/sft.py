"""`hiper sft`: teaches a language model by the searching expert's demonstrations."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from rich.console import Console

from hiper_agents.cli.bars import bar
from hiper_base.errors import MissingDependencyError

try:
    from hiper_agents.llm.sft import SftConfig, SupervisedTrainer, sft
    from hiper_agents.training.metrics import Metrics
    from hiper_agents.training.ranks import launched
except ImportError as error:
    raise MissingDependencyError(
        f'language models need {error.name}, which comes with: pip install "hiper-gym[agents]"'
    ) from error


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
    with bar(console, "steps") as update:

        def show(metrics: Metrics, trainer: SupervisedTrainer) -> None:
            loss = f"loss {metrics['losses']['token']:.3f} a token"
            update(trainer.step, trainer.total_steps, loss)

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
