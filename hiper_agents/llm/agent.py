"""The language-model agent behind the agent protocol: a run folder's, or a model as it comes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from hiper_agents.llm.assembly import load_weights, make_player, make_policy
from hiper_agents.llm.config import AgentConfig, FormatConfig, settings_in
from hiper_agents.llm.player import LanguagePlayer, Slot
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.prompts import PromptConfig
from hiper_agents.llm.responder import Backend, GenerationConfig
from hiper_agents.llm.scoring import score_values
from hiper_agents.llm.turns import TurnTokens
from hiper_agents.training.state_files import read_checkpoint

if TYPE_CHECKING:
    from hiper_envs.core import TaskInfo

__all__ = ["LanguageAgent", "load_agent", "make_language_agent"]

_MICRO_TOKENS = 8192  # tokens that a critic of its own reads at a time


class LanguageAgent:
    """Plays with a language model.

    Args:
        player: Writes prompts and responses.
        seed: Of the sampling. Every episode has its own stream of random numbers, drawn from this
            seed and its task, so that batches of any size play alike, except for rounding.
        name: What results call it.
        about: What they say of it besides: its model, where that comes from, and what its weights
            were quantised to once.
        values: Ask a critic with weights of its own for the values of `turn_details`, which takes a
            pass over every turn. The values of a critic on the policy's trunk are told in any case.
    """

    def __init__(
        self,
        player: LanguagePlayer,
        *,
        seed: int = 0,
        name: str = "llm",
        about: Mapping[str, str] = MappingProxyType({}),
        values: bool = False,
    ) -> None:
        self.player = player
        self.turn_details: list[dict[str, Any] | None] = []
        self.about = dict(about)
        self.seed = seed
        self.name = name
        self._rngs: list[np.random.Generator] = []
        self._slots: list[Slot] = []
        policy = player.generator.policy
        self._tells_values = _has_learned(policy) and (values or player.generator.tells_values)

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        """Forgets everything; the slots are made from the first observations."""
        self._slots, self.turn_details = [], []
        self._rngs = [
            np.random.default_rng([self.seed, zlib.crc32(task.task_id.encode())]) for task in tasks
        ]

    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> list[str]:
        """Plays one turn in every slot whose episode goes on.

        Raises:
            HiperError: If a prompt or a response cannot be written.
        """
        if not self._slots:
            self._slots = [
                self.player.open(info, observation)
                for observation, info in zip(observations, infos, strict=True)
            ]
            live = list(range(len(infos)))
        else:
            # Where an episode has ended, the same info is shown again.
            live = [i for i, info in enumerate(infos) if info is not self._slots[i].info]
            for i in live:
                self._slots[i].observe(observations[i], infos[i])
        actions = [""] * len(infos)
        self.turn_details = [None] * len(infos)
        if live:
            slots = [self._slots[i] for i in live]
            written = self.player.act(slots, [self._rngs[i] for i in live])
            values = self._values(written)
            for i, slot, turn, own in zip(live, slots, written, values, strict=True):
                actions[i] = turn.text
                self.turn_details[i] = _details(slot, turn) | own
        return actions

    def _values(self, written: Sequence[TurnTokens]) -> list[dict[str, list[float]]]:
        """For every turn its `values`, or nothing where there is no critic to ask."""
        if not self._tells_values:
            return [{} for _ in written]
        values = np.array([turn.values for turn in written])
        policy = self.player.generator.policy
        if not self.player.generator.tells_values:
            values = _judged(policy, written)
        return [{"values": own} for own in values.tolist()]


def _details(slot: Slot, turn: TurnTokens) -> dict[str, Any]:
    """What a turn took; a strategy that was written before the first turn counts with it."""
    parts = [turn]
    told: dict[str, Any] = {}
    if slot.devised is not None and slot.shown.turn == 0:
        parts.append(slot.devised)
        told = {"strategy": slot.strategy}
    return {
        "prompt_tokens": sum(len(part.prompt) for part in parts),
        "output_tokens": sum(len(part.response) for part in parts),
        "chosen_tokens": sum(int(part.sampled.sum()) for part in parts),
        **told,
    }


def _has_learned(policy: LanguagePolicy) -> bool:
    """Whether the value heads ever learned; until then they say 0 of everything."""
    return any(bool(weight.any()) for head in policy.heads for weight in head[-1].parameters())  # type: ignore[index]


@torch.no_grad()
def _judged(policy: LanguagePolicy, turns: Sequence[TurnTokens]) -> NDArray[np.float32]:
    """[turns, 3] V_L, V_H, V_T by a critic with weights of its own."""
    values = np.zeros((len(turns), 3), np.float32)
    with policy.critic():
        for rows, own in score_values(policy, turns, max_tokens=_MICRO_TOKENS, grad=False):
            values[rows.cpu().numpy()] = own.cpu().numpy()
    return values


def load_agent(
    path: Path,
    *,
    device: str = "auto",
    greedy: bool = True,
    seed: int = 0,
    values: bool = False,
    backend: Backend = "transformers",
) -> LanguageAgent:
    """Loads the agent of a run folder of `hiper train` or `hiper sft`.

    Args:
        path: The run folder.
        device: Where it computes.
        greedy: Take the most likely words.
        seed: Of the sampling.
        values: Ask a critic with weights of its own, too, for the values that `turn_details` tells.
        backend: What reads the tokens, transformers or vllm. With vllm every value is asked for
            afterwards.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged, or of another kind of agent.
        HiperError: If its model or the device is not there.
    """
    document = read_checkpoint(path)
    config = replace(settings_in(path, document), device=device, dtype="auto")
    policy, about = make_policy(config)
    load_weights(path, document, policy)
    player = make_player(policy, config, GenerationConfig(greedy=greedy, backend=backend))
    return LanguageAgent(player, seed=seed, name=f"llm ({path})", about=about, values=values)


def make_language_agent(
    model: str = AgentConfig.model,
    *,
    template: str = "full",
    history: int | None = None,
    max_prompt_tokens: int = 1024,
    structured: bool = True,
    temperature: float = 1.0,
    device: str = "auto",
    greedy: bool = True,
    seed: int = 0,
    backend: Backend = "transformers",
) -> LanguageAgent:
    """A model as it comes, without any training here.

    Args:
        model: A folder, a name on the hub, or a model that installs from PyPI.
        template: Of the prompts, full or compact.
        history: Earlier turns that prompts tell; None for what suits the template.
        max_prompt_tokens: Longest prompt.
        structured: Hold responses to the format and actions to the admissible ones.
        temperature: Of sampled play.
        device: Where it computes.
        greedy: Take the most likely words.
        seed: Of the sampling.
        backend: What reads the tokens, transformers or vllm.

    Raises:
        HiperError: If there is no such model, device or backend, or a setting is out of range.
    """
    prompt = PromptConfig(template=template, history=history, max_tokens=max_prompt_tokens)  # type: ignore[arg-type]
    config = AgentConfig(
        model=model, device=device, prompt=prompt, format=FormatConfig(structured=structured)
    )
    generation = GenerationConfig(temperature=temperature, greedy=greedy, backend=backend)
    policy, about = make_policy(config)
    player = make_player(policy, config, generation)
    return LanguageAgent(player, seed=seed, name=f"llm ({model})", about=about)
