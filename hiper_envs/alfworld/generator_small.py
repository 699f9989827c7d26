"""Small houses for generated games: a few receptacles, and one to two objects for each of them.

A small house is a full one that loses receptacles until few are left, never one that the task
needs. Whatever its size, a room keeps its kinds of receptacles, its doors and its texts, so that a
small game differs from a full one in nothing but how much there is to look through.

This module knows nothing of PDDL, nor of how a game is played.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import replace

from hiper_base.errors import DataError
from hiper_envs.alfworld import house as tables
from hiper_envs.alfworld.house import House, IdSource, Receptacle
from hiper_envs.alfworld.texts import TaskSpec

__all__ = ["MAX_RECEPTACLES", "MIN_RECEPTACLES", "check_receptacles", "shrink", "strew"]

MIN_RECEPTACLES, MAX_RECEPTACLES = 2, 10
"""How small a house can be for every task type, and how small a full one can happen to be."""


def check_receptacles(receptacles: int | None) -> None:
    """Makes sure that there are houses of a size; None stands for full ones.

    Raises:
        DataError: If there are none.
    """
    if receptacles is None:
        return
    whole = isinstance(receptacles, int) and not isinstance(receptacles, bool)
    if not whole or not MIN_RECEPTACLES <= receptacles <= MAX_RECEPTACLES:
        raise DataError(
            f"a small house has {MIN_RECEPTACLES} to {MAX_RECEPTACLES} receptacles, not "
            f"{receptacles!r}; None leaves houses as large as they are drawn"
        )


def shrink(rng: random.Random, house: House, task: TaskSpec, receptacles: int) -> None:
    """Take receptacles out of a house without objects, and number its locations anew.

    Args:
        rng: Draws which ones stay.
        house: Has at least `receptacles` of them; changed in place.
        task: What it needs stays: where its object can lie, a place for a lamp, its tool and its
            destination.
        receptacles: How many stay, at least `MIN_RECEPTACLES`.
    """
    kept: list[Receptacle] = []
    for types in _needed(task):
        if not any(receptacle.type in types for receptacle in kept):
            # A type first and an instance second, as objects are placed.
            kind = rng.choice([kind for kind in house.receptacle_types() if kind in types])
            kept.append(rng.choice(house.homes({kind})))
    others = [receptacle for receptacle in house.receptacles if receptacle not in kept]
    kept += rng.sample(others, receptacles - len(kept))
    staying = [receptacle for receptacle in house.receptacles if receptacle in kept]
    locations = sorted({receptacle.location for receptacle in staying})
    number = {location: new for new, location in enumerate(locations, start=1)}
    house.receptacles[:] = [replace(r, location=number[r.location]) for r in staying]


def _needed(task: TaskSpec) -> Sequence[Collection[str]]:
    """Sets of receptacle types; a house needs one of each set."""
    homes = tables.CAN_CONTAIN[tables.camel(task.object_type)]
    if task.task_type == "look_at_obj_in_light":
        return tables.LAMP_STANDS, homes
    destination = tables.camel(task.receptacle_type)
    if task.transform:
        return {destination}, {tables.camel(task.tool_type)}
    return {destination}, [kind for kind in homes if kind != destination]


def strew(rng: random.Random, house: House, ids: IdSource, *, leave: Collection[str]) -> None:
    """Add distractors, none of a type in `leave`, until there are one to two things a receptacle.

    At most one of each type is added, so that fewer things differ by nothing but their number.
    """
    kinds = [kind for kind in tables.ROOM_OBJECTS[house.room] if kind not in leave]
    rng.shuffle(kinds)
    target = rng.randint(len(house.receptacles), 2 * len(house.receptacles))
    for kind in kinds:
        if len(house.things) >= target:
            break
        tables.place(rng, house, ids, kind)
    tables.nest(rng, house)
