"""Shows that the native ALFWorld engine and TextWorld give the same bytes.

For every game of train and valid_seen both engines get the same commands: the full walkthrough, a
random walk with invalid commands mixed in, and play that prefers manipulating objects. Observation,
admissible actions, reward, termination and success are compared after every one of them. TextWorld
runs with results of its pure functions remembered (see :mod:`benchmarks.memoised_textworld`);
``--check-memoised N`` replays N games on the unmodified engine to show that this changes nothing.

    python -m benchmarks.alfworld_parity --games all --steps 40 --jobs 2 --resume

TextWorld's answers are kept in a journal: with ``--resume`` an interrupted run continues, and a
changed native engine is compared again with all games within minutes.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn, track

from benchmarks.alfworld_play import PHASES, observation_template
from benchmarks.alfworld_reference import (
    Job,
    Journal,
    RecordedTurn,
    Reference,
    digest,
    make_references,
    transcript,
)
from benchmarks.memoised_textworld import MEMOISED
from benchmarks.recording import record
from hiper_envs.alfworld.data import load_tasks
from hiper_envs.alfworld.game import parse_game
from hiper_envs.alfworld.native import NativeWorld
from hiper_envs.core import World, WorldState

_LOG = logging.getLogger(__name__)
_SHOWN_DIFFERENCES = 20


@dataclass(frozen=True)
class ParityArgs:
    """Compares the native ALFWorld engine with TextWorld."""

    games: str = "all"
    """"all", or the size of a random sample."""
    steps: int = 40
    """Commands of random play and again of manipulation-heavy play per game."""
    jobs: int = 2
    """Worker processes for TextWorld."""
    seed: int = 0
    """Seeds the commands and the samples."""
    splits: tuple[str, ...] = ("train", "valid_seen")
    """Splits to compare."""
    check_memoised: int = 20
    """Games of which the unmodified TextWorld is played as well."""
    resume: bool = False
    """Use what the journal already holds."""
    journal: Path = Path("runs/alfworld_parity.jsonl")
    """Where TextWorld's answers are kept."""
    out: Path | None = None
    """Result file; by default benchmarks/results/alfworld_parity.json, and none for a sample."""


@dataclass
class Comparison:
    """Counts over all games.

    Attributes:
        games: Compared games.
        turns: Compared turns by phase, resets included.
        differences: One entry for the first difference of each phase of each game.
        verbs: Commands that were admissible, by verb.
        kinds: Turns by kind of command (reset, admissible, ways of being invalid).
        templates: Observations by sentence pattern.
        solved: Games whose walkthrough ended with success.
    """

    games: int = 0
    turns: Counter[str] = field(default_factory=Counter)
    differences: list[dict[str, Any]] = field(default_factory=list)
    verbs: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    templates: Counter[str] = field(default_factory=Counter)
    solved: int = 0

    def add(self, task_id: str, turns: Iterable[RecordedTurn], world: World) -> None:
        """Gives a world the commands of the reference and notes where it answers otherwise.

        After a difference the rest of its phase is left out, because the two games may be in
        different states.

        Args:
            task_id: The game.
            turns: Turns of the reference.
            world: The engine under test.
        """
        self.games += 1
        compared: Counter[str] = Counter()
        is_solved = False
        broken: set[str] = set()
        for turn in turns:
            if turn.phase in broken:
                continue
            state = world.reset() if turn.command is None else world.step(turn.command)
            self._count(turn, state)
            if digest(state) != turn.digest:
                broken.add(turn.phase)
                where = {"task_id": task_id, "phase": turn.phase, "turn": compared[turn.phase]}
                answer = {"command": turn.command, "native": state._asdict()}
                self.differences.append({**where, **answer})
            compared[turn.phase] += 1
            if turn.phase == "walkthrough":
                is_solved = state.won and state.terminated
        self.turns += compared
        self.solved += is_solved and "walkthrough" not in broken

    def _count(self, turn: RecordedTurn, state: WorldState) -> None:
        self.kinds[turn.kind] += 1
        self.templates[observation_template(state.observation)] += 1
        if turn.kind == "admissible" and turn.command is not None:
            self.verbs[turn.command.partition(" ")[0]] += 1


