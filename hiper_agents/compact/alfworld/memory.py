"""What the compact agent remembers of an episode: only what the texts have told it.

A `Memory` follows one ALFWorld episode. It reads the task sentence, the observations and the
admissible actions, and keeps who-is-where as Python structures together with one row of numbers a
receptacle, so that a batch of episodes becomes network input by stacking. It knows nothing about
networks, and it never sees a game file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiper_envs.alfworld.subgoals import Subgoal, parse_action, type_of
from hiper_envs.alfworld.texts import TaskSpec, parse_observation, parse_task

MAX_RECEPTACLES = 64
RECEPTACLE_FEATURES = (
    "visited",
    "closed",
    "opened",
    "here",
    "recency",
    "objects",
    "targets",
    "placed",
    "wanted",
    "lamps",
    "destination",
)
(
    VISITED,
    CLOSED,
    OPENED,
    HERE,
    RECENCY,
    OBJECTS,
    TARGETS,
    PLACED,
    WANTED,
    LAMPS,
    DESTINATION,
) = range(len(RECEPTACLE_FEATURES))
LAMP_TYPES = ("desklamp", "floorlamp")
_NO_TASK = TaskSpec("", "", "", "", "", 1)


def split_go(admissible: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Separates the `go to` commands, two thirds of most lists, from the others.

    The benchmark lists admissible actions in sorted order.
    """
    first = bisect_left(admissible, "go to ")
    last = bisect_left(admissible, "go to~", first)
    return admissible[first:last], admissible[:first] + admissible[last:]


