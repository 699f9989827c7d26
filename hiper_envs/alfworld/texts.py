"""Reading ALFWorld's texts: observations, task sentences, and nothing else.

Pure functions from strings to immutable records, shared by everything that has to understand what
the environment said: the searching oracle, structured agents, play-back tools. Results are cached,
since the same few thousand texts come back over and over in training.

This module keeps no state between texts and knows nothing about game files, engines, or plans. It
reads the texts of action syntax ``move X to Y`` (ALFWorld 0.4) only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

_NAME = r"[a-z]+ [0-9]+"
_LISTED = re.compile(rf"an? ({_NAME})")
_ANY_NAME = re.compile(_NAME)
_CONTENT = re.compile(
    rf"(?:You (?P<verb>arrive at|open the) {_NAME}\. )?"
    rf"(?:On the (?P<surface>{_NAME}), you see (?P<on>[^.]*)\."
    rf"|The (?P<closed>{_NAME}) is closed\."
    rf"|The (?P<open>{_NAME}) is open\. In it, you see (?P<inside>[^.]*)\.)"
)
_TAKE = re.compile(rf"You pick up the (?P<object>{_NAME}) from the (?P<receptacle>{_NAME})\.")
_MOVE = re.compile(rf"You move the (?P<object>{_NAME}) to the (?P<receptacle>{_NAME})\.")
_USING = re.compile(
    rf"You (?P<verb>clean|heat|cool) the (?P<object>{_NAME}) using the (?P<receptacle>{_NAME})\."
)
_CLOSE = re.compile(rf"You close the (?P<receptacle>{_NAME})\.")
_SWITCH = re.compile(rf"You turn (?:on|off) the (?P<object>{_NAME})\.")
_SLICE = re.compile(rf"You sliced the (?P<object>{_NAME}) with the {_NAME}\.")
_ROOM = "You are in the middle of a room. Looking quickly around you, you see "
_TASK_PREFIX = "Your task is to: "


class Observation(NamedTuple):
    """What one observation says. Fields it does not mention keep their defaults.

    Attributes:
        kind: "room" (first observation, or ``look`` before moving), "arrive", "open", "close",
            "examine" (a receptacle), "take", "move", "clean", "heat", "cool", "use", "slice",
            "inventory", "facing" (``look`` at a receptacle), "nothing" ("Nothing happens."), or
            "other".
        receptacle: the receptacle it is about ("desk 1").
        is_open: True or False for a receptacle with a door that was said to be open or closed; None
            for
            a surface or when nothing was said.
        objects: what was listed, in the text's order: in or on `receptacle` for "arrive", "open"
            and
            "examine"; in the hand for "inventory"; beside the receptacles for "facing".
        object: the object that a take, move, clean, heat, cool, use or slice was about.
        receptacles: all receptacles of the room ("room"), or those at the agent's location
            ("facing").
        task: the task sentence, in the first observation only.
    """

    kind: str
    receptacle: str = ""
    is_open: bool | None = None
    objects: tuple[str, ...] = ()
    object: str = ""
    receptacles: tuple[str, ...] = ()
    task: str = ""

    @property
    def lists_content(self) -> bool:
        """Whether `objects` is the complete content of `receptacle`."""
        return self.kind in ("arrive", "open", "examine") and self.is_open is not False


@lru_cache(maxsize=1 << 14)
def parse_observation(text: str) -> Observation:
    """Read one observation. Never raises: an unknown text gives a record of kind "other".

    >>> parse_observation("You arrive at desk 1. On the desk 1, you see a mug 2, and a pen 1.")
    ... # doctest: +NORMALIZE_WHITESPACE
    Observation(kind='arrive', receptacle='desk 1', is_open=None, objects=('mug 2', 'pen 1'),
    object='',
                receptacles=(), task='')
    """
    if match := _CONTENT.fullmatch(text):
        return _content(match)
    if text == "Nothing happens.":
        return Observation("nothing")
    if match := _TAKE.fullmatch(text):
        return Observation("take", match["receptacle"], object=match["object"])
    if match := _MOVE.fullmatch(text):
        return Observation("move", match["receptacle"], object=match["object"])
    if match := _USING.fullmatch(text):
        return Observation(match["verb"], match["receptacle"], object=match["object"])
    if match := _CLOSE.fullmatch(text):
        return Observation("close", match["receptacle"], is_open=False)
    if match := _SWITCH.fullmatch(text):
        return Observation("use", object=match["object"])
    if match := _SLICE.fullmatch(text):
        return Observation("slice", object=match["object"])
    return _surroundings(text)


def _content(match: re.Match[str]) -> Observation:
    """The content of one receptacle, on arrival, on opening it, or on examining it."""
    kind = {"arrive at": "arrive", "open the": "open", None: "examine"}[match["verb"]]
    if match["surface"]:
        return Observation(kind, match["surface"], None, tuple(_LISTED.findall(match["on"])))
    if match["closed"]:
        return Observation(kind, match["closed"], False)
    return Observation(kind, match["open"], True, tuple(_LISTED.findall(match["inside"])))


def _surroundings(text: str) -> Observation:
    """Texts about the room, the location, or the hand."""
    _, found, after = text.partition(_ROOM)
    if found:
        listing = after.partition(".")[0]
        return Observation(
            "room", receptacles=tuple(_LISTED.findall(listing)), task=task_sentence(text)
        )
    if text.startswith("You are facing the "):
        facing, _, beside = text.partition(". Next to it, you see ")
        return Observation(
            "facing",
            objects=tuple(_LISTED.findall(beside)),
            receptacles=tuple(_ANY_NAME.findall(facing)),
        )
    if text.startswith("You are carrying: "):
        return Observation("inventory", objects=tuple(_LISTED.findall(text)))
    if text == "You are not carrying anything.":
        return Observation("inventory")
    return Observation("other")


def task_sentence(text: str) -> str:
    """The task sentence inside the first observation, "" if there is none."""
    _, found, after = text.partition(_TASK_PREFIX)
    return after.strip() if found else ""


@dataclass(frozen=True)
class TaskSpec:
    """What a task sentence asks for.

    Attributes:
        task_type: one of ALFWorld's six task types.
        object_type: type of the object(s) wanted ("mug").
        receptacle_type: type of the destination; "" for look_at_obj_in_light.
        tool_type: type of the lamp, or of the receptacle that cleans, heats or cools; else "".
        transform: "clean", "heat", "cool", or "".
        count: how many distinct objects have to end in one and the same receptacle (2 for
            pick_two_obj_and_place, else 1).
    """

    task_type: str
    object_type: str
    receptacle_type: str
    tool_type: str
    transform: str
    count: int


TOOL_OF_TRANSFORM: dict[str, str] = {
    "clean": "sinkbasin",
    "heat": "microwave",
    "cool": "fridge",
}
"""The receptacle type at which each transformation is done."""

_ADJECTIVES = {"clean": "clean", "hot": "heat", "cool": "cool"}
_TASK = re.compile(
    r"(?:look at (?P<look>[a-z]+) under the (?P<lamp>[a-z]+)"
    r"|examine the (?P<examine>[a-z]+) with the (?P<with>[a-z]+)"
    r"|(?:put|find) two (?P<two>[a-z]+) (?:and put them )?in (?P<two_in>[a-z]+)"
    r"|put a (?P<adjective>clean|hot|cool) (?P<a_object>[a-z]+) in (?P<a_in>[a-z]+)"
    r"|(?P<verb>clean|heat|cool) some (?P<some>[a-z]+) and put it in (?P<some_in>[a-z]+)"
    r"|put (?:a|some) (?P<plain>[a-z]+) (?:in|on) (?P<plain_in>[a-z]+))\.?"
)


@lru_cache(maxsize=1 << 13)
def parse_task(sentence: str) -> TaskSpec | None:
    """Read a task sentence; None for any other text. Never raises.

    "Your task is to: " may stand before it. Both wordings of all six task types are understood.

    >>> parse_task("cool some mug and put it in coffeemachine.")
    ... # doctest: +NORMALIZE_WHITESPACE
    TaskSpec(task_type='pick_cool_then_place_in_recep', object_type='mug',
             receptacle_type='coffeemachine', tool_type='fridge', transform='cool', count=1)
    """
    match = _TASK.fullmatch(sentence.strip().removeprefix(_TASK_PREFIX).strip())
    if match is None:
        return None
    if wanted := match["look"] or match["examine"]:
        lamp = match["lamp"] or match["with"]
        return TaskSpec("look_at_obj_in_light", wanted, "", lamp, "", 1)
    if wanted := match["two"]:
        return TaskSpec("pick_two_obj_and_place", wanted, match["two_in"], "", "", 2)
    if wanted := match["plain"]:
        return TaskSpec("pick_and_place_simple", wanted, match["plain_in"], "", "", 1)
    transform = match["verb"] or _ADJECTIVES[match["adjective"]]
    wanted, destination = match["some"] or match["a_object"], match["some_in"] or match["a_in"]
    tool = TOOL_OF_TRANSFORM[transform]
    return TaskSpec(
        f"pick_{transform}_then_place_in_recep", wanted, destination, tool, transform, 1
    )
