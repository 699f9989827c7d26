"""`CompactTrainer`: a training run of the compact agent.

It plays with the sampling policy and improves it with PPO (`ppo.py`). What is common to all agents'
runs is in `trainer.py`, the loop around them in `run.py`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hiper_agents.compact.domain import domain_of, make_domain
from hiper_agents.compact.flat import domain_under
from hiper_agents.compact.network import CompactNetwork
from hiper_agents.compact.player import Player
from hiper_agents.compact.slot import Slot
from hiper_agents.estimators import get_estimator
from hiper_agents.training.checkpoint import (
    read_checkpoint,
    read_extra,
    restore,
    save_checkpoint,
)
from hiper_agents.training.collect import collect
from hiper_agents.training.columns import provider_classes
from hiper_agents.training.config import TrainConfig
from hiper_agents.training.ppo import make_optimizer, update
from hiper_agents.training.samples import sample_episodes
from hiper_agents.training.trainer import Episodes, Trainer
from hiper_agents.training.warm_start import warm_start
from hiper_base.errors import HiperError

LOG = logging.getLogger(__name__)

__all__ = ["CompactTrainer"]


class CompactTrainer(Trainer[TrainConfig]):
    """A run of the compact agent.

    Args:
        config: The settings.

    Raises:
        HiperError: If the settings name something that does not exist.
    """

    def __init__(self, config: TrainConfig) -> None:
        estimate = get_estimator(config.estimator)
        if config.network.strategies and "strategy_id" not in estimate.needs.columns:
            raise HiperError(f"estimator {config.estimator!r} compares no strategies: leave them 0")
        classes = provider_classes(estimate.needs, config.estimator)
        for provider in classes.values():
            config = provider.adapt(config, estimate.needs)
        super().__init__(config)
        torch.set_num_threads(1)  # the matrices are small: more threads only cost
        torch.manual_seed(config.seed)
        domain = domain_under(config.rules, make_domain(domain_of(config.env)))
        self.network = CompactNetwork(domain.sizes, config.network)
        self.optimizer = make_optimizer(self.network, config.ppo)
        with_expert = any(provider.with_expert for provider in classes.values())
        self.player = Player(self.network, domain, config.rules, with_expert=with_expert)
        self.providers = {
            column: provider(config, self.player, estimate.needs)
            for column, provider in classes.items()
        }

    def collect_and_update(
        self, tasks: NDArray[np.int64], groups: NDArray[np.int64]
    ) -> tuple[Episodes, dict[str, float]]:
        """Plays with the sampling policy, then takes the steps of PPO."""
        config = self.config
        episodes, decisions = collect(
            self.player,
            self.source,
            tasks.tolist(),
            self.buffer,
            self.rng,
            groups=groups,
            max_turns=self.max_turns,
            flat=self.estimate.flat,
            with_values=self.estimate.needs.critic,
            success_bonus=config.success_bonus,
            keep_penalty=config.keep_penalty,
            providers=tuple(self.providers.values()),
        )
        figures: dict[str, float] = {}
        for provider in self.providers.values():
            figures |= provider.annotate(self.buffer, decisions, self.rng)
        losses = update(
            self.network,
            self.optimizer,
            decisions,
            self.advantages(),
            self.rng,
            config.ppo,
            critic=self.estimate.needs.critic,
            policy=not self.is_warming_up,
        )
        return episodes, losses | figures

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
        extra = {
            f"{column}.{name}": tensor
            for column, provider in self.providers.items()
            for name, tensor in provider.state().items()
        }
        progress = {**self.progress(), "warm_start": self.config.warm_start}
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
        self.restore_progress(document)

    def samples(self) -> list[dict[str, Any]]:
        """Sample episodes for the report, played greedily."""
        actor = _Actor(self.player, with_values=self.estimate.needs.critic)
        return sample_episodes(self.source, self.max_turns, actor)


class _Actor:
    """Plays sample episodes."""

    def __init__(self, player: Player, *, with_values: bool) -> None:
        self._player, self._with_values = player, with_values
        self.open = player.open

    def act(
        self, slots: Sequence[Slot], infos: Sequence[Mapping[str, Any]]
    ) -> list[tuple[str, list[float] | None]]:
        texts, decisions = self._player.act(slots, infos, None, with_values=self._with_values)
        values = decisions.values.tolist() if self._with_values else [None] * len(texts)
        return list(zip(texts, values, strict=True))
