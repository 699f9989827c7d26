"""A parsed ALFWorld game: what is in the house, where, and what has to be achieved.

`parse_game` reads the upstream file format (`game.tw-pddl`: a JSON object with a PDDL domain, a
PDDL problem and a text grammar). The domain and the grammar are the same in every game, so they are
only compared with the known ones and never interpreted: code in a grammar is refused, not run. The
game knows nothing about how it is played (see `native.py`).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property, lru_cache
from typing import Any

from hiper_base.errors import GameFormatError
from hiper_envs.alfworld import goals
from hiper_envs.alfworld.goals import TASK_TYPES, Goal, UnsupportedGoalError
from hiper_envs.alfworld.pddl import Fact, PddlSyntaxError, read_problem

__all__ = ["RECORD_VERSION", "TASK_TYPES", "Game", "check_format", "parse_game"]

RECORD_VERSION = 1
"""Changes whenever the meaning of `Game.to_record` does."""

# SHA-256 of the domain and of the grammar without its task sentence, whitespace collapsed: alfworld
# 0.4.2's release of json_2.1.3_tw-pddl.zip, identical in its 3,553 train and 140 valid_seen games.
_UPSTREAM_DOMAIN = "095330b41d6659e74c6797f4a914b07923707bc33fa33984f278c9cb98edec5b"
_UPSTREAM_GRAMMAR = "ebbfaa254bed54bf5ad713e2adec962547c5ed45042eb122c022642204a7ecca"

_TASK_RULE = re.compile(r'("rhs":\s*"Your task is to: )([^"]*)(")')
_TASK_SENTENCE = re.compile(r"[A-Za-z0-9 ,.']+")
_MOVE_TEMPLATE = 'template :: "move {o} to {r}"'

# Bits of Game.object_flags.
PICKUPABLE, CLEANABLE, HEATABLE, COOLABLE, TOGGLEABLE, SLICEABLE, IS_CONTAINER, KNIFE = (
    1 << bit for bit in range(8)
)
CLEAN, HOT, COOL, SLICED, TOGGLED = (1 << bit for bit in range(8, 13))
_FLAG_OF_PREDICATE = {
    "pickupable": PICKUPABLE,
    "cleanable": CLEANABLE,
    "heatable": HEATABLE,
    "coolable": COOLABLE,
    "toggleable": TOGGLEABLE,
    "sliceable": SLICEABLE,
    "isreceptacleobject": IS_CONTAINER,
    "isclean": CLEAN,
    "ishot": HOT,
    "iscool": COOL,
    "issliced": SLICED,
    "istoggled": TOGGLED,
}
_KNIFE_TYPES = ("knife", "butterknife")
_KNOWN_PREDICATES = {
    *_FLAG_OF_PREDICATE,
    *("atlocation", "receptacleatlocation", "objectatlocation", "objecttype", "receptacletype"),
    *("cancontain", "inreceptacle", "inreceptacleobject", "openable", "opened"),
    # No precondition and no text depends on these.
    *("=", "total-cost", "distance", "checked", "examined", "moveable", "full", "ison"),
    *("wasinreceptacle", "isreceptacleobjectfull"),
}


@dataclass(frozen=True)
class Game:
    """One game, immutable; shared by all worlds that play it.

    Objects and receptacles are numbered by the order of their PDDL ids, which is the order in which
    upstream lists them. Locations are numbered by name.
    """

    task: str
    """The instruction, e.g. `put a mug in desk.`"""
    task_type: str
    goal: Goal
    walkthrough: tuple[str, ...]
    object_names: tuple[str, ...]
    """Per object its name, e.g. `mug 1`."""
    object_types: tuple[str, ...]
    object_flags: tuple[int, ...]
    object_locations: tuple[tuple[int, ...], ...]
    """Per object the locations where it is at first."""
    object_contents: tuple[tuple[int, ...], ...]
    """Per object the objects inside it."""
    receptacle_names: tuple[str, ...]
    receptacle_types: tuple[str, ...]
    receptacle_locations: tuple[int, ...]
    receptacle_openable: tuple[bool, ...]
    receptacle_opened: tuple[bool, ...]
    receptacle_contents: tuple[tuple[int, ...], ...]
    """Per receptacle the objects in it at first, ascending."""
    accepts: dict[str, frozenset[str]]
    """Per receptacle type the object types that may be put there."""
    start_location: int
    num_locations: int

    @cached_property
    def receptacles_at(self) -> tuple[tuple[int, ...], ...]:
        """Per location the receptacles there, ascending."""
        at: list[list[int]] = [[] for _ in range(self.num_locations)]
        for receptacle, location in enumerate(self.receptacle_locations):
            at[location].append(receptacle)
        return tuple(map(tuple, at))

    @cached_property
    def go_commands(self) -> tuple[tuple[str, ...], ...]:
        """Per location the sorted `go to` commands that are admissible there."""
        commands = [f"go to {name}" for name in self.receptacle_names]
        return tuple(
            tuple(
                sorted(
                    command
                    for command, location in zip(commands, self.receptacle_locations, strict=True)
                    if location != here
                )
            )
            for here in range(self.num_locations)
        )

    @cached_property
    def object_index(self) -> dict[str, int]:
        """Object number by name."""
        return {name: index for index, name in enumerate(self.object_names)}

    @cached_property
    def receptacle_index(self) -> dict[str, int]:
        """Receptacle number by name."""
        return {name: index for index, name in enumerate(self.receptacle_names)}

    def to_record(self) -> list[Any]:
        """A compact JSON-able form; `from_record` is its inverse."""
        record = asdict(self) | {
            "goal": [goals.to_record(clause) for clause in self.goal],
            "accepts": {kind: sorted(accepted) for kind, accepted in self.accepts.items()},
        }
        return list(record.values())

    @classmethod
    def from_record(cls, record: list[Any]) -> Game:
        """Rebuilds a game from `to_record`'s list, also after a round trip through JSON.

        Raises:
            GameFormatError: If the record is not one of this version.
        """
        try:
            values = dict(zip((field.name for field in fields(cls)), record, strict=True))
            values["goal"] = tuple(map(goals.from_record, values["goal"]))
            values["accepts"] = {
                kind: _interned(tuple(accepted)) for kind, accepted in values["accepts"].items()
            }
            for name, value in values.items():
                if isinstance(value, list):
                    nested = bool(value) and isinstance(value[0], list)
                    values[name] = tuple(map(tuple, value)) if nested else tuple(value)
            return cls(**values)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise GameFormatError(
                f"not a game record of version {RECORD_VERSION}: {error}"
            ) from error


@lru_cache(maxsize=4096)
def _interned(types: tuple[str, ...]) -> frozenset[str]:
    """One set object for all games with the same `accepts` entry: most of a game's memory."""
    return frozenset(types)


