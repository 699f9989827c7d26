"""The subgoal vocabulary of WebShop.

A subgoal is an option's goal in words. There are four kinds; an action achieves one when it does
what the words ask for:

=======  ===================  ==========================================  ======================
kind     text                 actions that it is pursued with             achieved by
=======  ===================  ==========================================  ======================
find     find a product       `search[...]`, `Next >`, `< Prev`,          a search, `Next >`
                              `Back to Search`
inspect  inspect B012345678   the product, its sub pages, `< Prev`        opening that product
choose   choose the options   values of product options, `< Prev`         clicking a value
buy      buy B012345678       `Buy Now`, `< Prev`                         `Buy Now`
=======  ===================  ==========================================  ======================

An option may go on after an action that achieves its subgoal: to the next page of the results, to
the product's features, to another value.

This module knows nothing about tasks, pages, or whether an action had an effect.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from webshop_server.shop import (
    BACK_TO_SEARCH,
    BUY_NOW,
    NEXT_PAGE,
    PREVIOUS,
    SUB_PAGES,
    parse_action,
)

__all__ = ["KINDS", "Subgoal", "parse"]

KINDS: tuple[str, ...] = ("find", "inspect", "choose", "buy")
"""The subgoal kinds, in the order of the table above."""

_FIND, _CHOOSE = "find a product", "choose the options"
_BACK, _NEXT, _PREVIOUS, _BUY = (
    name.lower() for name in (BACK_TO_SEARCH, NEXT_PAGE, PREVIOUS, BUY_NOW)
)
_SUB_PAGES = frozenset(name.lower() for name in SUB_PAGES)
_BUTTONS = frozenset({_BACK, _NEXT, _PREVIOUS, _BUY, *_SUB_PAGES})
_ASIN = re.compile(r"[A-Z0-9]{1,10}")
# Published ids have ten characters: a B and nine others, or the number of a book.
_READS_AS_ASIN = re.compile(r"b[0-9a-z]{9}|[0-9]{9}[0-9x]")
_SUBGOAL = re.compile(
    r"(?P<kind>inspect|buy) (?:the )?(?:product )?(?!the\b|product\b)(?P<asin>[a-z0-9]{1,10})"
)


@dataclass(frozen=True)
class Subgoal:
    """One subgoal of the vocabulary.

    Attributes:
        kind: One of `KINDS`.
        argument: Id of the product for "inspect" and "buy", "" for the other kinds.

    Raises:
        ValueError: For an unknown kind, an argument that is not an id of up to ten capital letters
            and digits, or an argument that is missing or not called for.
    """

    kind: str
    argument: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown subgoal kind {self.kind!r}; expected one of {KINDS}")
        if self.kind in ("find", "choose"):
            if self.argument:
                raise ValueError(f"a {self.kind!r} subgoal takes no argument")
        elif not _ASIN.fullmatch(self.argument):
            raise ValueError(f"{self.argument!r} is not the id of a product")

    @cached_property
    def text(self) -> str:
        """The subgoal in words; `parse` is the inverse."""
        if self.kind == "find":
            return _FIND
        if self.kind == "choose":
            return _CHOOSE
        return f"{self.kind} {self.argument}"

    def achieved_by(self, action: str) -> bool:
        """Whether executing a primitive action does what this subgoal asks for.

        Compares words only: the caller must know that the action was admissible, and for "buy"
        that the product's page was open.
        """
        parsed = parse_action(action)
        if parsed is None:
            return False
        verb, name = parsed
        if self.kind == "find":
            return verb == "search" or name == _NEXT
        if verb != "click":
            return False
        if self.kind == "inspect":
            return name == self.argument.lower()
        if self.kind == "buy":
            return name == _BUY
        return name not in _BUTTONS and not _READS_AS_ASIN.fullmatch(name)

    def pursued_by(self, action: str) -> bool:
        """Whether a primitive action is of those that this subgoal is pursued with.

        True for every action that achieves it, and for the ways to such an action.
        """
        parsed = parse_action(action)
        if parsed is None:
            return False
        if self.achieved_by(action):
            return True
        name = parsed[1] if parsed[0] == "click" else ""
        if self.kind == "find":
            return name in (_PREVIOUS, _BACK)
        return name == _PREVIOUS or (self.kind == "inspect" and name in _SUB_PAGES)


@lru_cache(maxsize=1 << 14)
def parse(text: str) -> Subgoal | None:
    """Read a subgoal from its words; None for any other string. Never raises.

    Inverse of `Subgoal.text`: ``parse(subgoal.text) == subgoal``. Free text by a language model
    gets a little slack: letter case, surrounding or repeated white space, a final period, "the"
    and "product" before an id.

    >>> parse("Inspect the product b012345678.").text
    'inspect B012345678'
    """
    words = " ".join(text.lower().split()).removesuffix(".").rstrip()
    if words in (_FIND, "find the product"):
        return Subgoal("find")
    if words in (_CHOOSE, "choose options"):
        return Subgoal("choose")
    match = _SUBGOAL.fullmatch(words)
    return None if match is None else Subgoal(match["kind"], match["asin"].upper())
