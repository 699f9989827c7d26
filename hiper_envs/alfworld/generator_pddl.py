"""Writes a house and its tasks as PDDL: the domain and the problem of a generated game.

The domain is this package's own wording of ALFWorld's rules (arXiv 2010.03768) as released with
alfworld 0.4.2: same action names, same preconditions and effects, without what no game can reach.

This module knows nothing about randomness, texts, or why a goal was chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hiper_envs.alfworld import house as tables
from hiper_envs.alfworld.chains import Chain
from hiper_envs.alfworld.house import House
from hiper_envs.alfworld.texts import TaskSpec

DOMAIN = """\
(define (domain alfred)
  (:requirements :adl :typing)
  (:types agent location receptacle object rtype otype)
  (:predicates
    (atLocation ?a - agent ?l - location)
    (receptacleAtLocation ?r - receptacle ?l - location)
    (objectAtLocation ?o - object ?l - location)
    (inReceptacle ?o - object ?r - receptacle)
    (inReceptacleObject ?inner - object ?outer - object)
    (receptacleType ?r - receptacle ?t - rtype)
    (objectType ?o - object ?t - otype)
    (canContain ?rt - rtype ?ot - otype)
    (holds ?a - agent ?o - object)
    (holdsAny ?a - agent)
    (openable ?r - receptacle)
    (opened ?r - receptacle)
    (pickupable ?o - object)
    (isReceptacleObject ?o - object)
    (cleanable ?o - object)
    (heatable ?o - object)
    (coolable ?o - object)
    (toggleable ?o - object)
    (sliceable ?o - object)
    (isClean ?o - object)
    (isHot ?o - object)
    (isCool ?o - object)
    (isToggled ?o - object)
    (isSliced ?o - object)
    (checked ?x - object))

  (:action look
    :parameters (?a - agent ?l - location)
    :precondition (atLocation ?a ?l)
    :effect (checked ?l))

  (:action inventory
    :parameters (?a - agent)
    :precondition ()
    :effect (checked ?a))

  (:action help
    :parameters (?a - agent)
    :precondition ()
    :effect (checked ?a))

  (:action examineReceptacle
    :parameters (?a - agent ?r - receptacle)
    :precondition (exists (?l - location)
                    (and (atLocation ?a ?l) (receptacleAtLocation ?r ?l)))
    :effect (checked ?r))

  (:action examineObject
    :parameters (?a - agent ?o - object)
    :precondition (holds ?a ?o)
    :effect (checked ?o))

  (:action GotoLocation
    :parameters (?a - agent ?lStart - location ?lEnd - location ?r - receptacle)
    :precondition (and (atLocation ?a ?lStart) (receptacleAtLocation ?r ?lEnd))
    :effect (and (not (atLocation ?a ?lStart)) (atLocation ?a ?lEnd)))

  (:action OpenObject
    :parameters (?a - agent ?l - location ?r - receptacle)
    :precondition (and (atLocation ?a ?l) (receptacleAtLocation ?r ?l)
                       (openable ?r) (not (opened ?r)))
    :effect (and (opened ?r) (checked ?r)))

  (:action CloseObject
    :parameters (?a - agent ?l - location ?r - receptacle)
    :precondition (and (atLocation ?a ?l) (receptacleAtLocation ?r ?l)
                       (openable ?r) (opened ?r))
    :effect (not (opened ?r)))

  (:action PickupObject
    :parameters (?a - agent ?l - location ?o - object ?r - receptacle)
    :precondition (and (pickupable ?o) (not (holdsAny ?a))
                       (atLocation ?a ?l) (receptacleAtLocation ?r ?l) (inReceptacle ?o ?r)
                       (or (not (openable ?r)) (opened ?r)))
    :effect (and (holds ?a ?o) (holdsAny ?a)
                 (not (inReceptacle ?o ?r)) (not (objectAtLocation ?o ?l))))

  (:action PutObject
    :parameters (?a - agent ?l - location ?o - object ?r - receptacle ?ot - otype ?rt - rtype)
    :precondition (and (holds ?a ?o) (atLocation ?a ?l) (receptacleAtLocation ?r ?l)
                       (or (not (openable ?r)) (opened ?r))
                       (objectType ?o ?ot) (receptacleType ?r ?rt) (canContain ?rt ?ot))
    :effect (and (inReceptacle ?o ?r) (objectAtLocation ?o ?l)
                 (not (holds ?a ?o)) (not (holdsAny ?a))))

  (:action CleanObject
    :parameters (?a - agent ?l - location ?r - receptacle ?o - object)
    :precondition (and (cleanable ?o) (holds ?a ?o)
                       (atLocation ?a ?l) (receptacleAtLocation ?r ?l)
                       (receptacleType ?r SinkBasinType))
    :effect (isClean ?o))

  (:action HeatObject
    :parameters (?a - agent ?l - location ?r - receptacle ?o - object)
    :precondition (and (heatable ?o) (holds ?a ?o)
                       (atLocation ?a ?l) (receptacleAtLocation ?r ?l)
                       (receptacleType ?r MicrowaveType))
    :effect (and (isHot ?o) (not (isCool ?o))))

  (:action CoolObject
    :parameters (?a - agent ?l - location ?r - receptacle ?o - object)
    :precondition (and (coolable ?o) (holds ?a ?o)
                       (atLocation ?a ?l) (receptacleAtLocation ?r ?l)
                       (receptacleType ?r FridgeType))
    :effect (and (isCool ?o) (not (isHot ?o))))

  (:action ToggleObject
    :parameters (?a - agent ?l - location ?o - object ?r - receptacle)
    :precondition (and (toggleable ?o) (inReceptacle ?o ?r)
                       (atLocation ?a ?l) (receptacleAtLocation ?r ?l))
    :effect (isToggled ?o))

  (:action SliceObject
    :parameters (?a - agent ?l - location ?co - object ?ko - object)
    :precondition (and (sliceable ?co) (holds ?a ?ko)
                       (or (objectType ?ko KnifeType) (objectType ?ko ButterKnifeType))
                       (atLocation ?a ?l) (objectAtLocation ?co ?l))
    :effect (isSliced ?co))
)
"""
"""The PDDL domain of every generated game."""


def problem(house: House, tasks: Sequence[TaskSpec], name: str) -> str:
    """The PDDL problem: a house, and as goal the conjunction of all tasks.

    Args:
        house: What stands and lies where.
        tasks: What has to hold in the end, one or more.
        name: The problem's name, letters, digits and underscores.
    """
    goal = [clause for task in tasks for clause in goal_clauses(task)]
    return _problem(house, goal, name)


def chain_problem(house: House, chain: Chain, name: str) -> str:
    """The PDDL problem: a house, and a chain as its goal."""
    return _problem(house, chain_clauses(chain), name)


def _problem(house: House, goal: Iterable[str], name: str) -> str:
    object_types = sorted({thing.type for thing in house.things} | {"ButterKnife", "Knife"})
    receptacle_types = sorted({*house.receptacle_types(), "Fridge", "Microwave", "SinkBasin"})
    symbols = [
        "agent1 - agent",
        *(f"{kind}Type - otype" for kind in object_types),
        *(f"{kind}Type - rtype" for kind in receptacle_types),
        *(f"{thing.id} - object" for thing in house.things),
        *(f"{receptacle.id} - receptacle" for receptacle in house.receptacles),
        *(f"{_location(number)} - location" for number in range(house.n_locations)),
    ]
    sections = (
        f"(:objects{_block(symbols)})",
        f"(:init{_block(_facts(house))})",
        f"(:goal (and{_block(goal)}))",
    )
    body = "\n".join(sections)
    return f"(define (problem {name})\n(:domain alfred)\n{body}\n)\n"


def _block(lines: Iterable[str]) -> str:
    return "".join(f"\n  {line}" for line in lines)


def _location(number: int) -> str:
    return f"loc_bar_{number:02d}"


def _facts(house: House) -> list[str]:
    """The initial facts, as PDDL atoms."""
    facts = [f"(atLocation agent1 {_location(0)})"]
    for receptacle in house.receptacles:
        facts.append(f"(receptacleType {receptacle.id} {receptacle.type}Type)")
        facts.append(f"(receptacleAtLocation {receptacle.id} {_location(receptacle.location)})")
        if receptacle.openable:
            facts.append(f"(openable {receptacle.id})")
    flags = {
        "cleanable": tables.CLEANABLE,
        "heatable": tables.HEATABLE,
        "coolable": tables.COOLABLE,
        "sliceable": tables.SLICEABLE,
        "isReceptacleObject": tables.CONTAINERS,
        "toggleable": {tables.LAMP},
        "pickupable": tables.CAN_CONTAIN.keys(),
    }
    for thing in house.things:
        home = thing.receptacle
        facts.append(f"(objectType {thing.id} {thing.type}Type)")
        facts.append(f"(inReceptacle {thing.id} {home.id})")
        facts.append(f"(objectAtLocation {thing.id} {_location(home.location)})")
        facts += [f"({flag} {thing.id})" for flag, types in flags.items() if thing.type in types]
    facts += [f"(inReceptacleObject {inner.id} {outer.id})" for inner, outer in house.nested]
    present = sorted({thing.type for thing in house.things if thing.portable})
    for kind in house.receptacle_types():
        facts += [
            f"(canContain {kind}Type {held}Type)"
            for held in present
            if kind in tables.CAN_CONTAIN[held]
        ]
    return facts


_STATE_PREDICATES = {
    "": (),
    "clean": ("cleanable", "isClean"),
    "heat": ("heatable", "isHot"),
    "cool": ("coolable", "isCool"),
}


def _pddl_type(word: str) -> str:
    return f"{tables.SPELLING[word]}Type"


def goal_clauses(task: TaskSpec) -> list[str]:
    """The closed PDDL formulas that a task asks for, in upstream's structure.

    Two for looking at an object in light (the lamp is on here; the object is held), one otherwise.

    Raises:
        KeyError: if a type of the task is not one of the generator's.
    """
    wanted = _pddl_type(task.object_type)
    if task.task_type == "look_at_obj_in_light":
        return [
            _lamp_is_on(task.tool_type),
            f"(exists (?o - object ?a - agent) (and (objectType ?o {wanted}) (holds ?a ?o)))",
        ]
    destination = _pddl_type(task.receptacle_type)
    if task.count == 2:
        placed = [
            f"(objectType {o} {wanted}) (receptacleType ?r {destination}) (inReceptacle {o} ?r)"
            for o in ("?o1", "?o2")
        ]
        second = f"(exists (?o2 - object) (and (not (= ?o1 ?o2)) {placed[1]}))"
        return [f"(exists (?r - receptacle) (exists (?o1 - object) (and {placed[0]} {second})))"]
    state = "".join(f" ({predicate} ?o)" for predicate in _STATE_PREDICATES[task.transform])
    return [
        "(exists (?r - receptacle) (exists (?o - object) "
        f"(and (inReceptacle ?o ?r) (objectType ?o {wanted}) "
        f"(receptacleType ?r {destination}){state})))"
    ]


def chain_clauses(chain: Chain) -> list[str]:
    """The closed PDDL formulas that a chain asks for: one a place, and two for a lamp.

    Items of different places need no inequality: one object is in one receptacle only, and no two
    places are of one type.

    Raises:
        KeyError: If a type of the chain is not one of the generator's.
    """
    clauses = []
    for place, kind in enumerate(chain.places):
        members = [item for item, home in enumerate(chain.homes) if home == place]
        placed = "".join(
            f" {_members(chain, [item for item in same if item in members])}"
            for same in chain.items_of_type.values()
            if set(same) & set(members)
        )
        clauses.append(
            f"(exists (?r - receptacle) (and (receptacleType ?r {_pddl_type(kind)}){placed}))"
        )
    if chain.looked_at is not None:
        clauses.append(_lamp_is_on(chain.lamp))
        atoms = _atoms(chain, chain.looked_at, "?o")
        clauses.append(f"(exists (?o - object ?a - agent) (and {atoms} (holds ?a ?o)))")
    return clauses


def _members(chain: Chain, items: Sequence[int]) -> str:
    """Items of one type that are in the receptacle ?r; several are different objects."""
    formula = ""
    for position, item in reversed(list(enumerate(items))):
        variable = f"?o{item + 1}"
        others = (f"?o{other + 1}" for other in items[:position])
        distinct = "".join(f" (not (= {other} {variable}))" for other in others)
        formula = (
            f"(exists ({variable} - object) (and (inReceptacle {variable} ?r) "
            f"{_atoms(chain, item, variable)}{distinct}{formula and ' ' + formula}))"
        )
    return formula


def _atoms(chain: Chain, item: int, variable: str) -> str:
    """What an item is, wherever it is."""
    atoms = [f"(objectType {variable} {_pddl_type(chain.items[item].type)})"]
    for transform in chain.needs[item]:
        atoms += [f"({predicate} {variable})" for predicate in _STATE_PREDICATES[transform]]
    return " ".join(atoms)


def _lamp_is_on(lamp_type: str) -> str:
    """A lamp of the type is on where the agent stands."""
    return (
        "(exists (?ot - object ?r - receptacle ?a - agent ?l - location) "
        f"(and (objectType ?ot {_pddl_type(lamp_type)}) (toggleable ?ot) (isToggled ?ot) "
        "(receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r)))"
    )
