"""`hiper train`: trains an agent with a live display and writes a run folder."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, make_dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from hiper_base.errors import MissingDependencyError
from hiper_base.files import write_text

try:
    from hiper_agents.compact.domain import DomainError
    from hiper_agents.training.kinds import part_of
    from hiper_agents.training.metrics import Metrics
    from hiper_agents.training.progress import TrainingProgress
    from hiper_agents.training.ranks import launched
    from hiper_agents.training.report import write_report
    from hiper_agents.training.run import Trainer, train
    from hiper_agents.training.samples import SAMPLES_FILE
    from hiper_agents.training.settings import RunConfig
except ImportError as error:
    raise MissingDependencyError(
        f'training needs {error.name}, which comes with: pip install "hiper-gym[compact]"'
    ) from error

_REPORT_SECONDS = 60.0
_REPORT_SHARE = 0.05
"""Of the time at most, for reports while a run goes on."""


@dataclass(frozen=True)
class RunArgs:
    """Train an agent; everything it produces goes into one run folder."""

    out: Path = Path("runs/demo")
    """The run folder."""
    resume: bool = False
    """Go on with the run in the folder; its settings are kept, except for the budget."""


def defaults(argv: Sequence[str]) -> RunArgs:
    """What the flags begin with: the settings that suit the agent and environment that are named.

    Raises:
        HiperError: No such agent can be trained, or the run to start from cannot be read.
        MissingDependencyError: The agent needs an extra that is not installed.
    """
    agent = named(argv, "--agent") or RunConfig.agent
    env = named(argv, "--env") or RunConfig.env
    settings: type[RunConfig] = part_of(agent, "settings")
    start = named(argv, "--start") if "start" in {f.name for f in fields(settings)} else None
    given = {} if start is None else {"start": start}
    try:
        config = part_of(agent, "defaults")(env, **given)
    except DomainError:
        config = settings(env=env)  # whoever trains says what is wrong with it
    # The settings first, so that `--help` begins with them.
    kind = make_dataclass("TrainArgs", [], bases=(RunArgs, settings), frozen=True)
    kind.__doc__ = RunArgs.__doc__
    arguments: RunArgs = kind(**_values(config))
    return arguments


def named(argv: Sequence[str], flag: str) -> str | None:
    """The value of a flag among arguments that have not been read yet; the last one counts."""
    values = [
        value.partition("=")[2] if "=" in value else following
        for value, following in zip(argv, [*argv[1:], ""], strict=True)
        if value.partition("=")[0] == flag
    ]
    return values[-1] if values else None


def run(args: RunArgs) -> None:
    """Trains, then writes sample episodes and the report."""
    kind = next(base for base in type(args).__mro__[1:] if base is not RunArgs)
    names = {field.name for field in fields(kind)}
    config: RunConfig = kind(**{n: v for n, v in _values(args).items() if n in names})
    if not launched().is_first:
        train(config, args.out, resume=args.resume).ranks.leave()
        return
    console = Console()
    reported, took = time.monotonic(), 0.0

    with TrainingProgress(
        config.minutes, config.iterations, console, turns=config.turns
    ) as progress:

        def show(metrics: Metrics, trainer: Trainer[Any]) -> None:
            nonlocal reported, took
            progress.update(metrics)
            since = time.monotonic() - reported
            if since >= max(_REPORT_SECONDS, took / _REPORT_SHARE):
                reported = time.monotonic()
                _publish(trainer, args.out)
                took = time.monotonic() - reported

        trainer = train(config, args.out, resume=args.resume, on_iteration=show)
    trainer.ranks.leave()
    report = _publish(trainer, args.out)
    console.print(
        f"trained for {trainer.seconds / 60:.1f} minutes: {trainer.iteration} iterations, "
        f"{trainer.total_episodes} episodes, {trainer.total_turns} turns\nreport: {report}",
        highlight=False,
    )


def _values(instance: Any) -> dict[str, Any]:
    """The fields of a dataclass."""
    return {field.name: getattr(instance, field.name) for field in fields(instance)}


def _publish(trainer: Trainer[Any], run: Path) -> Path:
    """Plays sample episodes and writes the report."""
    write_text(run / SAMPLES_FILE, json.dumps(trainer.samples()))
    return write_report(run)
