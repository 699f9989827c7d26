"""Settings of a run: what they may be, how they are kept, and the budgets."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from hiper_agents.compact.network import NetworkConfig
from hiper_agents.training.compact import CompactTrainer
from hiper_agents.training.config import CONFIG_FILE, TrainConfig, read_config
from hiper_agents.training.run import train
from hiper_base.errors import HiperError

NEW_FIELDS = (
    "turns",
    "env_options",
    "group_size",
    "estimator_settings",
    "options",
    "option_length",
    "switch_head",
    "keep_penalty",
    "twin_critic",
)
SMALL = TrainConfig(minutes=None, iterations=1, episodes=16, max_turns=5, tensorboard=False)


@pytest.fixture
def small(levers_env: str) -> TrainConfig:
    return replace(SMALL, env=levers_env)


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    config = TrainConfig(
        task_types=("a",), env_options={"subtasks": 4}, estimator_settings={"w": 0.5}, turns=7
    )
    (tmp_path / CONFIG_FILE).write_text(json.dumps(asdict(config)))
    assert read_config(tmp_path) == config


def test_run_folders_from_before_a_setting_existed_can_be_read(tmp_path: Path) -> None:
    values = asdict(TrainConfig(seed=5))
    for name in NEW_FIELDS:
        del values[name]
    del values["network"]["strategies"], values["ppo"]["entropy_strategy"]
    (tmp_path / CONFIG_FILE).write_text(json.dumps(values))
    assert read_config(tmp_path) == TrainConfig(seed=5)
    (tmp_path / CONFIG_FILE).write_text(json.dumps({**values, "no_setting": 1}))
    with pytest.raises(HiperError, match="no_setting"):
        read_config(tmp_path)


def test_the_budget_of_turns_counts_all_sittings(tmp_path: Path, small: TrainConfig) -> None:
    first = train(replace(small, iterations=None, turns=1), tmp_path)
    assert first.iteration == 1
    budget = 3 * first.total_turns
    second = train(replace(small, iterations=None, turns=budget), tmp_path, resume=True)
    assert second.iteration > 1
    assert second.total_turns >= budget
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert rows[-2]["turns"] < budget


def test_a_group_plays_one_task(small: TrainConfig) -> None:
    trainer = CompactTrainer(replace(small, group_size=4))
    trainer.iterate()
    batch = trainer.buffer.batch()
    first = batch.turn == 0
    assert batch.group_id[first].tolist() == [n // 4 for n in range(16)]
    # Which lever is right shows in the reward only; the task, in what the network reads.
    keys = trainer.buffer.state_key[: len(batch)][first]
    assert len(set(keys.tolist())) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"iterations": None},
            "nothing says when to stop: give --minutes, --iterations or --turns",
        ),
        ({"group_size": 3}, "16 episodes cannot be divided into groups of 3"),
        ({"group_size": 0}, "groups of 0"),
        ({"estimator": "strata"}, "16 episodes cannot be divided into groups of 32"),
        ({"estimator": "strata", "group_size": 2}, "among the 4 strategies"),
        ({"critic_warm_up": -1}, "critic_warm_up must not be negative, not -1"),
        ({"estimator": "rloo", "critic_warm_up": 1}, "'rloo' has no critic"),
        ({"estimator_settings": {"nope": 1}}, "estimator 'hae': .*'nope'"),
        ({"estimator_settings": {"gamma": 1}}, "estimator_settings cannot hold gamma"),
        ({"env_options": {"max_turns": 1, "split": ""}}, "cannot hold max_turns, split"),
        ({"env_options": {"nope": 1}}, "cannot make Levers-v0.*nope"),
        ({"options": "often"}, "no options called 'often'; there are learned, none, fixed, oracle"),
        ({"option_length": 0}, "at least one turn, not 0"),
        ({"network": NetworkConfig(strategies=4)}, "'hae' compares no strategies"),
        ({"estimator": "gear", "options": "none"}, "there are none with --options none"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_played(
    tmp_path: Path, small: TrainConfig, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(HiperError, match=message):
        train(replace(small, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("estimator", "critic_warm_up", "waits"), [("hae", 1, 1), ("archer", None, 2)]
)
def test_the_policy_waits_while_the_critic_warms_up(
    small: TrainConfig, estimator: str, critic_warm_up: int | None, waits: int
) -> None:
    trainer = CompactTrainer(replace(small, estimator=estimator, critic_warm_up=critic_warm_up))
    for iteration in range(waits + 1):
        before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
        trainer.iterate()
        changed = {
            name.split(".")[0]
            for name, tensor in trainer.network.state_dict().items()
            if not torch.equal(tensor, before[name])
        }
        assert (changed == {"critic"}) == (iteration < waits), (iteration, changed)


def test_settings_reach_the_estimator_and_the_environment(small: TrainConfig) -> None:
    settings = {"boundary_bootstrap": False}
    trainer = CompactTrainer(replace(small, estimator_settings=settings))
    plain = CompactTrainer(small)
    for each in (trainer, plain):
        each.iterate()
    # The same episodes, but what was learned from them differs.
    assert (trainer.buffer.batch().reward == plain.buffer.batch().reward).all()
    weights = [t.network.critic.low[0].weight for t in (trainer, plain)]
    assert not (weights[0] == weights[1]).all()
