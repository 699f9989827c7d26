"""Episodes are written while others are played, and what goes wrong is heard of."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.leaderboard.store import StudyError, StudyFolder
from benchmarks.leaderboard.trajectories import Recording, TrajectoryRecorder
from benchmarks.leaderboard.writer import EpisodeWriter
from hiper_agents.environments import make_env
from hiper_envs.core import Episode

_ENV = make_env("HiPER-ALFWorld-v0", "generated")


def recording(position: int) -> Recording:
    episode = Episode(_ENV.source.open(0), 1)
    recorder = TrajectoryRecorder(episode, position, 3)
    shown = (episode.observation, episode.info)
    recorder.add(shown, "look", episode.play("look"), episode.info, 0.0)
    return recorder.finish()


def test_all_is_written_when_its_context_is_left(tmp_path: Path) -> None:
    folder, told = StudyFolder(tmp_path), []
    with EpisodeWriter(folder, 3, lambda *episode: told.append(episode)) as writer:
        for first in range(0, 40, 2):
            writer.write([recording(first), recording(first + 1)])
    assert sorted(folder.log(3).members) == list(range(40))
    assert told == [(position, "truncated") for position in range(40)]


def hand_over(writer: EpisodeWriter, *positions: int, interrupt: bool = False) -> None:
    with writer:
        for position in positions:
            writer._queue.put([recording(position)])
        if interrupt:
            raise KeyboardInterrupt


def test_what_cannot_be_written_is_heard_of(tmp_path: Path) -> None:
    (tmp_path / "trajectories").touch()
    writer = EpisodeWriter(StudyFolder(tmp_path), 3, lambda *_: None)
    with pytest.raises(StudyError, match="cannot write episodes to"):
        hand_over(writer, 0)


def test_nothing_follows_an_error(tmp_path: Path) -> None:
    def listen(position: int, _outcome: str) -> None:
        raise ValueError(f"enough after {position}")

    folder = StudyFolder(tmp_path)
    writer = EpisodeWriter(folder, 3, listen)
    with pytest.raises(ValueError, match="enough after 0"):
        hand_over(writer, 0, 1)
    with pytest.raises(ValueError, match="enough after 0"):
        writer.write([recording(2)])
    assert sorted(folder.log(3).members) == [0]


def test_another_error_is_not_hidden(tmp_path: Path) -> None:
    (tmp_path / "trajectories").touch()
    writer = EpisodeWriter(StudyFolder(tmp_path), 3, lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        hand_over(writer, 0, interrupt=True)
