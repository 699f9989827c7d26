"""What the page shows of a run, whatever kind of folder it was read from.

`Head` is written by Python, `Episode` is handed to the page's script as JSON. Declarations and the
reckoning of bands only: nothing here reads files or writes markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

__all__ = [
    "NOT_WON",
    "Band",
    "Episode",
    "Head",
    "Kinds",
    "Place",
    "Run",
    "Tile",
    "bands_of",
    "plural",
]

NOT_WON = "not won"
"""Outcome of an episode of which no more is known."""

COLORS = 8
_NO_SUBGOAL = -1


class Tile(NamedTuple):
    """A headline figure: what it is, its value, and a line below it."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Head:
    """What is said of a run above its episodes.

    Attributes:
        kind: Kind of the folder, in words.
        folder: Its name.
        label: Who played.
        facts: On what and how, a few words each.
        tiles: Headline figures.
        notes: What a reader has to know first, a sentence each.
        about: Further particulars, by name.
    """

    kind: str
    folder: str
    label: str
    facts: Sequence[str] = ()
    tiles: Sequence[Tile] = ()
    notes: Sequence[str] = ()
    about: Sequence[tuple[str, str]] = ()


class Place(NamedTuple):
    """An episode of a run: the agent's seed, the place in the panel, and the task's id."""

    seed: int
    position: int
    task_id: str


@dataclass(frozen=True)
class Episode:
    """One episode.

    Attributes:
        row: What the list of episodes shows and filters, JSON-able: seed (in decimal, since numbers
            of scripts are floats), position, id, task, type, outcome, failure, turns, bands.
        content: What its timeline shows, JSON-able: see `episode.js`.
    """

    row: dict[str, Any]
    content: dict[str, Any]


class Run(Protocol):
    """A folder that can be shown."""

    @property
    def places(self) -> Sequence[Place]:
        """The episodes that are there, by seed, then by position."""
        ...

    def head(self) -> Head:
        """What is said of it."""
        ...

    def episode(self, place: Place) -> Episode:
        """One episode.

        Raises:
            StudyError: It cannot be read.
        """
        ...


class Band(NamedTuple):
    """One option: its subgoal, its turns, and the number of its colour, -1 without a subgoal."""

    subgoal: str
    turns: int
    color: int


@dataclass
class Kinds:
    """Colours of kinds of subgoals, a kind being the first word; in the order they are met."""

    numbers: dict[str, int] = field(default_factory=dict)

    def color(self, subgoal: str) -> int:
        """Number of a subgoal's colour.

        Example:
            >>> kinds = Kinds()
            >>> [kinds.color(text) for text in ("find a mug", "heat it", "find a cup", "")]
            [0, 1, 0, -1]
        """
        words = subgoal.split(maxsplit=1)
        if not words:
            return _NO_SUBGOAL
        return self.numbers.setdefault(words[0].lower(), len(self.numbers)) % COLORS


def plural(count: int, word: str) -> str:
    """A count with its word.

    Example:
        >>> plural(1, "task"), plural(1500, "task")
        ('1 task', '1,500 tasks')
    """
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def bands_of(turns: Iterable[tuple[str, bool]], kinds: Kinds) -> list[Band]:
    """The options of an episode.

    Args:
        turns: For every turn the subgoal and whether an option begins there; the first always does.
        kinds: Colours so far.

    Example:
        >>> [band[:2] for band in bands_of([("a", False), ("a", False), ("b", True)], Kinds())]
        [('a', 2), ('b', 1)]
    """
    bands: list[Band] = []
    for subgoal, boundary in turns:
        if boundary or not bands:
            bands.append(Band(subgoal, 1, kinds.color(subgoal)))
        else:
            bands[-1] = bands[-1]._replace(turns=bands[-1].turns + 1)
    return bands
