"""Has batches played by a process that may fail, and finds out whose fault it was.

When the agent raises, returns nonsense, hangs or takes its process with it, nobody knows which of
the episodes side by side is to blame. The batch is then halved, again and again, in a new process
each time; an episode that fails alone is written as failed, with the reason, and the others go on.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from benchmarks.leaderboard.inbox import Inbox, report_pipe
from benchmarks.leaderboard.store import StudyError, StudyFolder
from benchmarks.leaderboard.trajectories import Recording, TrajectoryRecorder
from benchmarks.leaderboard.worker import (
    Batch,
    BatchFailed,
    EpisodesEnded,
    Problem,
    Ready,
    WorkerArgs,
    work,
)
from benchmarks.leaderboard.writer import EpisodeWriter, OnEpisode
from hiper_agents.environments import make_env
from hiper_envs.core import Episode

__all__ = ["OnReady", "play_positions"]

OnReady = Callable[[Ready], None]
"""Called once, when the agent has been made."""
_Write = Callable[[Sequence[Recording]], None]

_POLL_SECONDS = 0.05
_END_SECONDS = 5.0


def play_positions(
    args: WorkerArgs,
    folder: StudyFolder,
    positions: Sequence[int],
    *,
    num_envs: int,
    timeout: float,
    on_episode: OnEpisode,
    on_ready: OnReady,
) -> None:
    """Plays tasks of a panel with one seed; when it returns, all are written.

    Args:
        args: Who plays what.
        folder: Where the episodes are written.
        positions: Places of the tasks in the panel.
        num_envs: Episodes side by side at most.
        timeout: Seconds after which a call of the agent counts as hung.
        on_episode: Called for every episode, see `EpisodeWriter`.
        on_ready: Called when the agent is there.

    Raises:
        StudyError: The agent or the environment cannot be made, an environment failed, or an
            episode cannot be written.
    """
    todo = deque([tuple(positions)] if positions else [])
    player: _Player | None = None
    ready: Ready | None = None
    with EpisodeWriter(folder, args.seed, on_episode) as writer:
        try:
            while todo:
                if player is None:
                    player = _Player(args, timeout)
                    again, ready = ready, player.ready()
                    if again is None:
                        on_ready(ready)
                        todo = deque(_chunks(positions, min(num_envs, ready.max_batch or num_envs)))
                batch, following = todo.popleft(), todo[0] if todo else None
                failed = player.play(batch, writer.write, following)
                if failed is None:
                    continue
                player.end()
                player = None
                todo.extendleft(reversed(_blamed(args, failed, writer.write)))
        finally:
            if player is not None:
                player.end()


def _blamed(args: WorkerArgs, failed: BatchFailed, write: _Write) -> list[tuple[int, ...]]:
    """What is to be played again after a failure; a single episode is written off instead."""
    left = failed.unfinished
    if len(left) > 1:
        middle = len(left) // 2
        return [left[:middle], left[middle:]]
    if left:
        write([_written_off(args, left[0], failed.reason)])
    return []


def _written_off(args: WorkerArgs, position: int, reason: str) -> Recording:
    """An episode whose turns are lost with the process that played it."""
    panel = args.panel
    source = make_env(panel.env, panel.split, **dict[str, Any](panel.env_options)).source
    task = source.open(source.index(panel.tasks[position].task_id))
    return TrajectoryRecorder(Episode(task, panel.max_turns), position, args.seed).finish(reason)


def _chunks(positions: Sequence[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(positions[at : at + size]) for at in range(0, len(positions), size)]


class _Player:
    """A process that plays; it is not used again after a failure."""

    def __init__(self, args: WorkerArgs, timeout: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._timeout = timeout
        self._clock: Any = context.Value("d", 0.0, lock=False)
        orders, self._orders = context.Pipe(duplex=False)
        ours, reports = report_pipe(context)
        self._process = context.Process(
            target=work, args=(args, orders, reports, self._clock), name=f"agent (seed {args.seed})"
        )
        self._process.start()
        # Only the other process holds its ends, so that they close when it ends.
        orders.close()
        reports.close()
        self._inbox = Inbox(ours)
        self._is_playing = False
        self._ordered: tuple[int, ...] | None = None

    def ready(self) -> Ready:
        """Waits for the agent to be made, for as long as that takes: models are downloaded.

        Raises:
            StudyError: It cannot be.
        """
        try:
            message = self._inbox.receive()
        except EOFError:
            raise StudyError(f"the agent's process ended while it began: {self._fate()}") from None
        if isinstance(message, Problem):
            raise StudyError(message.message)
        assert isinstance(message, Ready)
        return message

    def play(
        self, batch: tuple[int, ...], write: _Write, following: tuple[int, ...] | None
    ) -> BatchFailed | None:
        """Plays a batch; returns what went wrong, if anything did.

        Args:
            batch: Places in the panel.
            write: Writes episodes.
            following: The batch that comes next if nothing goes wrong, which is ordered ahead.

        Raises:
            StudyError: An environment failed, or an episode could not be written.
        """
        unfinished = dict.fromkeys(batch)
        try:
            self._is_playing = True
            with suppress(OSError):  # if it has ended meanwhile, its last messages say why
                for order in (batch, following):
                    if order is not None and order != self._ordered:
                        self._orders.send(Batch(order))
            self._ordered = following
            while True:
                while (message := self._inbox.receive(_POLL_SECONDS)) is None:
                    if self._hangs():
                        reason = f"no answer within {self._timeout:g} seconds"
                        return BatchFailed(reason, tuple(unfinished))
                if isinstance(message, EpisodesEnded):
                    write(message.recordings)
                    for each in message.recordings:
                        del unfinished[each.position]
                elif isinstance(message, Problem):
                    raise StudyError(message.message)
                else:
                    self._is_playing = False
                    return message if isinstance(message, BatchFailed) else None
        except (EOFError, OSError):
            reason = f"the agent's process ended: {self._fate()}"
            return BatchFailed(reason, tuple(unfinished))

    def end(self) -> None:
        """Ends the process, however busy it is."""
        self._orders.close()
        if self._is_playing:
            self._process.kill()
        self._process.join(_END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        with suppress(ValueError):
            self._process.close()

    def _hangs(self) -> bool:
        since = self._clock.value
        return bool(since) and time.monotonic() - since > self._timeout

    def _fate(self) -> str:
        self._process.join(_END_SECONDS)
        code = self._process.exitcode
        return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
