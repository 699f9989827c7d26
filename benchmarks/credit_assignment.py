r"""Which advantage estimator learns how much from how many turns: the learning study.

    python -m benchmarks.credit_assignment --estimators all --seeds 5
    python -m benchmarks.credit_assignment --ablations --tune
    python -m benchmarks.credit_assignment --env HiPER-ALFWorldLong-v0 \
        --env-options '[{"subtasks": 2}, {"subtasks": 4}, {"subtasks": 8}]'

Same agent, same budget in turns, same panel of tasks; one run an estimator, seed, setting of the
environment and ablation. Every run is a folder of `hiper train` that can be stopped and goes on:
the same command again finishes what is missing, and the report is about all that is finished. So a
study can be spread over sittings and, with other `--seeds`, `--first-seed` or `--estimators`, over
machines, whose folders `--merge` puts together. `docs/credit_assignment.md` says how it measures.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import tyro
from rich.console import Console

from benchmarks.credit.analysis import analyse_settings
from benchmarks.credit.cells import ABLATIONS, Cell, Panel, Plan, Settings, StudyError, cells_of
from benchmarks.credit.document import study_document
from benchmarks.credit.merging import check_mixture, merge
from benchmarks.credit.outcomes import Outcome, outcomes_in
from benchmarks.credit.progress import StudyProgress
from benchmarks.credit.report import Study, write_page, write_plots
from benchmarks.credit.runner import Status, cores, run_cells
from benchmarks.credit.sweeps import sweeps_of
from benchmarks.credit.tuning import GRID, choices_in, choose, settings_of, tuning_cells
from benchmarks.recording import record
from hiper_agents.environments import make_env
from hiper_agents.estimators import get_estimator, list_estimators
from hiper_agents.families import family_of
from hiper_agents.provenance import command_line, git_commit
from hiper_base.errors import HiperError
from hiper_envs.core import HierarchicalTextEnv

_T = TypeVar("_T")

_NAMES = {
    "HiPER-ALFWorld-v0": "credit_assignment",
    "HiPER-ALFWorldLong-v0": "credit_assignment_long",
}


@dataclass(frozen=True)
class Args:
    """Trains and evaluates every estimator with every seed, and reports."""

    env: str = "HiPER-ALFWorld-v0"
    """Which environment."""
    estimators: tuple[str, ...] = ("all",)
    """Registered names, those of plug-ins among them; `all` for every one."""
    seeds: int = 5
    """How many seeds."""
    first_seed: int = 0
    """The first of them."""
    turns: tuple[int, ...] = (600_000,)
    """Budget of a run, in turns; one for all settings, or one for each."""
    marks: int = 20
    """Evaluations on the way to it."""
    env_options: str = "{}"
    """Options of the environment: a JSON object, or a list of them for several settings."""
    split: str | None = None
    """Tasks to train on; by default the benchmark's own for that."""
    eval_split: str | None = None
    """Tasks to evaluate on; by default the benchmark's own for that."""
    tasks: int = 140
    """How many of them, at most; the default is all of ALFWorld's valid_seen."""
    ablations: tuple[str, ...] | None = None
    """Ablations besides the whole agents: names, or none of them for all."""
    tune: bool = False
    """Choose settings first, from the same grid for every estimator."""
    tuned_by: Path | None = None
    """Record of another study whose chosen settings to take, instead of `--tune`."""
    tuning_turns: int | None = None
    """Budget of a tuning run; by default half that of a run. Tuned on the first setting."""
    tuning_seed: int = 1000
    """Seed of the tuning runs."""
    grid: str = json.dumps(GRID)
    """What tuning tries: a JSON list of settings of `hiper train`."""
    train_options: str = "{}"
    """Settings of `hiper train` for all runs, such as '{"episodes": 64}', or a JSON list of them,
    one for each setting of the environment."""
    jobs: int = field(default_factory=cores)
    """Runs side by side; each uses one core."""
    runs: Path = Path("runs/credit")
    """Where the run folders are kept."""
    merge: tuple[Path, ...] = ()
    """Folders of other machines to put into that one first."""
    report_only: bool = False
    """Run nothing; report what is finished."""
    allow_mixed: bool = False
    """Put cells of other versions or plans into one table, and say so in it."""
    out: Path | None = None
    """Where the record goes; the page lies beside the run folders."""
    plots: Path | None = None
    """A folder for the page's pictures as files of their own."""

    @property
    def name(self) -> str:
        """What the record is called."""
        return self.out.stem if self.out else _NAMES.get(self.env, f"credit_assignment_{self.env}")


