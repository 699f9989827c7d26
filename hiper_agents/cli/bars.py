"""The progress bar that commands share: how many of how many, a note, and the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["Update", "bar"]

_SECONDS_BETWEEN_LINES = 10.0

Update = Callable[[int, int | None, str], None]
"""Shows how many are done, of how many, and a note."""


@contextmanager
def bar(console: Console, what: str) -> Iterator[Update]:
    """Shows a bar while the block runs; where the console is no terminal, a line now and then.

    Args:
        console: Where to.
        what: What is counted.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    hidden = not console.is_terminal
    printed, line, last = time.monotonic(), "", ""
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task(what, total=None, note="")

        def update(done: int, total: int | None, note: str) -> None:
            nonlocal printed, line, last
            progress.update(task, completed=done, total=total, note=note)
            line = " | ".join(filter(None, (f"{what}: {done} of {total or '?'}", note)))
            if hidden and time.monotonic() - printed >= _SECONDS_BETWEEN_LINES:
                printed, last = time.monotonic(), line
                console.print(Text(line), soft_wrap=True)

        yield update
    if hidden and line != last:
        console.print(Text(line), soft_wrap=True)
