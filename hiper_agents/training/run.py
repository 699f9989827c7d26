"""`hiper train`: collect, estimate advantages, update, log, checkpoint, until the time is up.

The whole run is a function of its settings: episodes are played to their end within an iteration,
so a checkpoint between two iterations, with the random state in it, is all that is needed to go on
exactly as if nothing had happened.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from hiper_agents.agent import CHECKPOINT_FILE
from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.compact.domain import domain_of, make_domain
from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Player
from hiper_agents.environments import make_env
from hiper_agents.estimators import get_estimator
from hiper_agents.estimators.advantages import whiten
from hiper_agents.families import family_of
from hiper_agents.training.checkpoint import read_checkpoint, restore, save_checkpoint
from hiper_agents.training.collect import Rollout, collect
from hiper_agents.training.metrics import Metrics, MetricsLog
from hiper_agents.training.ppo import PPOConfig, make_optimizer, update
from hiper_agents.training.sampler import TaskSampler
from hiper_agents.training.warm_start import warm_start
from hiper_base.errors import HiperError
from hiper_base.files import write_text
from hiper_envs.core import TaskSource

CONFIG_FILE = "config.json"
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; they are kept in the run folder as `config.json`."""

    env: str = "HiPER-ALFWorld-v0"
    """Gymnasium id of the environment."""
    agent: str = "compact"
    """Which agent to train: compact, a small network for the CPU."""
    estimator: str = "hae"
    """Advantage estimator, by its registered name."""
    split: str | None = None
    """Tasks to train on: by default `train`, or generated ones where no data is installed."""
    task_types: tuple[str, ...] | None = None
    """Train on these task types only."""
    minutes: float | None = 10.0
    """Time budget, counted over all sittings of a run."""
    iterations: int | None = None
    """Stop after so many iterations; None for no limit."""
    seed: int = 0
    """Of everything random."""
    episodes: int = 128
    """Episodes in an iteration."""
    max_turns: int = 50
    """Steps until an episode is truncated."""
    success_bonus: float = 0.0
    """Reward for success besides the benchmark's own, which counts what is nearly right too."""
    gamma: float = 0.99
    """Discount a turn."""
    lam_low: float = 0.95
    """Decay of the traces within an option, and of flat GAE."""
    lam_high: float = 0.95
    """Decay of the traces over options."""
    bootstrap_truncated: bool = False
    """Whether an episode that was cut off is worth its last value, or nothing."""
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


class Trainer:
    """One run: everything that changes from iteration to iteration.

    Args:
        config: The settings.

    Raises:
        HiperError: If the settings name something that does not exist.
    """

    def __init__(self, config: TrainConfig) -> None:
        if config.agent != "compact":
            raise HiperError(f"cannot train agent {config.agent!r}; this version trains: compact")
        if config.minutes is None and config.iterations is None:
            raise HiperError("nothing says when to stop: give --minutes or --iterations")
        self.config = config
        self.estimate = get_estimator(config.estimator)
        self.source = _tasks(config)
        self.sampler = TaskSampler(
            self.source.task_types, config.hard_share, natural_share=config.natural_share
        )
        torch.manual_seed(config.seed)
        self.rng = np.random.default_rng(config.seed)
        self.domain = make_domain(domain_of(config.env))
        self.network = CompactNetwork(self.domain.sizes, config.network)
        self.optimizer = make_optimizer(self.network, config.ppo)
        self.player = Player(self.network, self.domain)
        self.buffer = OptionRolloutBuffer()
        self.iteration = self.total_episodes = self.total_turns = 0
        self.seconds = 0.0

    @property
    def is_finished(self) -> bool:
        """Whether the time or the iterations are used up."""
        config = self.config
        return (config.minutes is not None and self.seconds >= 60.0 * config.minutes) or (
            config.iterations is not None and self.iteration >= config.iterations
        )

    def iterate(self) -> Metrics:
        """Plays one iteration's episodes and learns from them."""
        config, started = self.config, time.perf_counter()
        tasks = self.sampler.draw(config.episodes, self.rng)
        rollout = collect(
            self.player,
            self.source,
            tasks,
            self.buffer,
            self.rng,
            max_turns=config.max_turns,
            flat=self.estimate.flat,
            success_bonus=config.success_bonus,
        )
        self.sampler.observe(rollout.task_types, rollout.won)
        batch = self.buffer.batch()
        advantages = self.estimate(
            batch,
            gamma=config.gamma,
            lam_low=config.lam_low,
            lam_high=config.lam_high,
            bootstrap_truncated=config.bootstrap_truncated,
        )
        losses = update(
            self.network,
            self.optimizer,
            rollout.decisions,
            whiten(advantages, batch),
            self.rng,
            config.ppo,
        )
        elapsed = time.perf_counter() - started
        self.iteration += 1
        self.total_episodes += config.episodes
        self.total_turns += len(batch)
        self.seconds += elapsed
        return self._metrics(rollout, len(batch) / elapsed, losses)

    def warm_start(self) -> None:
        """Imitates the searching expert, if the settings ask for it; counts as training time."""
        config, started = self.config, time.perf_counter()
        if not config.warm_start:
            return
        tasks = self.sampler.draw(config.warm_start, self.rng)
        loss = warm_start(
            self.player,
            self.source,
            tasks,
            self.rng,
            config.ppo,
            max_turns=config.max_turns,
        )
        self.seconds += time.perf_counter() - started
        LOG.info("imitated %d demonstrations, loss %.3f", config.warm_start, loss)

    def save(self, run: Path) -> None:
        """Writes a checkpoint."""
        progress = {
            "iteration": self.iteration,
            "episodes": self.total_episodes,
            "turns": self.total_turns,
            "seconds": self.seconds,
            "estimator": self.config.estimator,
            "warm_start": self.config.warm_start,
            "success": self.sampler.success,
            "rng": self.rng.bit_generator.state,
        }
        save_checkpoint(
            run,
            self.network,
            self.config.network,
            self.domain,
            self.optimizer,
            progress,
        )

    def load(self, run: Path) -> None:
        """Goes on from a checkpoint of the same settings.

        Raises:
            CheckpointError: If there is none, or it is damaged.
        """
        document = read_checkpoint(run)
        restore(run, document, self.network, self.domain, self.optimizer)
        self.iteration, self.seconds = document["iteration"], document["seconds"]
        self.total_episodes, self.total_turns = document["episodes"], document["turns"]
        self.sampler.success = document["success"]
        self.rng.bit_generator.state = document["rng"]

    def _metrics(self, rollout: Rollout, speed: float, losses: dict[str, float]) -> Metrics:
        won, types = rollout.won, np.array(rollout.task_types)
        return {
            "iteration": self.iteration,
            "seconds": self.seconds,
            "episodes": self.total_episodes,
            "turns": self.total_turns,
            "success": float(won.mean()),
            "return": float(self.buffer.reward[: len(self.buffer)].sum() / len(won)),
            "score": float(rollout.scores.mean()),
            "mean_turns": float(rollout.turns.mean()),
            "options": float(rollout.options.mean()),
            "option_length": float(rollout.turns.sum() / rollout.options.sum()),
            "turns_per_second": speed,
            "success_by_type": {
                str(name): float(won[types == name].mean()) for name in np.unique(types)
            },
            "losses": losses,
        }


