"""What every training run has, whatever agent it trains: tasks, an estimator, a budget, a log.

A run is a function of its settings: episodes are played to their end within an iteration, so a
checkpoint between two iterations, with the random state in it, is all that is needed to go on
exactly as if nothing had happened. This module knows neither networks nor how a turn is played.
"""

from __future__ import annotations

import inspect
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.environments import make_env
from hiper_agents.estimators import Advantages, Estimator, Needs, get_estimator, whiten
from hiper_agents.estimators.registry import COMMON_SETTINGS
from hiper_agents.families import family_of
from hiper_agents.training.metrics import Metrics
from hiper_agents.training.ranks import Ranks
from hiper_agents.training.sampler import TaskSampler
from hiper_agents.training.settings import RunConfig
from hiper_base.errors import HiperError
from hiper_envs.core import HierarchicalTextEnv

__all__ = ["Episodes", "Trainer"]


_Settings = TypeVar("_Settings", bound=RunConfig)


@dataclass(frozen=True)
class Episodes:
    """The episodes of one iteration, in the order of their trajectory ids.

    Attributes:
        won: [episodes] bool.
        scores: [episodes] float64, the benchmark's score at the end.
        turns: [episodes] int64.
        options: [episodes] int64, options begun.
        task_types: Task type of each episode.
    """

    won: NDArray[np.bool_]
    scores: NDArray[np.float64]
    turns: NDArray[np.int64]
    options: NDArray[np.int64]
    task_types: list[str]


class Trainer(ABC, Generic[_Settings]):
    """One run: everything that changes from iteration to iteration.

    Args:
        config: The settings.

    Attributes:
        ranks: The place of this process among those that train together. Counters, the buffer and
            `rng` are the same in all of them.
        saves_together: Whether all of them have to call `save`.

    Raises:
        HiperError: If the settings name something that does not exist.
    """

    ranks: Ranks = Ranks()
    saves_together: bool = False

    def __init__(self, config: _Settings) -> None:
        self.config = config
        self.estimate = get_estimator(config.estimator)
        check_budget(config)
        check_estimator(config, self.estimate)
        self._warm_up = critic_warm_up_of(config, self.estimate.needs)
        self.group_size = group_size_of(config, self.estimate.needs)
        env = training_env(config)
        self.source, self.max_turns = env.source, env.max_turns
        self.sampler = TaskSampler(
            self.source.task_types, config.hard_share, natural_share=config.natural_share
        )
        self.rng = np.random.default_rng(config.seed)
        self.buffer = OptionRolloutBuffer()
        self.iteration = self.total_episodes = self.total_turns = 0
        self.seconds = 0.0

    @abstractmethod
    def collect_and_update(
        self, tasks: NDArray[np.int64], groups: NDArray[np.int64]
    ) -> tuple[Episodes, dict[str, float]]:
        """Plays one episode of each task into the buffer, and learns from them.

        Args:
            tasks: [episodes] positions of tasks; those of a group are one task.
            groups: [episodes] group of each.

        Returns:
            The episodes, and figures for the log.
        """

    @abstractmethod
    def warm_start(self) -> None:
        """Whatever precedes learning from rewards; called once, before the first iteration."""

    @abstractmethod
    def save(self, run: Path) -> None:
        """Writes a checkpoint."""

    @abstractmethod
    def load(self, run: Path) -> None:
        """Goes on from a checkpoint of the same settings.

        Raises:
            CheckpointError: If there is none, or it is damaged.
        """

    @abstractmethod
    def samples(self) -> list[dict[str, Any]]:
        """Sample episodes for the report, as `samples.sample_episodes` describes them."""

    @property
    def is_warming_up(self) -> bool:
        """Whether only the critic learns in this iteration."""
        return self.iteration < self._warm_up

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
        started = time.perf_counter()
        groups = self.config.episodes // self.group_size
        drawn = self.sampler.draw(groups, self.rng)
        episodes, figures = self.collect_and_update(
            np.repeat(np.array(drawn, np.int64), self.group_size),
            np.repeat(np.arange(groups), self.group_size),
        )
        self.sampler.observe(episodes.task_types, episodes.won)
        # All have to agree on when the time is used up.
        elapsed: float = self.ranks.gather_first(time.perf_counter() - started)
        self.iteration += 1
        self.total_episodes += self.config.episodes
        self.total_turns += len(self.buffer)
        self.seconds += elapsed
        return self._metrics(episodes, len(self.buffer) / elapsed, figures)

    def advantages(self) -> Advantages:
        """Those of the turns in the buffer, whitened if the settings say so."""
        config, batch = self.config, self.buffer.batch()
        advantages = self.estimate(
            batch,
            gamma=config.gamma,
            lam_low=config.lam_low,
            lam_high=config.lam_high,
            bootstrap_truncated=config.bootstrap_truncated,
            **config.estimator_settings,
        )
        return whiten(advantages, batch) if config.whiten else advantages

    def progress(self) -> dict[str, Any]:
        """JSON-able counters and random state, for a checkpoint."""
        return {
            "iteration": self.iteration,
            "episodes": self.total_episodes,
            "turns": self.total_turns,
            "seconds": self.seconds,
            "estimator": self.config.estimator,
            "success": self.sampler.success,
            "rng": self.rng.bit_generator.state,
        }

    def restore_progress(self, document: Mapping[str, Any]) -> None:
        """Takes up what `progress` returned."""
        self.iteration, self.seconds = document["iteration"], document["seconds"]
        self.total_episodes, self.total_turns = document["episodes"], document["turns"]
        self.sampler.success = document["success"]
        self.rng.bit_generator.state = document["rng"]

    def _metrics(self, episodes: Episodes, speed: float, figures: dict[str, float]) -> Metrics:
        won, types = episodes.won, np.array(episodes.task_types)
        return {
            "iteration": self.iteration,
            "seconds": self.seconds,
            "episodes": self.total_episodes,
            "turns": self.total_turns,
            "success": float(won.mean()),
            "return": float(self.buffer.reward[: len(self.buffer)].sum() / len(won)),
            "score": float(episodes.scores.mean()),
            "mean_turns": float(episodes.turns.mean()),
            "options": float(episodes.options.mean()),
            "option_length": float(episodes.turns.sum() / episodes.options.sum()),
            "turns_per_second": speed,
            "success_by_type": {
                str(name): float(won[types == name].mean()) for name in np.unique(types)
            },
            "losses": figures,
        }


