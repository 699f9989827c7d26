"""What it costs to record every turn: the same play with and without, in pairs.

`python -m benchmarks.recording_cost` plays 256 episodes side by side, again and again, once
recorded as the leaderboard does it and once forgotten. The cheapest agent there is (`random`) shows
the cost against the bare environments; for other agents a turn costs the same.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tyro

from benchmarks.leaderboard.playing import play
from benchmarks.leaderboard.schema import Outcome
from benchmarks.leaderboard.store import StudyFolder
from benchmarks.leaderboard.trajectories import TrajectoryRecorder
from benchmarks.leaderboard.writing import TrajectoryWriter
from benchmarks.measuring import target
from benchmarks.recording import record, summarise
from hiper_agents.agent import make_agent
from hiper_agents.environments import make_env

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
    repeats: int = 25
    """Pairs of plays of each agent."""
    seed: int = 0
    """Of the agents."""
    out: Path | None = None
    """Another file for the record."""


class _Recorder(TrajectoryRecorder):
    """Records, and counts the turns."""

    turns = 0

    def finish(self, failure: str = "") -> tuple[Outcome, bytes]:
        """Gives the trajectory."""
        _Recorder.turns += self._episode.turns
        return super().finish(failure)


class _Forgetter(_Recorder):
    """Counts the turns and keeps nothing."""

    def add(self, *_: object) -> None:
        """Forgets a turn."""

    def finish(self, failure: str = "") -> tuple[Outcome, bytes]:
        """Gives nothing."""
        _Recorder.turns += self._episode.turns
        return "lost", b""


def measure(agent: str, args: RecordingCostArgs, folder: StudyFolder) -> dict[str, Any]:
    """Plays pairs; returns turns a second both ways, and what recording takes of them.

    Args:
        agent: Who plays.
        args: The settings.
        folder: Where the recorded episodes go.
    """
    env = make_env(args.env, args.split)
    positions = {place: place % len(env.source) for place in range(args.num_envs)}
    player = make_agent(agent, seed=args.seed, greedy=True, env=args.env)

    def once(recorded: bool) -> tuple[float, float]:
        """Microseconds a turn, on the clock and of the processor."""
        _Recorder.turns = 0
        begun = time.perf_counter(), time.process_time()
        playing = play(
            player,
            env.source,
            positions,
            max_turns=env.max_turns,
            seed=args.seed,
            recorder=_Recorder if recorded else _Forgetter,
        )
        if recorded:
            with TrajectoryWriter(folder, args.seed, lambda *_: None) as writer:
                for each in playing:
                    writer.write(each)
        else:
            for _ in playing:
                pass
        ended_at = time.perf_counter(), time.process_time()
        scale = 1e6 / _Recorder.turns
        return scale * (ended_at[0] - begun[0]), scale * (ended_at[1] - begun[1])

    once(True)
    times: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for repeat in range(args.repeats):
        # Which comes first changes, for a machine gets warmer and busier.
        for recorded in (repeat % 2 == 0, repeat % 2 == 1):
            times[recorded].append(once(recorded))
    clock, processor = (
        [(w[which], o[which]) for w, o in zip(times[True], times[False], strict=True)]
        for which in (0, 1)
    )
    loss = summarise([100.0 * (1.0 - without / recorded) for recorded, without in clock])
    return {
        "turns": _Recorder.turns,
        "steps_per_second_without": summarise([1e6 / without for _, without in clock]),
        "steps_per_second_recorded": summarise([1e6 / recorded for recorded, _ in clock]),
        "loss_percent": loss,
        "processor_microseconds_a_turn": summarise([a - b for a, b in processor]),
        "loss_below_5_percent": target(loss.median, at_most=5.0),
    }


def main(args: RecordingCostArgs) -> None:
    """Measures all agents and writes the record."""
    begun = time.perf_counter()
    with TemporaryDirectory() as temporary:
        results = {
            agent: measure(agent, args, StudyFolder(Path(temporary) / agent))
            for agent in args.agents
        }
    path = record(
        "recording_cost",
        {"env": args.env, "split": args.split, "num_envs": args.num_envs, "agents": results},
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
