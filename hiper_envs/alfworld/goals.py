"""The goals of ALFWorld games: conjunctions of a few kinds of clauses, recognised by structure.

A game's goal is PDDL, `(and (exists (...) (and ...)) ...)`. Every exists-clause of the benchmark is
one of three kinds; anything else is refused rather than approximated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from hiper_envs.alfworld.pddl import SExpression

Atom = tuple[str, ...]
T = TypeVar("T")


class Placed(NamedTuple):
    """`number` distinct objects of one type, each in `state`, are in one receptacle."""

    number: int
    object_type: str
    receptacle_type: str
    state: str
    """"" for any, else "clean", "hot" or "cool"."""


class Lit(NamedTuple):
    """A toggled lamp of this type is in a receptacle where the agent stands."""

    object_type: str


class Holding(NamedTuple):
    """The agent holds an object of this type."""

    object_type: str


Clause = Placed | Lit | Holding
Goal = tuple[Clause, ...]

_STATES = {
    ("cleanable", "isclean"): "clean",
    ("heatable", "ishot"): "hot",
    ("coolable", "iscool"): "cool",
    (): "",
}
_TASK_TYPES: dict[tuple[int, str], str] = {
    (1, ""): "pick_and_place_simple",
    (2, ""): "pick_two_obj_and_place",
    (1, "clean"): "pick_clean_then_place_in_recep",
    (1, "hot"): "pick_heat_then_place_in_recep",
    (1, "cool"): "pick_cool_then_place_in_recep",
}
TASK_TYPES = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)


class UnsupportedGoalError(ValueError):
    """The goal is none that the benchmark poses."""


def read_goal(goal: SExpression) -> Goal:
    """Turns a parsed PDDL goal into clauses.

    Raises:
        UnsupportedGoalError: If a clause is none of `Placed`, `Lit`, `Holding`.
    """
    if not isinstance(goal, tuple) or len(goal) < 2 or goal[0] != "and":
        raise UnsupportedGoalError(f"expected (and ...), found {goal!r}")
    return tuple(_read_clause(clause) for clause in goal[1:])


def task_type_of(goal: Goal) -> str:
    """Names the benchmark's task type with this goal.

    Raises:
        UnsupportedGoalError: If the goal combines clauses as no task type does.
    """
    kinds = [type(clause) for clause in goal]
    if kinds == [Lit, Holding]:
        return "look_at_obj_in_light"
    if kinds == [Placed]:
        clause = goal[0]
        assert isinstance(clause, Placed)
        task_type = _TASK_TYPES.get((clause.number, clause.state))
        if task_type is not None:
            return task_type
    raise UnsupportedGoalError(f"no task type has the goal {goal}")


def _flatten(expression: SExpression, atoms: list[Atom], distinct: list[frozenset[str]]) -> None:
    """Collects the atoms under nested `and` and `exists`.

    The benchmark's goals name their variables apart, so quantifiers can be read as one scope.
    """
    match expression:
        case ("and", *parts):
            for part in parts:
                _flatten(part, atoms, distinct)
        case ("exists", tuple(), inner):
            _flatten(inner, atoms, distinct)
        case ("not", ("=", str(left), str(right))):
            distinct.append(frozenset((left, right)))
        case (str(predicate), *arguments) if all(isinstance(word, str) for word in arguments):
            atoms.append((predicate, *map(str, arguments)))
        case _:
            raise UnsupportedGoalError(f"unexpected {expression!r} in the goal")


def _read_clause(expression: SExpression) -> Clause:
    atoms: list[Atom] = []
    distinct: list[frozenset[str]] = []
    _flatten(expression, atoms, distinct)
    predicates = Counter(atom[0] for atom in set(atoms))
    types = {atom[1]: atom[2] for atom in atoms if atom[0] in ("objecttype", "receptacletype")}
    if not distinct:
        if predicates == {"objecttype": 1, "holds": 1}:
            return Holding(_type_name(_only(types.values())))
        lit = ("objecttype", "toggleable", "istoggled", "receptacleatlocation", "atlocation")
        if predicates == dict.fromkeys((*lit, "inreceptacle"), 1):
            return Lit(_type_name(_only(types.values())))
    if predicates["inreceptacle"]:
        return _read_placed(set(atoms), distinct, types)
    raise UnsupportedGoalError(f"unknown kind of goal clause: {expression!r}")


def _read_placed(atoms: set[Atom], distinct: list[frozenset[str]], types: dict[str, str]) -> Placed:
    placed = [atom for atom in atoms if atom[0] == "inreceptacle"]
    objects = {atom[1] for atom in placed}
    receptacle = _only({atom[2] for atom in placed})
    if not objects | {receptacle} <= set(types):
        raise UnsupportedGoalError("a placed object or its receptacle has no type in the goal")
    states = {
        variable: tuple(sorted(atom[0] for atom in atoms if len(atom) == 2 and atom[1] == variable))
        for variable in objects
    }
    state = _STATES.get(_only(set(states.values())))
    expected: set[Atom] = {("receptacletype", receptacle, types[receptacle])}
    for variable in objects:
        expected.add(("inreceptacle", variable, receptacle))
        expected.add(("objecttype", variable, types[variable]))
        expected.update((predicate, variable) for predicate in states[variable])
    pairs = [frozenset(objects)] if len(objects) == 2 else []
    if state is None or atoms != expected or distinct != pairs:
        raise UnsupportedGoalError("unknown kind of placement in the goal")
    object_type = _only({types[variable] for variable in objects})
    return Placed(len(objects), _type_name(object_type), _type_name(types[receptacle]), state)


def _only(values: Iterable[T]) -> T:
    """The value that all of `values` are."""
    unique = set(values)
    if len(unique) != 1:
        raise UnsupportedGoalError(f"expected one value in the goal, found {unique}")
    return unique.pop()


def _type_name(pddl_type: str) -> str:
    """`mugtype` -> `mug`."""
    return pddl_type.removesuffix("type")