def check_budget(config: RunConfig) -> None:
    """Makes sure that the run ends.

    Raises:
        HiperError: If nothing says when.
    """
    if config.minutes is None and config.iterations is None and config.turns is None:
        raise HiperError("nothing says when to stop: give --minutes, --iterations or --turns")


def check_estimator(config: RunConfig, estimate: Estimator) -> None:
    """Finds settings that the estimator does not take before anything is played.

    Raises:
        HiperError: If there is one.
    """
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


def group_size_of(config: RunConfig, needs: Needs) -> int:
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


def critic_warm_up_of(config: RunConfig, needs: Needs) -> int:
    """First iterations in which only the critic learns.

    Raises:
        HiperError: If there is no critic, or the number is negative.
    """
    iterations = needs.critic_warm_up if config.critic_warm_up is None else config.critic_warm_up
    if iterations < 0:
        raise HiperError(f"critic_warm_up must not be negative, not {iterations}")
    if iterations and not needs.critic and "q_value" not in needs.columns:
        raise HiperError(f"estimator {config.estimator!r} has no critic: leave --critic-warm-up 0")
    return iterations


def training_env(config: RunConfig) -> HierarchicalTextEnv:
    """The environment whose tasks the run plays.

    Raises:
        HiperError: If there is none such.
    """
    chosen = {"task_types": config.task_types, "max_turns": config.max_turns}
    taken = sorted({"split", *chosen} & config.env_options.keys())
    if taken:
        raise HiperError(f"env_options cannot hold {', '.join(taken)}: the run's own settings do")
    given = {name: value for name, value in chosen.items() if value is not None}
    given |= config.env_options
    default_split = family_of(config.env).train_split
    return make_env(config.env, config.split, default_split=default_split, **given)
