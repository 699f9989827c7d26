"""Generates solvable ALFWorld games, any number of them, from a seed.

A generated game has the upstream file format, so that every backend plays it like a real one: a
house of one of four kinds, a task of one of the six types, distractors, and objects behind closed
doors. The houses are simpler than AI2-THOR's: no object is unreachable, and positions have no
geometry.

This module knows nothing about how a game is played; its walkthrough follows from the house alone.

Example:
    >>> game = generate_game(seed=1, task_type="pick_heat_then_place_in_recep")
    >>> sorted(game)
    ['grammar', 'pddl_domain', 'pddl_problem', 'solvable', 'walkthrough']
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from hiper_envs.alfworld import generator_pddl as pddl
from hiper_envs.alfworld import house as tables
from hiper_envs.alfworld.game import TASK_TYPES, fingerprint
from hiper_envs.alfworld.generator_grammar import grammar
from hiper_envs.alfworld.generator_small import check_receptacles, shrink, strew
from hiper_envs.alfworld.generator_walk import Walk
from hiper_envs.alfworld.house import House
from hiper_envs.alfworld.texts import TOOL_OF_TRANSFORM, TaskSpec

__all__ = ["DOMAIN_SHA256", "GRAMMAR_SHA256", "generate_game"]

DOMAIN_SHA256 = fingerprint(pddl.DOMAIN)
"""Fingerprint of the PDDL domain of every generated game."""
GRAMMAR_SHA256 = fingerprint(grammar("task").replace("task is to: task", "task is to: "))
"""Fingerprint of the grammar of every generated game, the task sentence taken out."""

_TRANSFORM_OF_TASK = {
    f"pick_{transform}_then_place_in_recep": transform for transform in TOOL_OF_TRANSFORM
}
_TRANSFORMABLE: dict[str, frozenset[str]] = {
    "clean": tables.CLEANABLE,
    "heat": tables.HEATABLE,
    "cool": tables.COOLABLE,
}
_ROOMS_OF_TRANSFORM = {
    "clean": ("kitchen", "kitchen", "bathroom"),
    "heat": ("kitchen",),
    "cool": ("kitchen",),
}
_SENTENCES: dict[str, tuple[str, str]] = {
    "pick_and_place_simple": ("put a {obj} in {recep}.", "put some {obj} on {recep}."),
    "pick_two_obj_and_place": (
        "put two {obj} in {recep}.",
        "find two {obj} and put them in {recep}.",
    ),
    "look_at_obj_in_light": (
        "look at {obj} under the {tool}.",
        "examine the {obj} with the {tool}.",
    ),
    "pick_clean_then_place_in_recep": (
        "put a clean {obj} in {recep}.",
        "clean some {obj} and put it in {recep}.",
    ),
    "pick_heat_then_place_in_recep": (
        "put a hot {obj} in {recep}.",
        "heat some {obj} and put it in {recep}.",
    ),
    "pick_cool_then_place_in_recep": (
        "put a cool {obj} in {recep}.",
        "cool some {obj} and put it in {recep}.",
    ),
}


def generate_game(
    seed: int, task_type: str | None = None, *, receptacles: int | None = None
) -> dict[str, Any]:
    """Generate one game.

    Args:
        seed: any non-negative integer; the same arguments give the same game, on any machine.
        task_type: one of `TASK_TYPES`; None takes them in turn: ``TASK_TYPES[seed % 6]``.
        receptacles: how many receptacles the house has, 2 to 10, with one to two objects for each;
            None for a full house of 10 to 30 receptacles and up to 35 objects.

    Returns:
        The decoded content of a ``game.tw-pddl`` file: ``pddl_domain``, ``grammar``,
        ``pddl_problem`` (str), ``solvable`` (True), ``walkthrough`` (list of 3 to 12 commands that
        solve it).

    Raises:
        ValueError: for a negative seed or an unknown task type.
        DataError: for a number of receptacles that is out of its range.
    """
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    if task_type is None:
        task_type = TASK_TYPES[seed % len(TASK_TYPES)]
    elif task_type not in TASK_TYPES:
        raise ValueError(f"unknown task type {task_type!r}; expected one of {TASK_TYPES}")
    check_receptacles(receptacles)
    size = "" if receptacles is None else f"r{receptacles}_"
    rng = random.Random(f"{task_type} {size}{seed}")
    house, task = _draw(rng, task_type, receptacles)
    sentence = rng.choice(_SENTENCES[task_type]).format(
        obj=task.object_type, recep=task.receptacle_type, tool=task.tool_type
    )
    return {
        "pddl_domain": pddl.DOMAIN,
        "grammar": grammar(sentence),
        "pddl_problem": pddl.problem(house, [task], f"generated_{size}{seed}"),
        "solvable": True,
        "walkthrough": Walk(house).solve([task]),
    }


def _draw(rng: random.Random, task_type: str, receptacles: int | None) -> tuple[House, TaskSpec]:
    """Draw a house, and a task of the given type that it allows but does not yet fulfil."""
    house, ids = tables.furnish(rng, rng.choice(_rooms(task_type)))
    task = rng.choice(_tasks(house, task_type))
    if receptacles is not None:
        shrink(rng, house, task, receptacles)
    kind = tables.camel(task.object_type)
    # Objects of a transforming task may start at the destination: they still have to change.
    avoid = () if task.transform else (tables.camel(task.receptacle_type),)
    for _ in range(task.count + (rng.random() < 0.4)):
        tables.place(rng, house, ids, kind, avoid=avoid)
    if task.task_type == "look_at_obj_in_light":
        for _ in range(rng.randint(1, 2)):
            tables.place(rng, house, ids, tables.LAMP)
    add = tables.scatter if receptacles is None else strew
    add(rng, house, ids, leave=(kind, tables.LAMP))
    return house, task


def _rooms(task_type: str) -> Sequence[str]:
    if task_type == "look_at_obj_in_light":
        return ("bedroom", "bedroom", "livingroom")
    if task_type in _TRANSFORM_OF_TASK:
        return _ROOMS_OF_TRANSFORM[_TRANSFORM_OF_TASK[task_type]]
    return tuple(tables.ROOM_RECEPTACLES)


def _tasks(house: House, task_type: str) -> list[TaskSpec]:
    """All tasks of a type that this house allows, by object type and destination."""
    present = house.receptacle_types()
    transform = _TRANSFORM_OF_TASK.get(task_type, "")
    tool = TOOL_OF_TRANSFORM.get(transform, "")
    count = 2 if task_type == "pick_two_obj_and_place" else 1
    tasks = []
    for kind in tables.ROOM_OBJECTS[house.room]:
        homes = [r for r in tables.CAN_CONTAIN[kind] if r in present]
        if task_type == "look_at_obj_in_light":
            if homes:
                lamp = tables.LAMP.lower()
                tasks.append(TaskSpec(task_type, kind.lower(), "", lamp, "", 1))
            continue
        if transform and kind not in _TRANSFORMABLE[transform]:
            continue
        if len(homes) < 2:
            continue
        for home in homes:
            if home.lower() != tool:
                spec = (task_type, kind.lower(), home.lower(), tool, transform, count)
                tasks.append(TaskSpec(*spec))
    return tasks
