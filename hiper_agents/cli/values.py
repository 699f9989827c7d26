"""Kinds of values that flags can have besides those of the command-line library."""

from __future__ import annotations

import json
from typing import Annotated, Any

from tyro.constructors import PrimitiveConstructorSpec

__all__ = ["JsonObject"]


def _read_object(texts: list[str]) -> dict[str, Any]:
    value = json.loads(texts[0])
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object such as '{{\"name\": 1}}', not {texts[0]}")
    return value


JsonObject = Annotated[
    dict[str, Any],
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="JSON",
        instance_from_str=_read_object,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [json.dumps(value)],
    ),
]
"""Named values; one JSON object on the command line."""
