"""Draws a chain that a house allows: which subtasks, in which order, about what.

The chain grows by one subtask at a time, each chosen among the ways to go on from what has been
mentioned: a new item into the place of an earlier one, another item of an earlier type, a further
state for an earlier item, a place for an item that has none yet. The last subtask is of the kind
that was asked for. A chain that cannot end so is begun anew.

This module knows nothing of where objects lie, nor of games.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from hiper_envs.alfworld import house as tables
from hiper_envs.alfworld.chains import NO_PLACE, TRANSFORMS, Chain, Item, Subtask
from hiper_envs.alfworld.flats import count_of_types, object_types
from hiper_envs.alfworld.house import House
from hiper_envs.alfworld.texts import TOOL_OF_TRANSFORM

__all__ = ["ENDINGS", "draw_chain"]

ENDINGS = ("put", *TRANSFORMS, "look")
"""Kinds of last subtasks: "put" gives no state, "clean", "heat" and "cool" do, with or without
putting the item somewhere."""

_SUITABLE = dict(zip(TRANSFORMS, (tables.CLEANABLE, tables.HEATABLE, tables.COOLABLE), strict=True))
_STATE_SHARE = 0.5
_TRIES = 50


def draw_chain(rng: random.Random, house: House, subtasks: int, ending: str) -> Chain | None:
    """Draw a chain of so many subtasks with this ending; None if none was found."""
    for _ in range(_TRIES):
        draft = _Draft(rng, house, subtasks, ending)
        if all(draft.grow() for _ in range(subtasks)):
            return draft.chain()
    return None


@dataclass
class _Draft:
    """A chain that grows.

    A "way" is a subtask that could come next, with the item and the place that it would mention
    first, if any.
    """

    rng: random.Random
    house: House
    length: int
    ending: str
    subtasks: list[Subtask] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    loose: int | None = None
    """An item that has a state but no place yet; there is one at most."""

    def __post_init__(self) -> None:
        counts = count_of_types(self.house)
        # A place of which there is only one would leave nothing to remember.
        self._homes = [kind for kind, n in counts.items() if n > 1 or self.length == 1]
        self._present = set(counts)
        self._kinds = object_types(self.house.room)
        suitable = _SUITABLE.get(self.ending, self._kinds)
        self._first_homes = {
            home
            for kind in self._kinds
            if kind in suitable
            for home in tables.CAN_CONTAIN[kind]
            if home.lower() != TOOL_OF_TRANSFORM.get(self.ending)
        }

    def chain(self) -> Chain:
        """The finished chain."""
        return Chain(tuple(self.subtasks), tuple(self.items), tuple(self.places))

    def grow(self) -> bool:
        """Add a subtask; False if there is no way to."""
        ending = self.ending if len(self.subtasks) == self.length - 1 else ""
        kinds = self._ways(ending)
        self.rng.shuffle(kinds)
        for kind in kinds:
            ways = [way for way in kind() if self._may_be(way[0], ending)]
            if not ending and self.rng.random() < _STATE_SHARE:
                # Most objects can have no state, and would crowd out those that can.
                ways = [way for way in ways if way[0].transform] or ways
            if ways:
                self._add(*self.rng.choice(ways))
                return True
        return False

    def _ways(self, ending: str) -> list[Callable[[], Iterator[_Way]]]:
        """The kinds of ways to go on, the likelier ones more than once."""
        if not self.subtasks:
            if ending == "look":
                return [self._look]
            return [self._start] if ending else [self._start, self._start, self._begin_with_state]
        if self.loose is not None:
            return [self._settle, self._look if ending else self._change]
        kinds = [self._join, self._join, self._another, self._change]
        return [self._look] if ending == "look" else kinds

    def _may_be(self, subtask: Subtask, ending: str) -> bool:
        if not ending or ending == "look":
            return ending == "" or subtask.verb == "look"
        return subtask.transform == ("" if ending == "put" else ending)

    def _add(self, subtask: Subtask, item: Item | None, place: str | None) -> None:
        self.subtasks.append(subtask)
        if item is not None:
            self.items.append(item)
        if place is not None:
            self.places.append(place)
        if subtask.verb in ("put", "look"):
            if subtask.item == self.loose:
                self.loose = None
        elif item is not None:
            self.loose = subtask.item

    # The ways

    def _start(self) -> Iterator[_Way]:
        """A new item in a new place."""
        for kind in self._kinds:
            for home in self._fitting(kind):
                yield from self._put_new(Item(kind.lower()), home)

    def _begin_with_state(self) -> Iterator[_Way]:
        """A new item gets a state first, and its place later."""
        for kind in self._kinds:
            if self._fitting(kind):
                for transform in TRANSFORMS:
                    if kind in _SUITABLE[transform]:
                        item = len(self.items)
                        yield Subtask(transform, item, transform), Item(kind.lower()), None

    def _join(self) -> Iterator[_Way]:
        """A new item in the place of an earlier one."""
        known = {item.type for item in self.items}
        for kind in self._kinds:
            for home in self._fitting(kind):
                if home.lower() in self.places and kind.lower() not in known:
                    yield from self._put_new(Item(kind.lower()), home)

    def _another(self) -> Iterator[_Way]:
        """Another item of an earlier type, in the place of an earlier one or in a new one."""
        for kind in self._single():
            for home in self._fitting(tables.camel(kind)):
                yield from self._put_new(Item(kind, another=True), home)

    def _change(self) -> Iterator[_Way]:
        """A further state for an earlier item."""
        for number, item in enumerate(self.items):
            if item.type not in self._single(with_loose=True):
                continue
            for transform in TRANSFORMS:
                if self._can_be(number, transform):
                    yield Subtask(transform, number, transform), None, None

    def _settle(self) -> Iterator[_Way]:
        """A place for the item that has none yet."""
        if self.loose is None:
            return
        item, given = self.items[self.loose], self._given(self.loose)
        for home in self._fitting(tables.camel(item.type)):
            word = home.lower()
            if all(TOOL_OF_TRANSFORM[transform] != word for transform in given):
                place, new = self._place(word)
                yield Subtask("put", self.loose, place=place), None, new

    def _look(self) -> Iterator[_Way]:
        """Under the lamp: the item without a place, else another one of an earlier type."""
        lamp = tables.LAMP.lower()
        if self.loose is not None:
            yield Subtask("look", self.loose, lamp=lamp), None, None
            return
        kinds = self._single() if self.items else map(str.lower, self._kinds)
        for kind in kinds:
            item = Item(kind, another=bool(self.items))
            for transform in ("", *self._states(kind)):
                yield Subtask("look", len(self.items), transform, lamp=lamp), item, None

    # What they have in common

    def _put_new(self, item: Item, home: str) -> Iterator[_Way]:
        word = home.lower()
        place, new = self._place(word)
        for transform in ("", *self._states(item.type)):
            if not transform or TOOL_OF_TRANSFORM[transform] != word:
                yield Subtask("put", len(self.items), transform, place), item, new

    def _states(self, kind: str) -> list[str]:
        """States that an item of a type can have."""
        return [t for t in TRANSFORMS if tables.camel(kind) in _SUITABLE[t]]

    def _place(self, word: str) -> tuple[int, str | None]:
        """Number of a place, and its type if it is a new one."""
        if word in self.places:
            return self.places.index(word), None
        return len(self.places), word

    def _fitting(self, kind: str) -> list[str]:
        """Receptacle types to put an object type into, if it can also lie somewhere else.

        The first place is one where the chain can end as it should.
        """
        present = [r for r in tables.CAN_CONTAIN[kind] if r in self._present]
        others = [r for r in present if r.lower() not in self.places]
        return [
            r
            for r in present
            if r in self._homes and (self.places or r in self._first_homes) and {*others} - {r}
        ]

    def _single(self, with_loose: bool = False) -> Sequence[str]:
        """Types of which one item was mentioned, and that one has its place."""
        types = [item.type for item in self.items]
        return [
            kind
            for number, kind in enumerate(types)
            if types.count(kind) == 1 and (with_loose or number != self.loose)
        ]

    def _given(self, item: int) -> list[str]:
        return [s.transform for s in self.subtasks if s.item == item and s.transform]

    def _can_be(self, item: int, transform: str) -> bool:
        given = self._given(item)
        exclusive = {"heat", "cool"}
        homes = [s.place for s in self.subtasks if s.item == item and s.place != NO_PLACE]
        return (
            tables.camel(self.items[item].type) in _SUITABLE[transform]
            and transform not in given
            and not (transform in exclusive and exclusive & set(given))
            and all(TOOL_OF_TRANSFORM[transform] != self.places[home] for home in homes)
        )


_Way = tuple[Subtask, Item | None, str | None]
