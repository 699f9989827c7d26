"""The language-model agent behind the agent protocol: a run folder's, or a model as it comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from hiper_agents.llm.assembly import load_weights, make_player, make_policy
from hiper_agents.llm.config import AgentConfig, FormatConfig, settings_in
from hiper_agents.llm.generation import GenerationConfig
from hiper_agents.llm.player import LanguagePlayer, Slot
from hiper_agents.llm.prompts import PromptConfig
from hiper_agents.training.state_files import read_checkpoint

if TYPE_CHECKING:
    from hiper_envs.core import TaskInfo

__all__ = ["LanguageAgent", "load_agent", "make_language_agent"]


class LanguageAgent:
    """Plays with a language model.

    Args:
        player: Writes prompts and responses.
        seed: Of the sampling.
        name: What results call it.
        about: What they say of it besides: its model, where that comes from, and what its weights
            were quantised to once.
    """

    def __init__(
        self,
        player: LanguagePlayer,
        *,
        seed: int = 0,
        name: str = "llm",
        about: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.player = player
        self.about = dict(about)
        self.seed = seed
        self.name = name
        self._rng = np.random.default_rng(seed)
        self._slots: list[Slot] = []

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        """Forgets everything; the slots are made from the first observations."""
        self._slots = []

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
        if live:
            written = self.player.act([self._slots[i] for i in live], self._rng)
            for i, turn in zip(live, written, strict=True):
                actions[i] = turn.text
        return actions


def load_agent(
    path: Path, *, device: str = "auto", greedy: bool = True, seed: int = 0
) -> LanguageAgent:
    """Loads the agent of a run folder of `hiper train` or `hiper sft`.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged, or of another kind of agent.
        HiperError: If its model or the device is not there.
    """
    document = read_checkpoint(path)
    config = replace(settings_in(path, document), device=device, dtype="auto")
    policy, about = make_policy(config)
    load_weights(path, document, policy)
    player = make_player(policy, config, GenerationConfig(greedy=greedy))
    return LanguageAgent(player, seed=seed, name=f"llm ({path})", about=about)


def make_language_agent(
    model: str = AgentConfig.model,
    *,
    template: str = "full",
    history: int = 2,
    max_prompt_tokens: int = 1024,
    structured: bool = True,
    temperature: float = 1.0,
    device: str = "auto",
    greedy: bool = True,
    seed: int = 0,
) -> LanguageAgent:
    """A model as it comes, without any training here.

    Args:
        model: A folder, a name on the hub, or a model that installs from PyPI.
        template: Of the prompts, full or compact.
        history: Earlier turns that prompts tell.
        max_prompt_tokens: Longest prompt.
        structured: Hold responses to the format and actions to the admissible ones.
        temperature: Of sampled play.
        device: Where it computes.
        greedy: Take the most likely words.
        seed: Of the sampling.

    Raises:
        HiperError: If there is no such model or device, or a setting is out of range.
    """
    prompt = PromptConfig(template=template, history=history, max_tokens=max_prompt_tokens)  # type: ignore[arg-type]
    config = AgentConfig(
        model=model, device=device, prompt=prompt, format=FormatConfig(structured=structured)
    )
    generation = GenerationConfig(temperature=temperature, greedy=greedy)
    policy, about = make_policy(config)
    player = make_player(policy, config, generation)
    return LanguageAgent(player, seed=seed, name=f"llm ({model})", about=about)
