"""The process in which an agent plays: it can raise, hang or die there without harm to a study.

It makes the agent and the environment, plays the batches that it is told to, and writes every
episode when it ends. What is left to do, and what becomes of a failure, is not its business.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from benchmarks.leaderboard.playing import AgentFailedError, Watch, play
from benchmarks.leaderboard.schema import Outcome, Panel
from benchmarks.leaderboard.store import StudyFolder
from benchmarks.leaderboard.trajectories import clean_details
from benchmarks.leaderboard.writing import TrajectoryWriter
from hiper_agents.agent import Agent, make_agent
from hiper_agents.environments import make_env
from hiper_base.errors import HiperError

__all__ = [
    "Batch",
    "BatchDone",
    "BatchFailed",
    "EpisodeEnded",
    "Problem",
    "Ready",
    "WorkerArgs",
    "work",
]


@dataclass(frozen=True)
class WorkerArgs:
    """What a worker needs to know.

    Attributes:
        folder: The study folder.
        panel: The tasks.
        agent: What `make_agent` takes.
        options: Arguments of the agent.
        greedy: Whether it takes the most likely choice.
        seed: The agent's seed.
    """

    folder: Path
    panel: Panel
    agent: str
    options: dict[str, Any] = field(default_factory=dict)
    greedy: bool = True
    seed: int = 0


class Batch(NamedTuple):
    """To a worker: play these tasks, given by their places in the panel."""

    positions: tuple[int, ...]


class Ready(NamedTuple):
    """From a worker: it can play.

    Attributes:
        about: What the agent says of itself.
        max_batch: The most episodes that the agent plays side by side; None for any number.
        noun_tagger: What finds the nouns of titles; None where no score depends on it.
    """

    about: dict[str, Any]
    max_batch: int | None
    noun_tagger: str | None


class EpisodeEnded(NamedTuple):
    """From a worker: an episode is written."""

    position: int
    outcome: Outcome


class BatchDone(NamedTuple):
    """From a worker: all episodes of the batch are written."""


class BatchFailed(NamedTuple):
    """From a worker: the agent failed; the process ends.

    Attributes:
        reason: How.
        unfinished: Whose fault it may be; nobody's if the episode to blame is written.
    """

    reason: str
    unfinished: tuple[int, ...]


class Problem(NamedTuple):
    """From a worker: nothing can be played here, and it is not an episode's fault."""

    message: str


class Clock(Protocol):
    """Memory that is shared with the study's process.

    Attributes:
        value: Since when the agent has been at work (`time.monotonic`, the same in all processes of
            a machine); 0 while it is not.
    """

    value: float


def work(args: WorkerArgs, connection: Connection, clock: Clock) -> None:
    """Plays batches until the connection is closed: the whole life of a process."""
    # Ctrl-C reaches the whole group of processes; only the study decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        try:
            agent, env = _prepare(args, connection)
            while True:
                batch: Batch = connection.recv()
                if not _play(args, agent, env, batch, connection, _watching(clock)):
                    return
        except EOFError:
            return
        except HiperError as error:
            connection.send(Problem(str(error)))
        except Exception:
            connection.send(Problem(traceback.format_exc()))
    except OSError:
        return  # nobody listens any more


def _prepare(args: WorkerArgs, connection: Connection) -> tuple[Agent, Any]:
    panel = args.panel
    known = {"seed": args.seed, "greedy": args.greedy, "env": panel.env}
    agent = make_agent(args.agent, **{**known, **args.options})
    options: dict[str, Any] = dict(panel.env_options)
    if getattr(agent, "requires_reference", False):
        options["reference"] = True
    env = make_env(panel.env, panel.split, **options)
    about = getattr(agent, "about", None)
    connection.send(
        Ready(
            (clean_details(about) or {}) if isinstance(about, dict) else {},
            getattr(agent, "max_batch", None),
            getattr(env.source, "noun_tagger", None),
        )
    )
    return agent, env


def _play(
    args: WorkerArgs,
    agent: Agent,
    env: Any,
    batch: Batch,
    connection: Connection,
    watch: Watch,
) -> bool:
    """Plays and writes a batch; returns whether the agent is still to be trusted."""
    panel, folder = args.panel, StudyFolder(args.folder)
    tasks = panel.tasks
    positions = {place: env.source.index(tasks[place].task_id) for place in batch.positions}
    playing = play(
        agent, env.source, positions, max_turns=panel.max_turns, seed=args.seed, watch=watch
    )
    left: tuple[int, ...] = ()
    reason = ""

    def announce(position: int, outcome: Outcome) -> None:
        connection.send(EpisodeEnded(position, outcome))

    with TrajectoryWriter(folder, args.seed, announce) as writer:
        try:
            for ended in playing:
                writer.write(ended)
        except AgentFailedError as error:
            reason = str(error)
            if len(error.unfinished) > 1:
                left = tuple(recorder.position for recorder in error.unfinished)
            else:
                only = error.unfinished[0]
                writer.write((only.position, *only.finish(reason)))
    connection.send(BatchFailed(reason, left) if reason else BatchDone())
    return not reason


def _watching(clock: Clock) -> Watch:
    @contextmanager
    def watch() -> Iterator[None]:
        clock.value = time.monotonic()
        try:
            yield
        finally:
            clock.value = 0.0

    return watch


def _end_with_parent() -> None:
    """Ends this process, wherever the agent is, when that of the study has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
