"""`hiper view`: writes a page with the episodes of a run, or of two side by side.

The page is made by `benchmarks.viewer.page`.
"""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.text import Text

from benchmarks.viewer.page import write_view

__all__ = ["ViewArgs", "run"]


@dataclass(frozen=True)
class ViewArgs:
    """Writes a page with the episodes of a run, or of two side by side."""

    folder: tyro.conf.Positional[Path]
    """A study folder of the leaderboard, finished or not, or the folder of a training run."""
    other: tyro.conf.Positional[Path | None] = None
    """Another one, to be shown beside it on the tasks that both have played."""
    out: Path | None = None
    """Where the page goes; view.html in the folder when left out."""
    seed: int | None = None
    """Only the episodes of this seed of the agent."""
    max_episodes: int | None = None
    """Only so many episodes, the first ones; of two runs so many tasks."""
    open: bool = False
    """Shows the page in the browser of this machine."""


def run(args: ViewArgs) -> None:
    """Writes the page and says where it is."""
    path = write_view(
        args.folder, args.other, out=args.out, seed=args.seed, max_episodes=args.max_episodes
    )
    size = path.stat().st_size
    shown = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"
    Console(highlight=False).print(Text(f"written to {path} ({shown})"), soft_wrap=True)
    if args.open:
        webbrowser.open(path.resolve().as_uri())