def parse_game(data: Mapping[str, Any], source: str) -> Game:
    """Parses the decoded JSON of a `game.tw-pddl` file.

    Args:
        data: The decoded JSON object.
        source: Where it came from, for error messages.

    Raises:
        GameFormatError: If a key is missing, the domain or grammar is not the known one (an older
            action syntax, code in the grammar), or the problem is malformed or not of the
            benchmark's kind. Nothing in the file is executed.
    """
    task = check_format(data, source)
    try:
        facts, goal_expression = read_problem(data["pddl_problem"])
        goal = goals.read_goal(goal_expression)
        return _build(task, goal, tuple(map(str, data.get("walkthrough") or ())), facts)
    except (PddlSyntaxError, UnsupportedGoalError, _UnexpectedFactError) as error:
        raise GameFormatError(f"{source}: {error}") from error


def check_format(data: Mapping[str, Any], source: str) -> str:
    """Checks that the game's domain and grammar are the known ones; returns the task sentence.

    Raises:
        GameFormatError: If they are not, saying which and why.
    """
    for key in ("pddl_domain", "pddl_problem", "grammar"):
        if not isinstance(data, Mapping) or not isinstance(data.get(key), str):
            raise GameFormatError(f"{source}: not an ALFWorld game: no text under the key {key!r}")
    grammar = data["grammar"]
    if _MOVE_TEMPLATE not in grammar:
        raise GameFormatError(
            f"{source}: the grammar has no action 'move X to Y'. Games made for alfworld < 0.4.0 "
            "use 'put X in/on Y'; get those of alfworld 0.4.2 (hiper data download)."
        )
    tasks = _TASK_RULE.findall(grammar)
    if len(tasks) != 1 or not _TASK_SENTENCE.fullmatch(tasks[0][1]):
        raise GameFormatError(f"{source}: the grammar has no plain 'Your task is to: ...' sentence")
    if fingerprint(_TASK_RULE.sub(r"\1\3", grammar)) not in _known("grammar"):
        raise GameFormatError(
            f"{source}: unknown grammar. It may hold code, so it is refused; the supported one is "
            "that of alfworld 0.4.2 (hiper data download)."
        )
    if fingerprint(data["pddl_domain"]) not in _known("domain"):
        raise GameFormatError(f"{source}: unknown PDDL domain; expected that of alfworld 0.4.2")
    return str(tasks[0][1])