def _jobs(args: ParityArgs) -> list[Job]:
    games = [
        (split, index, task.task_id)
        for split in args.splits
        for index, task in enumerate(load_tasks(split))
    ]
    rng = random.Random(args.seed)
    if args.games != "all":
        games = sorted(rng.sample(games, min(int(args.games), len(games))))
    checked = set(rng.sample(range(len(games)), min(args.check_memoised, len(games))))
    return [
        Job(*game, f"{args.seed}/{game[2]}", args.steps, position in checked)
        for position, game in enumerate(games)
    ]


def _references(args: ParityArgs, jobs: Sequence[Job]) -> dict[str, Reference]:
    """TextWorld's side, from the journal where it has it."""
    journal = Journal(args.journal, args.seed, args.steps)
    if args.resume:
        journal.resume()
    journal.start()
    known = journal.references
    missing = [
        job
        for job in jobs
        if job.task_id not in known or job.is_checked > known[job.task_id].unmodified_turns
    ]
    columns = (*Progress.get_default_columns()[:3], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("TextWorld", total=len(jobs), completed=len(jobs) - len(missing))
        for reference in make_references(missing, args.jobs):
            journal.append(reference)
            progress.update(bar, advance=1)
    return {job.task_id: known[job.task_id] for job in jobs}


def _compare(jobs: Sequence[Job], references: Mapping[str, Reference]) -> Comparison:
    tasks = {split: load_tasks(split) for split in {job.split for job in jobs}}
    comparison = Comparison()
    for job in track(jobs, "native"):
        data = tasks[job.split].data(job.index)
        found = len(comparison.differences)
        world = NativeWorld(parse_game(data, job.task_id))
        comparison.add(job.task_id, references[job.task_id].turns, world)
        if found < len(comparison.differences) <= _SHOWN_DIFFERENCES:
            _explain(comparison.differences[found:], data, job)
    return comparison


def _explain(differences: Sequence[dict[str, Any]], data: Mapping[str, Any], job: Job) -> None:
    """Asks TextWorld again, because the journal holds only digests, and keeps what differs."""
    turns = transcript(data, job.seed, job.steps)
    for entry in differences:
        phase = [turn for turn in turns if turn.phase == entry["phase"]]
        expected = phase[entry["turn"]].state._asdict()
        native = entry["native"]
        changed = [name for name, value in expected.items() if native[name] != value]
        entry["native"] = {name: native[name] for name in changed}
        entry["textworld"] = {name: expected[name] for name in changed}


def _summary(comparison: Comparison, references: Iterable[Reference]) -> dict[str, Any]:
    references = list(references)
    checked = [reference for reference in references if reference.unmodified_turns]
    by_phase = Counter(entry["phase"] for entry in comparison.differences)
    return {
        "games": comparison.games,
        "turns": comparison.turns.total(),
        "differences": len(comparison.differences),
        "turns_by_phase": {phase: comparison.turns[phase] for phase in PHASES},
        "differences_by_phase": {phase: by_phase[phase] for phase in PHASES},
        "walkthroughs_solved": comparison.solved,
        "first_differences": comparison.differences[:_SHOWN_DIFFERENCES],
        "commands_by_verb": dict(comparison.verbs.most_common()),
        "turns_by_kind": dict(comparison.kinds.most_common()),
        "observation_templates": dict(comparison.templates.most_common()),
        "textworld_cpu_seconds": sum(reference.seconds for reference in references),
        "memoised": list(MEMOISED),
        "memoisation_check": {
            "games": [reference.task_id for reference in checked],
            "turns": sum(reference.unmodified_turns for reference in checked),
            "differences": sum(reference.unmodified_differences for reference in checked),
        },
    }


def main(args: ParityArgs) -> int:
    """Runs the comparison and records it.

    Returns:
        0 if no turn differs, 1 otherwise.
    """
    start = time.perf_counter()
    jobs = _jobs(args)
    references = _references(args, jobs)
    result = _summary(_compare(jobs, references), references.values())
    _LOG.info("%(games)d games, %(turns)d turns, %(differences)d differences", result)
    for entry in result["first_differences"]:
        _LOG.warning("%s", json.dumps(entry, ensure_ascii=False))
    if args.out or args.games == "all":
        seconds = time.perf_counter() - start
        n, seeds = len(jobs), [args.seed]
        path = record("alfworld_parity", result, seeds=seeds, n=n, seconds=seconds, path=args.out)
        _LOG.info("recorded in %s", path)
    return int(bool(result["differences"] or result["memoisation_check"]["differences"]))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main(tyro.cli(ParityArgs)))