def main(args: Args, console: Console) -> int:
    """Runs the study, or what is left of it, and reports.

    Returns:
        The exit code: 0 if every cell that was asked for is finished.

    Raises:
        HiperError: Something that was asked for does not exist, or cells do not fit together.
    """
    for folder in args.merge:
        console.print(f"{merge(folder, args.runs)} cells from {folder}", highlight=False)
    problems: list[str] = []
    if not args.report_only:
        try:
            problems = _run(args, console)
        except KeyboardInterrupt:
            console.print("stopped; the same command goes on from here")
            problems = ["The study was stopped before it was finished."]
    _report(args, problems, console)
    return 1 if problems else 0


def _run(args: Args, console: Console) -> list[str]:
    """Runs what is not finished; returns what went wrong, a sentence each."""
    estimators = _estimators(args.estimators)
    plans = plans_of(args)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    tuned: Mapping[str, Settings] = {}
    if args.tuned_by is not None:
        tuned = _tuned_by(args, estimators)
    if args.tune:
        if args.tuning_seed in seeds:
            raise StudyError(f"seed {args.tuning_seed} is one of the study's: choose another")
        trials = tuning_cells(
            plans[0],
            estimators,
            turns=args.tuning_turns or plans[0].turns // 2,
            seed=args.tuning_seed,
            grid=_grid(args.grid),
        )
        problems = _work("tuning", trials, args, console)
        if problems:
            return problems
        tuned = settings_of(choose(trials, args.runs))
    ablations = args.ablations if args.ablations != () else tuple(ABLATIONS)
    cells = cells_of(plans, estimators, seeds, ablations=ablations or (), tuned=tuned)
    return _work("study", cells, args, console)


