"""The compact agent behind the agent protocol: a run folder's, or the one in the package."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hiper_agents.agent import AgentError
from hiper_agents.compact.decisions import Decisions
from hiper_agents.compact.player import Player, Slot
from hiper_agents.compact.shipping import about_shipped, shipped_folder
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
        about: What they say of it besides.
    """

    def __init__(
        self,
        player: Player,
        *,
        greedy: bool = True,
        seed: int = 0,
        name: str = "compact",
        about: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.about = dict(about)
        self.player = player
        self.greedy = greedy
        self.seed = seed
        self.name = name
        self._slots: list[Slot] = []
        self._infos: list[Mapping[str, Any]] = []
        self._rngs: list[np.random.Generator] = []
        self._live: list[int] = []
        self._decisions: Decisions | None = None

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        """Forgets everything; the memories are made from the first observations."""
        self._slots, self._infos = [], []
        self._live, self._decisions = [], None
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
        self._live, self._decisions = live, None
        actions = [""] * len(infos)
        if live:
            size = self.player.draws
            draws = None if self.greedy else np.stack([self._rngs[i].random(size) for i in live])
            with _one_thread():
                texts, self._decisions = self.player.act(
                    [self._slots[i] for i in live], [infos[i] for i in live], draws
                )
            for i, text in zip(live, texts, strict=True):
                actions[i] = text
        return actions

    @property
    def turn_details(self) -> list[dict[str, Any] | None]:
        """For every slot that acted last, the critic's `values`; it is asked only here."""
        details: list[dict[str, Any] | None] = [None] * len(self._infos)
        if self._decisions is not None:
            with _one_thread():
                values = self.player.values(self._decisions)
            for slot, own in zip(self._live, values.tolist(), strict=True):
                details[slot] = {"values": own}
        return details


@contextmanager
def _one_thread() -> Iterator[None]:
    """While it lasts, torch computes with one thread.

    The matrices are small: more threads gain nothing, and take the cores from whatever else there
    is to do, such as writing down what was played.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def load_agent(
    path: Path, *, device: str = "cpu", greedy: bool = True, seed: int = 0
) -> CompactAgent:
    """Loads the agent of a run folder of `hiper train`.

    Raises:
        AgentError: If the device is not the CPU, for which this agent is made.
        CheckpointError: If the checkpoint is missing, damaged, or of a domain that this version
            does not read.
    """
    player = _load_player(path, device)
    return CompactAgent(player, greedy=greedy, seed=seed, name=f"compact ({path})")


def load_shipped(
    env: str = "HiPER-ALFWorld-v0", *, device: str = "cpu", greedy: bool = True, seed: int = 0
) -> CompactAgent:
    """Loads the trained agent that comes with the package.

    Args:
        env: Gymnasium id of what it will play.
        device: `cpu`.
        greedy: Take the most likely choice instead of sampling.
        seed: Of the sampling.

    Raises:
        AgentError: If none comes for that environment, or the device is not the CPU.
    """
    folder = shipped_folder(env)
    player = _load_player(folder, device)
    return CompactAgent(player, greedy=greedy, seed=seed, about=about_shipped(folder))


def _load_player(path: Path, device: str) -> Player:
    if device != "cpu":
        raise AgentError(f"the compact agent runs on the CPU only, not on {device!r}")
    player = load_player(path)
    player.network.eval()
    return player
