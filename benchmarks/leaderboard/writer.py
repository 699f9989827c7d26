"""`EpisodeWriter`: writes the episodes of a seed while the next ones are played.

Turning episodes into JSON, packing and disks take time, in which the process that plays should not
have to wait for its next orders. The module knows nothing of agents and of failures.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from types import TracebackType

from benchmarks.leaderboard.schema import Outcome
from benchmarks.leaderboard.store import StudyError, StudyFolder
from benchmarks.leaderboard.trajectories import Recording

__all__ = ["EpisodeWriter", "OnEpisode"]

OnEpisode = Callable[[int, Outcome], None]
"""Called with the position and the outcome of every episode that is written, by the thread that
writes."""


class EpisodeWriter:
    """Writes in a thread of its own; leaving the context waits until all is written.

    Args:
        folder: Where to.
        seed: Whose episodes.
        on_episode: Called for every episode.
    """

    def __init__(self, folder: StudyFolder, seed: int, on_episode: OnEpisode) -> None:
        self._folder, self._seed, self._on_episode = folder, seed, on_episode
        self._queue: SimpleQueue[Sequence[Recording] | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=f"writer (seed {seed})")

    def __enter__(self) -> EpisodeWriter:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        if kind is None:
            self._check()

    def write(self, recordings: Sequence[Recording]) -> None:
        """Hands over episodes.

        Raises:
            StudyError: Earlier ones could not be written, nor will these be.
        """
        self._check()
        self._queue.put(recordings)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (recordings := self._queue.get()) is not None:
            if self._error is None:
                try:
                    self._add(recordings)
                except BaseException as error:  # whatever it is, whoever waits has to hear of it
                    self._error = error

    def _add(self, recordings: Sequence[Recording]) -> None:
        try:
            self._folder.add_trajectories(self._seed, (each.json() for each in recordings))
        except OSError as error:
            raise StudyError(f"cannot write episodes to {self._folder.path}: {error}") from error
        for each in recordings:
            self._on_episode(each.position, each.outcome)
