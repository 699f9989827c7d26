"""The language-model agent: what it does depends on its own episode only, and what it tells."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra agents")

import hiper_envs  # noqa: F401
from hiper_agents.agent import make_agent
from hiper_agents.llm.agent import LanguageAgent
from hiper_agents.llm.assembly import make_player, make_policy
from hiper_agents.llm.config import AgentConfig
from hiper_agents.llm.policy import PolicyConfig
from hiper_agents.llm.prompts import PromptConfig
from hiper_agents.llm.responder import GenerationConfig
from hiper_envs.core import Episode, TaskSource


@pytest.fixture(scope="module")
def source() -> TaskSource:
    env = gym.make("HiPER-ALFWorld-v0", split="generated", disable_env_checker=True).unwrapped
    source: TaskSource = env.source  # type: ignore[attr-defined]
    return source


def make(
    *, learned: bool = True, critic: str = "trunk", strategies: int = 0, **settings: Any
) -> LanguageAgent:
    """A tiny agent that samples; its weights are far from their start if it has learned."""
    config = AgentConfig(
        model="tiny",
        device="cpu",
        prompt=PromptConfig(template="compact", history=1),
        policy=PolicyConfig(lora_rank=4, critic=critic),  # type: ignore[arg-type]
        strategy_tokens=strategies,
    )
    policy, about = make_policy(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in [*policy.policy_parameters(), *policy.critic_parameters()] * learned:
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    player = make_player(policy, config, GenerationConfig())
    return LanguageAgent(player, about=about, **settings)


def play(
    agent: LanguageAgent, source: TaskSource, tasks: Sequence[int], turns: int = 4
) -> dict[str, list[str]]:
    """What the agent writes in one batch, by task; episodes do not end at the same time."""
    episodes = [Episode(source.open(task), turns - task) for task in tasks]
    written: dict[str, list[str]] = {episode.info["task_id"]: [] for episode in episodes}
    agent.reset([source.open(task).info for task in tasks])
    infos: list[Any] = [None] * len(tasks)
    while not all(episode.ended for episode in episodes):
        # Only what is shown again is known to have ended.
        live = [e.info is not shown for e, shown in zip(episodes, infos, strict=True)]
        infos = [episode.info for episode in episodes]
        texts = agent.act([e.observation for e in episodes], [e.info for e in episodes])
        assert [details is not None for details in agent.turn_details] == live
        json.dumps(agent.turn_details, allow_nan=False)
        for episode, text in zip(episodes, texts, strict=True):
            if not episode.ended:
                episode.step(text)
                written[episode.info["task_id"]].append(text)
    return written


@pytest.mark.parametrize("strategies", [0, 4])
def test_an_episode_is_the_same_in_any_batch(source: TaskSource, strategies: int) -> None:
    together = play(make(strategies=strategies), source, [0, 1, 2, 3])
    agent = make(strategies=strategies)
    apart = play(agent, source, [3, 1]) | play(agent, source, [2]) | play(agent, source, [0])
    assert apart == together
    assert play(make(strategies=strategies, seed=1), source, [0, 1, 2, 3]) != together


def test_it_tells_what_a_turn_took(source: TaskSource) -> None:
    agent = make()
    play(agent, source, [0, 1], turns=1)
    details = agent.turn_details[0]
    assert details is not None
    assert 1 <= details["chosen_tokens"] <= details["output_tokens"]
    prompt = agent.player.writer.write(agent._slots[0].shown)
    assert details["prompt_tokens"] == len(prompt)
    assert len(details["values"]) == 3
    assert all(math.isfinite(value) and value != 0 for value in details["values"])


def test_a_strategy_counts_with_the_first_turn(source: TaskSource) -> None:
    agent = make(strategies=4)
    agent.reset([source.open(0).info])
    episode = Episode(source.open(0), 3)
    told = []
    (text,) = agent.act([episode.observation], [episode.info])
    told.append(agent.turn_details[0] or {})
    prompt, devised = len(agent.player.writer.write(agent._slots[0].shown)), agent._slots[0].devised
    assert devised is not None
    episode.step(text)
    agent.act([episode.observation], [episode.info])
    told.append(agent.turn_details[0] or {})
    assert told[0]["strategy"] == agent._slots[0].strategy
    assert "strategy" not in told[1]
    assert told[0]["prompt_tokens"] == prompt + len(devised.prompt)
    assert told[0]["output_tokens"] > len(devised.response)


def test_values_of_a_critic_of_its_own_are_computed_when_asked_for(source: TaskSource) -> None:
    silent, telling = make(critic="separate"), make(critic="separate", values=True)
    assert play(silent, source, [0, 2]) == play(telling, source, [0, 2])
    assert "values" not in (silent.turn_details[0] or {})
    values = (telling.turn_details[0] or {})["values"]
    assert len(values) == 3
    assert all(value != 0 for value in values)


def test_heads_that_have_learned_nothing_tell_nothing(source: TaskSource) -> None:
    for agent in (make(learned=False), make_agent("llm", model="tiny", device="cpu")):
        assert isinstance(agent, LanguageAgent)
        play(agent, source, [0], turns=1)
        assert "values" not in (agent.turn_details[0] or {})
