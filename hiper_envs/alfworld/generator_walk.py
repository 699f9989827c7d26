"""Solves the tasks of a generated house that it knows completely, writing down the commands.

This module knows nothing of how tasks are drawn, nor of PDDL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from hiper_envs.alfworld import house as tables
from hiper_envs.alfworld.chains import NO_PLACE, Chain
from hiper_envs.alfworld.house import House, Receptacle, Thing
from hiper_envs.alfworld.texts import TOOL_OF_TRANSFORM, TaskSpec


class Walk:
    """A walk through a house, from the start.

    Args:
        house: What stands and lies where.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._names = _display_names(house)
        self._where = {thing.id: thing.receptacle for thing in house.things}
        self._location = 0
        self._opened: set[str] = set()
        self._placed: set[str] = set()
        self._commands: list[str] = []

    def solve(self, tasks: Sequence[TaskSpec]) -> list[str]:
        """Commands that achieve the tasks one after the other, without undoing any of them."""
        for task in tasks:
            if task.task_type == "look_at_obj_in_light":
                self._take(task.object_type, ())
                self._light(task.tool_type)
                continue
            destination = self._easiest(tables.camel(task.receptacle_type))
            for _ in range(task.count):
                thing = self._take(task.object_type, () if task.transform else (destination.id,))
                if task.transform:
                    self._transform(task.transform, thing)
                self._put(thing, destination)
        return self._commands

    def follow(self, chain: Chain) -> list[str]:
        """Commands that bring about a chain: item by item, each with all that it needs."""
        places = [self._easiest(tables.camel(kind)) for kind in chain.places]
        last = chain.looked_at
        for number in sorted(range(len(chain.items)), key=lambda item: item == last):
            thing = self._take(chain.items[number].type, ())
            for transform in chain.needs[number]:
                self._transform(transform, thing)
            if chain.homes[number] != NO_PLACE:
                self._put(thing, places[chain.homes[number]])
            elif number == last:
                self._light(chain.lamp)
        return self._commands

    def _say(self, command: str) -> None:
        self._commands.append(command)

    def _go(self, receptacle: Receptacle) -> None:
        if receptacle.location != self._location:
            self._say(f"go to {self._names[receptacle.id]}")
            self._location = receptacle.location

    def _reach(self, receptacle: Receptacle) -> None:
        """Go to a receptacle and see that it is open."""
        self._go(receptacle)
        if receptacle.openable and receptacle.id not in self._opened:
            self._say(f"open {self._names[receptacle.id]}")
            self._opened.add(receptacle.id)

    def _easiest(self, kind: str) -> Receptacle:
        """A receptacle of a type, if possible one without a door."""
        return min(self._house.homes({kind}), key=lambda r: r.openable)

    def _take(self, object_type: str, avoid: Collection[str]) -> Thing:
        things = [
            thing
            for thing in self._house.of_type(tables.camel(object_type))
            if thing.id not in self._placed and self._where[thing.id].id not in avoid
        ]
        thing = min(things, key=lambda t: self._where[t.id].openable)
        source = self._where[thing.id]
        self._reach(source)
        self._say(f"take {self._names[thing.id]} from {self._names[source.id]}")
        return thing

    def _transform(self, transform: str, thing: Thing) -> None:
        tool = self._easiest(tables.camel(TOOL_OF_TRANSFORM[transform]))
        self._go(tool)
        self._say(f"{transform} {self._names[thing.id]} with {self._names[tool.id]}")

    def _light(self, lamp_type: str) -> None:
        lamp = self._house.of_type(tables.camel(lamp_type))[0]
        self._go(lamp.receptacle)
        self._say(f"use {self._names[lamp.id]}")

    def _put(self, thing: Thing, destination: Receptacle) -> None:
        self._reach(destination)
        self._say(f"move {self._names[thing.id]} to {self._names[destination.id]}")
        self._where[thing.id] = destination
        self._placed.add(thing.id)


def _display_names(house: House) -> dict[str, str]:
    """Id -> name as the engines show it: per type, the highest number goes to the first id."""
    ids_of_type: dict[str, list[str]] = defaultdict(list)
    items: list[Thing | Receptacle] = [*house.things, *house.receptacles]
    for item in items:
        ids_of_type[item.type.lower()].append(item.id)
    return {
        identifier: f"{kind} {number}"
        for kind, ids in ids_of_type.items()
        for number, identifier in enumerate(sorted(ids, key=str.lower, reverse=True), start=1)
    }
