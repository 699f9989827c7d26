"""How well the compact agent plays after given minutes of training, by estimator and seed.

    python -m benchmarks.training --estimators hae gae --seeds 3 --jobs 2
    python -m benchmarks.training --env HiPER-WebShop-v0 --estimators hae --minutes 20 --jobs 2

Every cell of the study, one estimator with one seed, is a run folder of `hiper train` with the
settings that suit the environment, trained to the first mark, evaluated on every task of the split,
trained on to the next mark, and so on. Cells are finished one by one and kept: the same command
again goes on where it was interrupted. `random` and `expert` are evaluated beside them.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.progress import Progress

from benchmarks.evaluating import PRIOR, play_panel
from benchmarks.recording import Summary, record, summarise
from hiper_agents.provenance import write_json
from hiper_agents.training.run import config_for, train

MODES = ("greedy", "sampled")
Result = dict[str, Any]

_NAMES = {"HiPER-ALFWorld-v0": "training", "HiPER-WebShop-v0": "training_webshop"}
_PUBLISHED: dict[str, Result] = {
    "HiPER-WebShop-v0": {
        "rule-based (arXiv 2207.01206, 1.18 M products, human goals)": {
            "mean_score": 0.456,
            "success_rate": 0.096,
        },
        "HiPER, 1.5B (arXiv 2602.16165)": {"success_rate": 0.714},
        "HiPER, 7B (arXiv 2602.16165)": {"success_rate": 0.833},
        "note": (
            "Quoted, not measured. The rule searches for the instruction and buys the first result "
            "without options, on another catalogue; the baseline `first-result` is the same rule "
            "here."
        ),
    }
}


@dataclass(frozen=True)
class Args:
    """Trains and evaluates every estimator with every seed."""

    estimators: tuple[str, ...] = ("hae", "gae")
    """Which estimators."""
    seeds: int = 3
    """How many seeds, from 0."""
    minutes: tuple[float, ...] = (5.0, 10.0)
    """When to evaluate, in minutes of training; the last one ends it."""
    env: str = "HiPER-ALFWorld-v0"
    """Which environment."""
    split: str | None = None
    """Which tasks to evaluate on; by default the benchmark's own for that."""
    jobs: int = 1
    """Runs side by side; each uses one core."""
    runs: Path = Path("runs/training")
    """Where the run folders are kept."""
    out: Path | None = None
    """Where the record goes; by default training.json, or training_webshop.json for WebShop."""

    @property
    def name(self) -> str:
        """What the record is called."""
        return self.out.stem if self.out else _NAMES.get(self.env, f"training_{self.env}")


@dataclass(frozen=True)
class Cell:
    """One run of the study."""

    estimator: str
    seed: int
    args: Args

    @property
    def run(self) -> Path:
        """Its run folder."""
        return self.args.runs / self.args.env / f"{self.estimator}-{self.seed}"


def evaluate_cell(cell: Cell) -> list[Result]:
    """Trains a cell to its marks, or as far as it is not trained yet, and evaluates it at each."""
    results = []
    for minutes in cell.args.minutes:
        path = cell.run / f"evaluation-{minutes:g}.json"
        if not path.exists():
            config = replace(
                config_for(cell.args.env),
                split="train",
                estimator=cell.estimator,
                seed=cell.seed,
                minutes=minutes,
            )
            trainer = train(config, cell.run, resume=True)
            write_json(
                path,
                {
                    "estimator": cell.estimator,
                    "seed": cell.seed,
                    "minutes": minutes,
                    "seconds": trainer.seconds,
                    "iterations": trainer.iteration,
                    "episodes": trainer.total_episodes,
                    "turns": trainer.total_turns,
                    **{
                        mode: play_panel(
                            str(cell.run), cell.args.env, mode=mode, split=cell.args.split
                        )
                        for mode in MODES
                    },
                },
            )
        results.append(json.loads(path.read_text(encoding="utf-8")))
    return results


def summarise_study(results: Sequence[Result]) -> Iterator[Result]:
    """Per estimator, mark and mode: mean and standard error over seeds."""
    marks = sorted({(r["estimator"], r["minutes"]) for r in results})
    for estimator, minutes in marks:
        cells = [r for r in results if (r["estimator"], r["minutes"]) == (estimator, minutes)]
        for mode in MODES:
            played = [cell[mode] for cell in cells]
            options = [episode["options"] for episode in played]
            yield {
                "estimator": estimator,
                "minutes": minutes,
                "mode": mode,
                "success_rate": summarise([one["success_rate"] for one in played]),
                "mean_score": _known(one.get("mean_score") for one in played),
                "success_rate_of_reachable": _known(
                    (one.get("reachable") or {}).get("success_rate") for one in played
                ),
                "mean_turns": summarise([one["mean_turns"] for one in played]),
                "options_per_solved_episode": _known(
                    one["mean_per_solved_episode"] for one in options
                ),
                "options_with_their_named_action": _known(
                    one["contains_named_action"] for one in options
                ),
                "boundary_f1_with_the_oracle": _known(
                    (one["boundary_agreement"] or {}).get("f1") for one in options
                ),
                "training_episodes": summarise([cell["episodes"] for cell in cells]),
                "training_turns": summarise([cell["turns"] for cell in cells]),
            }


def _known(values: Iterable[float | None]) -> Summary | None:
    """Summary of what could be measured: a run that solves nothing has no solved episodes."""
    known = [value for value in values if value is not None]
    return summarise(known) if known else None


def main(args: Args) -> None:
    """Runs the study and records it."""
    console, started = Console(), time.perf_counter()
    baselines = ("random", "expert", *(("first-result",) if "WebShop" in args.env else ()))
    cells = [Cell(e, seed, args) for seed in range(args.seeds) for e in args.estimators]
    results: list[Result] = []
    with (
        Progress(console=console) as progress,
        # Spawned, so that no run inherits another's random state or threads.
        ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool,
    ):
        bar = progress.add_task("runs", total=len(cells))
        for future in as_completed([pool.submit(evaluate_cell, cell) for cell in cells]):
            results += future.result()
            last = results[-1]
            progress.advance(bar)
            console.print(
                f"{last['estimator']} seed {last['seed']}, {last['minutes']:g} minutes: "
                + ", ".join(f"{mode} {last[mode]['success_rate']:.1%}" for mode in MODES)
            )
    results.sort(key=lambda r: (r["estimator"], r["seed"], r["minutes"]))
    path = record(
        args.name,
        {
            "study": list(summarise_study(results)),
            "baselines": {
                name: play_panel(name, args.env, mode="sampled", split=args.split)
                for name in baselines
            },
            "runs": results,
            "published": _PUBLISHED.get(args.env, {}),
            "jobs": args.jobs,
            "note": f"The benchmark's reward alone. {PRIOR}",
        },
        seeds=list(range(args.seeds)),
        n=results[0]["greedy"]["n"],
        seconds=time.perf_counter() - started,
        path=args.out,
    )
    console.print(f"recorded in {path}")


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
