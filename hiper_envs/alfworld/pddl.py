"""Reads what an ALFWorld game needs of a PDDL problem: its initial facts and its goal.

Nothing here knows what a fact means (see `game.py`), and nothing is evaluated: a problem is
tokenised into nested tuples of lower-case strings, as Fast Downward's reader does.
"""

from __future__ import annotations

import re
from typing import Union

SExpression = Union[str, "tuple[SExpression, ...]"]
Fact = tuple[str, ...]

_COMMENT = re.compile(r";[^\n]*")
_TOKEN = re.compile(r"[()]|[^\s()]+")
_FLAT_LIST = re.compile(r"\(([^()]*)\)")
_MAX_DEPTH = 50


class PddlSyntaxError(ValueError):
    """The text is not a well-formed PDDL problem."""


def read_problem(text: str) -> tuple[list[Fact], SExpression]:
    """Splits a PDDL problem into its initial facts and its goal.

    Args:
        text: The whole problem, `(define (problem ...) ... (:init ...) (:goal ...))`.

    Returns:
        The facts, each `(predicate, argument, ...)` in file order, and the goal's nested tuples.

    Raises:
        PddlSyntaxError: If a section is missing or its brackets do not balance.
    """
    lowered = _COMMENT.sub("", text).lower()
    init_start, goal_start = lowered.find("(:init"), lowered.find("(:goal")
    if init_start < 0 or goal_start < init_start:
        raise PddlSyntaxError("expected an (:init ...) section followed by a (:goal ...) section")
    facts = [
        tuple(words.split())
        for words in _FLAT_LIST.findall(lowered, init_start + len("(:init"), goal_start)
    ]
    goal = read_expression(lowered[goal_start:])
    if len(goal) != 2 or goal[0] != ":goal":
        raise PddlSyntaxError("the goal must be one expression")
    return facts, goal[1]


def read_expression(text: str) -> tuple[SExpression, ...]:
    """Parses the bracketed expression that `text` begins with; what follows it is ignored.

    Raises:
        PddlSyntaxError: If the brackets do not balance or nest more than 50 deep.
    """
    stack: list[list[SExpression]] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == "(":
            if len(stack) == _MAX_DEPTH:
                raise PddlSyntaxError(f"brackets nest more than {_MAX_DEPTH} deep")
            stack.append([])
        elif not stack:
            raise PddlSyntaxError(f"expected '(' but found {token!r}")
        elif token == ")":
            finished = tuple(stack.pop())
            if not stack:
                return finished
            stack[-1].append(finished)
        else:
            stack[-1].append(token)
    raise PddlSyntaxError("a bracket is never closed")
