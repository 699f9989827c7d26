"""Chains: long household tasks made of subtasks that depend on each other, and their sentences.

A chain speaks of *items* (objects to be brought into a state, to a place, or under a lamp) and of
*places* (receptacles that items are put into), by type; which mug and which cabinet they are is for
the player to choose. Its grammar:

.. code-block:: text

    chain    := subtask (", then " subtask)* "."
    subtask  := "put" (NEW | OTHER | OLD) "in" PLACE
              | ("clean" | "heat" | "cool") (a(n) <object> | OLD)
              | "look at" (NEW | OTHER | OLD) "under the" <lamp>
    NEW      := a(n) ["clean" | "hot" | "cool"] <object>       an item not mentioned before
    OTHER    := "another" ["clean" | "hot" | "cool"] <object>  not the one mentioned before
    OLD      := "the" <object>                                 the very item mentioned before
    PLACE    := a(n) <receptacle> | "the same" <receptacle>    the very place mentioned before

Every subtask but the first one refers to an item or a place of an earlier subtask. The order of the
sentence is one order in which the subtasks can be done; what counts is that all of them hold in the
end, at once, of the same items and places. `Chain` says what that rules out.

This module knows nothing of houses, games, or how far a chain has come.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from hiper_envs.alfworld.subgoals import with_article
from hiper_envs.alfworld.texts import TOOL_OF_TRANSFORM

__all__ = ["MAX_SUBTASKS", "NO_PLACE", "STATE_OF_TRANSFORM", "Chain", "Item", "Subtask"]
__all__ += ["TRANSFORMS", "VERBS", "parse_chain"]

MAX_SUBTASKS = 8
TRANSFORMS = tuple(TOOL_OF_TRANSFORM)
"""What can be done to an item besides moving it: clean, heat, cool."""
VERBS = ("put", *TRANSFORMS, "look")
STATE_OF_TRANSFORM = {"clean": "clean", "heat": "hot", "cool": "cool"}
"""The adjective of an item that was cleaned, heated, cooled."""
NO_PLACE = -1

_PREFIX = "Your task is to: "
_THEN = ", then "
_WORD = re.compile(r"[a-z]+")
_ITEM = r"(?P<item>an?|another|the) (?:(?P<state>clean|hot|cool) )?(?P<object>[a-z]+)"
_PHRASES = {
    "put": re.compile(rf"put {_ITEM} in (?P<place>an?|the same) (?P<receptacle>[a-z]+)"),
    "look": re.compile(rf"look at {_ITEM} under the (?P<lamp>[a-z]+)"),
    "change": re.compile(r"(?P<verb>clean|heat|cool) (?P<item>an?|the) (?P<object>[a-z]+)"),
}
_TRANSFORM_OF_STATE = {state: transform for transform, state in STATE_OF_TRANSFORM.items()}


class Item(NamedTuple):
    """An object that a chain speaks of.

    Attributes:
        type: Its type ("mug").
        another: Whether it is the second item of its type, and so not the object of the first.
    """

    type: str
    another: bool = False


@dataclass(frozen=True)
class Subtask:
    """One subtask.

    Attributes:
        verb: One of `VERBS`.
        item: Which of the chain's items it is about.
        transform: What must have been done to the item for this subtask to hold, or "". For
            "clean", "heat" and "cool" the verb itself.
        place: For "put": which of the chain's places; `NO_PLACE` otherwise.
        lamp: For "look": the lamp's type.
    """

    verb: str
    item: int
    transform: str = ""
    place: int = NO_PLACE
    lamp: str = ""


@dataclass(frozen=True)
class Chain:
    """A chain of subtasks.

    Attributes:
        subtasks: One to `MAX_SUBTASKS`.
        items: In the order in which they are mentioned.
        places: Receptacle types, in the order in which they are mentioned.

    Raises:
        ValueError: If the parts do not form a chain: something is mentioned out of order or of an
            unknown kind; a subtask depends on no earlier one; more than two items have one type, or
            the first of two is spoken of again after "another"; two places have one type; an item
            is heated and cooled, or given one state twice; a lamp is not in the last subtask; or
            an item does not end in exactly one place, a receptacle or the hand under the lamp.
    """

    subtasks: tuple[Subtask, ...]
    items: tuple[Item, ...]
    places: tuple[str, ...]

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise ValueError(f"not a chain: {problem}")

    @cached_property
    def needs(self) -> tuple[tuple[str, ...], ...]:
        """Per item everything that must have been done to it in the end, in the chain's order."""
        return tuple(
            tuple(
                subtask.transform
                for subtask in self.subtasks
                if subtask.item == item and subtask.transform
            )
            for item in range(len(self.items))
        )

    @cached_property
    def homes(self) -> tuple[int, ...]:
        """Per item the place where it has to be in the end, or `NO_PLACE`."""
        homes = [NO_PLACE] * len(self.items)
        for subtask in self.subtasks:
            if subtask.verb == "put":
                homes[subtask.item] = subtask.place
        return tuple(homes)

    @cached_property
    def types(self) -> frozenset[str]:
        """The types of its items: the objects that a scene of it has to hold."""
        return frozenset(item.type for item in self.items)

    @cached_property
    def items_of_type(self) -> dict[str, tuple[int, ...]]:
        """Type -> its items, one or two."""
        found: dict[str, tuple[int, ...]] = {}
        for number, item in enumerate(self.items):
            found[item.type] = (*found.get(item.type, ()), number)
        return found

    @cached_property
    def subtasks_of(self) -> tuple[tuple[int, ...], ...]:
        """Per item the numbers of its subtasks."""
        return tuple(
            tuple(n for n, subtask in enumerate(self.subtasks) if subtask.item == item)
            for item in range(len(self.items))
        )

    @property
    def looked_at(self) -> int | None:
        """The item that has to be held under a lamp in the end, if there is one."""
        last = self.subtasks[-1]
        return last.item if last.verb == "look" else None

    @property
    def lamp(self) -> str:
        """The type of that lamp, or ""."""
        return self.subtasks[-1].lamp

    @cached_property
    def depends_on(self) -> tuple[tuple[int, ...], ...]:
        """Per subtask the earlier ones whose item or place it uses, or whose item it must spare."""
        return tuple(
            tuple(m for m in range(n) if self._share(self.subtasks[m], self.subtasks[n]))
            for n in range(len(self.subtasks))
        )

    @cached_property
    def sentence(self) -> str:
        """The chain in words; `parse_chain` is the inverse."""
        items: set[int] = set()
        places: set[int] = set()
        phrases = []
        for subtask in self.subtasks:
            phrases.append(self._phrase(subtask, subtask.item in items, subtask.place in places))
            items.add(subtask.item)
            places.add(subtask.place)
        return _THEN.join(phrases) + "."

    def _share(self, earlier: Subtask, later: Subtask) -> bool:
        one_place = earlier.place == later.place != NO_PLACE
        return one_place or self.items[earlier.item].type == self.items[later.item].type

    def _phrase(self, subtask: Subtask, old_item: bool, old_place: bool) -> str:
        item, verb = self.items[subtask.item], subtask.verb
        is_change = verb in TRANSFORMS
        state = "" if is_change else STATE_OF_TRANSFORM.get(subtask.transform, "")
        noun = f"{state} {item.type}".strip()
        if old_item:
            thing = f"the {noun}"
        else:
            thing = f"another {noun}" if item.another else with_article(noun)
        if verb == "look":
            return f"look at {thing} under the {subtask.lamp}"
        if is_change:
            return f"{verb} {thing}"
        receptacle = self.places[subtask.place]
        place = f"the same {receptacle}" if old_place else with_article(receptacle)
        return f"put {thing} in {place}"


