"""What `hiper data` says of WebShop. The work is done by `webshop_server.survey`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hiper_base.errors import DataError, DataNotFoundError
from hiper_base.paths import webshop_folder
from webshop_server.official import find_all_files, find_files
from webshop_server.survey import Survey, survey

__all__ = ["Verdict", "list_catalogs", "say", "verify_catalogs"]


class Verdict(NamedTuple):
    """What came out of a verification.

    Attributes:
        is_there: Whether there was anything to verify.
        is_good: Whether nothing was wrong.
    """

    is_there: bool
    is_good: bool


def list_catalogs(root: Path | None, console: Console) -> None:
    """Prints every catalogue, and what keeps one from being used.

    Raises:
        DataError: If a catalogue is damaged.
    """
    for files in find_all_files(root):
        with console.status(f"reading {files.products.name}"):
            found = survey(files)
        _show(found, console)
    _say_what_is_missing(root, console)


def verify_catalogs(root: Path | None, console: Console, *, is_official: bool) -> Verdict:
    """Reads every catalogue without its cache and prints what was found.

    Args:
        root: The data root.
        console: Where to print.
        is_official: Whether goals other than the published ones are a problem.
    """
    is_good, is_there = True, False
    for files in find_all_files(root):
        is_there = True
        try:
            with console.status(f"reading {files.products.name}"):
                found = survey(files, is_cached=False)
        except DataError as error:
            is_good = False
            say(console, str(error), "red")
            continue
        _show(found, console)
        if found.difference:
            is_good = is_good and not is_official
            say(console, found.difference, "red" if is_official else "yellow")
        else:
            what = "the published ones" if found.is_published else "none of them published"
            say(console, f"every product and goal can be read; the goals are {what}", "green")
    return Verdict(is_there, _say_what_is_missing(root, console) and is_good)


def say(console: Console, message: str, style: str = "") -> None:
    """Prints one line, never wrapped, so that hashes and paths can be copied and searched for."""
    console.print(Text(message, style=style), soft_wrap=True)


def _show(found: Survey, console: Console) -> None:
    """Prints the goals, products and files of a catalogue."""
    table = Table("goals")
    for column in ("test", "train", "all"):
        table.add_column(column, justify="right")
    for goals in found.goals:
        counts = (goals.test, goals.train, goals.test + goals.train)
        table.add_row(goals.kind, *(f"{count:,}" for count in counts))
    if found.goals:
        console.print(table)
    for goals in found.goals:
        say(console, f"{goals.kind:<13} sha256 {goals.sha256}")
    say(console, f"{'products':<13} sha256 {found.sha256}")
    names = ", ".join([path.name for path in found.files.paths])
    say(console, f"from {found.files.folder}: {found.products:,} products ({names})", "dim")


def _say_what_is_missing(root: Path | None, console: Console) -> bool:
    """Says why no catalogue would be chosen; returns whether the files are in order."""
    try:
        find_files(root)
    except DataNotFoundError as error:
        is_incomplete = any(webshop_folder(root).glob("items_*.json"))
        say(console, str(error), "red" if is_incomplete else "yellow")
        return not is_incomplete
    except DataError as error:
        # Several are no mistake: whoever opens one has to say which.
        say(console, str(error), "yellow")
    return True
