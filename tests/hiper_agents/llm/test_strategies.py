"""Strategies of a language model: how they are written, told, shared and learned."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch

from hiper_agents.estimators import Advantages, Needs
from hiper_agents.llm.assembly import make_player, make_policy
from hiper_agents.llm.config import AgentConfig, FormatConfig, LanguageTrainConfig
from hiper_agents.llm.player import LanguagePlayer
from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig
from hiper_agents.llm.prompts import PromptConfig
from hiper_agents.llm.responder import GenerationConfig
from hiper_agents.llm.scoring import log_probs_of
from hiper_agents.llm.strategist import sentence_of
from hiper_agents.llm.strategy_column import StrategyProvider, embed
from hiper_agents.llm.trainer import LanguageTrainer
from hiper_agents.llm.update import LLMUpdateConfig
from hiper_envs.core import Episode

AGENT = AgentConfig(
    model="tiny",
    device="cpu",
    prompt=PromptConfig(template="compact"),
    format=FormatConfig(max_subgoal_tokens=2),
    policy=PolicyConfig(lora_rank=2),
    strategy_tokens=6,
)
STRATA = LanguageTrainConfig(
    **{name: getattr(AGENT, name) for name in ("model", "device", "prompt", "format", "policy")},
    strategy_tokens=6,
    estimator="strata",
    iterations=1,
    minutes=None,
    episodes=32,
    num_envs=32,
    update=LLMUpdateConfig(learning_rate=1e-3, minibatch=128, kl=0.0),
    tensorboard=False,
)


@pytest.fixture(scope="module")
def policy() -> LanguagePolicy:
    return make_policy(AGENT).policy


@pytest.fixture(scope="module")
def player(policy: LanguagePolicy) -> LanguagePlayer:
    return make_player(policy, AGENT, GenerationConfig())


def first(levers: ModuleType, task: int = 0) -> Episode:
    return Episode(levers.Source().open(task), 5)


def test_a_strategy_is_a_sentence_that_the_policy_chose(
    levers: ModuleType, policy: LanguagePolicy, player: LanguagePlayer
) -> None:
    begun = first(levers)
    assert player.strategist is not None
    rng = np.random.default_rng(0)
    written = player.strategist.propose([(begun.info, begun.observation)] * 2, rng, each=6)
    assert len(written) == 12
    assert len({sentence_of(strategy) for strategy in written}) > 6
    for strategy in written:
        said = sentence_of(strategy)
        assert said
        assert "<" not in said
        assert "\n" not in said
        assert strategy.text.startswith("<strategy>")
        assert strategy.text.endswith("</strategy>")
        assert policy.tokenizer.decode(strategy.response.tolist()) == strategy.text
        assert strategy.spans.subgoal == (0, len(strategy.response))
        assert 1 <= strategy.sampled.sum() <= 6
        # The question is about the task, and stands at the end.
        prompt = policy.tokenizer.decode(strategy.prompt.tolist())
        assert prompt.index(begun.info["task"]) < prompt.index("</strategy>.")
    scored = log_probs_of(policy, written, temperature=1.0, max_tokens=512)
    for strategy, log_probs in zip(written, scored, strict=True):
        np.testing.assert_allclose(log_probs, strategy.log_probs[strategy.sampled], atol=1e-4)


def test_every_prompt_of_an_episode_tells_its_strategy(
    levers: ModuleType, policy: LanguagePolicy, player: LanguagePlayer
) -> None:
    begun = first(levers)
    slots = [player.open(begun.info, begun.observation) for _ in range(2)]
    slots[1].strategy = "be quick"
    rng = np.random.default_rng(0)
    for _ in range(2):
        for slot, turn in zip(slots, player.act(slots, rng), strict=True):
            assert f"Strategy: {slot.strategy}\n" in policy.tokenizer.decode(turn.prompt.tolist())
            assert slot.shown.strategy == slot.strategy
    assert slots[0].strategy
    assert slots[1].strategy == "be quick"


def test_sentences_that_say_the_same_are_one_point(
    learning: ModuleType, policy: LanguagePolicy
) -> None:
    a, b, c = learning.first_turns(3)
    points = embed(policy, [a, b, replace(a, prompt=c.prompt), c], max_tokens=32)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(points[0], points[2], atol=1e-5)
    assert np.abs(points[0] - points[1]).max() > 1e-2
    with policy.reference():
        hidden = learning.hidden_states(policy, a.response.tolist())
    mean = hidden[torch.from_numpy(a.sampled)].mean(0)
    np.testing.assert_allclose(points[0], (mean / mean.norm()).numpy(), atol=1e-5)


def test_a_group_shares_its_strategies_equally(
    levers: ModuleType, policy: LanguagePolicy, player: LanguagePlayer
) -> None:
    needs = Needs(group_size=8, strategies=2, columns=("strategy_id",))
    provider = StrategyProvider(STRATA, policy, player, needs)
    tasks, groups = [1] * 8 + [2] * 8, np.repeat([3, 7], 8)
    provider.begin(levers.Source(), tasks, groups, np.random.default_rng(0))
    told = []
    for number, task in enumerate(tasks):
        begun = first(levers, task)
        slot = player.open(begun.info, begun.observation)
        provider.opened(number, slot)
        told.append(slot.strategy)
    assert provider._ids.tolist() == [6] * 4 + [7] * 4 + [14] * 4 + [15] * 4
    shared = [set(told[start : start + 4]) for start in range(0, 16, 4)]
    assert all(len(strategies) == 1 for strategies in shared)
    assert shared[0] != shared[1]
    assert shared[2] != shared[3]


def test_strata_trains_the_strategies_as_well(levers_env: str) -> None:
    trainer = LanguageTrainer(replace(STRATA, env=levers_env))
    metrics = trainer.iterate()
    assert metrics["losses"]["strategies"] >= 3
    assert 1.0 <= metrics["losses"]["strategy_length"] <= 6.0
    assert "strategy_policy_subgoal" in metrics["losses"]
    provider = trainer.providers["strategy_id"]
    assert isinstance(provider, StrategyProvider)
    advantages = trainer.advantages()
    turns, (name, strategies, lesson) = provider.divide(trainer.own, advantages)
    assert name == "strategy"
    batch = trainer.buffer.batch()
    assert batch.strategy_id is not None
    assert np.bincount(batch.strategy_id[batch.turn == 0]).tolist() == [8, 8, 8, 8]
    for number, strategy in enumerate(strategies):
        own = (batch.strategy_id == number) & (batch.turn == 0)
        np.testing.assert_allclose(advantages.high[own], lesson.high[number])
        assert strategy.spans.action == (0, 0)
    # The strategy is not the first subgoal, which learns as the rest of its turn does.
    is_first = batch.turn == 0
    np.testing.assert_array_equal(turns.high[is_first], advantages.low[is_first])
    np.testing.assert_array_equal(turns.high[~is_first], advantages.high[~is_first])


def test_turns_that_leave_their_strategy_are_marked_unless_nobody_judges(
    levers_env: str, learning: ModuleType
) -> None:
    trainer = LanguageTrainer(replace(STRATA, env=levers_env))
    metrics = trainer.iterate()
    batch, provider = trainer.buffer.batch(), trainer.providers["strategy_id"]
    assert isinstance(provider, StrategyProvider)
    assert batch.off_plan is not None
    assert metrics["losses"]["off_plan"] == pytest.approx(batch.off_plan.mean())
    asked = [trainer.policy.tokenizer.decode(q.prompt.tolist()) for q in provider._questions if q]
    assert len(asked) == len(batch.reward)
    told = [sentence_of(provider._kept[id_]) for id_ in batch.strategy_id]
    for question, strategy in zip(asked, told, strict=True):
        assert f"Strategy: {strategy}\n" in question
    trainer = LanguageTrainer(replace(STRATA, env=levers_env, judge_strategies=False))
    assert "off_plan" not in trainer.iterate()["losses"]
    assert trainer.buffer.batch().off_plan is None


def test_what_is_praised_is_said_more_often(levers_env: str) -> None:
    trainer = LanguageTrainer(replace(STRATA, env=levers_env))
    strategist = trainer.player.strategist
    assert strategist is not None
    begun = Episode(trainer.source.open(0), 1)
    drawn = strategist.propose([(begun.info, begun.observation)], trainer.rng, each=8)
    worth = np.array([1.0] + [0.0] * 7)
    nothing = np.zeros(8)
    lesson = Advantages(nothing, worth, nothing, nothing, nothing, nothing)
    before = log_probs_of(trainer.policy, drawn, temperature=1.0, max_tokens=4096)
    trainer._learn(drawn, lesson, np.ones(8, np.bool_), 0.0)
    after = log_probs_of(trainer.policy, drawn, temperature=1.0, max_tokens=4096)
    assert after[0].sum() > before[0].sum()
