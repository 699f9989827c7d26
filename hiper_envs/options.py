"""Bookkeeping of options over an episode.

An option is a stretch of consecutive steps under one subgoal. The tracker knows nothing of texts,
tags or worlds; it is told per step whether a switch was asked for and what reward came back.
"""

from __future__ import annotations

__all__ = ["OptionTracker"]


class OptionTracker:
    """Tracks the running option and reports the one that has just closed.

    Attributes:
        subgoal: Subgoal of the running option, "" if it has none.
        option_id: Which option of the episode is running, from 0; -1 before the first step.
        option_step: Age of the option in steps, 0 at the step that began it.
        boundary: Whether the last step began an option.
        closed: Whether the last step closed an option, by a switch or by the episode's end.
        closed_length: Number of steps of the option just closed, else 0.
        closed_return: Undiscounted return of the option just closed, else 0.0.

    A switch on the last step of an episode closes two options: the previous one, and the new one
    of length 1. The report is about the new one, because only it holds the final reward; the
    previous one ended at the ``option_step`` of the step before.
    """

    __slots__ = (
        "_return",
        "boundary",
        "closed",
        "closed_length",
        "closed_return",
        "option_id",
        "option_step",
        "subgoal",
    )

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin an episode: no option runs yet."""
        self.subgoal = ""
        self.option_id = -1
        self.option_step = 0
        self.boundary = False
        self.closed = False
        self.closed_length = 0
        self.closed_return = 0.0
        self._return = 0.0

    def step(self, *, switch: bool, subgoal: str | None, reward: float, ended: bool) -> None:
        """Account for one step.

        Args:
            switch: Whether a new option was asked for. The first step begins one in any case.
            subgoal: The subgoal that was written; used only when the step begins an option.
            reward: Reward of the step; it belongs to the option that runs after the switch.
            ended: Whether the episode ended with this step.
        """
        first = self.option_id < 0
        self.boundary = switch or first
        self.closed = False
        self.closed_length, self.closed_return = 0, 0.0
        if self.boundary:
            if not first:
                self._close()
            self.subgoal = subgoal or ""
            self.option_id += 1
            self.option_step = 0
            self._return = 0.0
        else:
            self.option_step += 1
        self._return += reward
        if ended:
            self._close()

    def _close(self) -> None:
        self.closed = True
        self.closed_length = self.option_step + 1
        self.closed_return = self._return