def _tuned_by(args: Args, estimators: Sequence[str]) -> Mapping[str, Settings]:
    """What another study has chosen.

    Raises:
        StudyError: It cannot be read, or has chosen nothing for one of the estimators.
    """
    if args.tune:
        raise StudyError("settings are either chosen here (--tune) or elsewhere (--tuned-by)")
    assert args.tuned_by is not None
    try:
        record = json.loads(args.tuned_by.read_text(encoding="utf-8"))
        found = {entry["estimator"]: entry["settings"] for entry in record["results"]["tuning"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{args.tuned_by} is no record of a study: {error!r}") from error
    if missing := [name for name in estimators if name not in found]:
        raise StudyError(f"{args.tuned_by} has chosen nothing for {', '.join(missing)}")
    return found


def _work(title: str, cells: Sequence[Cell], args: Args, console: Console) -> list[str]:
    for cell in {cell.variant: cell for cell in cells}.values():
        cell.config()  # a setting that does not exist is an error before anything is trained
    with StudyProgress(title, console) as progress:
        status = run_cells(
            cells,
            args.runs,
            jobs=args.jobs,
            allow_mixed=args.allow_mixed,
            observe=progress.update,
        )
    return _problems(status)


def _problems(status: Status) -> list[str]:
    found = [f"{f.cell.name} failed: {f.reason} (all of it: {f.log})" for f in status.failures]
    found += [f"{cell.name} is being worked on by another process." for cell in status.busy]
    return found


def _report(args: Args, problems: Sequence[str], console: Console) -> None:
    for problem in problems:
        console.print(problem, style="red", highlight=False)
    found = outcomes_in(args.runs / args.env)
    notes = check_mixture(found, allow_mixed=args.allow_mixed)
    settings = analyse_settings(found)
    if not settings:
        console.print(f"no finished run of {args.env} in {args.runs}: nothing to report")
        return
    study = Study(
        settings,
        sweeps_of(settings),
        choices_in(found),
        [*problems, *notes, *_uneven(found)],
        command_line(),
        git_commit(),
    )
    cells = [outcome for setting in settings for outcome in setting.outcomes]
    path = record(
        args.name,
        study_document(study),
        seeds=sorted({outcome.cell.seed for outcome in cells}),
        n=len(cells),
        seconds=sum(
            o.document["training_seconds"] + o.document["evaluation_seconds"] for o in found
        ),
        path=args.out,
    )
    page = write_page(study, args.runs / f"{args.name}.html")
    if args.plots is not None:
        write_plots(study, args.plots, args.name)
    for setting in settings:
        console.print(f"{setting.env}, {setting.name}", highlight=False)
        for summary in setting.summaries:
            console.print(
                f"  {summary.title}: {summary.final.mean:.1%} at the end, "
                f"{summary.mean_success.mean:.1%} over the budget, {len(summary.seeds)} seeds",
                highlight=False,
            )
    console.print(f"recorded in {path}\npage: {page}", highlight=False)


def _uneven(outcomes: Sequence[Outcome]) -> list[str]:
    """Methods that lack seeds which others have."""
    study = [outcome.cell for outcome in outcomes if outcome.cell.purpose == "study"]
    found = []
    for setting in sorted({cell.plan.setting for cell in study}):
        own = [cell for cell in study if cell.plan.setting == setting]
        seeds = {cell.seed for cell in own}
        for variant in sorted({cell.variant for cell in own}):
            missing = sorted(seeds - {cell.seed for cell in own if cell.variant == variant})
            if missing:
                found.append(
                    f"{variant}, {setting}: not finished with "
                    f"seed{'s' if len(missing) > 1 else ''} {', '.join(map(str, missing))}."
                )
    return found


def _estimators(names: Sequence[str]) -> list[str]:
    chosen = list_estimators() if "all" in names else list(dict.fromkeys(names))
    for name in chosen:
        get_estimator(name)
    return chosen


def _settings(text: str, flag: str) -> list[Settings]:
    """One setting or several, from JSON."""
    value = _json(text, flag)
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(one, dict) for one in listed):
        raise StudyError(f"{flag} takes a JSON object or a list of them, not {text}")
    return listed


def _for_each(values: Sequence[_T], settings: int, what: str) -> Sequence[_T]:
    """One value for each setting of the environment, from that many or one for all."""
    if len(values) not in (1, settings):
        raise StudyError(f"{len(values)} {what} do not fit {settings} settings")
    return list(values) * settings if len(values) == 1 else values


def _grid(text: str) -> list[Settings]:
    value = _json(text, "--grid")
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise StudyError(f"--grid takes a JSON list of objects, not {text}")
    return value


def _json(text: str, flag: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise StudyError(f"{flag} takes JSON: {error}") from error


def plans_of(args: Args) -> list[Plan]:
    """One plan for each setting of the environment.

    The environment says what stands in for splits that are not named, and its step limit.
    """
    settings = _settings(args.env_options, "--env-options")
    turns = _for_each(args.turns, len(settings), "budgets")
    given = _settings(args.train_options, "--train-options")
    trained = _for_each(given, len(settings), "--train-options")
    family = family_of(args.env)
    plans = []
    for options, budget, train_options in zip(settings, turns, trained, strict=True):
        train = make_env(args.env, args.split, default_split=family.train_split, **options)
        panel = make_env(args.env, args.eval_split, **options)
        plans.append(
            Plan(
                env=args.env,
                env_options=options,
                turns=budget,
                marks=args.marks,
                split=_split(train),
                panel=Panel(_split(panel), min(args.tasks, len(panel.source))),
                max_turns=train.max_turns,
                train_options=train_options,
            )
        )
    return plans


def _split(env: HierarchicalTextEnv) -> str:
    """The split whose tasks are played."""
    return env.source.open(0).info.split


if __name__ == "__main__":
    try:
        sys.exit(main(tyro.cli(Args, description=__doc__), Console()))
    except HiperError as error:
        Console(stderr=True).print(f"error: {error}", style="red", highlight=False)
        sys.exit(2)
