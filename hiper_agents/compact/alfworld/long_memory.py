"""What the compact agent remembers of an episode with a chain: ALFWorld's memory, and progress.

A `LongMemory` reads the sentence of a chain and keeps, besides all that a `Memory` keeps, which
objects and receptacles stand for its items and places by what the texts have told. It knows nothing
about networks, and it never sees a game file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hiper_agents.compact.alfworld.memory import (
    DESTINATION,
    HERE,
    MAX_RECEPTACLES,
    PLACED,
    RECEPTACLE_FEATURES,
    TARGETS,
    WANTED,
    Memory,
)
from hiper_envs.alfworld.chain_progress import Binding, Scene, bind
from hiper_envs.alfworld.chains import NO_PLACE, TRANSFORMS, Chain, Subtask
from hiper_envs.alfworld.subgoals import type_of
from hiper_envs.alfworld.texts import parse_observation

LONG_RECEPTACLE_FEATURES = (*RECEPTACLE_FEATURES, "anchor", "chosen")
ANCHOR, CHOSEN = len(RECEPTACLE_FEATURES), len(RECEPTACLE_FEATURES) + 1
_CHANGING = frozenset({"take", "move", *TRANSFORMS, "use"})
"""Kinds of observations after which something else may stand for an item."""


class LongMemory(Memory):
    """One episode with a chain as its texts describe it.

    Columns of the table that differ from those of a `Memory`: "targets" counts objects of types
    that are still wanted, "placed" those that are where and what they have to be, "wanted" those of
    the subgoal's type that are not; "destination" says that the receptacle is of the type where the
    held object belongs; "anchor" that it is the very one, since others are already there; "chosen"
    that it is that of any item.

    Args:
        task: Its task sentence.
        chain: What the sentence says.
        observation: Its first observation.

    Attributes:
        chain: What the sentence says.
        binding: What stands for its items and places now.
        undone: Subtasks that do not hold.
        pending: Items of which a subtask does not hold, the one for the lamp last.
        meant: The item that the held object can be, None if it is none.
        placed: Objects of which all subtasks hold.
    """

    __slots__ = (
        "_lamps_on",
        "_moved",
        "_reviewed",
        "binding",
        "chain",
        "meant",
        "pending",
        "undone",
    )

    def __init__(self, task: str, chain: Chain, observation: str) -> None:
        super().__init__(task, observation)
        self.table = np.zeros((MAX_RECEPTACLES, len(LONG_RECEPTACLE_FEATURES)), np.float32)
        self.chain = chain
        self._lamps_on: set[str] = set()
        # Whether an object of an item's type was seen elsewhere than before.
        self._moved = False
        self.undone: tuple[Subtask, ...] = ()
        self.pending: tuple[int, ...] = ()
        self.meant: int | None = None
        self.binding = Binding((), (), ())
        self._reviewed = (self.binding, "")
        self._review()

    def observe(self, observation: str, info: Mapping[str, Any]) -> None:
        """Takes in what an action led to, and what can be done now."""
        super().observe(observation, info)
        told = parse_observation(observation)
        if told.kind == "use":
            self._lamps_on.add(told.object)
        if told.kind in _CHANGING or self._moved or (self._lamps_on and told.kind == "arrive"):
            self._review()

    @property
    def wanted_types(self) -> tuple[str, ...]:
        """Types of the items."""
        return tuple(self.chain.items_of_type)

    @property
    def lamp_type(self) -> str:
        """Type of the lamp, if there is one."""
        return self.chain.lamp

    @property
    def missing(self) -> tuple[str, ...]:
        """What still has to be done to the held object, as the item that it can be."""
        if self.meant is None:
            return ()
        done = self.states.get(self.held, ())
        return tuple(need for need in self.chain.needs[self.meant] if need not in done)

    @property
    def home(self) -> int:
        """The place where the held object belongs, `NO_PLACE` for none."""
        return NO_PLACE if self.meant is None else self.chain.homes[self.meant]

    def _review(self) -> None:
        """Finds out what stands for what, and marks it in the table."""
        chain = self.chain
        self._moved = False
        self.binding = bind(chain, self._scene())
        known = (self.binding, self.held)
        if known == self._reviewed:
            return
        self._reviewed = known
        holds = self.binding.holds
        self.undone = tuple(s for s, done in zip(chain.subtasks, holds, strict=True) if not done)
        items = dict.fromkeys(subtask.item for subtask in self.undone)
        self.pending = tuple(sorted(items, key=lambda item: (item == chain.looked_at, item)))
        self.placed = {
            name
            for item, name in enumerate(self.binding.items)
            if item not in items and item != chain.looked_at
        }
        self.meant = self._find_meant()
        self._available = None
        self._mark_places()
        for number in range(len(self._names)):
            self._count(number)

    def _scene(self) -> Scene:
        types = self.chain.types
        where, lit = {}, set()
        for number, contents in enumerate(self._contents):
            for name in contents:
                if type_of(name) in types:
                    where[name] = self._names[number]
                elif name in self._lamps_on and self.table[number, HERE]:
                    lit.add(type_of(name))
        return Scene(where, self.states, self.held, lit)

    def _find_meant(self) -> int | None:
        items = [i for i in self.pending if self.chain.items[i].type == type_of(self.held)]
        bound = [i for i in items if self.binding.items[i] == self.held]
        free = [i for i in items if not self.binding.items[i]]
        return next(iter([*bound, *free]), None)

    def _mark_places(self) -> None:
        homes = [self.home] if self.held else [self.chain.homes[item] for item in self.pending]
        wanted = {self.chain.places[home] for home in homes if home != NO_PLACE}
        anchor = self.binding.places[self.home] if self.home != NO_PLACE else ""
        for number, name in enumerate(self._names):
            row = self.table[number]
            row[DESTINATION] = self.types[number] in wanted
            row[ANCHOR] = bool(anchor) and name == anchor
            row[CHOSEN] = name in self.binding.places

    def _set_contents(self, number: int, objects: Sequence[str]) -> None:
        names = set(objects).symmetric_difference(self._contents[number])
        self._moved = self._moved or any(type_of(name) in self.chain.types for name in names)
        super()._set_contents(number, objects)

    def _count(self, number: int) -> None:
        super()._count(number)
        contents = self._contents[number]
        if not contents:
            return
        row = self.table[number]
        wanted = {self.chain.items[item].type for item in self.pending}
        loose = [type_of(name) for name in contents if name not in self.placed]
        row[TARGETS] = sum(kind in wanted for kind in loose) / 2.0
        row[PLACED] = (len(contents) - len(loose)) / 2.0
        row[WANTED] = loose.count(self._wanted) / 2.0
