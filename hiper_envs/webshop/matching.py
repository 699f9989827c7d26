"""How well what the shop shows fits what is wanted; words against words.

Texts are compared as sequences of plain words: lower case, no punctuation, no numbers that stand
alone, no small words. So "Easy to use" says `easy use`, as properties are written in instructions.

This module knows nothing about episodes, plans, or how a purchase is scored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from hiper_envs.webshop.instructions import Wanted
from hiper_envs.webshop.texts import OptionGroup
from webshop_server.shop import BACK_TO_SEARCH, BUY_NOW, PREVIOUS, SUB_PAGES, parse_action

__all__ = ["chance_of_price", "plain", "share_found", "signs", "values_to_choose"]

_WORD = re.compile(r"[a-z0-9]+")
_PART = re.compile(r"[a-z]+|[0-9]+(?:\.[0-9]+)?")
_BUTTONS = frozenset([name.lower() for name in (BACK_TO_SEARCH, PREVIOUS, BUY_NOW, *SUB_PAGES)])
_SMALL_WORDS = """
a all an and any are as at be been but by can for from had has have i in into is it its my no not of
on or our s so t that the their them then there these they this to was we will with you your
"""
_SMALL = frozenset(_SMALL_WORDS.split())


def plain(text: str) -> str:
    """The plain words of a text, with a space before, between and behind them.

    >>> plain("Easy to use, 100% cotton!")
    ' easy use cotton '
    """
    words = [w for w in _WORD.findall(text.lower()) if w not in _SMALL and not w.isdigit()]
    return f" {' '.join(words)} "


@lru_cache(maxsize=1 << 12)
def signs(wanted: Wanted) -> tuple[str, ...]:
    """What to look for in a product's texts, as plain words.

    These are the properties of an instruction by the benchmark, and single words of free text.
    """
    pieces = wanted.product.split() if wanted.is_free_text else wanted.phrases
    return tuple(dict.fromkeys(sign for sign in map(plain, pieces) if sign.strip()))


def share_found(looked_for: Sequence[str], text: str) -> float:
    """Share of some plain words that a plain text contains; 1 if there are none."""
    if not looked_for:
        return 1.0
    return sum([sign in text for sign in looked_for]) / len(looked_for)


def chance_of_price(low: float, high: float, limit: float | None) -> float:
    """Chance that a price somewhere between two bounds keeps to a limit."""
    if limit is None or high <= limit:
        return 1.0
    return 0.0 if low > limit else (limit - low) / (high - low)


def values_to_choose(wanted: Wanted, groups: Sequence[OptionGroup]) -> dict[str, str]:
    """Which value of which product option to choose, by the option's name.

    An option that is asked for but not offered is left out. Free text decides by the words that it
    shares with the values.
    """
    # A value of two product options is one button, which belongs to the last of them.
    group_of = {value: group.name for group in groups for value in group.values}
    if wanted.is_free_text:
        choice = _values_said(wanted.text, group_of)
    else:
        choice = {name: value for name, value in wanted.options if group_of.get(value) == name}
        for _, value in wanted.options:
            if value in group_of and group_of[value] not in choice:
                choice[group_of[value]] = value
    return {name: value for name, value in choice.items() if _can_be_clicked(value)}


def _can_be_clicked(value: str) -> bool:
    """Whether a click chooses this value: not if it reads as a button, or breaks the action."""
    return value not in _BUTTONS and parse_action(f"click[{value}]") == ("click", value)


def _values_said(text: str, group_of: dict[str, str]) -> dict[str, str]:
    """Of every product option the value that a text says most of, if that is half of it."""
    said = set(_PART.findall(text.lower()))
    best: dict[str, tuple[float, int, str]] = {}
    for value, name in group_of.items():
        parts = _PART.findall(value.lower())
        hits = [part for part in parts if part in said]
        if not parts or 2 * len(hits) < len(parts):
            continue
        merit = (len(hits) / len(parts), len(hits), value)
        if merit[:2] > best.get(name, (0.0, 0, ""))[:2]:
            best[name] = merit
    return {name: value for name, (_, _, value) in best.items()}