def _problem(chain: Chain) -> str:
    """Why the parts do not form a chain, or ""."""
    if not 1 <= len(chain.subtasks) <= MAX_SUBTASKS:
        return f"{len(chain.subtasks)} subtasks; there can be 1 to {MAX_SUBTASKS}"
    for problem in (_mentions(chain), _types(chain)):
        if problem:
            return problem
    for number, subtask in enumerate(chain.subtasks):
        problem = _kind(subtask, number == len(chain.subtasks) - 1)
        if problem:
            return f"subtask {number}: {problem}"
        if number and not chain.depends_on[number]:
            return f"subtask {number} depends on no earlier one"
    return _ends(chain)


def _mentions(chain: Chain) -> str:
    """Items and places are numbered in the order in which subtasks mention them."""
    items = list(dict.fromkeys(subtask.item for subtask in chain.subtasks))
    places = list(dict.fromkeys(s.place for s in chain.subtasks if s.place != NO_PLACE))
    if items != list(range(len(chain.items))) or places != list(range(len(chain.places))):
        return "items and places are not numbered as they are mentioned"
    return ""


def _types(chain: Chain) -> str:
    words = [*(item.type for item in chain.items), *chain.places]
    words += [subtask.lamp for subtask in chain.subtasks if subtask.lamp]
    if not all(_WORD.fullmatch(word) for word in words):
        return "a type is not a lower-case word"
    if len(set(chain.places)) < len(chain.places):
        return "two places have one type"
    seen: Counter[str] = Counter()
    for number, item in enumerate(chain.items):
        seen[item.type] += 1
        if item.another != (seen[item.type] == 2) or seen[item.type] > 2:
            return f"item {number} is not the first {item.type}, nor another one"
    for first, *others in chain.items_of_type.values():
        if others and max(chain.subtasks_of[first]) > min(chain.subtasks_of[others[0]]):
            return f"the first {chain.items[first].type} is spoken of after another one"
    return ""


