"""Admissible actions that stand for many: `search[<your query>]` is one with a hole in it.

This module knows no environment; it reads the one notation.
"""

from __future__ import annotations

import re

__all__ = ["fill", "hole"]

_TEMPLATE = re.compile(r"([^\[\]]+)\[<your ([^<>]+)>\]")


def hole(action: str) -> str | None:
    """What has to be filled in; None for an action that can be sent as it is.

    Example:
        >>> hole("search[<your query>]"), hole("click[< prev]")
        ('query', None)
    """
    match = _TEMPLATE.fullmatch(action)
    return match[2] if match else None


def fill(action: str, text: str) -> str:
    """The action with its hole filled.

    Raises:
        ValueError: If it has none.

    Example:
        >>> fill("search[<your query>]", "red shirt")
        'search[red shirt]'
    """
    match = _TEMPLATE.fullmatch(action)
    if match is None:
        raise ValueError(f"nothing has to be filled in: {action!r}")
    return f"{match[1]}[{text}]"
