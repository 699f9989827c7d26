"""`hiper sft`: a language model learns to write what the searching expert would.

Supervised learning on the tokens that a policy has a choice in: what the format forces needs no
learning. The run folder is one that `hiper eval` plays and `hiper train --agent llm --start` begins
with. A run is a function of its settings; it goes on from its last checkpoint exactly.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor

from hiper_agents.agent import CHECKPOINT_FILE
from hiper_agents.cli.values import JsonObject
from hiper_agents.environments import make_env
from hiper_agents.families import family_of
from hiper_agents.llm.assembly import load_weights, make_for, save
from hiper_agents.llm.config import AgentConfig
from hiper_agents.llm.demonstrations import (
    DEMONSTRATIONS_FILE,
    Demonstration,
    demonstrate,
    write_demonstrations,
)
from hiper_agents.llm.grammar import ResponseGrammar
from hiper_agents.llm.memory import TokenBudget
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.processes import all_reduce, gradients_of
from hiper_agents.llm.prompts import PromptWriter
from hiper_agents.llm.scoring import score
from hiper_agents.llm.sharding import clip_gradients
from hiper_agents.llm.turns import TurnTokens
from hiper_agents.llm.update import DivergedError
from hiper_agents.training.config import instance
from hiper_agents.training.loop import loop
from hiper_agents.training.metrics import CONFIG_FILE, Metrics
from hiper_agents.training.ranks import join
from hiper_agents.training.state_files import read_checkpoint
from hiper_base.errors import HiperError
from hiper_base.files import write_text

__all__ = ["SftConfig", "SupervisedTrainer", "sft"]

LOG = logging.getLogger(__name__)

STEPS = 10
"""Steps between two lines of the log."""


@dataclass(frozen=True)
class SftConfig(AgentConfig):
    """Settings of a supervised run; they are kept in the run folder as `config.json`."""

    strategy_tokens: tyro.conf.Suppress[int] = 0
    """None: demonstrations have no strategies."""
    env: str = "HiPER-ALFWorld-v0"
    """Gymnasium id of the environment."""
    env_options: JsonObject = field(default_factory=dict)
    """Further arguments of the environment, such as '{"subtasks": 4}'."""
    split: str | None = None
    """Tasks to show: by default `train`, or generated ones where no data is installed."""
    max_turns: int | None = None
    """Steps until an episode is truncated; None for the environment's own limit."""
    episodes: int = 1024
    """Episodes of the expert; those of a task that it does not solve are left out."""
    epochs: int = 2
    """Passes over their turns."""
    minutes: float | None = None
    """Time budget, counted over all sittings; None for no limit."""
    seed: int = 0
    """Of everything random."""
    learning_rate: float = 3e-4
    """AdamW step size; it falls on a straight line to a tenth at the end."""
    warmup: int = 10
    """Steps until the step size is reached."""
    minibatch: int = 64
    """Turns in a step; whole episodes where possible, whose prompts begin alike."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm."""
    micro_tokens: int = 16384
    """Tokens in a pass; halves when a GPU runs out of memory. On a CPU the system kills the process
    instead: say 4096 for SmolLM2 in 16 GB."""
    shard: bool = False
    """Whether each of several processes keeps a part of weights, gradients and optimizer instead of
    all; of a model that is trained whole (`--policy.lora-rank 0`)."""
    checkpoint_seconds: float = 60.0
    """Time between checkpoints."""
    tensorboard: bool = True
    """Whether to write TensorBoard files."""
    wandb_project: str = ""
    """Project of Weights & Biases that is told the same; none when empty."""

    def __post_init__(self) -> None:
        for name in ("episodes", "epochs", "minibatch", "micro_tokens"):
            if getattr(self, name) < 1:
                raise HiperError(f"{name} must be at least 1, not {getattr(self, name)}")


