"""Writes trajectories in a thread of its own.

Packing and disks are slow, and neither needs the interpreter: play goes on meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

from benchmarks.leaderboard.playing import Ended
from benchmarks.leaderboard.schema import Outcome
from benchmarks.leaderboard.store import StudyFolder

__all__ = ["TrajectoryWriter"]

_BACKLOG = 512
"""Episodes that may wait to be written before play waits for them."""


class TrajectoryWriter:
    """Writes the episodes of one seed; a context, at whose end all of them are on the disk.

    Args:
        folder: Where to.
        seed: The agent's seed.
        on_written: Called, by the thread that plays, for each episode that is on the disk, with its
            position and outcome.
    """

    def __init__(
        self, folder: StudyFolder, seed: int, on_written: Callable[[int, Outcome], None]
    ) -> None:
        self._folder, self._seed, self._on_written = folder, seed, on_written
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[tuple[int, Outcome, Future[None]]] = deque()

    def __enter__(self) -> TrajectoryWriter:
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        try:
            self._announce(0)
        finally:
            self._pool.shutdown()
        return False

    def write(self, ended: Ended) -> None:
        """Hands an episode over; waits while too many are on their way.

        Raises:
            OSError: An earlier one could not be written.
        """
        position, outcome, text = ended
        future = self._pool.submit(self._folder.write_trajectory, self._seed, position, text)
        self._waiting.append((position, outcome, future))
        self._announce(_BACKLOG)

    def _announce(self, most: int) -> None:
        """Tells of those that are written, and waits until at most so many are not."""
        while self._waiting and (len(self._waiting) > most or self._waiting[0][2].done()):
            position, outcome, future = self._waiting.popleft()
            future.result()
            self._on_written(position, outcome)
