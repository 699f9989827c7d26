"""Fewer words for the same turn: lists of similar actions folded, repetitions in a text left out.

For prompts of small models, whose every token costs. No action is lost on the way. The module
knows the notation of text worlds, not their contents, and no tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import dropwhile, groupby

__all__ = ["condense", "fold", "inline_actions"]

_SEPARATOR = re.compile(r"\s*\[SEP\]\s*|\s*\n\s*")
_BANNER = re.compile(r"-= .* =-")
_LABEL = re.compile(r"Instruction:")
# TextWorld's answer to `help`: a title, then one line for each kind of command.
_MANUAL, _MANUAL_ENTRY = "Available commands:", re.compile(r"[a-z][^:]*:\s+\S.*")
# `verb[argument]`, or `verb thing` with a preposition's phrase where there is one.
_BRACKETS = re.compile(r"([^\[\]\s{},]+\[)([^\[\]{},]+)(\])")
_PHRASE = re.compile(
    r"(\w+(?: (?:to|at|in|on|with))? )([^{},]+?)((?: (?:to|from|with|in|on|under) [^{},]+)?)"
)
_NUMBERED = re.compile(r"(.+) ([1-9][0-9]*)", re.DOTALL)
_RANGE = re.compile(r".+ [0-9]+-[0-9]+", re.DOTALL)


def condense(observation: str, task: str) -> list[str]:
    r"""The parts of an observation, without those that only greet, or repeat the task or commands.

    Parts are lines, or what stands between two `[SEP]`. Of a list of all kinds of commands, which
    `help` gives and which is longer than most prompts, the title is left.

    Example:
        >>> condense("-= Welcome! =-\n\nA room.\n\nYour task is to: find a mug.", "find a mug.")
        ['A room.']
        >>> condense("WebShop [SEP] Instruction: [SEP] red shirt [SEP] Search", "red shirt")
        ['WebShop', 'Search']
    """
    parts = [part for part in _SEPARATOR.split(observation) if part]
    if _MANUAL in parts:
        begin = parts.index(_MANUAL) + 1
        parts[begin:] = dropwhile(_MANUAL_ENTRY.fullmatch, parts[begin:])
    return [
        part
        for part in parts
        if not (_BANNER.fullmatch(part) or _LABEL.fullmatch(part) or _repeats(part, task))
    ]


def inline_actions(parts: Sequence[str], actions: Sequence[str]) -> tuple[list[str], list[str]]:
    """Writes actions into the text that shows what they are about.

    Where a part is the argument of an action `verb[argument]`, whatever the case of its letters,
    the action takes its place.

    Args:
        parts: The observation's.
        actions: Those that are admissible.

    Returns:
        The parts, and the actions that found no place among them.

    Example:
        >>> inline_actions(["Page 1", "B07X", "A mug"], ["click[next >]", "click[b07x]"])
        (['Page 1', 'click[b07x]', 'A mug'], ['click[next >]'])
    """
    places: dict[str, int] = {}
    for number, part in enumerate(parts):
        places.setdefault(part.lower(), number)
    shown, left = list(parts), []
    for action in actions:
        match = _BRACKETS.fullmatch(action)
        place = None if match is None else places.pop(match[2].lower(), None)
        if place is None:
            left.append(action)
        else:
            shown[place] = action
    return shown, left


def fold(actions: Sequence[str]) -> list[str]:
    """Folds neighbours that differ in one place: one line for each such run.

    As in a shell, braces hold what differs; `desk 1-3` stands for three desks. A list with braces
    or line breaks of its own is left as it is.

    Example:
        >>> fold(["go to bed 1", "go to desk 1", "go to desk 2", "look", "click[a]", "click[b]"])
        ['go to {bed 1, desk 1-2}', 'look', 'click[{a, b}]']
        >>> fold(["take mug 1 from desk 1", "take pen 2 from desk 1"])
        ['take {mug 1, pen 2} from desk 1']
    """
    if any(mark in action for action in actions for mark in "{}\n"):
        return list(actions)
    lines: list[str] = []
    for frame, run in groupby(map(_split, actions), key=lambda split: (split[0], split[2])):
        things = [thing for _, thing, _ in run]
        head, tail = frame
        if len(things) == 1 or not (head or tail):
            lines += [f"{head}{thing}{tail}" for thing in things]
        else:
            lines.append(f"{head}{{{', '.join(_join_numbers(things))}}}{tail}")
    return lines


def _repeats(part: str, task: str) -> bool:
    """Whether a part is the task, with an introduction or without."""
    return bool(task) and (part == task or part.endswith(f": {task}"))


@lru_cache(1 << 14)
def _split(action: str) -> tuple[str, str, str]:
    """An action as what comes before the thing it is about, the thing, and what follows.

    The outer two are "" where the notation cannot hold the thing.
    """
    match = _BRACKETS.fullmatch(action) or _PHRASE.fullmatch(action)
    if match is None or _RANGE.fullmatch(match[2]) or match[2] != match[2].strip():
        return "", action, ""
    return match[1], match[2], match[3]


def _join_numbers(things: Sequence[str]) -> Iterator[str]:
    """The things, with neighbours `desk 1`, `desk 2` as `desk 1-2`."""
    begin = 0
    while begin < len(things):
        first = _NUMBERED.fullmatch(things[begin])
        end = begin + 1
        if first is not None:
            name, number = first[1], int(first[2])
            while end < len(things) and things[end] == f"{name} {number + end - begin}":
                end += 1
        if first is not None and end - begin > 1:
            yield f"{first[1]} {first[2]}-{int(first[2]) + end - begin - 1}"
        else:
            yield things[begin]
            end = begin + 1
        begin = end
