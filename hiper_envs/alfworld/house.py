"""Random one-room houses for generated ALFWorld games: what stands where, and what lies in it.

A house is plain data: receptacles at locations, objects in receptacles. The tables below state what
the four kinds of room contain and which object fits into which receptacle, as in AI2-THOR, the
simulator behind ALFWorld.

This module knows nothing about tasks, PDDL, or texts.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ROOM_RECEPTACLES: dict[str, dict[str, tuple[int, int]]] = {
    "kitchen": {
        "Cabinet": (4, 8),
        "CoffeeMachine": (1, 1),
        "CounterTop": (1, 3),
        "DiningTable": (0, 1),
        "Drawer": (2, 5),
        "Fridge": (1, 1),
        "GarbageCan": (1, 1),
        "Microwave": (1, 1),
        "Shelf": (0, 2),
        "SideTable": (0, 1),
        "SinkBasin": (1, 1),
        "StoveBurner": (2, 4),
        "Toaster": (1, 1),
    },
    "livingroom": {
        "ArmChair": (1, 2),
        "Cabinet": (0, 3),
        "CoffeeTable": (1, 1),
        "DiningTable": (0, 1),
        "Drawer": (3, 6),
        "Dresser": (0, 1),
        "GarbageCan": (1, 1),
        "Ottoman": (0, 1),
        "Safe": (0, 1),
        "Shelf": (1, 4),
        "SideTable": (2, 3),
        "Sofa": (1, 2),
        "TVStand": (0, 1),
    },
    "bedroom": {
        "ArmChair": (0, 1),
        "Bed": (1, 2),
        "Cabinet": (0, 2),
        "Desk": (1, 2),
        "Drawer": (4, 8),
        "Dresser": (0, 1),
        "GarbageCan": (1, 1),
        "LaundryHamper": (0, 1),
        "Safe": (0, 1),
        "Shelf": (2, 4),
        "SideTable": (1, 2),
    },
    "bathroom": {
        "BathtubBasin": (0, 1),
        "Cabinet": (3, 5),
        "Cart": (0, 1),
        "CounterTop": (1, 2),
        "Drawer": (0, 4),
        "GarbageCan": (1, 1),
        "HandTowelHolder": (1, 2),
        "Shelf": (0, 2),
        "SideTable": (0, 1),
        "SinkBasin": (1, 2),
        "Toilet": (1, 1),
        "ToiletPaperHanger": (1, 1),
        "TowelHolder": (1, 2),
    },
}
"""Least and greatest number of each receptacle type, by kind of room."""

ROOM_OBJECTS: dict[str, tuple[str, ...]] = {
    "kitchen": _words(
        "Apple Bowl Bread ButterKnife Cup DishSponge Egg Fork Glassbottle Kettle Knife Ladle "
        "Lettuce Mug Pan PepperShaker Plate Pot Potato SaltShaker SoapBottle Spatula Spoon "
        "Tomato WineBottle"
    ),
    "livingroom": _words(
        "Book Box CellPhone CreditCard KeyChain Laptop Newspaper Pen Pencil Pillow Plate "
        "RemoteControl Statue TissueBox Vase Watch WateringCan"
    ),
    "bedroom": _words(
        "AlarmClock BaseballBat BasketBall Book Bowl Box CD CellPhone Cloth CreditCard "
        "KeyChain Laptop Mug Pen Pencil Pillow TennisRacket TissueBox"
    ),
    "bathroom": _words(
        "Candle Cloth DishSponge HandTowel SoapBar SoapBottle SprayBottle TissueBox "
        "ToiletPaper Towel"
    ),
}
"""Types of portable objects, by kind of room."""

_FOOD = "CounterTop DiningTable Fridge GarbageCan Microwave SideTable SinkBasin"
_CUTLERY = "CounterTop DiningTable Drawer SideTable SinkBasin"
_VALUABLE = (
    "ArmChair CoffeeTable CounterTop Desk DiningTable Drawer Dresser Ottoman Safe Shelf "
    "SideTable Sofa"
)
_STATIONERY = "CoffeeTable CounterTop Desk DiningTable Drawer Dresser GarbageCan Shelf SideTable"
_TOILETRY = (
    "BathtubBasin Cabinet Cart CounterTop Drawer GarbageCan Shelf SideTable SinkBasin Toilet"
)

CAN_CONTAIN: dict[str, tuple[str, ...]] = {
    name: _words(receptacles)
    for name, receptacles in {
        "AlarmClock": "CounterTop Desk DiningTable Dresser Shelf SideTable",
        "Apple": _FOOD,
        "BaseballBat": "Bed DiningTable SideTable",
        "BasketBall": "Bed Desk DiningTable Dresser SideTable",
        "Book": (
            "ArmChair Bed Cabinet CoffeeTable CounterTop Desk DiningTable Drawer Dresser "
            "Ottoman Shelf SideTable Sofa"
        ),
        "Bowl": (
            "Cabinet CoffeeTable CounterTop Desk DiningTable Dresser Fridge Microwave Shelf "
            "SideTable SinkBasin"
        ),
        "Box": "ArmChair Cabinet CoffeeTable Desk DiningTable Dresser Ottoman Shelf SideTable Sofa",
        "Bread": "CounterTop DiningTable Fridge GarbageCan Microwave SideTable",
        "ButterKnife": _CUTLERY,
        "CD": "Cabinet CounterTop Desk DiningTable Drawer Dresser GarbageCan Safe Shelf SideTable",
        "Candle": (
            "Cabinet Cart CoffeeTable CounterTop DiningTable Drawer Dresser Shelf SideTable Toilet"
        ),
        "CellPhone": f"Bed {_VALUABLE}",
        "Cloth": (
            "ArmChair BathtubBasin Cabinet Cart CounterTop Desk DiningTable Drawer Dresser "
            "GarbageCan LaundryHamper Shelf SideTable SinkBasin Toilet"
        ),
        "CreditCard": _VALUABLE,
        "Cup": "Cabinet CounterTop DiningTable Fridge Microwave Shelf SideTable SinkBasin",
        "DishSponge": f"DiningTable {_TOILETRY}",
        "Egg": _FOOD,
        "Fork": _CUTLERY,
        "Glassbottle": "Cabinet CounterTop DiningTable Fridge Microwave Shelf SinkBasin",
        "HandTowel": f"HandTowelHolder {_TOILETRY}",
        "Kettle": "Cabinet CounterTop DiningTable Shelf SideTable SinkBasin StoveBurner",
        "KeyChain": _VALUABLE,
        "Knife": _CUTLERY,
        "Ladle": "Cabinet CounterTop DiningTable Drawer SinkBasin",
        "Laptop": (
            "ArmChair Bed CoffeeTable CounterTop Desk DiningTable Dresser Ottoman SideTable Sofa"
        ),
        "Lettuce": "CounterTop DiningTable Fridge GarbageCan SideTable SinkBasin",
        "Mug": (
            "Cabinet CoffeeMachine CounterTop Desk DiningTable Dresser Fridge Microwave Shelf "
            "SideTable SinkBasin"
        ),
        "Newspaper": (
            "ArmChair Cabinet CoffeeTable DiningTable Drawer Dresser GarbageCan Ottoman Shelf "
            "SideTable Sofa"
        ),
        "Pan": "Cabinet CounterTop DiningTable Fridge SideTable SinkBasin StoveBurner",
        "Pen": _STATIONERY,
        "Pencil": _STATIONERY,
        "PepperShaker": "Cabinet CounterTop DiningTable Drawer Shelf SideTable",
        "Pillow": "ArmChair Bed Ottoman Sofa",
        "Plate": (
            "Cabinet CoffeeTable CounterTop DiningTable Dresser Fridge Microwave Shelf "
            "SideTable SinkBasin"
        ),
        "Pot": "Cabinet CounterTop DiningTable Fridge Shelf SideTable SinkBasin StoveBurner",
        "Potato": _FOOD,
        "RemoteControl": (
            "ArmChair CoffeeTable CounterTop Desk DiningTable Drawer Dresser Ottoman Shelf "
            "SideTable Sofa"
        ),
        "SaltShaker": "Cabinet CounterTop DiningTable Drawer Shelf SideTable",
        "SoapBar": _TOILETRY,
        "SoapBottle": (
            "Cabinet Cart CounterTop DiningTable Drawer GarbageCan Shelf SideTable Toilet"
        ),
        "Spatula": _CUTLERY,
        "Spoon": _CUTLERY,
        "SprayBottle": (
            "Cabinet Cart CounterTop DiningTable Drawer Dresser GarbageCan Shelf SideTable Toilet"
        ),
        "Statue": "CoffeeTable CounterTop Desk DiningTable Dresser Safe Shelf SideTable",
        "TennisRacket": "Bed Desk DiningTable Dresser SideTable",
        "TissueBox": (
            "Cabinet Cart CoffeeTable CounterTop Desk DiningTable Drawer Dresser GarbageCan "
            "Shelf SideTable TVStand Toilet"
        ),
        "ToiletPaper": (
            "Cabinet Cart CounterTop Drawer Dresser GarbageCan Shelf SideTable Toilet "
            "ToiletPaperHanger"
        ),
        "Tomato": _FOOD,
        "Towel": "TowelHolder",
        "Vase": "Cabinet CoffeeTable CounterTop Desk DiningTable Dresser Safe Shelf SideTable",
        "Watch": "CoffeeTable Desk DiningTable Drawer Dresser Shelf SideTable",
        "WateringCan": "Cabinet CoffeeTable Desk DiningTable Drawer Dresser Shelf SideTable",
        "WineBottle": "Cabinet CounterTop DiningTable Fridge GarbageCan Shelf SideTable",
    }.items()
}
"""The receptacle types that each portable object type may be put into or onto."""

OPENABLE = frozenset({"Cabinet", "Drawer", "Fridge", "Microwave", "Safe"})
HEATABLE = frozenset(_words("Apple Bread Cup Egg Mug Plate Potato Tomato"))
COOLABLE = HEATABLE | frozenset(_words("Bowl Lettuce Pan Pot WineBottle"))
CLEANABLE = (COOLABLE - {"Bread", "WineBottle"}) | frozenset(
    _words("ButterKnife Cloth DishSponge Fork Kettle Knife Ladle SoapBar Spatula Spoon")
)
SLICEABLE = frozenset(_words("Apple Bread Egg Lettuce Potato Tomato"))
CONTAINERS = frozenset(_words("Bowl Box Cup Mug Pan Plate Pot"))
"""Objects that can themselves hold things; ``examine`` describes them by their content."""
LAMP = "DeskLamp"
SPELLING: dict[str, str] = {
    kind.lower(): kind
    for kind in (
        *CAN_CONTAIN,
        LAMP,
        *(kind for kinds in ROOM_RECEPTACLES.values() for kind in kinds),
    )
}
"""Type words as the texts write them ("sidetable") -> as the tables write them ("SideTable")."""
LAMP_STANDS = ("Desk", "Dresser", "Shelf", "SideTable")
PLANT = "HousePlant"
_PLANT_STANDS = ("CoffeeTable", "CounterTop", "Desk", "DiningTable", "SideTable")
_ALWAYS_DOORED = frozenset({"Fridge", "Microwave", "Safe"})
_MAX_SAME_TYPE = 3


@dataclass(frozen=True)
class Receptacle:
    """A receptacle: id, type ("SinkBasin"), the location it is reached from, and its door."""

    id: str
    type: str
    location: int
    openable: bool


@dataclass(frozen=True)
class Thing:
    """An object (portable or fixed): its id, its type ("Mug"), and the receptacle it lies in."""

    id: str
    type: str
    receptacle: Receptacle

    @property
    def portable(self) -> bool:
        """Whether it can be picked up."""
        return self.type in CAN_CONTAIN


@dataclass
class House:
    """One room. Locations are numbered from 0; the agent starts at location 0, where nothing is."""

    room: str
    receptacles: list[Receptacle] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)
    nested: list[tuple[Thing, Thing]] = field(default_factory=list)

    @property
    def n_locations(self) -> int:
        """Number of locations, the starting one included."""
        return 1 + max((r.location for r in self.receptacles), default=0)

    def receptacle_types(self) -> list[str]:
        """The receptacle types that are present, in order of first appearance."""
        return list(dict.fromkeys(r.type for r in self.receptacles))

    def of_type(self, object_type: str) -> list[Thing]:
        """The objects of a type."""
        return [thing for thing in self.things if thing.type == object_type]

    def homes(self, types: Collection[str]) -> list[Receptacle]:
        """The receptacles of the given types."""
        return [r for r in self.receptacles if r.type in types]


class IdSource:
    """Hands out ids "Type_bar_NN" with random NN, so that numbering tells nothing about placement.

    The engines name an instance after the sorted order of its id, and "Basin" anywhere in an id
    marks the basin of a sink or bathtub.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._used: set[str] = set()

    def new(self, kind: str) -> str:
        """Return an unused id for something of a type."""
        while True:
            stem = kind.removesuffix("Basin")
            suffix = "" if stem == kind else f"_bar_{kind}"
            candidate = f"{stem}_bar_{self._rng.randrange(10, 100)}{suffix}"
            if candidate not in self._used:
                self._used.add(candidate)
                return candidate


