r"""A small language model learns ALFWorld within a short window on one GPU, estimator by estimator.

    python -m benchmarks.llm_window --out runs/llm-window --sitting-minutes 9

The model as it comes is evaluated, taught by demonstrations and evaluated again; then every
estimator goes on from there for the same minutes and is evaluated. A call does what is left and
stops before its minutes are up; call it again until it says that all is done. It can be killed at
any moment: training goes on from its last checkpoint, an evaluation is made again. `--model tiny
--device cpu` with small numbers rehearses all of it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console

from benchmarks.credit.cells import changed
from benchmarks.gpu import GpuWatch
from benchmarks.recording import record
from hiper_agents.agent import CHECKPOINT_FILE, make_agent
from hiper_agents.cli.values import JsonObject
from hiper_agents.evaluation import evaluate
from hiper_agents.llm.agent import make_language_agent
from hiper_agents.llm.assembly import export
from hiper_agents.llm.config import config_for
from hiper_agents.llm.prompts import PromptConfig
from hiper_agents.llm.sft import SftConfig, sft
from hiper_agents.provenance import write_json
from hiper_agents.training.records import read_run
from hiper_agents.training.run import train
from hiper_agents.training.state_files import read_checkpoint
from hiper_base.errors import HiperError

ENV = "HiPER-ALFWorld-v0"
_KEPT = (
    "about",
    "split",
    "n",
    "success_rate",
    "success_rate_ci95",
    "mean_turns",
    "per_task_type",
    "options",
    "invalid_action_rate",
    "format_error_rate",
    "seconds",
    "steps_per_second",
    "panel_sha256",
    "git_commit",
    "versions",
)


@dataclass(frozen=True)
class Args:
    """Does the next stages of the window, as many as this sitting has time for."""

    out: Path = Path("runs/llm-window")
    """Folder of all stages."""
    sitting_minutes: float = 9.0
    """Stop before this call has taken so long."""
    model: str = "smollm2-135m"
    """The model; see `hiper train --agent llm --help`."""
    device: str = "auto"
    """Where it computes."""
    split: str | None = None
    """Tasks to train on."""
    eval_split: str | None = None
    """Tasks to evaluate on."""
    tasks: int | None = None
    """How many of them; None for all."""
    sft_minutes: float = 3.0
    """Time for demonstrations."""
    sft_options: JsonObject = field(default_factory=dict)
    """Settings of `hiper sft`, such as '{"episodes": 2048}'."""
    estimators: tuple[str, ...] = ("hae", "gae", "grpo")
    """What goes on from there, one after the other."""
    minutes: float = 6.0
    """Time for each of them."""
    train_options: JsonObject = field(default_factory=dict)
    """Settings of `hiper train --agent llm`, such as '{"num_envs": 256}'."""
    seed: int = 0
    """Of everything random."""


class OutOfTimeError(Exception):
    """The sitting is over."""


class Sitting:
    """The time that this call has.

    Args:
        minutes: So much.
    """

    def __init__(self, minutes: float) -> None:
        self._ends = time.monotonic() + 60.0 * minutes

    def left(self, at_least: float) -> float:
        """Minutes that are left.

        Raises:
            OutOfTimeError: If they are fewer than `at_least`.
        """
        minutes = (self._ends - time.monotonic()) / 60.0
        if minutes < at_least:
            raise OutOfTimeError
        return minutes


def main(args: Args, console: Console) -> int:
    """Does what is left, and records what there is.

    Returns:
        The exit code: 0 if all stages are done, 3 if another sitting is needed.

    Raises:
        HiperError: Something that was asked for does not exist, or a run diverged.
    """
    args.out.mkdir(parents=True, exist_ok=True)
    window = Window(args, Sitting(args.sitting_minutes), console)
    with GpuWatch(args.out / "gpu.jsonl"):
        try:
            window.run()
            done = True
        except OutOfTimeError:
            done = False
    path = window.record()
    console.print(
        f"recorded in {path}\n" + ("all is done" if done else "time is up: call it again"),
        highlight=False,
    )
    return 0 if done else 3


class Window:
    """The stages.

    Args:
        args: What was asked for.
        sitting: The time of this call.
        console: Where progress is shown.
    """

    def __init__(self, args: Args, sitting: Sitting, console: Console) -> None:
        self.args, self.sitting, self.console = args, sitting, console
        prompt = PromptConfig(template="compact")
        made_of = {"model": args.model, "device": args.device, "prompt": prompt}
        given = SftConfig(env=ENV, split=args.split, seed=args.seed, **made_of)  # type: ignore[arg-type]
        self.taught: SftConfig = changed(given, args.sft_options)

    def run(self) -> None:
        """Does the stages in order.

        Raises:
            OutOfTimeError: If time is up before all are done.
        """
        self._evaluated("raw", self._raw)
        self._timed("sft", self.args.sft_minutes, self._teach)
        self._evaluated("sft", lambda: make_agent(self.args.out / "sft", **self._how))
        for estimator in self.args.estimators:
            self._timed(estimator, self.args.minutes, self._learn)
            folder = self.args.out / estimator
            self._evaluated(estimator, lambda folder=folder: make_agent(folder, **self._how))  # type: ignore[misc]
            export(folder, self.args.out / f"adapter-{estimator}")

    def record(self) -> Path:
        """Writes the record of all that is done so far."""
        args = self.args
        evaluations = {
            stage: json.loads(self._result(stage).read_text(encoding="utf-8"))
            for stage in ("raw", "sft", *args.estimators)
            if self._result(stage).exists()
        }
        runs = {
            stage: _figures(args.out / stage)
            for stage in ("sft", *args.estimators)
            if (args.out / stage / CHECKPOINT_FILE).exists()
        }
        return record(
            "llm_window",
            {
                "env": ENV,
                "model": args.model,
                "minutes": {"sft": args.sft_minutes, "estimator": args.minutes},
                "evaluations": evaluations,
                "runs": runs,
                "gpu": GpuWatch.summary(args.out / "gpu.jsonl"),
            },
            seeds=[args.seed],
            n=len(evaluations),
            seconds=sum(run["seconds"] for run in runs.values()),
            path=args.out / "llm_window.json",
        )

    @property
    def _how(self) -> dict[str, Any]:
        return {"device": self.args.device, "seed": self.args.seed}

    def _result(self, stage: str) -> Path:
        return self.args.out / f"eval-{stage}.json"

    def _raw(self) -> Any:
        prompt = self.taught.prompt
        return make_language_agent(
            self.args.model,
            template=prompt.template,
            history=prompt.history,
            max_prompt_tokens=prompt.max_tokens,
            **self._how,
        )

    def _evaluated(self, stage: str, agent: Callable[[], Any]) -> None:
        """Evaluates an agent, unless that has been done."""
        path = self._result(stage)
        if path.exists():
            return
        self.sitting.left(at_least=1.5)
        result = evaluate(
            agent(),
            ENV,
            self.args.eval_split,
            agent_name=stage,
            episodes=self.args.tasks,
            num_envs=256,
            seed=self.args.seed,
        )
        write_json(path, {key: result[key] for key in _KEPT if key in result})
        self.console.print(f"{stage}: {result['success_rate']:.1%} solved", highlight=False)

    def _timed(self, stage: str, minutes: float, learn: Callable[[str, float], None]) -> None:
        """Trains a stage to its budget, or as far as the sitting goes."""
        folder = self.args.out / stage
        spent = 0.0
        if (folder / CHECKPOINT_FILE).exists():
            spent = read_checkpoint(folder)["seconds"] / 60.0
        if spent >= minutes or (folder / "done").exists():
            return
        # What precedes the first step takes time, and the last iteration ends when it ends.
        granted = min(minutes, spent + self.sitting.left(at_least=1.0) - 0.5)
        learn(stage, granted)
        # One that stopped before has nothing left to learn.
        if granted <= read_checkpoint(folder)["seconds"] / 60.0 < minutes:
            raise OutOfTimeError
        (folder / "done").touch()

    def _teach(self, stage: str, minutes: float) -> None:
        sft(
            replace(self.taught, minutes=minutes),
            self.args.out / stage,
            resume=True,
            on_iteration=lambda metrics, _: self._show(stage, metrics["losses"]["token"], metrics),
        )

    def _learn(self, stage: str, minutes: float) -> None:
        start = str(self.args.out / "sft")
        config = config_for(ENV, start)
        config = replace(
            config,
            estimator=stage,
            split=self.args.split,
            seed=self.args.seed,
            device=self.args.device,
            checkpoint_seconds=20.0,
        )
        config = changed(config, self.args.train_options)
        train(
            replace(config, minutes=minutes),
            self.args.out / stage,
            resume=True,
            on_iteration=lambda metrics, _: self._show(stage, metrics["success"], metrics),
        )

    def _show(self, stage: str, figure: float, metrics: dict[str, Any]) -> None:
        self.console.print(
            f"{stage} {metrics['iteration']} | {metrics['seconds']:.0f} s | {figure:.3f} | "
            f"{metrics['turns_per_second']:.1f} turns/s",
            highlight=False,
        )


def _figures(folder: Path) -> dict[str, Any]:
    """What a run has logged, column by column."""
    run = read_run(folder)
    columns = ("seconds", "turns", "success", "return", "options", "turns_per_second")
    kept = {name: run.column(name) for name in columns}
    losses = {name: run.column("losses", name) for name in run.names("losses")}
    return {"seconds": run.last("seconds") or 0.0, "curves": kept, "losses": losses}


if __name__ == "__main__":
    try:
        sys.exit(main(tyro.cli(Args, description=__doc__), Console()))
    except HiperError as error:
        Console(stderr=True).print(f"error: {error}", style="red", highlight=False)
        sys.exit(2)