def _kind(subtask: Subtask, is_last: bool) -> str:
    verb = subtask.verb
    if verb not in VERBS:
        return f"unknown verb {verb!r}"
    if (verb == "put") == (subtask.place == NO_PLACE):
        return "only what is put has a place"
    if (verb == "look") != bool(subtask.lamp):
        return "only what is looked at has a lamp"
    if verb == "look" and not is_last:
        return "looking at something has to be the last subtask"
    if verb in TRANSFORMS and subtask.transform != verb:
        return f"its transform is {subtask.transform!r}"
    if subtask.transform and subtask.transform not in TRANSFORMS:
        return f"unknown transform {subtask.transform!r}"
    return ""


def _ends(chain: Chain) -> str:
    """Whether each item can end as all of its subtasks want it."""
    for number, subtasks in enumerate(chain.subtasks_of):
        verbs = Counter(chain.subtasks[n].verb for n in subtasks)
        needs = chain.needs[number]
        if verbs["put"] + verbs["look"] != 1:
            return f"item {number} has to end in one place, or under the lamp"
        if len(set(needs)) < len(needs) or {"heat", "cool"} <= set(needs):
            return f"item {number} cannot be given these states: {', '.join(needs)}"
        for n in subtasks[1:]:
            subtask = chain.subtasks[n]
            if subtask.transform and subtask.verb not in TRANSFORMS:
                return f"subtask {n} gives a state to an item by the way, after its first mention"
    return ""


@lru_cache(maxsize=1 << 12)
def parse_chain(sentence: str) -> Chain | None:
    """Read the sentence of a chain; None for any other text. Never raises.

    "Your task is to: " may stand before it, and either article is understood.

    >>> chain = parse_chain("clean a mug, then put the mug in a cabinet.")
    >>> chain.items, chain.places, chain.needs
    ((Item(type='mug', another=False),), ('cabinet',), (('clean',),))
    """
    text = sentence.strip().removeprefix(_PREFIX).strip().removesuffix(".")
    items: list[Item] = []
    places: list[str] = []
    subtasks = []
    for phrase in text.split(_THEN):
        match = next(filter(None, (p.fullmatch(phrase) for p in _PHRASES.values())), None)
        if match is None:
            return None
        subtask = _read(match.groupdict(), items, places)
        if subtask is None:
            return None
        subtasks.append(subtask)
    try:
        return Chain(tuple(subtasks), tuple(items), tuple(places))
    except ValueError:
        return None


def _read(words: dict[str, str | None], items: list[Item], places: list[str]) -> Subtask | None:
    """One subtask; adds what it mentions first. None if it refers to something never mentioned."""
    kind = words["object"] or ""
    known = [number for number, item in enumerate(items) if item.type == kind]
    if words["item"] == "the":
        if len(known) != 1:
            return None
        item = known[0]
    else:
        another = words["item"] == "another"
        if another != bool(known):
            return None
        item = len(items)
        items.append(Item(kind, another))
    place = NO_PLACE
    if receptacle := words.get("receptacle"):
        if (words["place"] == "the same") != (receptacle in places):
            return None
        if receptacle not in places:
            places.append(receptacle)
        place = places.index(receptacle)
    if verb := words.get("verb"):
        return Subtask(verb, item, verb)
    transform = _TRANSFORM_OF_STATE.get(words.get("state") or "", "")
    lamp = words.get("lamp") or ""
    return Subtask("look" if lamp else "put", item, transform, place, lamp)
