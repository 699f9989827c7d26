"""The compact agent behind the agent protocol, and how it is loaded from a run folder."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hiper_agents.agent import AgentError
from hiper_agents.compact.player import Player, Slot
from hiper_agents.training.checkpoint import load_player

if TYPE_CHECKING:
    from hiper_envs.core import TaskInfo


class CompactAgent:
    """Plays with a trained compact network.

    Args:
        player: The network, what it reads, and the rules of its options.
        greedy: Take the most likely choice instead of sampling.
        seed: Of the sampling. Every episode has its own stream of random numbers, drawn from this
            seed and its task, so that batches of any size play alike.
        name: What results call it.
    """

    def __init__(
        self, player: Player, *, greedy: bool = True, seed: int = 0, name: str = "compact"
    ) -> None:
        self.player = player
        self.greedy = greedy
        self.seed = seed
        self.name = name
        self._slots: list[Slot] = []
        self._infos: list[Mapping[str, Any]] = []
        self._rngs: list[np.random.Generator] = []

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        """Forgets everything; the memories are made from the first observations."""
        self._slots, self._infos = [], []
        self._rngs = [
            np.random.default_rng([self.seed, zlib.crc32(task.task_id.encode())]) for task in tasks
        ]

    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> list[str]:
        """Plays one turn in every slot whose episode goes on.

        Raises:
            DomainError: If a task is not one that this agent can read.
        """
        if not self._slots:
            self._slots = [
                self.player.open(info, observation)
                for observation, info in zip(observations, infos, strict=True)
            ]
            live = list(range(len(infos)))
        else:
            # Where an episode has ended, the same info is shown again.
            live = [i for i, info in enumerate(infos) if info is not self._infos[i]]
            for i in live:
                self._slots[i].observe(observations[i], infos[i])
        self._infos = list(infos)
        actions = [""] * len(infos)
        if live:
            size = self.player.draws
            draws = None if self.greedy else np.stack([self._rngs[i].random(size) for i in live])
            texts, _ = self.player.act(
                [self._slots[i] for i in live], [infos[i] for i in live], draws
            )
            for i, text in zip(live, texts, strict=True):
                actions[i] = text
        return actions


def load_agent(
    path: Path, *, device: str = "cpu", greedy: bool = True, seed: int = 0
) -> CompactAgent:
    """Loads the agent of a run folder of `hiper train`.

    Raises:
        AgentError: If the device is not the CPU, for which this agent is made.
        CheckpointError: If the checkpoint is missing, damaged, or of a domain that this version
            does not read.
    """
    if device != "cpu":
        raise AgentError(f"the compact agent runs on the CPU only, not on {device!r}")
    player = load_player(path)
    player.network.eval()
    return CompactAgent(player, greedy=greedy, seed=seed, name=f"compact ({path})")
