"""Every registered estimator trains the compact agent: it learns, and it resumes exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hiper_agents.agent import make_agent
from hiper_agents.estimators import get_estimator, list_estimators
from hiper_agents.evaluation import evaluate
from hiper_agents.training.checkpoint import read_checkpoint
from hiper_agents.training.metrics import METRICS_FILE
from hiper_agents.training.ppo import PPOConfig
from hiper_agents.training.run import TrainConfig, train
from hiper_agents.training.twin_critic import TwinCriticConfig

SMALL = TrainConfig(
    split="generated",
    minutes=None,
    iterations=3,
    episodes=32,
    max_turns=5,
    tensorboard=False,
    twin_critic=TwinCriticConfig(kept=2),
)


def lines(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / METRICS_FILE).read_text().splitlines()]
    for row in rows:
        del row["seconds"], row["turns_per_second"]
    return rows


def tensors(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_file(run / read_checkpoint(run)["state"])
    return state


@pytest.mark.parametrize("estimator", list_estimators())
def test_it_learns(tmp_path: Path, levers_env: str, estimator: str) -> None:
    config = replace(
        SMALL,
        env=levers_env,
        split=None,
        estimator=estimator,
        iterations=7,
        episodes=64,
        ppo=PPOConfig(learning_rate=1e-2, minibatch=64),
        twin_critic=TwinCriticConfig(follow=0.3, epochs=4, minibatch=64),
    )
    train(config, tmp_path)
    success = [row["success"] for row in lines(tmp_path)]
    assert np.mean(success[-2:]) > success[0] + 0.3, success


@pytest.mark.parametrize("estimator", list_estimators())
def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one(
    tmp_path: Path, estimator: str
) -> None:
    config = replace(SMALL, estimator=estimator)
    train(config, tmp_path / "whole")
    train(replace(config, iterations=2), tmp_path / "parts")
    train(config, tmp_path / "parts", resume=True)
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []
    assert lines(tmp_path / "whole") == lines(tmp_path / "parts")
    documents = [read_checkpoint(tmp_path / name) for name in ("whole", "parts")]
    assert documents[0]["rng"] == documents[1]["rng"]


@pytest.mark.parametrize("estimator", ["strata", "gear", "archer"])
def test_a_run_with_needs_is_an_agent_like_any_other(
    tmp_path: Path, levers_env: str, estimator: str
) -> None:
    train(replace(SMALL, env=levers_env, split=None, estimator=estimator, iterations=1), tmp_path)
    for greedy in (True, False):
        agent = make_agent(tmp_path, greedy=greedy, seed=3)
        results = [evaluate(agent, levers_env, episodes=12, num_envs=size) for size in (3, 12)]
        figures = [{key: r[key] for key in ("success_rate", "mean_turns")} for r in results]
        assert figures[0] == figures[1]


@pytest.mark.parametrize("estimator", list_estimators())
def test_a_critic_learns_only_if_it_is_read(
    tmp_path: Path, levers_env: str, estimator: str
) -> None:
    config = replace(SMALL, env=levers_env, split=None, estimator=estimator, iterations=1)
    trainer = train(replace(config, critic_warm_up=0), tmp_path)
    has_critic = get_estimator(estimator).needs.critic
    values = trainer.buffer.value_switch[: len(trainer.buffer)]
    assert values.any() == has_critic
    assert ("value_low" in lines(tmp_path)[0]["losses"]) == has_critic
    learned = [slots for p, slots in trainer.optimizer.state.items() if len(slots)]
    critic = len(list(trainer.network.critic.parameters()))
    everything = len(list(trainer.network.parameters()))
    assert len(learned) == everything - (0 if has_critic else critic)
