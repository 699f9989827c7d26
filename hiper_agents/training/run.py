"""`hiper train`: collect, estimate advantages, update, log, checkpoint, until the time is up.

The whole run is a function of its settings: episodes are played to their end within an iteration,
so a checkpoint between two iterations, with the random state in it, is all that is needed to go on
exactly as if nothing had happened.
"""

from __future__ import annotations

import inspect
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from hiper_agents.agent import CHECKPOINT_FILE
from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.compact.domain import domain_of, make_domain
from hiper_agents.compact.flat import domain_under
from hiper_agents.compact.network import CompactNetwork
from hiper_agents.compact.player import Player
from hiper_agents.environments import make_env
from hiper_agents.estimators import Estimator, Needs, get_estimator
from hiper_agents.estimators.advantages import whiten
from hiper_agents.estimators.registry import COMMON_SETTINGS
from hiper_agents.families import family_of
from hiper_agents.training.checkpoint import (
    read_checkpoint,
    read_extra,
    restore,
    save_checkpoint,
)
from hiper_agents.training.collect import Rollout, collect
from hiper_agents.training.columns import provider_classes
from hiper_agents.training.config import CONFIG_FILE, TrainConfig, config_for, read_config
from hiper_agents.training.metrics import Metrics, MetricsLog
from hiper_agents.training.ppo import make_optimizer, update
from hiper_agents.training.sampler import TaskSampler
from hiper_agents.training.warm_start import warm_start
from hiper_base.errors import HiperError
from hiper_base.files import write_text
from hiper_envs.core import HierarchicalTextEnv

LOG = logging.getLogger(__name__)

__all__ = ["TrainConfig", "Trainer", "config_for", "read_config", "train"]


class Trainer:
    """One run: everything that changes from iteration to iteration.

    Args:
        config: The settings.

    Raises:
        HiperError: If the settings name something that does not exist.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.estimate = get_estimator(config.estimator)
        needs = self.estimate.needs
        _check(config, self.estimate)
        self.group_size = _group_size(config, needs)
        classes = provider_classes(needs, config.estimator)
        for provider in classes.values():
            config = provider.adapt(config, needs)
        self.config = config
        env = _environment(config)
        self.source, self.max_turns = env.source, env.max_turns
        self.sampler = TaskSampler(
            self.source.task_types, config.hard_share, natural_share=config.natural_share
        )
        torch.manual_seed(config.seed)
        self.rng = np.random.default_rng(config.seed)
        domain = domain_under(config.rules, make_domain(domain_of(config.env)))
        self.network = CompactNetwork(domain.sizes, config.network)
        self.optimizer = make_optimizer(self.network, config.ppo)
        with_expert = any(provider.with_expert for provider in classes.values())
        self.player = Player(self.network, domain, config.rules, with_expert=with_expert)
        self.providers = {
            column: provider(config, self.player, needs) for column, provider in classes.items()
        }
        self.buffer = OptionRolloutBuffer()
        self.iteration = self.total_episodes = self.total_turns = 0
        self.seconds = 0.0

    @property
    def is_finished(self) -> bool:
        """Whether the time, the iterations or the turns are used up."""
        config = self.config
        budgets = (
            (None if config.minutes is None else 60.0 * config.minutes, self.seconds),
            (config.iterations, self.iteration),
            (config.turns, self.total_turns),
        )
        return any(budget is not None and used >= budget for budget, used in budgets)

    def iterate(self) -> Metrics:
        """Plays one iteration's episodes and learns from them."""
        config, started = self.config, time.perf_counter()
        groups = config.episodes // self.group_size
        rollout = collect(
            self.player,
            self.source,
            np.repeat(self.sampler.draw(groups, self.rng), self.group_size).tolist(),
            self.buffer,
            self.rng,
            groups=np.repeat(np.arange(groups), self.group_size),
            max_turns=self.max_turns,
            flat=self.estimate.flat,
            with_values=self.estimate.needs.critic,
            success_bonus=config.success_bonus,
            keep_penalty=config.keep_penalty,
            providers=tuple(self.providers.values()),
        )
        self.sampler.observe(rollout.task_types, rollout.won)
        figures: dict[str, float] = {}
        for provider in self.providers.values():
            figures |= provider.annotate(self.buffer, rollout.decisions, self.rng)
        batch = self.buffer.batch()
        advantages = self.estimate(
            batch,
            gamma=config.gamma,
            lam_low=config.lam_low,
            lam_high=config.lam_high,
            bootstrap_truncated=config.bootstrap_truncated,
            **config.estimator_settings,
        )
        if config.whiten:
            advantages = whiten(advantages, batch)
        losses = update(
            self.network,
            self.optimizer,
            rollout.decisions,
            advantages,
            self.rng,
            config.ppo,
            critic=self.estimate.needs.critic,
        )
        elapsed = time.perf_counter() - started
        self.iteration += 1
        self.total_episodes += config.episodes
        self.total_turns += len(batch)
        self.seconds += elapsed
        return self._metrics(rollout, len(batch) / elapsed, losses | figures)

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
            max_turns=self.max_turns,
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
        extra = {
            f"{column}.{name}": tensor
            for column, provider in self.providers.items()
            for name, tensor in provider.state().items()
        }
        save_checkpoint(run, self.player, self.config.network, self.optimizer, progress, extra)

    def load(self, run: Path) -> None:
        """Goes on from a checkpoint of the same settings.

        Raises:
            CheckpointError: If there is none, or it is damaged.
        """
        document = read_checkpoint(run)
        restore(run, document, self.network, self.player.domain, self.optimizer)
        extra = read_extra(run, document)
        for column, provider in self.providers.items():
            prefix = f"{column}."
            own = {n.removeprefix(prefix): t for n, t in extra.items() if n.startswith(prefix)}
            provider.restore(own)
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
    if not (run / CHECKPOINT_FILE).exists():
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


