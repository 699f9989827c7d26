"""Shows how a study is going: a live table in a terminal, a line now and then elsewhere.

It reads the folders of the cells and knows nothing else of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from benchmarks.credit.runner import Status, turns_played
from hiper_agents.cli.live import LiveDisplay
from hiper_agents.training.curves import compact, duration, shown

__all__ = ["StudyProgress"]

SECONDS_BETWEEN_LINES = 60.0


class StudyProgress(LiveDisplay):
    """Context manager whose `update` takes the states that `run_cells` observes.

    Args:
        title: What is being worked through.
        console: Where to show it.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(
        self, title: str, console: Console, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(console)
        self._title, self._clock = title, clock
        self._status: Status | None = None
        self._began = (clock(), 0.0)  # when turns were first counted, and how many there were
        self._printed: float | None = None
        self._shown_done = -1

    def update(self, status: Status) -> None:
        """Takes in a state; outside a terminal prints a line when a cell ends, or a minute has."""
        if self._status is None:
            self._began = (self._clock(), self._turns(status))
        self._status = status
        if self.is_live:
            return
        now = self._clock()
        late = self._printed is None or now - self._printed >= SECONDS_BETWEEN_LINES
        if late or status.done != self._shown_done:
            self._printed, self._shown_done = now, status.done
            self.print_line()

    @property
    def left(self) -> float | None:
        """Estimate of the seconds left, from the turns played in this sitting; None before any."""
        if self._status is None:
            return None
        at, before = self._began
        played = self._turns(self._status)
        if played <= before:
            return None
        total = float(sum(cell.plan.turns for cell in self._status.cells))
        return max(0.0, total - played) * (self._clock() - at) / (played - before)

    def line(self) -> str:
        """The state in one line."""
        status = self._status
        if status is None:
            return self._title
        parts = [f"{self._title}: {status.done} of {len(status.cells)} cells"]
        if self.left is not None:
            parts.append(f"{duration(self.left)} left")
        for cell in status.running:
            turns, success, _ = turns_played(cell, status.root)
            parts.append(f"{cell.name} {compact(turns)} turns {shown(success, shares=True)}")
        if status.failures:
            parts.append(f"{len(status.failures)} failed")
        return " | ".join(parts)

    def render(self) -> RenderableType:
        """The display as it is now."""
        status = self._status
        if status is None:
            return Panel(Text("beginning"), title=self._title, title_align="left")
        table = Table.grid(padding=(0, 2))
        for justify in ("left", "left", "right", "right", "right"):
            table.add_column(justify=justify, no_wrap=True, overflow="ellipsis")
        heading = ("running", "", "turns", "training", "panel")
        table.add_row(*(Text(name, style="dim") for name in heading))
        for cell in status.running:
            turns, success, played = turns_played(cell, status.root)
            table.add_row(
                Text(cell.name),
                ProgressBar(total=float(cell.plan.turns), completed=turns, width=16),
                Text(compact(turns)),
                Text(shown(success, shares=True)),
                Text(shown(played, shares=True)),
            )
        left = "" if self.left is None else f" · {duration(self.left)} left"
        failed = f" · {len(status.failures)} failed" if status.failures else ""
        total = float(sum(cell.plan.turns for cell in status.cells))
        return Panel(
            Group(table, Text(), ProgressBar(total=total, completed=self._turns(status))),
            title=Text(f"{self._title} · {status.done} of {len(status.cells)} cells{left}{failed}"),
            title_align="left",
        )

    def _turns(self, status: Status) -> float:
        """Turns played in all cells."""
        return sum(turns_played(cell, status.root)[0] for cell in status.cells)
