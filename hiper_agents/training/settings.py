"""`RunConfig`: the settings that every training run has, whatever agent it trains.

Settings only: nothing here knows what is done with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hiper_agents.cli.values import JsonObject

__all__ = ["RunConfig"]


@dataclass(frozen=True)
class RunConfig:
    """What an agent's own settings add to."""

    env: str = "HiPER-ALFWorld-v0"
    """Gymnasium id of the environment."""
    env_options: JsonObject = field(default_factory=dict)
    """Further arguments of the environment, such as '{"subtasks": 4}'."""
    agent: str = "compact"
    """Which agent to train: compact, a small network for the CPU, or llm, a language model."""
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
    gamma: float = 0.99
    """Discount a turn."""
    critic_warm_up: int | None = None
    """First iterations in which only the critic learns, while the policy stays what it is; None for
    what the estimator is made for."""
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
    checkpoint_seconds: float = 30.0
    """Time between checkpoints."""
    tensorboard: bool = True
    """Whether to write TensorBoard files."""
    wandb_project: str = ""
    """Project of Weights & Biases that is told the same; none when empty."""
