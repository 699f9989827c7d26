"""Plays a panel into a study folder, and goes on with one that was begun.

Every episode is written when it ends; the result is made of what is written when the last one is
there. So a study that is killed at any moment loses the episodes that were being
played, and nothing else, and its result is that of a study that was not.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from benchmarks.leaderboard.figures import costs_of, result_of, row_of, timing_of
from benchmarks.leaderboard.panels import differences
from benchmarks.leaderboard.schema import (
    AgentSpec,
    Outcome,
    Panel,
    Result,
    Sitting,
    Study,
)
from benchmarks.leaderboard.store import StudyError, StudyFolder
from benchmarks.leaderboard.supervisor import play_positions
from benchmarks.leaderboard.worker import Ready, WorkerArgs
from benchmarks.recording import machine
from hiper_agents.agent import CHECKPOINT_FILE
from hiper_agents.provenance import command_line, git_commit, versions
from hiper_base.files import holding

__all__ = ["Player", "Progress", "checkpoint_digest", "run_study"]

OnProgress = Callable[["Progress"], None]


@dataclass(frozen=True)
class Player:
    """Who plays a study.

    Attributes:
        agent: What `hiper_agents.agent.make_agent` takes.
        options: Arguments of the agent.
        mode: Whether it takes the most likely choice or draws one.
        label: What the leaderboard shows; by default the agent's name.
    """

    agent: str
    options: Mapping[str, Any] = field(default_factory=dict)
    mode: Literal["greedy", "sampled"] = "greedy"
    label: str = ""

    def spec(self) -> AgentSpec:
        """What the study says of it.

        Raises:
            StudyError: A value is not one that JSON can hold, or the label is too long.
        """
        path = Path(self.agent)
        is_run = (path / CHECKPOINT_FILE).is_file()
        name = path.resolve().name if is_run else self.agent
        try:
            return AgentSpec(
                name=name,
                label=self.label or name,
                options=dict(self.options),
                mode=self.mode,
                checkpoint_sha256=checkpoint_digest(path) if is_run else None,
            )
        except ValidationError as error:
            raise StudyError(f"the agent cannot be written down: {error}") from error


@dataclass
class Progress:
    """How far a study is.

    Attributes:
        total: Episodes of the study.
        done: Episodes that are there.
        won: How many of them were won.
        failed: How many of them failed.
    """

    total: int
    done: int = 0
    won: int = 0
    failed: int = 0

    def add(self, outcome: Outcome) -> None:
        """Counts an episode."""
        self.done += 1
        self.won += outcome == "won"
        self.failed += outcome == "failed"


def run_study(
    folder: str | Path,
    player: Player,
    panel: Panel,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    num_envs: int = 64,
    timeout: float = 600.0,
    retry_failed: bool = False,
    on_progress: OnProgress | None = None,
) -> Result:
    """Plays every task of a panel with every seed, or what is left of that.

    The agent plays in a process of its own. One that raises, hangs or dies costs the episode that
    makes it do so, and the study goes on.

    Args:
        folder: The study folder; made, or gone on with.
        player: Who plays.
        panel: The tasks.
        seeds: Seeds of the agent.
        num_envs: Episodes side by side.
        timeout: Seconds after which a call of the agent counts as hung.
        retry_failed: Play failed episodes again.
        on_progress: Called after every episode, by the thread that writes, and once before.

    Returns:
        The result, which is also in the folder.

    Raises:
        StudyError: The folder holds another study or is damaged; the agent cannot be made; an
            environment failed.
        BusyError: Another process plays this study.
        HiperError: There are no data for the panel.
    """
    if num_envs < 1 or timeout <= 0:
        raise StudyError(f"cannot play {num_envs} episodes at a time with {timeout} s a call")
    files = StudyFolder(folder)
    with holding(files.path / "lock"):
        study = _claim(files, player, panel, seeds)
        played = _outcomes(files, retry_failed=retry_failed)
        progress = Progress(len(study.seeds) * len(panel.tasks))
        for outcome in played.values():
            progress.add(outcome)
        report = on_progress or _ignore
        report(progress)

        def on_episode(_position: int, outcome: Outcome) -> None:
            progress.add(outcome)
            report(progress)

        sitting = _SittingLog(files, num_envs, timeout)
        for seed in study.seeds:
            left = [place for place in range(len(panel.tasks)) if (seed, place) not in played]
            if left:
                files.drop_result()
                files.tidy(seed, set(range(len(panel.tasks))).difference(left))
            play_positions(
                _worker_args(player, panel, seed),
                files,
                left,
                num_envs=num_envs,
                timeout=timeout,
                on_episode=on_episode,
                on_ready=sitting.add,
            )
        return _conclude(files, study, panel)


def checkpoint_digest(run: Path) -> str:
    """SHA-256 over the names and contents of a run folder's checkpoint: what an agent is made of.

    Raises:
        StudyError: It cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for path in sorted([run / CHECKPOINT_FILE, *run.rglob("*.safetensors")]):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(run).as_posix()} {content}\n".encode())
    except OSError as error:
        raise StudyError(f"cannot read the checkpoint of {run}: {error.strerror}") from error
    return digest.hexdigest()


