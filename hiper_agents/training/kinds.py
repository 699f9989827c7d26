"""Which kinds of agent can be trained, and where the parts of each are.

A kind is the name that settings and run folders have under "agent". Its parts are found by name, so
that whoever trains one kind needs nothing of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from hiper_base.errors import HiperError, MissingDependencyError

__all__ = ["KINDS", "Kind", "part_of"]


@dataclass(frozen=True)
class Kind:
    """One kind of agent.

    Attributes:
        settings: Dataclass of its settings, as "module:name".
        trainer: Its `Trainer`.
        defaults: Function of a Gymnasium id that gives the settings which suit an environment.
        extra: What to install for it.
    """

    settings: str
    trainer: str
    defaults: str
    extra: str


KINDS = {
    "compact": Kind(
        "hiper_agents.training.config:TrainConfig",
        "hiper_agents.training.compact:CompactTrainer",
        "hiper_agents.training.config:config_for",
        "compact",
    ),
    "llm": Kind(
        "hiper_agents.llm.config:LanguageTrainConfig",
        "hiper_agents.llm.trainer:LanguageTrainer",
        "hiper_agents.llm.config:config_for",
        "agents",
    ),
}


def part_of(agent: object, part: Literal["settings", "trainer", "defaults"]) -> Any:
    """A part of a kind of agent.

    Raises:
        HiperError: If no such agent can be trained.
        MissingDependencyError: If it needs an extra that is not installed.
    """
    kind = KINDS.get(agent) if isinstance(agent, str) else None
    if kind is None:
        known = ", ".join(KINDS)
        raise HiperError(f"cannot train agent {agent!r}; this version trains: {known}")
    module, _, name = getattr(kind, part).partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"training agent {agent} needs {error.name}: pip install 'hiper-gym[{kind.extra}]'"
        ) from error
