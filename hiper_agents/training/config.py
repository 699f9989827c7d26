"""`TrainConfig`: every setting of a training run, and how a run folder keeps them.

Settings only: nothing here knows what is done with them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from hiper_agents.compact.domain import domain_of, make_domain
from hiper_agents.compact.network import NetworkConfig
from hiper_agents.compact.slot import OptionKind, OptionRules
from hiper_agents.training.kinds import part_of
from hiper_agents.training.metrics import CONFIG_FILE
from hiper_agents.training.ppo import PPOConfig
from hiper_agents.training.settings import RunConfig
from hiper_agents.training.twin_critic import TwinCriticConfig
from hiper_base.errors import HiperError

_T = TypeVar("_T")


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """Settings of a run of the compact agent; they are kept in the run folder as `config.json`."""

    success_bonus: float = 0.0
    """Reward for success besides the benchmark's own, which counts what is nearly right too."""
    keep_penalty: float = 0.0
    """Taken off the reward of every turn on KEEP; published: 0.3, where success is worth 10."""
    options: OptionKind = "learned"
    """How options begin and end. learned: by the planner, the subgoal and the switch head; none: no
    hierarchy, one option an episode; fixed: after `option_length` turns; oracle: with the searching
    expert's subgoals. All but the first are ablations."""
    option_length: int = 5
    """Turns of a fixed option."""
    switch_head: bool = True
    """Whether options also end because the switch head says so; an ablation if not."""
    warm_start: int = 0
    """Demonstrations of the searching expert to imitate first; 0 learns from success alone."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Sizes of the network."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    """Settings of the update."""
    twin_critic: TwinCriticConfig = field(default_factory=TwinCriticConfig)
    """The critic of estimators that read Q-values; no other estimator has it."""

    @property
    def rules(self) -> OptionRules:
        """How options begin and end.

        Raises:
            HiperError: If the settings are none that options can have.
        """
        return OptionRules(self.options, self.option_length, self.switch_head)


def config_for(env: str) -> TrainConfig:
    """The settings that suit an environment; what `hiper train --env` begins with.

    Raises:
        HiperError: If no agent can be trained there.
    """
    config = TrainConfig(env=env)
    given = dict(make_domain(domain_of(env)).settings)
    for part in ("network", "ppo"):
        given[part] = replace(getattr(config, part), **given.get(part, {}))
    return replace(config, **given)


def read_config(run: Path) -> Any:
    """Reads the settings of a run folder; those that it does not name have their defaults.

    Returns:
        An instance of the settings of the agent that the run trains.

    Raises:
        HiperError: If they are missing or not those of this version.
    """
    path = run / CONFIG_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return instance(part_of(values["agent"], "settings"), values)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise HiperError(f"cannot read the settings in {path}: {error}") from error


def instance(kind: type[_T], values: Mapping[str, Any]) -> _T:
    """A dataclass from JSON, with the dataclasses that are its fields."""
    hints = get_type_hints(kind)
    given: dict[str, Any] = {}
    for name, value in values.items():
        hint = hints.get(name)
        if isinstance(hint, type) and is_dataclass(hint):
            given[name] = instance(hint, value)
        else:
            given[name] = tuple(value) if isinstance(value, list) else value
    return kind(**given)
