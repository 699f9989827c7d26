"""What differs between benchmarks for whoever makes their environments or measures play in them.

One table: splits that stand in where none is named, how subgoals are read, how a person wants to
see the world. Everything else about a benchmark is behind the `info` contract. An environment that
is not in the table plays its own default split, and its subgoals are free text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from hiper_agents.episodes import NamedAction

__all__ = ["FAMILIES", "Family", "family_of"]


@dataclass(frozen=True)
class Family:
    """Environments of one benchmark.

    Attributes:
        prefix: How their Gymnasium ids begin, without a namespace.
        train_split: What training plays where no split is named; None for the environment's own.
        eval_split: What evaluation and `hiper play` do.
        split_without_data: What either plays instead where no data is installed; None if nothing.
        subgoals: Module whose `parse` reads a subgoal; "" where subgoals are free text.
        play_kwargs: Arguments of an environment that a person plays.
    """

    prefix: str
    train_split: str | None = None
    eval_split: str | None = None
    split_without_data: str | None = None
    subgoals: str = ""
    play_kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def named_action(self) -> NamedAction | None:
        """Tells whether an action does what a subgoal names; None where subgoals are free text."""
        if not self.subgoals:
            return None
        parse = import_module(self.subgoals).parse

        def named_action(subgoal: str, action: str) -> bool:
            parsed = parse(subgoal)
            return parsed is not None and parsed.achieved_by(action)

        return named_action


FAMILIES = (
    # Before the family whose prefix is a part of its own.
    Family(
        "HiPER-ALFWorldLong",
        train_split="train",
        eval_split="valid",
        subgoals="hiper_envs.alfworld.subgoals",
    ),
    Family(
        "HiPER-ALFWorld",
        train_split="train",
        eval_split="valid_seen",
        split_without_data="generated",
        subgoals="hiper_envs.alfworld.subgoals",
    ),
    Family(
        "HiPER-WebShop",
        train_split="train",
        eval_split="test",
        split_without_data="generated",
        subgoals="hiper_envs.webshop.subgoals",
        play_kwargs={"observation_mode": "text_rich"},
    ),
)
"""The benchmarks of this package."""

_OTHER = Family("")


def family_of(env_id: str) -> Family:
    """The family of an environment; one without a split or a vocabulary if it is in no family.

    Example:
        >>> family_of("HiPER-WebShop-v0").eval_split
        'test'
        >>> family_of("SomeoneElses-v3").eval_split is None
        True
    """
    name = env_id.rpartition(":")[2]  # Gymnasium's "module:id"
    return next((family for family in FAMILIES if name.startswith(family.prefix)), _OTHER)
