"""The subgoal vocabulary of ALFWorld and the structure of its primitive commands.

A subgoal is an option's goal in words. There are six kinds, each naming one kind of primitive
action; the option has reached its subgoal when such an action is executed:

========  ===========================  ====================================
kind      text                         primitive command that achieves it
========  ===========================  ====================================
find      find a mug / find an apple   take mug 1 from desk 2
clean     clean the mug                clean mug 1 with sinkbasin 1
heat      heat the mug                 heat mug 1 with microwave 1
cool      cool the mug                 cool mug 1 with fridge 1
put       put the mug in the cabinet   move mug 1 to cabinet 3
use       use the desklamp             use desklamp 1
========  ===========================  ====================================

Types are the lower-case words of the game's texts ("mug", "sidetable"). Article rule: "an" before
the letters a, e, i, o, u and "a" otherwise (a rule of spelling, not of sound).

This module knows nothing about tasks, observations, or whether a command had an effect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

KINDS: tuple[str, ...] = ("find", "clean", "heat", "cool", "put", "use")
"""The subgoal kinds, in the order of the table above."""

VERB_OF_KIND: dict[str, str] = {
    "find": "take",
    "clean": "clean",
    "heat": "heat",
    "cool": "cool",
    "put": "move",
    "use": "use",
}
"""The primitive verb that achieves each kind."""

_TYPE = re.compile(r"[a-z]+")
_SUBGOAL = re.compile(
    r"find an? (?P<find>[a-z]+)"
    r"|(?P<verb>clean|heat|cool|use) the (?P<object>[a-z]+)"
    r"|put the (?P<put>[a-z]+) (?:in|on) the (?P<receptacle>[a-z]+)"
)
_COMMAND = re.compile(
    r"(?P<bare>look|inventory|help)"
    r"|(?P<visit>go to|open|close) (?P<place>[a-z]+ [0-9]+)"
    r"|(?P<single>use|examine) (?P<thing>[a-z]+ [0-9]+)"
    r"|(?P<verb>take|move|clean|heat|cool|slice) (?P<object>[a-z]+ [0-9]+)"
    r" (?P<link>from|to|with) (?P<second>[a-z]+ [0-9]+)"
)
_LINK = {
    "take": "from",
    "move": "to",
    "clean": "with",
    "heat": "with",
    "cool": "with",
    "slice": "with",
}


def type_of(name: str) -> str:
    """Return the type word of an instance name: ``type_of("mug 1") == "mug"``."""
    return name.partition(" ")[0]


def with_article(noun: str) -> str:
    """Return `noun` with "an" before a vowel letter and "a" otherwise."""
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"


class Action(NamedTuple):
    """A primitive command taken apart.

    Fields that a command does not have are "". ``examine X`` and ``use X`` put X in `object`,
    because the command alone does not tell whether X is a receptacle. ``slice X with Y`` puts the
    knife Y in `receptacle`.
    """

    verb: str
    object: str = ""
    object_type: str = ""
    receptacle: str = ""
    receptacle_type: str = ""


@lru_cache(maxsize=1 << 16)
def parse_action(command: str) -> Action | None:
    """Take a primitive command apart; None if it has not the form of one. Never raises.

    >>> parse_action("take mug 1 from desk 2")  # doctest: +NORMALIZE_WHITESPACE
    Action(verb='take', object='mug 1', object_type='mug', receptacle='desk 2',
    receptacle_type='desk')
    """
    match = _COMMAND.fullmatch(command)
    if match is None:
        return None
    if verb := match["bare"]:
        return Action(verb)
    if verb := match["visit"]:
        return Action(verb, "", "", match["place"], type_of(match["place"]))
    if verb := match["single"]:
        return Action(verb, match["thing"], type_of(match["thing"]))
    verb = match["verb"]
    if match["link"] != _LINK[verb]:
        return None
    first, second = match["object"], match["second"]
    return Action(verb, first, type_of(first), second, type_of(second))


@dataclass(frozen=True)
class Subgoal:
    """One subgoal of the vocabulary.

    Attributes:
        kind: one of `KINDS`.
        object_type: type of the object it is about ("mug"); the lamp's type for "use".
        receptacle_type: destination type, for "put" only ("" otherwise).

    Raises:
        ValueError: for an unknown kind, a type that is not a lower-case word, or a receptacle type
            that is missing for "put" or given for another kind.
    """

    kind: str
    object_type: str
    receptacle_type: str = ""

    def __post_init__(self) -> None:
        if self.kind not in VERB_OF_KIND:
            raise ValueError(f"unknown subgoal kind {self.kind!r}; expected one of {KINDS}")
        if not _TYPE.fullmatch(self.object_type):
            raise ValueError(f"object type {self.object_type!r} is not a lower-case word")
        if self.kind == "put" and not _TYPE.fullmatch(self.receptacle_type):
            raise ValueError(f"receptacle type {self.receptacle_type!r} is not a lower-case word")
        if self.kind != "put" and self.receptacle_type:
            raise ValueError(f"a {self.kind!r} subgoal takes no receptacle type")

    @cached_property
    def text(self) -> str:
        """The subgoal in words; `parse` is the inverse."""
        if self.kind == "find":
            return f"find {with_article(self.object_type)}"
        if self.kind == "put":
            return f"put the {self.object_type} in the {self.receptacle_type}"
        return f"{self.kind} the {self.object_type}"

    def achieved_by(self, action: str) -> bool:
        """Whether executing the primitive command `action` reaches this subgoal.

        Compares words only: the caller must know that the command was admissible.
        """
        parsed = parse_action(action)
        return (
            parsed is not None
            and parsed.verb == VERB_OF_KIND[self.kind]
            and parsed.object_type == self.object_type
            and (self.kind != "put" or parsed.receptacle_type == self.receptacle_type)
        )


@lru_cache(maxsize=1 << 14)
def parse(text: str) -> Subgoal | None:
    """Read a subgoal from its words; None for any other string. Never raises.

    Inverse of `Subgoal.text`: ``parse(subgoal.text) == subgoal``. Free text by a language model
    gets a little slack: letter case, surrounding or repeated white space, a final period, either
    article, and "on" for "in".

    >>> parse("Find a apple.").text
    'find an apple'
    """
    words = " ".join(text.lower().split()).removesuffix(".").rstrip()
    match = _SUBGOAL.fullmatch(words)
    if match is None:
        return None
    if found := match["find"]:
        return Subgoal("find", found)
    if verb := match["verb"]:
        return Subgoal(verb, match["object"])
    return Subgoal("put", match["put"], match["receptacle"])
