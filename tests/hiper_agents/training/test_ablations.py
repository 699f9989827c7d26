"""Ablations: what is taken away stays away, in training, in checkpoints and in evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hiper_agents.agent import CHECKPOINT_FILE, make_agent
from hiper_agents.compact.slot import OptionRules
from hiper_agents.evaluation import evaluate
from hiper_agents.provenance import write_json
from hiper_agents.training.checkpoint import (
    CheckpointError,
    load_player,
    load_policy,
    read_checkpoint,
)
from hiper_agents.training.compact import CompactTrainer
from hiper_agents.training.ppo import PPOConfig
from hiper_agents.training.run import TrainConfig, train

SMALL = TrainConfig(
    minutes=None,
    iterations=7,
    episodes=64,
    max_turns=5,
    tensorboard=False,
    ppo=PPOConfig(learning_rate=1e-2, minibatch=64),
)
ABLATIONS: dict[str, dict[str, Any]] = {
    "none": {"options": "none"},
    "fixed": {"options": "fixed", "option_length": 2, "max_turns": 6},
    "oracle": {"options": "oracle"},
    "no switch head": {"switch_head": False},
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_it_learns_resumes_and_plays_on_as_it_was_trained(
    tmp_path: Path, levers_env: str, name: str
) -> None:
    config = replace(SMALL, env=levers_env, **ABLATIONS[name])
    success = []
    train(config, tmp_path / "whole", on_iteration=lambda row, _: success.append(row["success"]))
    assert np.mean(success[-2:]) > success[0] + 0.3 or success[0] > 0.9, success
    train(replace(config, iterations=3), tmp_path / "parts")
    train(config, tmp_path / "parts", resume=True)
    weights = [load_policy(tmp_path / part)[0].state_dict() for part in ("whole", "parts")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])

    rules = load_player(tmp_path / "whole").rules
    assert rules == config.rules
    result = evaluate(make_agent(tmp_path / "whole"), levers_env, episodes=12)
    assert result["success_rate"] > 0.7
    if name == "none":
        assert result["options"]["mean_per_episode"] == 1.0
    if name == "fixed":
        # Unlock, wait, pull: the last option is cut short by success.
        assert result["options"]["mean_length"] == 1.5


def test_heads_that_an_ablation_does_not_use_do_not_learn(levers_env: str) -> None:
    for options, unused in (
        ("none", ("switch", "planner")),
        ("oracle", ("switch", "planner")),
        ("fixed", ("switch",)),
    ):
        trainer = CompactTrainer(replace(SMALL, env=levers_env, options=options))
        before = {name: t.clone() for name, t in trainer.network.state_dict().items()}
        trainer.iterate()
        after = trainer.network.state_dict()
        changed = {
            name.split(".")[0] for name in after if not torch.equal(before[name], after[name])
        }
        assert not changed & set(unused), options
        assert "executor" in changed


def test_going_on_with_an_option_costs_what_it_is_said_to(levers_env: str) -> None:
    batches = []
    for penalty in (0.0, 0.25):
        trainer = CompactTrainer(replace(SMALL, env=levers_env, keep_penalty=penalty))
        trainer.iterate()
        batches.append(trainer.buffer.batch())
    plain, dear = batches
    assert not plain.boundary.all()
    np.testing.assert_allclose(plain.reward - dear.reward, 0.25 * ~plain.boundary)


def test_checkpoints_from_before_there_were_rules_have_learned_options(
    tmp_path: Path, levers_env: str
) -> None:
    train(replace(SMALL, env=levers_env, iterations=1), tmp_path)
    document = read_checkpoint(tmp_path)
    del document["options"], document["network"]["strategies"]
    write_json(tmp_path / CHECKPOINT_FILE, document)
    assert load_player(tmp_path).rules == OptionRules()
    for wrong in ({"kind": "often"}, {"speed": 3}, [1]):
        write_json(tmp_path / CHECKPOINT_FILE, {**document, "options": wrong})
        with pytest.raises(CheckpointError, match="cannot read"):
            load_player(tmp_path)
