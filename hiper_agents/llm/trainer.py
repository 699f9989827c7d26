"""`LanguageTrainer`: a training run of a language model.

An iteration plays episodes with the sampling policy (`rollout`), estimates advantages with any
estimator of the registry, and takes PPO's steps on the blocks of the responses (`update`). Several
processes share the episodes, a group to one of them, and learn as one. What is common to all
agents' runs is in `hiper_agents.training`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.estimators import Advantages, get_estimator
from hiper_agents.llm.assembly import (
    describe,
    load_weights,
    make_for,
    make_player,
    restore_columns,
    save,
)
from hiper_agents.llm.columns import LESSON_FIGURES, provider_classes
from hiper_agents.llm.config import LanguageTrainConfig, settings_in
from hiper_agents.llm.player import LanguagePlayer, Slot
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.pooling import pool_rollout, pool_turns, rows_of
from hiper_agents.llm.processes import all_reduce
from hiper_agents.llm.rollout import HIGH, LOW, SWITCH, Rollout, collect
from hiper_agents.llm.scoring import values_of
from hiper_agents.llm.turns import TurnTokens
from hiper_agents.llm.update import DivergedError, make_optimizer, update
from hiper_agents.training.ranks import Ranks, join
from hiper_agents.training.samples import sample_episodes
from hiper_agents.training.state_files import CheckpointError, read_checkpoint
from hiper_agents.training.trainer import Episodes, Trainer
from hiper_base.errors import HiperError

__all__ = ["LanguageTrainer"]


class LanguageTrainer(Trainer[LanguageTrainConfig]):
    """A run of a language model.

    Args:
        config: The settings.

    Attributes:
        own: The turns that this process has played; `buffer` holds those of all.
        own_rng: What this process draws from to play and to shuffle; `rng` if it is the only one.

    Raises:
        HiperError: If the settings name something that does not exist, or the estimator needs what
            is not provided for language models, or not to so many processes.
    """

    def __init__(self, config: LanguageTrainConfig) -> None:
        self.ranks = join()
        needs = get_estimator(config.estimator).needs
        if config.strategy_tokens and "strategy_id" not in needs.columns:
            raise HiperError(
                f"estimator {config.estimator!r} compares no strategies: leave strategy_tokens 0"
            )
        classes = provider_classes(needs, config.estimator)
        for provider in classes.values():
            config = provider.adapt(config, needs)
        super().__init__(config)
        check_groups(config.episodes // self.group_size, self.ranks)
        if self.ranks.size > 1 and config.generation.backend != "transformers":
            raise HiperError(
                f"{config.generation.backend} plays for one process, not for {self.ranks.size} "
                "that train together: leave --generation.backend at transformers"
            )
        together = self.ranks.size > 1
        self.own = OptionRolloutBuffer() if together else self.buffer
        self.own_rng = stream(config.seed, self.ranks.rank) if together else self.rng
        self._streams = [
            stream(config.seed, rank).bit_generator.state
            for rank in range(self.ranks.size * together)
        ]
        torch.manual_seed(config.seed)
        self.made = make_for(config, self.ranks, shard=config.shard)
        self.policy = self.made.policy
        if config.start is not None:
            begin_with(Path(config.start), config, self.policy)
        self.player = make_player(self.policy, config, config.generation)
        self.optimizer = make_optimizer(self.policy, config.update)
        self.providers = {
            column: provider(config, self.policy, self.player, needs)
            for column, provider in classes.items()
        }
        self.saves_together = self.policy.weights.is_sharded
        self._micro_tokens = config.update.micro_tokens
        self._samples: list[dict[str, Any]] = []

    def collect_and_update(
        self, tasks: NDArray[np.int64], groups: NDArray[np.int64]
    ) -> tuple[Episodes, dict[str, float]]:
        """Plays this process's episodes with the sampling policy, then takes the steps of PPO.

        Raises:
            DivergedError: If a loss or a gradient is not finite; the run's last checkpoint stays.
        """
        try:
            mine = np.isin(groups, self.ranks.share(len(tasks) // self.group_size))
            with self.policy.whole():
                rollout = self._collect(tasks[mine], groups[mine])
            learned = self._update(rollout.turns)
        except DivergedError as error:
            raise DivergedError(
                f"iteration {self.iteration + 1} diverged: {error}; the run folder keeps the last "
                "checkpoint from before: begin a run with a smaller step size"
            ) from error
        if self.ranks.size > 1:
            # Now, for a checkpoint is written by one process at a moment that others do not know.
            self._streams = self.ranks.gather(self.own_rng.bit_generator.state)
        figures = rollout.figures | learned
        whole = pool_rollout(replace(rollout, figures=figures), self.ranks)
        return whole.episodes, whole.figures

    def advantages(self) -> Advantages:
        """Those of this process's turns, estimated among the turns of all."""
        rows = pool_turns(self.own, self.buffer, self.ranks)
        return rows_of(super().advantages(), rows)

    def progress(self) -> dict[str, Any]:
        """JSON-able counters and random states, for a checkpoint."""
        return super().progress() | ({"streams": self._streams} if self._streams else {})

    def warm_start(self) -> None:
        """Nothing: demonstrations are learned from before (`hiper sft`, `--start`)."""

    def save(self, run: Path) -> None:
        """Writes a checkpoint."""
        columns = {name: provider.state() for name, provider in self.providers.items()}
        first, progress = self.ranks.is_first, self.progress()
        save(run, self.config, self.made, self.optimizer, progress, columns, write=first)
        if self.saves_together and self.is_finished:
            # The last time that all are here.
            with self.policy.whole():
                self._samples = self._play_samples() if first else []

    def load(self, run: Path) -> None:
        """Goes on from a checkpoint of the same settings.

        Raises:
            CheckpointError: If there is none, it is damaged, or more or fewer processes wrote it.
        """
        document = read_checkpoint(run)
        streams = document.get("streams", [])
        if (size := max(1, len(streams))) != self.ranks.size:
            raise CheckpointError(
                f"the run in {run} began with {size} processes and goes on exactly with as many, "
                f"not with {self.ranks.size}: launch {size}, or begin another run with --start"
            )
        load_weights(run, document, self.policy, self.optimizer)
        restore_columns(run, document, self.providers)
        self.restore_progress(document)
        if streams:
            self._streams = streams
            self.own_rng.bit_generator.state = streams[self.ranks.rank]

    def samples(self) -> list[dict[str, Any]]:
        """Sample episodes for the report, played greedily; those of a sharded policy at the end."""
        return self._samples if self.policy.weights.is_sharded else self._play_samples()

    def _play_samples(self) -> list[dict[str, Any]]:
        # A few episodes are not worth another copy of the model.
        greedy = replace(self.config.generation, greedy=True, backend="transformers")
        player = make_player(self.policy, self.config, greedy)
        with_values = self.estimate.needs.critic and self.policy.has_trunk_critic
        actor = _Actor(player, with_values=with_values)
        return sample_episodes(self.source, self.max_turns, actor)

    def _collect(self, tasks: NDArray[np.int64], groups: NDArray[np.int64]) -> Rollout:
        """Plays some of an iteration's episodes into the buffer."""
        return collect(
            self.player,
            self.source,
            tasks.tolist(),
            groups,
            self.own,
            self.own_rng,
            num_envs=self.config.num_envs,
            max_turns=self.max_turns,
            reward=self.config.reward,
            flat=self.estimate.flat,
            providers=tuple(self.providers.values()),
        )

    def _update(self, turns: Sequence[TurnTokens]) -> dict[str, float]:
        """Takes the steps of PPO on the turns in the buffer."""
        config, critic = self.config, self.estimate.needs.critic
        if critic and not self.player.generator.tells_values:
            turns = self._judged(turns)
        figures: dict[str, float] = {}
        for provider in self.providers.values():
            with self.policy.whole():
                figures |= provider.annotate(self.own, turns, self.own_rng)
        advantages, lessons = self.advantages(), []
        for provider in self.providers.values():
            advantages, lesson = provider.divide(self.own, advantages)
            lessons += [] if lesson is None else [lesson]
        boundary = self.own.boundary[: len(self.own)].copy()
        figures |= self._learn(turns, advantages, boundary, config.update.value_weight * critic)
        for name, turns, advantages in () if self.is_warming_up else lessons:
            learned = self._learn(turns, advantages, np.ones(len(turns), np.bool_), 0.0)
            figures |= {f"{name}_{told}": learned[told] for told in LESSON_FIGURES}
        return figures

    def _learn(
        self,
        turns: Sequence[TurnTokens],
        advantages: Advantages,
        boundary: NDArray[np.bool_],
        value_weight: float,
    ) -> dict[str, float]:
        """Takes the steps on some turns; see `update`."""
        settings = replace(
            self.config.update,
            temperature=self.config.generation.temperature,
            value_weight=value_weight,
            # What memory did not suffice for once need not be tried again.
            micro_tokens=self._micro_tokens,
        )
        figures = update(
            self.policy,
            self.optimizer,
            turns,
            advantages,
            self.own_rng,
            settings,
            boundary=boundary,
            only_critic=self.is_warming_up,
            reduce=all_reduce if self.ranks.size > 1 else None,
        )
        self._micro_tokens = int(figures["micro_tokens"])
        return figures

    def _judged(self, turns: Sequence[TurnTokens]) -> list[TurnTokens]:
        """The turns with their values, which were not told when they were written."""
        values = values_of(self.policy, turns, max_tokens=self.config.update.micro_tokens)
        rows = slice(0, len(turns))
        self.own.value_low[rows] = values[:, SWITCH if self.estimate.flat else LOW]
        self.own.value_high[rows] = values[:, HIGH]
        self.own.value_switch[rows] = values[:, SWITCH]
        return [replace(turn, values=row) for turn, row in zip(turns, values, strict=True)]


