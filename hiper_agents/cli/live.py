"""`LiveDisplay`: what displays that are redrawn in a terminal have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text
from typing_extensions import Self

__all__ = ["LiveDisplay"]

# Drawing takes some milliseconds that what is shown then lacks.
_REFRESHES_PER_SECOND = 2


class LiveDisplay(ABC):
    """Context manager that redraws itself twice a second in a terminal, and nowhere else.

    Args:
        console: Where to show it.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                get_renderable=self.render,
                console=self._console,
                refresh_per_second=_REFRESHES_PER_SECOND,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    @property
    def is_live(self) -> bool:
        """Whether it is being redrawn now; otherwise lines are printed."""
        return self._live is not None

    @abstractmethod
    def render(self) -> RenderableType:
        """The display as it is now."""

    @abstractmethod
    def line(self) -> str:
        """The same in one line."""

    def print_line(self) -> None:
        """Prints the line, however long it is."""
        self._console.print(Text(self.line()), soft_wrap=True)
