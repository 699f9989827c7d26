"""Who declares a column gets it for a language model, too; and runs with columns resume exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hiper_agents.agent import make_agent
from hiper_agents.estimators import Advantages, Needs, TurnBatch, register_estimator, registry
from hiper_agents.estimators.batch import OPTIONAL_COLUMNS
from hiper_agents.evaluation import evaluate
from hiper_agents.llm.columns import PROVIDERS, ColumnProvider, provider_classes
from hiper_agents.llm.config import FormatConfig, LanguageTrainConfig
from hiper_agents.llm.policy import PolicyConfig
from hiper_agents.llm.prompts import PromptConfig
from hiper_agents.llm.strategy_column import TOKENS
from hiper_agents.llm.trainer import LanguageTrainer
from hiper_agents.llm.twin_critic import TwinCriticConfig
from hiper_agents.llm.update import LLMUpdateConfig
from hiper_agents.training.config import read_config
from hiper_agents.training.run import train
from hiper_base.errors import HiperError

CONFIG = LanguageTrainConfig(
    model="tiny",
    device="cpu",
    prompt=PromptConfig(template="compact", history=0),
    format=FormatConfig(max_subgoal_tokens=2),
    policy=PolicyConfig(lora_rank=2),
    minutes=None,
    iterations=2,
    episodes=8,
    num_envs=8,
    max_turns=2,
    update=LLMUpdateConfig(learning_rate=1e-3, minibatch=16),
    twin_critic=TwinCriticConfig(hidden=8, epochs=1, kept=2),
    checkpoint_seconds=0.0,
    tensorboard=False,
)


@pytest.fixture
def declare() -> Iterator[Any]:
    """Registers a third party's estimator that keeps the batch that it was shown."""
    seen: list[TurnBatch] = []

    def register(*columns: str, **needs: Any) -> list[TurnBatch]:
        @register_estimator("someones", needs=Needs(columns=columns, **needs))
        def someones(batch: TurnBatch, **settings: Any) -> Advantages:
            seen.append(batch)
            low, high, switch = np.random.default_rng(0).normal(size=(3, len(batch)))
            return Advantages(low, high, switch, low, high, switch)

        return seen

    yield register
    del registry._registry["someones"]


def test_a_run_with_all_columns_resumes_exactly_and_its_agent_plays(
    declare: Any, levers_env: str, tmp_path: Path
) -> None:
    seen = declare(*PROVIDERS, group_size=4, strategies=2)
    config = replace(CONFIG, env=levers_env, estimator="someones", strategy_tokens=3)
    whole = train(config, tmp_path / "whole")
    for batch in seen:
        assert all(getattr(batch, column) is not None for column in PROVIDERS)
        assert len(np.unique(batch.strategy_id)) == 4
        assert 0.0 < batch.divergence.max() < np.log(2.0)
        assert (batch.q_value != batch.value_low).all()
    train(replace(config, iterations=1), tmp_path / "halves")
    halves = train(config, tmp_path / "halves", resume=True)
    states = [
        trainer.policy.adapter_state()
        | {
            f"{column}.{name}": tensor
            for column, provider in trainer.providers.items()
            for name, tensor in provider.state().items()
        }
        for trainer in (whole, halves)
        if isinstance(trainer, LanguageTrainer)
    ]
    assert len(states) == 2
    assert states[0].keys() == states[1].keys()
    assert "q_value.kept.1.features" in states[0]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    # What the columns need is part of the run.
    kept = read_config(tmp_path / "halves")
    assert isinstance(kept, LanguageTrainConfig)
    assert kept.env_options == {"reference": True}
    agent = make_agent(tmp_path / "whole", device="cpu")
    evaluate(agent, env_id=levers_env, episodes=2, env_kwargs={"max_turns": 1})
    assert all(slot.strategy for slot in agent._slots)  # type: ignore[attr-defined]


def test_columns_are_filled_one_by_one_as_well(declare: Any, levers_env: str) -> None:
    seen = declare("q_value")
    config = replace(CONFIG, env=levers_env, estimator="someones")
    trainer = LanguageTrainer(config)
    trainer.iterate()
    (batch,) = seen
    given = {name for name in OPTIONAL_COLUMNS if getattr(batch, name) is not None}
    assert given == {"q_value"}
    assert trainer.config == config


def test_what_cannot_be_filled_is_said_first(declare: Any, levers_env: str) -> None:
    declare("divergence", "off_plan")
    config = replace(CONFIG, env=levers_env)
    with pytest.raises(
        HiperError, match=r"'someones' needs off_plan, which .* cannot fill for language models"
    ):
        LanguageTrainer(replace(config, estimator="someones"))
    with pytest.raises(HiperError, match="'hae' compares no strategies"):
        LanguageTrainer(replace(config, strategy_tokens=8))


def test_settings_give_way_to_what_an_estimator_needs() -> None:
    needs = Needs(columns=("strategy_id",), group_size=4, strategies=2)
    adapt = provider_classes(needs, "someones")["strategy_id"].adapt
    assert adapt(replace(CONFIG, strategy_tokens=3), needs).strategy_tokens == 3
    assert adapt(CONFIG, needs) == replace(CONFIG, strategy_tokens=TOKENS)


def test_every_provider_can_be_found() -> None:
    classes = provider_classes(Needs(columns=tuple(PROVIDERS)), "someones")
    assert all(issubclass(provider, ColumnProvider) for provider in classes.values())