class Memory:
    """One episode as its texts describe it.

    Attributes:
        spec: What the task sentence asks for; empty fields if it cannot be read.
        receptacles: Number of each receptacle by name, in order of appearance.
        table: [MAX_RECEPTACLES, len(RECEPTACLE_FEATURES)] float32, one row a receptacle.
        held: Name of the object in the hand, "" if it is empty.
        here: Number of the receptacle last gone to, -1 before the first.
        states: Per object name what was done to it: any of "clean", "heat", "cool".
        placed: Objects that were put into a receptacle of the task's destination type.
        lamp_used: Whether a lamp was turned on.
        explored: Number of receptacles whose content is known.
        turn: Number of actions so far.
    """

    __slots__ = (
        "_available",
        "_contents",
        "_names",
        "_wanted",
        "explored",
        "here",
        "held",
        "lamp_used",
        "placed",
        "receptacles",
        "seen_types",
        "spec",
        "states",
        "table",
        "turn",
        "types",
    )

    def __init__(self, task: str, observation: str) -> None:
        self.spec = parse_task(task) or _NO_TASK
        self.receptacles: dict[str, int] = {}
        self.types: list[str] = []
        self.table: NDArray[np.float32] = np.zeros(
            (MAX_RECEPTACLES, len(RECEPTACLE_FEATURES)), np.float32
        )
        self._names: list[str] = []
        self._contents: list[tuple[str, ...]] = []
        self._wanted = ""
        self._available: Counter[str] | None = None
        self.explored = 0
        self.held = ""
        self.here = -1
        self.states: dict[str, set[str]] = {}
        self.placed: set[str] = set()
        self.seen_types: dict[str, None] = {}
        self.lamp_used = False
        self.turn = 0
        for name in parse_observation(observation).receptacles:
            self._number(name)

    def observe(self, observation: str, info: Mapping[str, Any]) -> None:
        """Takes in what an action led to, and what can be done now."""
        self.turn += 1
        told = parse_observation(observation)
        kind = told.kind
        if kind == "arrive":
            self._arrive(told.receptacle, info["admissible_actions"])
        if kind in ("arrive", "open", "examine"):
            self._see(self._number(told.receptacle), told.is_open, told.objects)
        elif kind == "close":
            row = self.table[self._number(told.receptacle)]
            self.explored -= int(row[VISITED] * (1.0 - row[CLOSED]))
            row[CLOSED], row[OPENED] = 1.0, 0.0
        elif kind == "take":
            source = self._number(told.receptacle)
            self.held = told.object
            self.placed.discard(told.object)
            self._set_contents(source, [o for o in self._contents[source] if o != told.object])
        elif kind == "move":
            target = self._number(told.receptacle)
            self.held = ""
            if self.types[target] == self.spec.receptacle_type:
                self.placed.add(told.object)
            self._set_contents(target, [*self._contents[target], told.object])
        elif kind in ("clean", "heat", "cool"):
            self._transform(told.object, kind)
        elif kind == "use":
            self.lamp_used = True

    def want(self, subgoal: Subgoal | None) -> None:
        """Marks in the table which receptacles hold objects of the subgoal's type."""
        wanted = subgoal.object_type if subgoal is not None else ""
        if wanted != self._wanted:
            self._wanted = wanted
            for number in range(len(self._names)):
                self._count(number)

    @property
    def wanted_types(self) -> tuple[str, ...]:
        """Types of objects that the task speaks of."""
        return (self.spec.object_type,) if self.spec.object_type else ()

    @property
    def lamp_type(self) -> str:
        """Type of the lamp that the task speaks of; no lamp if it speaks of none."""
        return self.spec.tool_type

    @property
    def has_explored_all(self) -> bool:
        """Whether the content of every receptacle is known."""
        return self.explored == len(self._names)

    def available(self, object_type: str) -> int:
        """Objects of a type known to lie somewhere and not put at the destination by this agent."""
        if self._available is None:
            self._available = Counter(
                type_of(name)
                for contents in self._contents
                for name in contents
                if name not in self.placed
            )
        return self._available[object_type]

    def is_achieved(self, subgoal: Subgoal, action: str) -> bool:
        """Whether an admissible action was the one that the subgoal names."""
        return subgoal.achieved_by(action)

    def is_impossible(self, subgoal: Subgoal) -> bool:
        """Whether, by what is known, the subgoal cannot be reached any more."""
        if subgoal.kind == "find":
            lost = self.has_explored_all and not self.available(subgoal.object_type)
            return lost or bool(self.held)
        if subgoal.kind == "use":
            return self.has_explored_all and not self.available(subgoal.object_type)
        return type_of(self.held) != subgoal.object_type

    def _number(self, name: str) -> int:
        number = self.receptacles.get(name)
        if number is None:
            number = min(len(self._names), MAX_RECEPTACLES - 1)
            self.receptacles[name] = number
            self._names.append(name)
            self.types.append(type_of(name))
            self._contents.append(())
            self.table[number, DESTINATION] = self.types[number] == self.spec.receptacle_type
        return number

    def _arrive(self, name: str, admissible: tuple[str, ...]) -> None:
        number = self._number(name)
        self.table[:, HERE] = 0.0
        self.here = number
        beside: dict[str, list[str]] = {}
        shut: set[str] = set()
        for command in split_go(admissible)[1]:
            action = parse_action(command)
            if action is None:
                continue
            if action.verb == "examine" and action.object in self.receptacles:
                beside[action.object] = []
            elif action.verb == "open":
                shut.add(action.receptacle)
            elif action.verb == "take":
                beside.setdefault(action.receptacle, []).append(action.object)
        for other, takeable in beside.items():
            index = self._number(other)
            self.table[index, HERE] = 1.0
            # What lies in a neighbouring receptacle is not told, but can be taken from it.
            if other != name and not self.held:
                self._see(index, False if other in shut else None, tuple(takeable))

    def _see(self, number: int, is_open: bool | None, objects: tuple[str, ...]) -> None:
        row = self.table[number]
        shut = is_open is False
        if not shut and (row[VISITED] == 0.0 or row[CLOSED] == 1.0):
            self.explored += 1
        row[VISITED] = 1.0
        row[RECENCY] = self.turn / 50.0
        row[CLOSED] = shut
        row[OPENED] = is_open is True
        if not shut:
            self._set_contents(number, objects)

    def _set_contents(self, number: int, objects: Sequence[str]) -> None:
        # Also where nothing moved: an object may have become a placed one.
        self._available = None
        contents = tuple(objects)
        if contents != self._contents[number]:
            self._contents[number] = contents
            self.seen_types.update(dict.fromkeys(map(type_of, contents)))
            self._count(number)

    def _count(self, number: int) -> None:
        row, contents = self.table[number], self._contents[number]
        row[OBJECTS:DESTINATION] = 0.0
        if not contents:
            return
        types = [type_of(name) for name in contents]
        row[OBJECTS] = len(types) / 5.0
        row[TARGETS] = types.count(self.spec.object_type) / 2.0
        row[PLACED] = sum(name in self.placed for name in contents) / 2.0
        row[WANTED] = types.count(self._wanted) / 2.0
        row[LAMPS] = any(kind in LAMP_TYPES for kind in types)

    def _transform(self, name: str, kind: str) -> None:
        states = self.states.setdefault(name, set())
        states.add(kind)
        if kind != "clean":
            states.discard("cool" if kind == "heat" else "heat")
