"""Training runs: they learn, they resume exactly, and they refuse what they cannot do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hiper_agents.agent import CHECKPOINT_FILE, make_agent
from hiper_agents.compact.domain import make_domain
from hiper_agents.evaluation import evaluate
from hiper_agents.training.checkpoint import CheckpointError, load_policy, read_checkpoint, restore
from hiper_agents.training.metrics import METRICS_FILE
from hiper_agents.training.run import TrainConfig, train
from hiper_base.errors import HiperError

SMALL = TrainConfig(
    split="generated", minutes=None, iterations=4, episodes=8, max_turns=12, tensorboard=False
)


def weights(run: Path) -> dict[str, torch.Tensor]:
    network, _ = load_policy(run)
    return network.state_dict()


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def lines(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / METRICS_FILE).read_text().splitlines()]


@pytest.mark.parametrize("estimator", ["hae", "gae"])
def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one(
    tmp_path: Path, estimator: str
) -> None:
    config = replace(SMALL, estimator=estimator)
    train(config, tmp_path / "whole")
    train(replace(config, iterations=2), tmp_path / "halves")
    assert not same(weights(tmp_path / "whole"), weights(tmp_path / "halves"))
    train(config, tmp_path / "halves", resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "halves"))
    whole, halves = lines(tmp_path / "whole"), lines(tmp_path / "halves")
    for timed in ("seconds", "turns_per_second"):
        for row in (*whole, *halves):
            del row[timed]
    assert whole == halves


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "killed"
    code = (
        "import sys; from pathlib import Path; from hiper_agents.training.run import *;"
        f"train(TrainConfig(split='generated', minutes=None, iterations=1000, episodes=8,"
        f"max_turns=12, tensorboard=False, checkpoint_seconds=0.0), Path({str(run)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if (run / METRICS_FILE).exists() and len(lines_or_none(run)) >= 3:
                break
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = read_checkpoint(run)["iteration"]
    assert done >= 1
    train(replace(SMALL, iterations=done + 2), run, resume=True)
    assert [row["iteration"] for row in lines(run)] == list(range(1, done + 3))
    train(replace(SMALL, iterations=done + 2), tmp_path / "whole")
    assert same(weights(run), weights(tmp_path / "whole"))


def lines_or_none(run: Path) -> list[str]:
    return (run / METRICS_FILE).read_text().splitlines()


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(replace(SMALL, seed=seed, iterations=1), tmp_path / name)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


@pytest.mark.parametrize("estimator", ["hae", "gae"])
def test_it_learns_from_success_alone(tmp_path: Path, estimator: str) -> None:
    config = replace(
        SMALL,
        estimator=estimator,
        task_types=("look_at_obj_in_light",),
        iterations=16,
        episodes=64,
        max_turns=50,
    )
    train(config, tmp_path / "run")
    success = [float(row["success"]) for row in lines(tmp_path / "run")]  # type: ignore[arg-type]
    assert np.mean(success[-3:]) > np.mean(success[:3]) + 0.2


def test_a_warm_start_imitates_the_expert(tmp_path: Path) -> None:
    config = replace(SMALL, warm_start=200, iterations=0, max_turns=50)
    train(config, tmp_path / "run")
    assert read_checkpoint(tmp_path / "run")["warm_start"] == 200
    result = evaluate(make_agent(tmp_path / "run"), split="generated", episodes=40)
    assert result["success_rate"] > 0.15


def test_a_warm_start_is_the_same_whatever_the_step_sizes(tmp_path: Path) -> None:
    states = []
    for rate in (1e-3, 3e-3):
        run = tmp_path / str(rate)
        ppo = replace(SMALL.ppo, learning_rate=rate, critic_learning_rate=rate)
        train(replace(SMALL, warm_start=8, iterations=0, ppo=ppo), run)
        states.append(weights(run))
    assert same(*states)


def test_a_run_folder_is_an_agent(tmp_path: Path) -> None:
    train(replace(SMALL, iterations=1), tmp_path / "run")
    kwargs = {"seed": 5, "greedy": False}
    results = [
        evaluate(
            make_agent(tmp_path / "run", **kwargs), split="generated", episodes=6, num_envs=size
        )
        for size in (2, 6)
    ]
    figures = [{key: r[key] for key in ("success_rate", "mean_turns", "options")} for r in results]
    assert figures[0] == figures[1]
    assert results[0]["format_error_rate"] == results[0]["invalid_action_rate"] == 0.0


def test_what_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(HiperError, match="unknown estimator"):
        train(replace(SMALL, estimator="nope"), run)
    with pytest.raises(HiperError, match="cannot train agent"):
        train(replace(SMALL, agent="nope"), run)
    with pytest.raises(HiperError, match="when to stop"):
        train(replace(SMALL, iterations=None), run)
    for env in ("Nope-v0", "CartPole-v1"):
        with pytest.raises(HiperError, match=env):
            train(replace(SMALL, env=env), run)
    train(replace(SMALL, iterations=1), run)
    with pytest.raises(HiperError, match="already holds a run"):
        train(SMALL, run)


def test_a_checkpoint_says_what_it_reads(tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = replace(SMALL, iterations=1)
    train(config, run)
    document = read_checkpoint(run)
    assert document["domain"] == "alfworld"
    # A checkpoint from before there were other domains.
    del document["domain"]
    (run / CHECKPOINT_FILE).write_text(json.dumps(document))
    assert load_policy(run)[1].name == "alfworld"
    trainer = train(replace(config, iterations=2), run, resume=True)
    assert trainer.iteration == 2
    document = read_checkpoint(run)
    with pytest.raises(CheckpointError, match="reads alfworld, not webshop"):
        restore(run, document, trainer.network, make_domain("webshop"), trainer.optimizer)
    with pytest.raises(CheckpointError, match="with the words of this version"):
        restore(run, document, trainer.network, make_domain("alfworld", ["a"]), trainer.optimizer)
    (run / CHECKPOINT_FILE).write_text(json.dumps({**document, "domain": "chess"}))
    with pytest.raises(CheckpointError, match="unknown domain 'chess'"):
        load_policy(run)


def test_damaged_checkpoints_are_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(replace(SMALL, iterations=1), run)
    document = read_checkpoint(run)
    state = run / document["state"]
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot load"):
        load_policy(run)
    state.unlink()
    with pytest.raises(CheckpointError, match="cannot load"):
        load_policy(run)
    (run / "checkpoint.json").write_text('{"format": 99}')
    with pytest.raises(CheckpointError, match="format 1"):
        read_checkpoint(run)
    (run / "checkpoint.json").write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(run)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        read_checkpoint(tmp_path)
