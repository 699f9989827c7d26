"""`hiper data`: shows, verifies and downloads task data.

The work is done by `hiper_envs.alfworld.data` and `hiper_envs.alfworld.download`; this module
prints, and `data_webshop` prints what concerns WebShop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from hiper_agents.cli.data_webshop import Verdict, list_catalogs, say, verify_catalogs
from hiper_base.errors import DataError
from hiper_base.paths import alfworld_folders
from hiper_envs.alfworld.cache import GameStore, build_store
from hiper_envs.alfworld.data import TaskSet, collect_tasks, open_stores
from hiper_envs.alfworld.download import download_games
from hiper_envs.alfworld.game import TASK_TYPES
from hiper_envs.alfworld.sources import (
    ARCHIVE_SHA256,
    ARCHIVE_URL,
    OFFICIAL_COUNTS,
    find_sources,
    how_to_get,
)

OK, PROBLEMS = 0, 1


@dataclass(frozen=True)
class ListArgs:
    """Shows which tasks there are: splits, task types, products, sources and hashes."""

    root: Path | None = None
    """The data root; $HIPER_DATA (and $ALFWORLD_DATA), else the user's cache folder."""


@dataclass(frozen=True)
class VerifyArgs:
    """Reads every game and product anew; exits with 1 if one cannot be used."""

    root: Path | None = None
    """The data root; $HIPER_DATA (and $ALFWORLD_DATA), else the user's cache folder."""
    official: bool = False
    """Also fail unless the games are as many as the official ones, and the goals the same."""


@dataclass(frozen=True)
class DownloadArgs:
    """Downloads the official ALFWorld games (36 MB), resuming what broke off, and verifies them."""

    root: Path | None = None
    """The data root; $HIPER_DATA, else the user's cache folder."""
    url: str = ARCHIVE_URL
    """Where the archive lies; a mirror may be given."""
    sha256: str = ARCHIVE_SHA256
    """The digest it must have; "" accepts any archive."""


DataArgs = (
    Annotated[ListArgs, tyro.conf.subcommand("list")]
    | Annotated[VerifyArgs, tyro.conf.subcommand("verify")]
    | Annotated[DownloadArgs, tyro.conf.subcommand("download")]
)


def main(argv: Sequence[str]) -> int:
    """Runs `hiper data`; returns the exit code.

    Args:
        argv: The arguments after `data`.

    Raises:
        DataError: If a source is damaged (`list`) or the download fails.
    """
    arguments: ListArgs | VerifyArgs | DownloadArgs = tyro.cli(
        DataArgs, prog="hiper data", args=list(argv)
    )
    return run(arguments)


def run(args: ListArgs | VerifyArgs | DownloadArgs) -> int:
    """Runs one of the commands; returns the exit code: 0, or 1 where there are problems."""
    console = Console(highlight=False)
    if isinstance(args, ListArgs):
        return _list(args, console)
    if isinstance(args, VerifyArgs):
        return _verify(args, console)
    return _download(args, console)


def _list(args: ListArgs, console: Console) -> int:
    with _parsing(console) as progress:
        stores = open_stores(args.root, progress)
    problems = _show(stores, console)
    if not any(store.entries for store in stores):
        say(console, _nothing(args.root), "yellow")
    list_catalogs(args.root, console)
    return PROBLEMS if problems else OK


def _verify(args: VerifyArgs, console: Console) -> int:
    games = _verify_games(args, console)
    catalogs = verify_catalogs(args.root, console, is_official=args.official)
    if not games.is_there:
        is_wanted = args.official or not catalogs.is_there
        games = games._replace(is_good=games.is_good and not is_wanted)
        say(console, _nothing(args.root), "red" if is_wanted else "yellow")
    return OK if games.is_good and catalogs.is_good else PROBLEMS


