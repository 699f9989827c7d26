"""What it costs to record every turn: the same play with and without, in pairs.

`python -m benchmarks.recording_cost` plays batches of 256 episodes side by side, some recorded as
the leaderboard does it, until the last one is written, and as many forgotten. What agents tell of a
turn is asked for both ways. An agent plays in a process of its own, as there, and this one writes;
it is the same process both ways, since two of a kind may differ by more than what is measured. The
cheapest agent there is (`random`) shows the cost against the bare environments; for other agents a
turn costs about the same.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tyro

from benchmarks.leaderboard.inbox import Inbox, report_pipe
from benchmarks.leaderboard.panels import make_panel
from benchmarks.leaderboard.schema import Panel
from benchmarks.leaderboard.store import StudyFolder
from benchmarks.leaderboard.trajectories import TrajectoryRecorder
from benchmarks.leaderboard.worker import (
    Batch,
    BatchDone,
    EpisodesEnded,
    Ready,
    WorkerArgs,
    work,
)
from benchmarks.leaderboard.writer import EpisodeWriter
from benchmarks.measuring import target
from benchmarks.recording import record, summarise
from hiper_base.errors import HiperError
from hiper_envs.core import Episode

__all__ = ["RecordingCostArgs", "measure"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordingCostArgs:
    """Measures what it costs to record every turn."""

    agents: tuple[str, ...] = ("random", "compact")
    """Who plays."""
    env: str = "HiPER-ALFWorld-v0"
    """Gymnasium id of the environment."""
    split: str = "generated"
    """Which tasks."""
    num_envs: int = 256
    """Episodes side by side."""
    batches: int = 8
    """Batches of that many episodes in a play, one after the other."""
    repeats: int = 25
    """Pairs of plays of each agent."""
    seed: int = 0
    """Of the agents."""
    out: Path | None = None
    """Another file for the record."""


def _is_recorded(play: int) -> bool:
    """Which plays are; which comes first changes, for a machine gets warmer and busier."""
    return play % 4 in (0, 3)


class _SometimesRecorder(TrajectoryRecorder):
    """Keeps nothing of a turn but its time, by which turns are counted, unless it is recorded."""

    plays = -1

    def __init__(self, episode: Episode, position: int, seed: int) -> None:
        super().__init__(episode, position, seed)
        _SometimesRecorder.plays += position == 0
        self._is_recorded = _is_recorded(self.plays)

    def add(self, *turn: Any, **named: Any) -> None:
        """Adds a turn, or forgets all of it but the agent's time."""
        if self._is_recorded:
            super().add(*turn, **named)
        else:
            self._seconds.append(turn[4])


class _Play:
    """A process that plays the same episodes again and again.

    Args:
        args: Who plays.
        folder: Where recorded episodes go.
        num_envs: Episodes side by side.
    """

    def __init__(self, args: WorkerArgs, folder: StudyFolder, num_envs: int) -> None:
        context = multiprocessing.get_context("spawn")
        orders, self._orders = context.Pipe(duplex=False)
        ours, reports = report_pipe(context)
        clock = context.Value("d", 0.0, lock=False)
        self._process = context.Process(target=work, args=(args, orders, reports, clock))
        self._process.start()
        orders.close()
        reports.close()
        self._inbox = Inbox(ours)
        self._folder, self._seed = folder, args.seed
        every = tuple(range(len(args.panel.tasks)))
        self._batches = [every[at : at + num_envs] for at in range(0, len(every), num_envs)]
        self._played = 0
        self._receive(Ready)

    def __enter__(self) -> _Play:
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.close()
        self._process.join()

    def once(self) -> tuple[int, float]:
        """Plays all episodes; returns the turns, and the seconds until the last one was written."""
        is_recorded = _is_recorded(self._played)
        self._played += 1
        turns, begun = 0, time.perf_counter()
        with EpisodeWriter(self._folder, self._seed, lambda *_: None) as writer:
            for positions in self._batches:
                self._orders.send(Batch(positions))
            for _ in self._batches:
                while isinstance(message := self._receive(EpisodesEnded, BatchDone), EpisodesEnded):
                    turns += sum(len(each.seconds) for each in message.recordings)
                    if is_recorded:
                        writer.write(message.recordings)
        seconds = time.perf_counter() - begun
        self._folder.log_path(self._seed).unlink(missing_ok=True)
        return turns, seconds

    def _receive(self, *kinds: type) -> Any:
        message = self._inbox.receive()
        if not isinstance(message, kinds):
            raise HiperError(f"the agent cannot play: {message}")
        return message


def measure(agent: str, panel: Panel, args: RecordingCostArgs, folder: Path) -> dict[str, Any]:
    """Plays pairs; returns turns a second both ways, and what recording takes of them.

    Args:
        agent: Who plays.
        panel: The tasks of a play.
        args: The settings.
        folder: Where the recorded episodes go.

    Raises:
        HiperError: The agent failed.
    """
    rates: dict[bool, list[float]] = {False: [], True: []}
    turns = 0
    player = WorkerArgs(panel, agent, seed=args.seed, recorder=_SometimesRecorder)
    with _Play(player, StudyFolder(folder), args.num_envs) as play:
        # The first four are for warming up.
        for number in range(2 * args.repeats + 4):
            turns, seconds = play.once()
            if number >= 4:
                rates[_is_recorded(number)].append(turns / seconds)
    pairs = zip(rates[True], rates[False], strict=True)
    loss = summarise([100.0 * (1.0 - recorded / without) for recorded, without in pairs])
    return {
        "turns": turns,
        "steps_per_second_without": summarise(rates[False]),
        "steps_per_second_recorded": summarise(rates[True]),
        "loss_percent": loss,
        "loss_below_5_percent": target(loss.median, at_most=5.0),
    }


def main(args: RecordingCostArgs) -> None:
    """Measures all agents and writes the record."""
    begun = time.perf_counter()
    panel = make_panel("any", "Any", args.env, args.split, data_version="any", syntax="any")
    count = args.num_envs * args.batches
    some = tuple(panel.tasks[place % len(panel.tasks)] for place in range(count))
    panel = panel.model_copy(update={"tasks": some})
    with TemporaryDirectory() as temporary:
        results = {
            agent: measure(agent, panel, args, Path(temporary) / agent) for agent in args.agents
        }
    path = record(
        "recording_cost",
        {
            "env": args.env,
            "split": args.split,
            "num_envs": args.num_envs,
            "batches": args.batches,
            "agents": results,
        },
        seeds=[args.seed],
        n=args.repeats,
        seconds=time.perf_counter() - begun,
        path=args.out,
    )
    for agent, figures in results.items():
        _LOG.info(
            "%s: %.0f steps a second, %.1f %% fewer when recorded",
            agent,
            figures["steps_per_second_without"].median,
            figures["loss_percent"].median,
        )
    _LOG.info("written to %s", path)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(tyro.cli(RecordingCostArgs))