class SupervisedTrainer:
    """One run: the demonstrations, the policy, and how far it has come.

    Args:
        config: The settings.

    Attributes:
        ranks: The place of this process among those that train together. All of them have all
            demonstrations; each learns from its share of every minibatch.
        demonstrations: The expert's turns, in the order in which they were played.
        step: Steps taken.
        seconds: Time spent on them, over all sittings.

    Raises:
        HiperError: If the settings name something that does not exist, or no demonstration can be
            written.
    """

    def __init__(self, config: SftConfig) -> None:
        self.config = config
        self.ranks = join()
        torch.manual_seed(config.seed)
        self.made = make_for(config, self.ranks, shard=config.shard)
        self.policy = self.made.policy
        self.demonstrations = _demonstrations(config, self.policy)
        self.optimizer = torch.optim.AdamW(
            self.policy.policy_parameters(), lr=config.learning_rate, weight_decay=0.0
        )
        self.step = 0
        self.seconds = 0.0
        self._turns = [demonstration.turn for demonstration in self.demonstrations]
        firsts = [row for row, one in enumerate(self.demonstrations) if one.number == 0]
        self._episodes = np.split(np.arange(len(self._turns)), firsts[1:])
        self._budget = TokenBudget(config.micro_tokens)
        self._per_epoch = math.ceil(len(self._turns) / config.minibatch)

    @property
    def total_steps(self) -> int:
        """Steps in all passes."""
        return self.config.epochs * self._per_epoch

    @property
    def saves_together(self) -> bool:
        """Whether all processes have to call `save`."""
        return self.policy.weights.is_sharded

    @property
    def is_finished(self) -> bool:
        """Whether all passes are done or the time is used up."""
        minutes = self.config.minutes
        timed_out = minutes is not None and self.seconds >= 60.0 * minutes
        return timed_out or self.step >= self.total_steps

    def iterate(self) -> Metrics:
        """Takes a few steps.

        Raises:
            DivergedError: If a loss or a gradient is not finite.
        """
        started, first = time.perf_counter(), self.step
        figures: list[tuple[float, float, float]] = []
        while len(figures) < STEPS and self.step < self.total_steps:
            figures.append(self._step())
        # All have to agree on when the time is used up.
        elapsed: float = self.ranks.gather_first(time.perf_counter() - started)
        self.seconds += elapsed
        loss, probability, tokens = np.mean(figures, 0).tolist()
        return {
            "iteration": -(-self.step // STEPS),
            "seconds": self.seconds,
            "steps": self.step,
            "turns": min(self.step * self.config.minibatch, self.step * len(self._turns)),
            "turns_per_second": (self.step - first) * self.config.minibatch / elapsed,
            "losses": {
                "token": loss,
                "response_probability": probability,
                "chosen_tokens": tokens,
                "epoch": self.step / self._per_epoch,
                "micro_tokens": float(self._budget.tokens),
            },
        }

    def save(self, run: Path) -> None:
        """Writes a checkpoint."""
        progress = {"iteration": self.step, "seconds": self.seconds, "supervised": True}
        write = self.ranks.is_first
        save(run, self.config, self.made, self.optimizer, progress, write=write)

    def load(self, run: Path) -> None:
        """Goes on from a checkpoint of the same settings.

        Raises:
            CheckpointError: If there is none, or it is damaged.
        """
        document = read_checkpoint(run)
        load_weights(run, document, self.policy, self.optimizer)
        self.step, self.seconds = document["iteration"], document["seconds"]

    def _step(self) -> tuple[float, float, float]:
        """One step; returns loss a token, mean probability of a response, chosen tokens a turn."""
        config = self.config
        epoch, place = divmod(self.step, self._per_epoch)
        order = np.random.default_rng([config.seed, epoch]).permutation(len(self._episodes))
        rows = np.concatenate([self._episodes[episode] for episode in order])
        rows = np.array_split(rows, self._per_epoch)[place]
        turns = [self._turns[row] for row in rows]
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * self._share_of_rate()
        chosen = sum(int(turn.sampled.sum()) for turn in turns)
        own = [turns[place] for place in self.ranks.share(len(turns))]
        weights = (1 / max(1, chosen), 1 / len(turns))
        accumulate = partial(_accumulate, self.policy, self.optimizer, own, weights)
        alone = not self.policy.weights.is_sharded
        sums = self._budget.run(accumulate, max(map(len, own), default=1), alone=alone)
        if self.ranks.size > 1:
            all_reduce([sums, *gradients_of(self.policy.policy_parameters())])
        loss, probability = sums.tolist()
        norm = clip_gradients(self.policy.policy_parameters(), config.max_grad_norm)
        if not (math.isfinite(loss) and math.isfinite(norm.item())):
            self.optimizer.zero_grad()
            raise DivergedError(
                f"the loss of step {self.step + 1} is {loss}, its gradient's norm {norm.item()}: "
                "the run folder keeps the last checkpoint; lower the learning rate"
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.policy.version += 1
        self.step += 1
        return loss, probability, chosen / len(turns)

    def _share_of_rate(self) -> float:
        """The step size now, as a share of the highest."""
        rising = (self.step + 1) / max(1, self.config.warmup)
        falling = 1.0 - 0.9 * self.step / self.total_steps
        return min(1.0, rising, falling)


def sft(
    config: SftConfig,
    run: Path,
    *,
    resume: bool = False,
    on_iteration: Callable[[Metrics, SupervisedTrainer], None] | None = None,
) -> SupervisedTrainer:
    """Learns from demonstrations until all passes are done.

    Of several processes that train together, the first one writes the files.

    Args:
        config: The settings. With `resume` the run folder's own, except for the time budget.
        run: The run folder; made if it does not exist. Gets the demonstrations as a JSON file.
        resume: Go on from the folder's checkpoint; without one, begin.
        on_iteration: Called after every few steps, by the first process.

    Returns:
        The trainer after its last step; its state is in the run folder.

    Raises:
        HiperError: If the folder holds a run and `resume` is not set, or the settings or the
            checkpoint are unusable.
    """
    trainer = _open(config, run, resume)
    logged = -(-trainer.step // STEPS)
    return loop(trainer, run, logged=logged, on_iteration=on_iteration)


def _open(config: SftConfig, run: Path, resume: bool) -> SupervisedTrainer:
    """A new trainer, or the one that a run folder holds."""
    settings, checkpoint = run / CONFIG_FILE, run / CHECKPOINT_FILE
    if not resume and (settings.exists() or checkpoint.exists()):
        raise HiperError(f"{run} already holds a run: choose another folder, or --resume it")
    if settings.exists():
        try:
            kept = instance(SftConfig, json.loads(settings.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise HiperError(f"cannot read the settings in {settings}: {error}") from error
        config = replace(kept, minutes=config.minutes)
    trainer = SupervisedTrainer(config)
    if checkpoint.exists():
        trainer.load(run)
        LOG.info("resuming %s after step %d", run, trainer.step)
    # From here on there are files that a process which has not come this far must not find.
    trainer.ranks.gather_check("settings", [asdict(config), trainer.step])
    turns = (turn.response.tolist() for turn in trainer._turns)
    trainer.ranks.gather_check("demonstrations", list(turns))
    if trainer.ranks.is_first:
        run.mkdir(parents=True, exist_ok=True)
        write_text(settings, json.dumps(asdict(config), indent=1))
        write_demonstrations(run / DEMONSTRATIONS_FILE, trainer.demonstrations)
    return trainer


def _demonstrations(config: SftConfig, policy: LanguagePolicy) -> list[Demonstration]:
    """The turns of the expert."""
    split = family_of(config.env).train_split
    given: dict[str, Any] = {**config.env_options, "reference": True}
    if config.max_turns is not None:
        given["max_turns"] = config.max_turns
    env = make_env(config.env, config.split, default_split=split, **given)
    rng = np.random.default_rng(config.seed)
    tasks = len(env.source)
    chosen = rng.choice(tasks, config.episodes, replace=config.episodes > tasks).tolist()
    writer = PromptWriter(policy.tokenizer, config.prompt)
    grammar = ResponseGrammar(policy.tokenizer, **asdict(config.format))
    played = demonstrate(writer, grammar, env.source, chosen, max_turns=env.max_turns)
    found = [turn for episode in played for turn in episode]
    if not found:
        raise HiperError(f"the expert of {config.env} solved none of {config.episodes} tasks")
    return found


def _accumulate(
    policy: LanguagePolicy,
    optimizer: torch.optim.Optimizer,
    turns: Sequence[TurnTokens],
    weights: tuple[float, float],
    tokens: int,
) -> Tensor:
    """Leaves the gradients of some turns' part of the loss in the parameters.

    Args:
        policy: Whose.
        optimizer: Of its parameters.
        turns: The turns.
        weights: One over the chosen tokens, and over the turns, that the means are over.
        tokens: In a pass.

    Returns:
        [2] what the turns add to the loss a chosen token, and to the mean probability of a
        response.
    """
    optimizer.zero_grad()
    total = torch.zeros(2, device=policy.device)
    for part in score(policy, turns, temperature=1.0, max_tokens=tokens, grad=True):
        loss = -part.log_probs.sum() * weights[0]
        if loss.requires_grad:
            torch.autograd.backward(loss)
        whole = torch.zeros(len(part.turns), device=policy.device)
        whole = whole.index_add(0, part.owner, part.log_probs.detach())
        total += torch.stack([loss.detach(), whole.exp().sum() * weights[1]])
    return total
