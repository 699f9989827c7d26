"""Shows how a training run is going: a live table in a terminal, a line now and then elsewhere.

It is told the metrics of every iteration, in the form of `metrics.jsonl`, and knows nothing else of
the run. Metrics that are missing are shown as a dash.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from typing_extensions import Self

from hiper_agents.cli.live import LiveDisplay
from hiper_agents.training.curves import compact, duration, number, percent

SECONDS_BETWEEN_LINES = 10.0
WIDTH = 92
WIDTH_OF_BOTH = 78


class TrainingProgress(LiveDisplay):
    """Context manager that displays the metrics given to `update`.

    In a terminal the display is redrawn twice a second, whatever the rate of updates; the last
    state stays on the screen. Elsewhere one line is printed about every ten seconds, and
    one at the end.

    Args:
        minutes: Time budget of the run over all its sittings; None for no limit.
        iterations: Number of iterations after which the run ends; None for no limit.
        console: Where to show it; standard output when None.
        turns: Number of turns after which the run ends; None for no limit.
        clock: Seconds of a clock that never goes back.

    Example:
        >>> with TrainingProgress(10.0, None, Console(force_terminal=False)) as progress:
        ...     progress.update({"iteration": 1, "seconds": 2.0, "success": 0.25, "episodes": 128})
        iteration 1 | 0:02 min, 9:58 min left | success 25.0 % | episodes 128
    """

    def __init__(
        self,
        minutes: float | None,
        iterations: int | None,
        console: Console | None = None,
        *,
        turns: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(console or Console())
        self._minutes = minutes
        self._iterations = iterations
        self._turns = turns
        self._clock = clock
        self._metrics: Mapping[str, Any] = {}
        self._began: tuple[float, float] | None = None  # iteration and seconds before this sitting
        self._entered = self._updated = clock()
        self._printed: float | None = None
        self._is_shown = True

    def __enter__(self) -> Self:
        self._entered = self._updated = self._clock()
        return super().__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.is_live and not self._is_shown:
            self._print()
        super().__exit__(kind, error, trace)

    def update(self, metrics: Mapping[str, Any]) -> None:
        """Takes in the metrics of an iteration that has just ended."""
        now = self._clock()
        if self._began is None:
            # A resumed run does not begin at nothing: go back by what this iteration took.
            seconds = number(metrics.get("seconds")) or 0.0
            iteration = number(metrics.get("iteration")) or 1.0
            took = min(now - self._entered, seconds)
            self._began = (iteration - 1, seconds - took)
        self._metrics = dict(metrics)
        self._updated = now
        self._is_shown = self.is_live
        if not self.is_live and (
            self._printed is None or now - self._printed >= SECONDS_BETWEEN_LINES
        ):
            self._print()

    @property
    def elapsed(self) -> float:
        """Seconds of training, those of earlier sittings included."""
        seconds = number(self._metrics.get("seconds")) or 0.0
        return seconds + (self._clock() - self._updated)

    @property
    def left(self) -> float | None:
        """Estimate of the seconds left; None while there is nothing to tell it from."""
        estimates = []
        if self._minutes is not None:
            estimates.append(60.0 * self._minutes - self.elapsed)
        iteration = number(self._metrics.get("iteration"))
        if self._iterations is not None and iteration is not None and self._began is not None:
            first, start = self._began
            seconds = number(self._metrics.get("seconds"))
            if seconds is not None and iteration > first:
                pace = (seconds - start) / (iteration - first)
                waited = self._clock() - self._updated
                estimates.append(pace * (self._iterations - iteration) - waited)
        turns = number(self._metrics.get("turns"))
        if self._turns is not None and turns:
            seconds, waited = self.elapsed, self._clock() - self._updated
            estimates.append((seconds - waited) / turns * (self._turns - turns) - waited)
        return max(0.0, min(estimates)) if estimates else None

    @property
    def share(self) -> float | None:
        """Share of the budget that is used, 0 to 1; None without a budget."""
        shares = []
        if self._minutes:
            shares.append(self.elapsed / (60.0 * self._minutes))
        if self._iterations:
            shares.append((number(self._metrics.get("iteration")) or 0.0) / self._iterations)
        if self._turns:
            shares.append((number(self._metrics.get("turns")) or 0.0) / self._turns)
        return min(1.0, max(shares)) if shares else None

    def render(self) -> RenderableType:
        """The display as it is now."""
        width = min(self._console.width, WIDTH)
        body = Table.grid(padding=(0, 2))
        if width >= WIDTH_OF_BOTH:
            body.add_row(self._types(), self._figures())
        else:
            body.add_row(self._types())
            body.add_row(self._figures())
        share = self.share
        bar = [] if share is None else [ProgressBar(total=1.0, completed=share)]
        return Panel(Group(body, *bar), title=self._heading(), title_align="left", width=width)

    def line(self) -> str:
        """The metrics in one line of text."""
        parts = []
        iteration = number(self._metrics.get("iteration"))
        if iteration is not None:
            parts.append(f"iteration {iteration:.0f}")
        parts.append(self._times())
        for label, key, show in (
            ("success", "success", percent),
            ("return", "return", compact),
            ("options", "options", compact),
            ("turns an episode", "mean_turns", compact),
            ("turns/s", "turns_per_second", _count),
            ("episodes", "episodes", _count),
            ("turns", "turns", _count),
        ):
            value = number(self._metrics.get(key))
            if value is not None:
                parts.append(f"{label} {show(value)}")
        return " | ".join(parts)

    def _print(self) -> None:
        self._printed = self._clock()
        self._is_shown = True
        self.print_line()

    def _times(self) -> str:
        left = self.left
        return duration(self.elapsed) + ("" if left is None else f", {duration(left)} left")

    def _heading(self) -> Text:
        iteration = number(self._metrics.get("iteration"))
        if iteration is None:
            return Text(f"first iteration · {self._times()}")
        return Text(f"iteration {iteration:.0f} · {self._times()}")

    def _figures(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        for label, key, show in (
            ("return", "return", compact),
            ("options an episode", "options", compact),
            ("turns an option", "option_length", compact),
            ("turns an episode", "mean_turns", compact),
            ("turns a second", "turns_per_second", _count),
            ("episodes", "episodes", _count),
            ("turns", "turns", _count),
        ):
            value = number(self._metrics.get(key))
            table.add_row(label, "-" if value is None else show(value))
        return table

    def _types(self) -> Table:
        """Bars of success: over all episodes, and by task type."""
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, overflow="ellipsis")
        table.add_column(width=12)
        table.add_column(justify="right", width=7, no_wrap=True)
        by_type = self._metrics.get("success_by_type")
        rows = [("success", self._metrics.get("success"), "bold")]
        if isinstance(by_type, Mapping):
            rows += [(str(n).replace("_", " "), v, "dim") for n, v in sorted(by_type.items())]
        for name, value, style in rows:
            share = number(value)
            table.add_row(
                Text(name, style=style),
                ProgressBar(total=1.0, completed=share or 0.0, width=12),
                "-" if share is None else percent(share),
            )
        return table


def _count(value: float) -> str:
    return f"{value:,.0f}"
