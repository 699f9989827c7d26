"""`TrainConfig`: every setting of a training run, and how a run folder keeps them.

Settings only: nothing here knows what is done with them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from hiper_agents.cli.values import JsonObject
from hiper_agents.compact.domain import domain_of, make_domain
from hiper_agents.compact.network import NetworkConfig
from hiper_agents.compact.slot import OptionKind, OptionRules
from hiper_agents.training.ppo import PPOConfig
from hiper_agents.training.twin_critic import TwinCriticConfig
from hiper_base.errors import HiperError

CONFIG_FILE = "config.json"


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; they are kept in the run folder as `config.json`."""

    env: str = "HiPER-ALFWorld-v0"
    """Gymnasium id of the environment."""
    env_options: JsonObject = field(default_factory=dict)
    """Further arguments of the environment, such as '{"subtasks": 4}'."""
    agent: str = "compact"
    """Which agent to train: compact, a small network for the CPU."""
    estimator: str = "hae"
    """Advantage estimator, by its registered name."""
    estimator_settings: JsonObject = field(default_factory=dict)
    """Further arguments of the estimator, such as '{"w": 0.5}' for gigpo."""
    split: str | None = None
    """Tasks to train on: by default `train`, or generated ones where no data is installed."""
    task_types: tuple[str, ...] | None = None
    """Train on these task types only."""
    minutes: float | None = 10.0
    """Time budget, counted over all sittings of a run."""
    iterations: int | None = None
    """Stop after so many iterations; None for no limit."""
    turns: int | None = None
    """Stop after the iteration that reaches so many turns, counted over all sittings; None for no
    limit. The budget to choose where runs are compared."""
    seed: int = 0
    """Of everything random."""
    episodes: int = 128
    """Episodes in an iteration."""
    group_size: int | None = None
    """Episodes of one task in an iteration, the group that some estimators compare; None for what
    the estimator is made for."""
    max_turns: int | None = None
    """Steps until an episode is truncated; None for the environment's own limit."""
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
    gamma: float = 0.99
    """Discount a turn."""
    lam_low: float = 0.95
    """Decay of the traces within an option, and of flat GAE."""
    lam_high: float = 0.95
    """Decay of the traces over options."""
    bootstrap_truncated: bool = False
    """Whether an episode that was cut off is worth its last value, or nothing."""
    whiten: bool = True
    """Whether each head's advantages get mean 0 and deviation 1 over an iteration."""
    hard_share: float = 0.5
    """Share of the episodes that goes to the task types that fail."""
    natural_share: float = 0.0
    """Share of the episodes that is drawn from all tasks alike, whatever their type; the other two
    shares divide the rest."""
    warm_start: int = 0
    """Demonstrations of the searching expert to imitate first; 0 learns from success alone."""
    checkpoint_seconds: float = 30.0
    """Time between checkpoints."""
    tensorboard: bool = True
    """Whether to write TensorBoard files."""
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


def read_config(run: Path) -> TrainConfig:
    """Reads the settings of a run folder; those that it does not name have their defaults.

    Raises:
        HiperError: If they are missing or not those of this version.
    """
    try:
        values = json.loads((run / CONFIG_FILE).read_text(encoding="utf-8"))
        if values["task_types"] is not None:
            values["task_types"] = tuple(values["task_types"])
        values["network"] = NetworkConfig(**values["network"])
        values["ppo"] = PPOConfig(**values["ppo"])
        values["twin_critic"] = TwinCriticConfig(**values.get("twin_critic", {}))
        return TrainConfig(**values)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise HiperError(f"cannot read the settings in {run / CONFIG_FILE}: {error}") from error
