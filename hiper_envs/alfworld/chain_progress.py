"""How far a chain has come: which of its subtasks hold now, and of which objects.

A *scene* is what matters of a state: where the objects are, what was done to them, what is in the
hand, which lamps shine. A *binding* says which objects and receptacles stand for a chain's items
and places; the one found here is that of which most subtasks hold. The engines make scenes from
what is true, players from what they know, so that both mean the same by progress.

This module knows nothing of texts, plans or rewards.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product
from typing import NamedTuple, Protocol

from hiper_envs.alfworld.chains import NO_PLACE, Chain
from hiper_envs.alfworld.subgoals import type_of
from hiper_envs.contract import World

__all__ = ["Binding", "Scene", "SceneWorld", "bind"]


class Scene(NamedTuple):
    """What a chain is about, in one state. Objects of other types may be left out.

    Attributes:
        where: Object -> the receptacle that it is in.
        done: Object -> what was done to it, of `chains.TRANSFORMS`; those that heat or cool count
            while they last. Objects to which nothing was done may be left out.
        held: The object in the hand, or "".
        lit: Types of the lamps that are on where the agent stands.
    """

    where: Mapping[str, str]
    done: Mapping[str, Collection[str]]
    held: str = ""
    lit: Collection[str] = ()


class SceneWorld(World, Protocol):
    """A world that can say what its state is."""

    def scene(self, types: Collection[str]) -> Scene:
        """The present scene, with the objects of these types."""
        ...


class Binding(NamedTuple):
    """What stands for the items and places of a chain.

    Attributes:
        items: Per item an object, or "" where no subtask of the item holds of any object.
        places: Per place a receptacle, or "" where no item has been put as it should be.
        holds: Per subtask whether it holds of them.
    """

    items: tuple[str, ...]
    places: tuple[str, ...]
    holds: tuple[bool, ...]

    @property
    def done(self) -> int:
        """Number of subtasks that hold, all of the same objects and receptacles."""
        return sum(self.holds)


class _Fit(NamedTuple):
    """An object as a candidate for an item: subtasks that hold of it anywhere, and only there."""

    name: str
    anywhere: int
    receptacle: str
    """Where its "put" would hold too, or ""."""


def bind(chain: Chain, scene: Scene) -> Binding:
    """The binding of which most subtasks hold; among equals the first in the order of names.

    Different items are different objects, and different places are different receptacles.
    """
    fits = _fits(chain, scene)
    candidates = [
        sorted(
            {
                fit.receptacle
                for item, home in enumerate(chain.homes)
                if home == place
                for fit in fits[item]
                if fit.receptacle
            }
        )
        or [""]
        for place in range(len(chain.places))
    ]
    best, items, places = -1, ("",) * len(chain.items), ("",) * len(chain.places)
    for chosen in product(*candidates):
        total, names = _assign(chain, fits, chosen)
        if total > best:
            best, items, places = total, names, chosen
    holds = _holds(chain, scene, items, places)
    used = {s.place for s, held in zip(chain.subtasks, holds, strict=True) if held}
    places = tuple(name if place in used else "" for place, name in enumerate(places))
    return Binding(items, places, holds)


def _fits(chain: Chain, scene: Scene) -> list[list[_Fit]]:
    """Per item the objects of which at least one of its subtasks can hold now."""
    objects: dict[str, list[str]] = {}
    for name in sorted({*scene.where, scene.held} - {""}):
        objects.setdefault(type_of(name), []).append(name)
    found = []
    for number, item in enumerate(chain.items):
        fits = []
        for name in objects.get(item.type, ()):
            anywhere, receptacle = 0, ""
            for n in chain.subtasks_of[number]:
                subtask = chain.subtasks[n]
                if subtask.transform and subtask.transform not in scene.done.get(name, ()):
                    continue
                if subtask.verb == "put":
                    where = scene.where.get(name, "")
                    if type_of(where) == chain.places[subtask.place]:
                        receptacle = where
                elif subtask.verb != "look" or _shown(scene, name, subtask.lamp):
                    anywhere += 1
            if anywhere or receptacle:
                fits.append(_Fit(name, anywhere, receptacle))
        found.append(fits)
    return found


def _shown(scene: Scene, name: str, lamp: str) -> bool:
    return scene.held == name and lamp in scene.lit


def _assign(
    chain: Chain, fits: list[list[_Fit]], places: tuple[str, ...]
) -> tuple[int, tuple[str, ...]]:
    """The best objects for the items, given the places: how many subtasks hold, and of which."""
    total, names = 0, [""] * len(chain.items)
    for numbers in chain.items_of_type.values():
        rows = []
        for number in numbers:
            home = chain.homes[number]
            there = "" if home == NO_PLACE else places[home]
            scored = [
                (fit.anywhere + bool(there and fit.receptacle == there), fit.name)
                for fit in fits[number]
            ]
            rows.append([(score, name) for score, name in scored if score] + [(0, "")])
        best = -1
        for row in product(*rows):
            bound = [name for _, name in row if name]
            score = sum(score for score, _ in row)
            if score > best and len(set(bound)) == len(bound):
                best = score
                for number, (_, name) in zip(numbers, row, strict=True):
                    names[number] = name
        total += best
    return total, tuple(names)


def _holds(
    chain: Chain, scene: Scene, items: tuple[str, ...], places: tuple[str, ...]
) -> tuple[bool, ...]:
    held = []
    for subtask in chain.subtasks:
        name = items[subtask.item]
        held.append(
            bool(name)
            and (not subtask.transform or subtask.transform in scene.done.get(name, ()))
            and (subtask.verb != "put" or scene.where.get(name, "") == places[subtask.place] != "")
            and (subtask.verb != "look" or _shown(scene, name, subtask.lamp))
        )
    return tuple(held)