def _group_size(config: TrainConfig, needs: Needs) -> int:
    """Episodes of one task.

    Raises:
        HiperError: If the episodes of an iteration cannot be divided into such groups, or a group
            among the strategies.
    """
    size = needs.group_size if config.group_size is None else config.group_size
    if size < 1 or config.episodes % size:
        raise HiperError(
            f"{config.episodes} episodes cannot be divided into groups of {size}: "
            "change --episodes or --group-size"
        )
    if size % needs.strategies:
        raise HiperError(
            f"a group of {size} episodes cannot be divided among the {needs.strategies} "
            f"strategies of estimator {config.estimator!r}: change --group-size"
        )
    return size


def _check(config: TrainConfig, estimate: Estimator) -> None:
    """Finds settings that cannot be before anything is played.

    Raises:
        HiperError: If there is one.
    """
    if config.agent != "compact":
        raise HiperError(f"cannot train agent {config.agent!r}; this version trains: compact")
    if config.minutes is None and config.iterations is None and config.turns is None:
        raise HiperError("nothing says when to stop: give --minutes, --iterations or --turns")
    if config.network.strategies and "strategy_id" not in estimate.needs.columns:
        raise HiperError(f"estimator {config.estimator!r} compares no strategies: leave them 0")
    settings = config.estimator_settings
    taken = sorted(set(COMMON_SETTINGS) & settings.keys())
    if taken:
        raise HiperError(
            f"estimator_settings cannot hold {', '.join(taken)}: the run's own settings do"
        )
    try:
        inspect.signature(estimate).bind(None, **settings)
    except TypeError as error:
        raise HiperError(f"estimator {config.estimator!r}: {error}") from error


def _environment(config: TrainConfig) -> HierarchicalTextEnv:
    chosen = {"task_types": config.task_types, "max_turns": config.max_turns}
    taken = sorted({"split", *chosen} & config.env_options.keys())
    if taken:
        raise HiperError(f"env_options cannot hold {', '.join(taken)}: the run's own settings do")
    given = {name: value for name, value in chosen.items() if value is not None}
    given |= config.env_options
    default_split = family_of(config.env).train_split
    return make_env(config.env, config.split, default_split=default_split, **given)


def _open(config: TrainConfig, run: Path, resume: bool) -> Trainer:
    """A new trainer, or the one that a run folder holds."""
    settings, checkpoint = run / CONFIG_FILE, run / CHECKPOINT_FILE
    if not resume and (settings.exists() or checkpoint.exists()):
        raise HiperError(f"{run} already holds a run: choose another folder, or --resume it")
    if settings.exists():
        budgets = {name: getattr(config, name) for name in ("minutes", "iterations", "turns")}
        config = replace(read_config(run), **budgets)
    trainer = Trainer(config)
    if checkpoint.exists():
        trainer.load(run)
        LOG.info("resuming %s after iteration %d", run, trainer.iteration)
    run.mkdir(parents=True, exist_ok=True)
    write_text(settings, json.dumps(asdict(trainer.config), indent=1))
    return trainer