def train(
    config: TrainConfig,
    run: Path,
    *,
    resume: bool = False,
    on_iteration: Callable[[Metrics, Trainer], None] | None = None,
) -> Trainer:
    """Trains until the budget of `config` is used up.

    Args:
        config: The settings. With `resume` the run folder's own, except for the budget.
        run: The run folder; made if it does not exist.
        resume: Go on from the folder's checkpoint; without one, begin.
        on_iteration: Called after every iteration with its metrics.

    Returns:
        The trainer after the last iteration; its state is in the run folder.

    Raises:
        HiperError: If the folder holds a run and `resume` is not set, or the settings or the
            checkpoint are unusable.
    """
    torch.set_num_threads(1)  # the matrices are small: more threads only cost
    trainer = _open(config, run, resume)
    if trainer.iteration == 0:
        trainer.warm_start()
    saved = time.monotonic()
    with MetricsLog(run, trainer.iteration, config.tensorboard) as log:
        try:
            while not trainer.is_finished:
                metrics = trainer.iterate()
                log.write(metrics)
                if on_iteration is not None:
                    on_iteration(metrics, trainer)
                if time.monotonic() - saved >= trainer.config.checkpoint_seconds:
                    trainer.save(run)
                    saved = time.monotonic()
        finally:
            trainer.save(run)
    return trainer


def _tasks(config: TrainConfig) -> TaskSource:
    chosen = {"task_types": config.task_types, "max_turns": config.max_turns}
    given = {name: value for name, value in chosen.items() if value is not None}
    default_split = family_of(config.env).train_split
    return make_env(config.env, config.split, default_split=default_split, **given).source


def _open(config: TrainConfig, run: Path, resume: bool) -> Trainer:
    """A new trainer, or the one that a run folder holds."""
    path = run / CONFIG_FILE
    if path.exists():
        if not resume:
            raise HiperError(f"{run} already holds a run: choose another folder, or --resume it")
        kept = read_config(run)
        trainer = Trainer(replace(kept, minutes=config.minutes, iterations=config.iterations))
        if (run / CHECKPOINT_FILE).exists():
            trainer.load(run)
            LOG.info("resuming %s after iteration %d", run, trainer.iteration)
    else:
        trainer = Trainer(config)
        run.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(asdict(trainer.config), indent=1))
    return trainer


def read_config(run: Path) -> TrainConfig:
    """Reads the settings of a run folder.

    Raises:
        HiperError: If they are missing or not those of this version.
    """
    try:
        values = json.loads((run / CONFIG_FILE).read_text(encoding="utf-8"))
        if values["task_types"] is not None:
            values["task_types"] = tuple(values["task_types"])
        values["network"] = NetworkConfig(**values["network"])
        values["ppo"] = PPOConfig(**values["ppo"])
        return TrainConfig(**values)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise HiperError(f"cannot read the settings in {run / CONFIG_FILE}: {error}") from error
