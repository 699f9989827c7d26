"""The goals of ALFWorld games: conjunctions of a few kinds of clauses, recognised by structure.

A game's goal is PDDL, `(and (exists (...) (and ...)) ...)`. Every exists-clause of the benchmark is
one of three kinds, to which the goals of chains (`chains.py`) add two that are more general;
anything else is refused rather than approximated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, NamedTuple, TypeVar

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


class Member(NamedTuple):
    """One object of several: its type, and the states it has to be in ("clean", "cool", "hot")."""

    object_type: str
    states: tuple[str, ...]


class Arranged(NamedTuple):
    """A distinct object for each member is in one receptacle of this type."""

    receptacle_type: str
    members: tuple[Member, ...]


class Carrying(NamedTuple):
    """The agent holds an object of this type in these states, of which there is at least one."""

    object_type: str
    states: tuple[str, ...]


Clause = Placed | Lit | Holding | Arranged | Carrying
Goal = tuple[Clause, ...]

_STATES = {
    ("cleanable", "isclean"): "clean",
    ("heatable", "ishot"): "hot",
    ("coolable", "iscool"): "cool",
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
CHAIN = "chain"
"""The task type of a goal that is none of the benchmark's but has clauses of its kinds."""


_KINDS: dict[str, type[Placed | Lit | Holding | Arranged | Carrying]] = {
    kind.__name__: kind for kind in (Placed, Lit, Holding, Arranged, Carrying)
}


class UnsupportedGoalError(ValueError):
    """The goal is none that the benchmark poses."""


def read_goal(goal: SExpression) -> Goal:
    """Turns a parsed PDDL goal into clauses.

    Raises:
        UnsupportedGoalError: If a clause is of none of the kinds of `Clause`.
    """
    if not isinstance(goal, tuple) or len(goal) < 2 or goal[0] != "and":
        raise UnsupportedGoalError(f"expected (and ...), found {goal!r}")
    return tuple(_read_clause(clause) for clause in goal[1:])


def task_type_of(goal: Goal) -> str:
    """Names the benchmark's task type with this goal, or `CHAIN` for other goals of its kinds.

    Raises:
        UnsupportedGoalError: If the goal combines clauses as neither does.
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
    if kinds[-2:] in ([Lit, Holding], [Lit, Carrying]):
        kinds = kinds[:-2]
    if len(goal) > 0 and all(kind in (Placed, Arranged) for kind in kinds):
        return CHAIN
    raise UnsupportedGoalError(f"no task type has the goal {goal}")


def to_record(clause: Clause) -> list[Any]:
    """A JSON-able form of a clause; `from_record` is its inverse."""
    return [type(clause).__name__, *clause]


def from_record(record: Sequence[Any]) -> Clause:
    """Rebuilds a clause from `to_record`'s list, also after a round trip through JSON.

    Raises:
        KeyError, TypeError, ValueError: If it is none.
    """
    name, *values = record
    if name == Arranged.__name__:
        kind, members = values
        return Arranged(kind, tuple(Member(kind, tuple(states)) for kind, states in members))
    if name == Carrying.__name__:
        kind, states = values
        return Carrying(kind, tuple(states))
    clause: Clause = _KINDS[name](*values)
    return clause


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
        if predicates["holds"] == predicates["objecttype"] == 1 and not predicates["inreceptacle"]:
            return _read_held(set(atoms), types)
        lit = ("objecttype", "toggleable", "istoggled", "receptacleatlocation", "atlocation")
        if predicates == dict.fromkeys((*lit, "inreceptacle"), 1):
            return Lit(_type_name(_only(types.values())))
    if predicates["inreceptacle"]:
        return _read_placed(set(atoms), distinct, types)
    raise UnsupportedGoalError(f"unknown kind of goal clause: {expression!r}")


def _read_held(atoms: set[Atom], types: dict[str, str]) -> Holding | Carrying:
    variable = _only(types)
    states = _read_states(variable, atoms)
    kind = _type_name(types[variable])
    held = [atom for atom in atoms if atom[0] == "holds" and atom[2:] == (variable,)]
    if len(atoms) != 2 + 2 * len(states) or not held:
        raise UnsupportedGoalError("unknown kind of holding in the goal")
    return Carrying(kind, states) if states else Holding(kind)


def _read_placed(
    atoms: set[Atom], distinct: list[frozenset[str]], types: dict[str, str]
) -> Placed | Arranged:
    placed = [atom for atom in atoms if atom[0] == "inreceptacle"]
    objects = sorted({atom[1] for atom in placed})
    receptacle = _only({atom[2] for atom in placed})
    if not {*objects, receptacle} <= set(types):
        raise UnsupportedGoalError("a placed object or its receptacle has no type in the goal")
    members = tuple(
        sorted(Member(_type_name(types[name]), _read_states(name, atoms)) for name in objects)
    )
    expected: set[Atom] = {("receptacletype", receptacle, types[receptacle])}
    for name in objects:
        expected.add(("inreceptacle", name, receptacle))
        expected.add(("objecttype", name, types[name]))
        expected.update(atom for atom in atoms if len(atom) == 2 and atom[1] == name)
    pairs = {
        frozenset(pair) for pair in combinations(objects, 2) if types[pair[0]] == types[pair[1]]
    }
    if atoms != expected or len(distinct) != len(pairs) or set(distinct) != pairs:
        raise UnsupportedGoalError("unknown kind of placement in the goal")
    kind, states = members[0]
    if len(set(members)) == 1 and len(members) <= 2 and len(states) <= 1:
        state = states[0] if states else ""
        return Placed(len(members), kind, _type_name(types[receptacle]), state)
    return Arranged(_type_name(types[receptacle]), members)


def _read_states(variable: str, atoms: set[Atom]) -> tuple[str, ...]:
    """The states that a variable has to be in, sorted; each comes with what makes it possible."""
    predicates = {atom[0] for atom in atoms if len(atom) == 2 and atom[1] == variable}
    states = []
    for pair, state in _STATES.items():
        if predicates.issuperset(pair):
            predicates.difference_update(pair)
            states.append(state)
    if predicates:
        raise UnsupportedGoalError(f"unknown states in the goal: {', '.join(sorted(predicates))}")
    return tuple(sorted(states))


def _only(values: Iterable[T]) -> T:
    """The value that all of `values` are."""
    unique = set(values)
    if len(unique) != 1:
        raise UnsupportedGoalError(f"expected one value in the goal, found {unique}")
    return unique.pop()


def _type_name(pddl_type: str) -> str:
    """`mugtype` -> `mug`."""
    return pddl_type.removesuffix("type")