def _verify_games(args: VerifyArgs, console: Console) -> Verdict:
    problems, stores = [], []
    with _parsing(console) as progress:
        for folder in alfworld_folders(args.root):
            for source in find_sources(folder):
                try:
                    stores.append(build_store(source, progress))
                except DataError as error:
                    problems.append(str(error))
    problems += [entry.problem for store in stores for entry in store.entries if entry.problem]
    for problem in problems:
        say(console, problem, "red")
    if not any(store.entries for store in stores):
        return Verdict(is_there=False, is_good=not problems)
    # What `_show` finds beyond these are sources that disagree.
    disagreements = _show(stores, console, quiet=frozenset(problems))
    missing = _missing(stores)
    for line in missing:
        say(console, line, "red" if args.official else "yellow")
    if problems or disagreements or (missing and args.official):
        return Verdict(is_there=True, is_good=False)
    say(console, "every game can be read and parsed; action syntax: move X to Y", "green")
    return Verdict(is_there=True, is_good=True)


def _download(args: DownloadArgs, console: Console) -> int:
    columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with _progress(console, *columns) as progress:
        bar = progress.add_task("downloading", total=None)

        def on_bytes(done: int, total: int | None) -> None:
            progress.update(bar, completed=done, total=total)

        path = download_games(
            args.root, url=args.url, sha256=args.sha256 or None, on_bytes=on_bytes
        )
    say(console, f"{path}", "green")
    return _verify(VerifyArgs(root=args.root), console)


def _show(
    stores: Sequence[GameStore], console: Console, quiet: frozenset[str] = frozenset()
) -> int:
    """Prints the splits and sources; returns the number of splits that cannot be used.

    Args:
        stores: The sources' games.
        console: Where to print.
        quiet: Problems that were printed before.
    """
    tasks: dict[str, TaskSet] = {}
    unusable = 0
    for split in OFFICIAL_COUNTS:
        if not any(_count(store, split) for store in stores):
            continue
        try:
            tasks[split] = collect_tasks(split, tuple(stores))
        except DataError as error:
            unusable += 1
            if not any(str(error).startswith(problem) for problem in quiet):
                say(console, f"{split}: {error}", "red")
    if tasks:
        console.print(_table(tasks))
    for split, task_set in tasks.items():
        say(console, f"{split:<13} sha256 {task_set.sha256}")
    for store in stores:
        if store.entries:
            counts = ", ".join(
                f"{split} {count}" for split in OFFICIAL_COUNTS if (count := _count(store, split))
            )
            unsolvable = sum(not entry.solvable for entry in store.entries)
            left_out = f" ({unsolvable} unsolvable, left out)" if unsolvable else ""
            say(console, f"from {store.source.path}: {counts}{left_out}", "dim")
    return unusable


def _table(tasks: dict[str, TaskSet]) -> Table:
    table = Table("task type")
    for split in tasks:
        table.add_column(split, justify="right")
    counts = {split: task_set.task_type_counts for split, task_set in tasks.items()}
    for kind in TASK_TYPES:
        table.add_row(kind, *(f"{counts[split].get(kind, 0):,}" for split in tasks))
    table.add_section()
    table.add_row("all", *(f"{len(task_set):,}" for task_set in tasks.values()))
    return table


def _missing(stores: Sequence[GameStore]) -> list[str]:
    """One line for each split whose number of games is not the official one."""
    ids = {entry.task_id for store in stores for entry in store.entries if entry.solvable}
    lines = []
    for split, official in OFFICIAL_COUNTS.items():
        count = sum(task_id.startswith(f"{split}/") for task_id in ids)
        if count != official:
            lines.append(f"{split} has {count} games; the official release has {official}")
    return lines


def _count(store: GameStore, split: str) -> int:
    return sum(entry.task_id.startswith(f"{split}/") for entry in store.entries)


def _nothing(root: Path | None) -> str:
    folders = alfworld_folders(root)
    return f"no ALFWorld games in {' and '.join(map(str, folders))}. {how_to_get(folders[0])}"


@contextmanager
def _parsing(console: Console) -> Iterator[Callable[[Path, int, int], None]]:
    """A progress bar per source, shown only if games have to be parsed."""
    progress = _progress(console, MofNCompleteColumn(), TimeRemainingColumn())
    bars: dict[Path, TaskID] = {}

    def update(path: Path, done: int, total: int) -> None:
        if path not in bars:
            progress.start()
            bars[path] = progress.add_task(f"parsing {path.name}", total=total)
        progress.update(bars[path], completed=done)

    try:
        yield update
    finally:
        if bars:
            progress.stop()


def _progress(console: Console, *columns: ProgressColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), *columns, console=console, transient=True
    )