def camel(word: str) -> str:
    """The PDDL spelling of a type word of the texts ("sidetable" -> "SideTable"); "" stays ""."""
    return SPELLING[word] if word else ""


def furnish(
    rng: random.Random, room: str, counts: Mapping[str, tuple[int, int]] | None = None
) -> tuple[House, IdSource]:
    """Draw an empty room; some receptacles share a location, some drawers have no door.

    Args:
        rng: Draws.
        room: What the house's room is called.
        counts: Least and greatest number of each receptacle type; those of the kind of room by
            default.
    """
    ids = IdSource(rng)
    house = House(room)
    location = 0
    for kind, (least, most) in (ROOM_RECEPTACLES[room] if counts is None else counts).items():
        for position in range(rng.randint(least, most)):
            if position == 0 or rng.random() >= 0.15:
                location += 1
            house.receptacles.append(_receptacle(rng, ids, kind, location))
    return house, ids


def add_receptacle(rng: random.Random, house: House, ids: IdSource, kind: str) -> None:
    """Put one more receptacle of a type at a location of its own."""
    house.receptacles.append(_receptacle(rng, ids, kind, house.n_locations))


def _receptacle(rng: random.Random, ids: IdSource, kind: str, location: int) -> Receptacle:
    doored = kind in _ALWAYS_DOORED or (kind in OPENABLE and rng.random() < 0.85)
    return Receptacle(ids.new(kind), kind, location, doored)


