"""The process in which an agent plays: it can raise, hang or die there without harm to a study.

It makes the agent and the environment, plays the batches that it is told to, and hands over every
episode that ends, for the study's process to write: packing and disks would slow the play. What is
left to do, and what becomes of a failure, is not its business.
"""

from __future__ import annotations

import gc
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
from typing import Any, NamedTuple, Protocol

from benchmarks.leaderboard.playing import AgentFailedError, Watch, play
from benchmarks.leaderboard.schema import Panel
from benchmarks.leaderboard.trajectories import Recording, TrajectoryRecorder, clean_details
from hiper_agents.agent import Agent, make_agent
from hiper_agents.environments import make_env
from hiper_base.errors import HiperError

__all__ = [
    "Batch",
    "BatchDone",
    "BatchFailed",
    "EpisodesEnded",
    "Problem",
    "Ready",
    "WorkerArgs",
    "work",
]


@dataclass(frozen=True)
class WorkerArgs:
    """What a worker needs to know.

    Attributes:
        panel: The tasks.
        agent: What `make_agent` takes.
        options: Arguments of the agent.
        greedy: Whether it takes the most likely choice.
        seed: The agent's seed.
        recorder: What records its episodes.
    """

    panel: Panel
    agent: str
    options: dict[str, Any] = field(default_factory=dict)
    greedy: bool = True
    seed: int = 0
    recorder: type[TrajectoryRecorder] = TrajectoryRecorder


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


class EpisodesEnded(NamedTuple):
    """From a worker: these have come to their ends, or failed."""

    recordings: list[Recording]


class BatchDone(NamedTuple):
    """From a worker: all episodes of the batch have ended."""


class BatchFailed(NamedTuple):
    """From a worker: the agent failed; the process ends.

    Attributes:
        reason: How.
        unfinished: Whose fault it may be; nobody's if the episode to blame was handed over.
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


def work(args: WorkerArgs, orders: Connection, reports: Connection, clock: Clock) -> None:
    """Plays batches until there are no more orders: the whole life of a process."""
    # Ctrl-C reaches the whole group of processes; only the study decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        try:
            agent, env = _prepare(args, reports)
            # What is there now stays: looking through it for garbage again and again is slow.
            gc.freeze()
            while True:
                batch: Batch = orders.recv()
                if not _play(args, agent, env, batch, reports, _watching(clock)):
                    return
        except EOFError:
            return
        except HiperError as error:
            reports.send(Problem(str(error)))
        except Exception:
            reports.send(Problem(traceback.format_exc()))
    except OSError:
        return  # nobody listens any more


def _prepare(args: WorkerArgs, reports: Connection) -> tuple[Agent, Any]:
    panel = args.panel
    known = {"seed": args.seed, "greedy": args.greedy, "env": panel.env}
    agent = make_agent(args.agent, **{**known, **args.options})
    options: dict[str, Any] = dict(panel.env_options)
    if getattr(agent, "requires_reference", False):
        options["reference"] = True
    env = make_env(panel.env, panel.split, **options)
    about = getattr(agent, "about", None)
    ready = Ready(
        clean_details(about) if isinstance(about, dict) else {},
        getattr(agent, "max_batch", None),
        getattr(env.source, "noun_tagger", None),
    )
    reports.send(ready)
    return agent, env


def _play(
    args: WorkerArgs,
    agent: Agent,
    env: Any,
    batch: Batch,
    reports: Connection,
    watch: Watch,
) -> bool:
    """Plays a batch; returns whether the agent is still to be trusted."""
    panel = args.panel
    positions = {place: env.source.index(panel.tasks[place].task_id) for place in batch.positions}
    playing = play(
        agent,
        env.source,
        positions,
        max_turns=panel.max_turns,
        seed=args.seed,
        watch=watch,
        recorder=args.recorder,
    )
    try:
        for ended in playing:
            reports.send(EpisodesEnded(ended))
    except AgentFailedError as error:
        reason, left = str(error), error.unfinished
        if len(left) == 1:
            reports.send(EpisodesEnded([left[0].finish(reason)]))
            left = ()
        reports.send(BatchFailed(reason, tuple(recorder.position for recorder in left)))
        return False
    reports.send(BatchDone())
    return True


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