@lru_cache(maxsize=16)
def fingerprint(text: str) -> str:
    """SHA-256 of a text with its white space collapsed."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


@lru_cache(maxsize=2)
def _known(part: str) -> frozenset[str]:
    # Imported late: the generator builds on this module.
    from hiper_envs.alfworld import generator

    if part == "grammar":
        return frozenset((_UPSTREAM_GRAMMAR, generator.GRAMMAR_SHA256))
    return frozenset((_UPSTREAM_DOMAIN, generator.DOMAIN_SHA256))


class _UnexpectedFactError(ValueError):
    """A fact that the engine cannot represent."""


def _build(task: str, goal: Goal, walkthrough: tuple[str, ...], facts: Iterable[Fact]) -> Game:
    arguments: dict[str, list[Fact]] = defaultdict(list)
    for predicate, *rest in filter(None, facts):
        if not rest:
            raise _UnexpectedFactError(f"a fact of {predicate!r} is about nothing")
        arguments[predicate].append(tuple(rest))
    unknown = set(arguments) - _KNOWN_PREDICATES
    if unknown:
        raise _UnexpectedFactError(
            f"unknown predicates in the problem: {', '.join(sorted(unknown))}"
        )
    places = ("receptacleatlocation", "objectatlocation", "atlocation")
    locations = _numbered(fact[-1] for predicate in places for fact in arguments[predicate])
    if len(arguments["atlocation"]) != 1:
        raise _UnexpectedFactError("the agent must start at exactly one location")
    names = _display_names(word for rows in arguments.values() for fact in rows for word in fact)
    # A few upstream games hold an object without a type (an egg's second half): it can be seen and
    # taken, but put nowhere.
    mentions = ("objecttype", "objectatlocation", "inreceptacle", *_FLAG_OF_PREDICATE)
    objects = _numbered(fact[0] for predicate in mentions for fact in arguments[predicate])
    receptacles = _numbered(fact[0] for fact in arguments["receptacletype"])
    try:
        return Game(
            task=task,
            task_type=goals.task_type_of(goal),
            goal=goal,
            walkthrough=walkthrough,
            **_objects(arguments, names, objects, locations),
            **_receptacles(arguments, names, receptacles, objects, locations),
            start_location=locations[arguments["atlocation"][0][-1]],
            num_locations=len(locations),
        )
    except (KeyError, IndexError, ValueError) as error:
        raise _UnexpectedFactError(f"inconsistent facts in the problem: {error!r}") from error


def _objects(
    arguments: Mapping[str, list[Fact]],
    names: Mapping[str, str],
    objects: Mapping[str, int],
    locations: Mapping[str, int],
) -> dict[str, Any]:
    """The fields of `Game` that describe objects."""
    types = _one_each(arguments["objecttype"], objects, "type", default="")
    flags = [KNIFE if kind in _KNIFE_TYPES else 0 for kind in types]
    for predicate, flag in _FLAG_OF_PREDICATE.items():
        for (word,) in arguments[predicate]:
            flags[objects[word]] |= flag
    at: list[list[int]] = [[] for _ in objects]
    for word, location in arguments["objectatlocation"]:
        at[objects[word]].append(locations[location])
    return {
        "object_names": tuple(names[word] for word in objects),
        "object_types": tuple(types),
        "object_flags": tuple(flags),
        "object_locations": tuple(tuple(sorted(here)) for here in at),
        "object_contents": _members(arguments["inreceptacleobject"], objects, objects),
    }


def _receptacles(
    arguments: Mapping[str, list[Fact]],
    names: Mapping[str, str],
    receptacles: Mapping[str, int],
    objects: Mapping[str, int],
    locations: Mapping[str, int],
) -> dict[str, Any]:
    """The fields of `Game` that describe receptacles."""
    types = _one_each(arguments["receptacletype"], receptacles, "type")
    accepts: dict[str, set[str]] = {kind: set() for kind in types}
    present = {fact[1].removesuffix("type") for fact in arguments["objecttype"]}
    for receptacle_type, object_type in arguments["cancontain"]:
        accepted = accepts.get(receptacle_type.removesuffix("type"))
        if accepted is not None and object_type.removesuffix("type") in present:
            accepted.add(object_type.removesuffix("type"))
    openable = {fact[0] for fact in arguments["openable"]}
    opened = {fact[0] for fact in arguments["opened"]}
    where = _one_each(arguments["receptacleatlocation"], receptacles, "location")
    return {
        "receptacle_names": tuple(names[word] for word in receptacles),
        "receptacle_types": tuple(types),
        "receptacle_locations": tuple(locations[place] for place in where),
        "receptacle_openable": tuple(word in openable for word in receptacles),
        "receptacle_opened": tuple(word in opened for word in receptacles),
        "receptacle_contents": _members(arguments["inreceptacle"], objects, receptacles),
        "accepts": {kind: _interned(tuple(sorted(kinds))) for kind, kinds in accepts.items()},
    }


def _numbered(words: Iterable[str]) -> dict[str, int]:
    """Numbers distinct ids in their sorted order."""
    return {word: index for index, word in enumerate(sorted(set(words)))}


def _one_each(
    rows: Iterable[Fact], ids: Mapping[str, int], what: str, default: str | None = None
) -> list[str]:
    """Per id, in order, its one partner in `rows`; type names lose their `type` suffix."""
    partner: dict[str, str] = {}
    for word, value in rows:
        if word not in ids:
            raise _UnexpectedFactError(f"{word} has a {what} but is nothing")
        if partner.setdefault(word, value) != value:
            raise _UnexpectedFactError(f"{word} has more than one {what}")
    missing = [word for word in ids if word not in partner]
    if missing and default is None:
        raise _UnexpectedFactError(f"{missing[0]} has no {what}")
    return [partner.get(word, default or "").removesuffix("type") for word in ids]


def _members(
    rows: Iterable[Fact], inner: Mapping[str, int], outer: Mapping[str, int]
) -> tuple[tuple[int, ...], ...]:
    """Per outer id, in order, the inner ids in it, ascending."""
    members: list[set[int]] = [set() for _ in outer]
    for child, parent in rows:
        members[outer[parent]].add(inner[child])
    return tuple(tuple(sorted(inside)) for inside in members)


def _display_names(words: Iterable[str]) -> dict[str, str]:
    """Names things as upstream's demangler does: `mug_bar_..._dot_15` -> `mug 2`.

    Ids are taken in sorted order and each kind's numbers are handed out from the highest down.
    """
    ids = sorted({word for word in words if "_bar_" in word})
    kinds = [word.split("_bar_", 1)[0] + ("basin" if "basin" in word else "") for word in ids]
    remaining = Counter(kinds)
    names = {}
    for word, kind in zip(ids, kinds, strict=True):
        names[word] = f"{kind} {remaining[kind]}"
        remaining[kind] -= 1
    return names