def _claim(files: StudyFolder, player: Player, panel: Panel, seeds: Sequence[int]) -> Study:
    """Begins a study in an empty folder, or finds that the folder holds the very same one."""
    if not seeds or len(set(seeds)) != len(seeds):
        raise StudyError(f"a study needs seeds, each once, not {list(seeds)}")
    study = Study(
        agent=player.spec(),
        panel=panel.name,
        panel_sha256=panel.sha256,
        seeds=tuple(seeds),
        differences=tuple(differences(panel)),
    )
    if not files.exists:
        files.write("panel.json", panel)
        files.write("study.json", study)
        return study
    there = files.study()
    if there == study and files.panel() == panel:
        return study
    theirs, ours = there.model_dump(), study.model_dump()
    fields = ", ".join(name for name in ours if ours[name] != theirs[name]) or "panel"
    raise StudyError(
        f"{files.path} holds another study (it differs in: {fields}); give another folder with "
        "--out, or the same settings to go on with that one"
    )


def _outcomes(files: StudyFolder, *, retry_failed: bool) -> dict[tuple[int, int], Outcome]:
    """How the episodes ended that are there and stay, by seed and position.

    Damaged ones are left out, and so played again.
    """
    return {
        (each.seed, each.position): each.outcome
        for each in files.readable()
        if not (retry_failed and each.outcome == "failed")
    }


def _worker_args(player: Player, panel: Panel, seed: int) -> WorkerArgs:
    greedy = player.mode == "greedy"
    return WorkerArgs(panel, player.agent, dict(player.options), greedy, seed)


class _SittingLog:
    """Writes down this process once, when its first agent is there."""

    def __init__(self, files: StudyFolder, num_envs: int, timeout: float) -> None:
        self._files, self._num_envs, self._timeout = files, num_envs, timeout
        self._written = False

    def add(self, ready: Ready) -> None:
        """Adds the line, unless it is there."""
        if self._written:
            return
        self._written = True
        self._files.add_sitting(
            Sitting(
                started=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                command=command_line(),
                commit=git_commit(),
                versions=versions(),
                machine=machine(),
                num_envs=self._num_envs,
                timeout=self._timeout,
                about=ready.about,
                noun_tagger=ready.noun_tagger,
            )
        )


def _conclude(files: StudyFolder, study: Study, panel: Panel) -> Result:
    """Makes the result and the costs of what is in the folder."""
    for seed in study.seeds:
        files.tidy(seed)
    rows, timings = [], []
    for trajectory in files.trajectories():
        rows.append(row_of(trajectory))
        timings.append(timing_of(trajectory))
    sittings = files.sittings()
    result = result_of(study, panel, rows, sittings)
    files.write("costs.json", costs_of(timings, sittings))
    files.write("result.json", result)
    return result


def _ignore(_progress: Progress) -> None:
    """For a caller who does not want to know."""
