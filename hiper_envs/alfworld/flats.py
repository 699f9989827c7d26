"""Flats: the houses of chains. A kitchen and the corner of another room, in one room.

ALFWorld's rooms have either a microwave or a desk lamp, never both; a chain may need both. A flat
is a `House` with fewer of each kind of receptacle than its two rooms together, and with at least
two of the kinds that things are put into most, so that it matters which one was chosen.

This module knows nothing of chains; it is told which types to spare.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache

from hiper_envs.alfworld import house as tables
from hiper_envs.alfworld.house import House, IdSource

__all__ = ["FLATS", "MAX_DISTRACTORS", "count_of_types", "distract", "furnish_flat"]
__all__ += ["object_types", "scatter"]

_KITCHEN: dict[str, tuple[int, int]] = {
    "Cabinet": (2, 4),
    "CoffeeMachine": (0, 1),
    "CounterTop": (1, 2),
    "DiningTable": (0, 1),
    "Drawer": (2, 4),
    "Fridge": (1, 1),
    "GarbageCan": (1, 1),
    "Microwave": (1, 1),
    "SinkBasin": (1, 1),
    "StoveBurner": (1, 2),
}
FLATS: dict[str, dict[str, tuple[int, int]]] = {
    "livingroom": {
        **_KITCHEN,
        "ArmChair": (1, 2),
        "CoffeeTable": (1, 1),
        "Shelf": (2, 3),
        "SideTable": (1, 2),
        "Sofa": (1, 1),
        "TVStand": (0, 1),
    },
    "bedroom": {
        **_KITCHEN,
        "Bed": (1, 1),
        "Desk": (1, 2),
        "Dresser": (0, 1),
        "LaundryHamper": (0, 1),
        "Shelf": (2, 3),
        "SideTable": (1, 2),
    },
}
"""By the kind of the other room: least and greatest number of each receptacle type."""

MAX_DISTRACTORS = 60
_THINGS = (10, 16)
_MAX_SAME_TYPE = 2
_TRIES = 20


def furnish_flat(rng: random.Random) -> tuple[House, IdSource]:
    """Draw an empty flat."""
    room = rng.choice(list(FLATS))
    return tables.furnish(rng, room, FLATS[room])


@lru_cache(maxsize=len(FLATS))
def object_types(room: str) -> tuple[str, ...]:
    """The types of portable objects that belong into a flat with this other room."""
    return tuple(dict.fromkeys((*tables.ROOM_OBJECTS["kitchen"], *tables.ROOM_OBJECTS[room])))


def scatter(rng: random.Random, house: House, ids: IdSource, *, spare: Collection[str]) -> None:
    """Add what lies about in any flat: portable objects of other types than those to spare."""
    tables.place(rng, house, ids, tables.PLANT)
    deck = [kind for kind in object_types(house.room) if kind not in spare] * _MAX_SAME_TYPE
    rng.shuffle(deck)
    for kind in deck[: rng.randint(*_THINGS)]:
        tables.place(rng, house, ids, kind)
    tables.nest(rng, house)


def distract(
    rng: random.Random,
    house: House,
    ids: IdSource,
    count: int,
    *,
    spare: Collection[str],
    places: Sequence[str],
) -> None:
    """Add distractors: in turn an object anywhere, one where others belong, and a receptacle.

    Fewer distractors are a prefix of more of them.

    Args:
        rng: Draws.
        house: The flat.
        ids: Where it has its ids from.
        count: How many.
        spare: Object types not to add.
        places: Receptacle types not to add, into which the second kind of distractor is put.
    """
    deck = [kind for kind in object_types(house.room) if kind not in spare]
    extra = [kind for kind, (_, most) in FLATS[house.room].items() if most > 1]
    extra = [kind for kind in extra if kind not in places] or ["StoveBurner"]
    elsewhere = set(tables.SPELLING.values()) - set(places)
    for number in range(count):
        if number % 3 == 2:
            tables.add_receptacle(rng, house, ids, rng.choice(extra))
            continue
        avoid = elsewhere if number % 3 and places else ()
        for _ in range(_TRIES):
            if tables.place(rng, house, ids, rng.choice(deck), avoid=avoid) is not None:
                break
        else:
            tables.place(rng, house, ids, rng.choice(deck))


def count_of_types(house: House) -> Counter[str]:
    """Number of receptacles of each type."""
    return Counter(receptacle.type for receptacle in house.receptacles)