class _Actor:
    """Plays sample episodes."""

    def __init__(self, player: LanguagePlayer, *, with_values: bool) -> None:
        self._player, self._with_values = player, with_values
        self._rng = np.random.default_rng(0)
        self.open = player.open

    def act(
        self, slots: Sequence[Slot], infos: Sequence[Mapping[str, Any]]
    ) -> list[tuple[str, list[float] | None]]:
        written = self._player.act(slots, self._rng)
        return [(t.text, t.values.tolist() if self._with_values else None) for t in written]


def stream(seed: int, rank: int) -> np.random.Generator:
    """What one of several processes draws from, independent of the others' and of the run's."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(rank,)))


def check_groups(groups: int, ranks: Ranks) -> None:
    """Makes sure that every process has something to play.

    Raises:
        HiperError: If some have not.
    """
    if groups < ranks.size:
        raise HiperError(
            f"{groups} groups of episodes cannot be dealt to {ranks.size} processes: more "
            "--episodes, a smaller --group-size, or fewer processes"
        )


def begin_with(run: Path, config: LanguageTrainConfig, policy: LanguagePolicy) -> None:
    """Gives a policy the weights of a run, which become the frozen start.

    Raises:
        HiperError: If the run is of another model, prompt or format, or has no checkpoint.
    """
    document = read_checkpoint(run)
    theirs, ours = describe(settings_in(run, document)), describe(config)
    different = [
        f"{name} is {theirs[name]} there and {ours[name]} here"
        for name in theirs
        if name not in ("device", "dtype", "strategy_tokens") and theirs[name] != ours[name]
    ]
    if different:
        raise HiperError(f"cannot begin with {run}: {'; '.join(different)}")
    load_weights(run, document, policy)
    policy.freeze_reference()
