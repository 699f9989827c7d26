"""The compact agent's options in the shop: what can be wanted, and what carrying it out permits.

An option is a subgoal of the benchmark's vocabulary. Finding permits searching and turning pages;
inspecting permits the way to the product and then reading about it; choosing permits the values of
product options that have none chosen; buying permits the way to the button. Which product, which
words and which values lead to a good purchase is not known here: that is learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from hiper_agents.compact.webshop.memory import Memory
from hiper_envs.webshop.subgoals import Subgoal
from webshop_server.shop import BACK_TO_SEARCH, BUY_NOW, NEXT_PAGE, PREVIOUS, SEARCH_TEMPLATE

_KINDS = "search next back previous open features description value buy"
MOVE_KINDS = tuple(_KINDS.split())
_BACK, _NEXT, _PREVIOUS, _BUY = (
    f"click[{name.lower()}]" for name in (BACK_TO_SEARCH, NEXT_PAGE, PREVIOUS, BUY_NOW)
)
LAST_PAGE = 5
"""Page of the results after which nothing is listed."""


@lru_cache(maxsize=1 << 14)
def make_subgoal(kind: str, asin: str = "") -> Subgoal:
    """One shared instance per subgoal."""
    return Subgoal(kind, asin)


def candidates(memory: Memory) -> list[Subgoal]:
    """The subgoals that the planner chooses from; at least one.

    Find a product, always. Inspect any product on the current page of the results, or one of the
    same results that was inspected before. On a product's page also: inspect it further while there
    are sub pages to read, choose its options while some have no value, and buy it.
    """
    found = [make_subgoal("find")]
    products, current = memory.products, memory.current
    found += [
        make_subgoal("inspect", asin)
        for asin, number in memory.results.items()
        if asin != current and (number == memory.number or products[asin].is_inspected)
    ]
    if current:
        if memory.unread:
            found.append(make_subgoal("inspect", current))
        if memory.open_groups:
            found.append(make_subgoal("choose"))
        found.append(make_subgoal("buy", current))
    return found


class Permitted(NamedTuple):
    """The admissible actions that carry out a subgoal.

    Attributes:
        commands: The actions.
        kinds: Per action one of MOVE_KINDS.
        values: Per action of kind "value" the name of the product option and the value; ("", "")
            for the others.
    """

    commands: list[str]
    kinds: list[str]
    values: list[tuple[str, str]]


def permitted(memory: Memory, subgoal: Subgoal, admissible: Sequence[str]) -> Permitted:
    """Selects the admissible actions that a subgoal permits; at least one."""
    moves = _moves(memory, subgoal)
    listed = set(admissible)
    kept = [move for move in moves if move[0] in listed]
    if not kept:
        # A page that cannot be read: whatever there is.
        kept = [(admissible[0] if admissible else SEARCH_TEMPLATE, "back", ("", ""))]
    commands, kinds, values = zip(*kept, strict=True)
    return Permitted(list(commands), list(kinds), list(values))


_Move = tuple[str, str, tuple[str, str]]


def _moves(memory: Memory, subgoal: Subgoal) -> list[_Move]:
    page = memory.page.kind
    if page == "search":
        return [_move(SEARCH_TEMPLATE, "search")]
    if subgoal.kind == "find":
        if page == "results":
            last = memory.number >= LAST_PAGE or not memory.page.listed
            turn = [] if last else [_move(_NEXT, "next")]
            return [*turn, _move(_BACK, "back")]
        return [_move(_PREVIOUS, "previous"), _move(_BACK, "back")]
    if subgoal.kind == "inspect" and subgoal.argument != memory.current:
        return _way(memory, subgoal.argument)
    if page == "sub":
        return [_move(_PREVIOUS, "previous")]
    if subgoal.kind == "inspect":
        return [_move(f"click[{name}]", name) for name in memory.unread]
    if subgoal.kind == "choose":
        return [
            (f"click[{value}]", "value", (group.name, value))
            for group in memory.open_groups
            for value in group.values
        ]
    return [_move(_BUY, "buy")]


def _way(memory: Memory, asin: str) -> list[_Move]:
    """The next step to the page of a product of the current results."""
    if memory.current:
        return [_move(_PREVIOUS, "previous")]
    number = memory.results.get(asin, memory.number)
    if number == memory.number:
        return [_move(f"click[{asin.lower()}]", "open")]
    return [_move(_NEXT, "next") if number > memory.number else _move(_PREVIOUS, "previous")]


def _move(command: str, kind: str) -> _Move:
    return command, kind, ("", "")