def place(
    rng: random.Random, house: House, ids: IdSource, kind: str, *, avoid: Collection[str] = ()
) -> Thing | None:
    """Put one new object of a type into a random fitting receptacle whose type is not in `avoid`.

    A receptacle type is drawn first and an instance second, so that ten cabinets do not swallow
    everything. Returns None, and changes nothing, if no receptacle fits.
    """
    fitting = _homes_of(kind)
    choices = [t for t in house.receptacle_types() if t in fitting and t not in avoid]
    if not choices:
        return None
    home = rng.choice(house.homes({rng.choice(choices)}))
    thing = Thing(ids.new(kind), kind, home)
    house.things.append(thing)
    return thing


def _homes_of(kind: str) -> Sequence[str]:
    if kind == LAMP:
        return LAMP_STANDS
    if kind == PLANT:
        return _PLANT_STANDS
    return CAN_CONTAIN[kind]


def scatter(rng: random.Random, house: House, ids: IdSource, *, leave: Collection[str]) -> None:
    """Add distractors, none of a type in `leave`: portable objects, a plant, maybe a lamp."""
    place(rng, house, ids, PLANT)
    if house.room in ("bedroom", "livingroom") and LAMP not in leave and rng.random() < 0.5:
        place(rng, house, ids, LAMP)
    kinds = [kind for kind in ROOM_OBJECTS[house.room] if kind not in leave]
    target = rng.randint(12, 33)
    deck = kinds * _MAX_SAME_TYPE
    rng.shuffle(deck)
    for kind in deck:
        if len(house.things) >= target:
            break
        place(rng, house, ids, kind)
    nest(rng, house)


def nest(rng: random.Random, house: House) -> None:
    """Now and then let an object lie inside a container object of the same receptacle."""
    for outer in house.things:
        if outer.type not in CONTAINERS or rng.random() >= 0.1:
            continue
        beside = [
            t for t in house.things if t.receptacle is outer.receptacle and t.type not in CONTAINERS
        ]
        inner = [t for t in beside if t.portable]
        if inner:
            house.nested.append((rng.choice(inner), outer))
