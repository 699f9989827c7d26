"""Long-horizon text tasks with subgoals and their boundaries in the Gymnasium API.

``import hiper_envs`` registers the environment ids and does nothing else; everything below is
imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hiper_envs.registration import register_envs

if TYPE_CHECKING:
    from hiper_envs.contract import HierarchicalInfo, TaskInfo, TaskSource, World, WorldState
    from hiper_envs.core import HierarchicalTextEnv
    from hiper_envs.vector import TextVectorEnv

__all__ = [
    "HierarchicalInfo",
    "HierarchicalTextEnv",
    "TaskInfo",
    "TaskSource",
    "TextVectorEnv",
    "World",
    "WorldState",
    "register_envs",
]

__version__ = "0.1.0"

_HOMES = {
    "HierarchicalInfo": "hiper_envs.contract",
    "HierarchicalTextEnv": "hiper_envs.core",
    "TaskInfo": "hiper_envs.contract",
    "TaskSource": "hiper_envs.contract",
    "TextVectorEnv": "hiper_envs.vector",
    "World": "hiper_envs.contract",
    "WorldState": "hiper_envs.contract",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_envs()
