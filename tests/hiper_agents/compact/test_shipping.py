"""The trained agents that come with the package: they are whole, and play."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiper_agents.agent import CHECKPOINT_FILE, AgentError, make_agent
from hiper_agents.compact.agent import CompactAgent
from hiper_agents.compact.domain import DomainError
from hiper_agents.compact.shipping import PROVENANCE_FILE, SHIPPED, export, shipped_folder
from hiper_agents.evaluation import evaluate
from hiper_agents.training.config import TrainConfig
from hiper_agents.training.run import train

SHIPPED_FOR = {"HiPER-ALFWorld-v0": "alfworld", "HiPER-WebShop-v0": "webshop"}
MOST_BYTES = 5_000_000


def test_they_are_what_their_provenance_says_and_small() -> None:
    folders = [path for path in SHIPPED.iterdir() if path.is_dir()]
    assert sorted(path.name for path in folders) == sorted(SHIPPED_FOR.values())
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) < MOST_BYTES
    for folder in folders:
        told = json.loads((folder / PROVENANCE_FILE).read_text())
        document = json.loads((folder / CHECKPOINT_FILE).read_text())
        (state,) = folder.glob("*.safetensors")
        assert state.name == document["state"]
        assert hashlib.sha256(state.read_bytes()).hexdigest() == told["sha256"]
        assert SHIPPED_FOR[told["trained_on"]] == folder.name == document["domain"]
        assert (told["turns"], told["iteration"]) == (document["turns"], document["iteration"])
        assert not told["git_commit"].endswith("-dirty")
        for result in told["evaluations"]:
            assert result["env"] == told["trained_on"]
            assert result["n"] >= 100


@pytest.mark.parametrize(("env", "least"), [("HiPER-ALFWorld-v0", 0.9), ("HiPER-WebShop-v0", 0.7)])
def test_they_play(no_data: Path, env: str, least: float) -> None:
    agent = make_agent("compact", env=env, seed=0, greedy=True)
    result = evaluate(agent, env, "generated", episodes=60)
    assert result["success_rate"] >= least
    assert result["format_error_rate"] == 0.0
    assert result["about"]["trained_on"] == env
    json.dumps(result["about"])


def test_alfworld_is_the_default() -> None:
    agent = make_agent("compact")
    assert isinstance(agent, CompactAgent)
    assert agent.about["trained_on"] == "HiPER-ALFWorld-v0"


def test_for_other_environments_none_comes() -> None:
    with pytest.raises(AgentError, match=r"comes for HiPER-ALFWorldLong-v0, only for alfworld, we"):
        make_agent("compact", env="HiPER-ALFWorldLong-v0")
    with pytest.raises(DomainError, match="cannot read 'CartPole-v1'"):
        make_agent("compact", env="CartPole-v1")
    with pytest.raises(AgentError, match="on the CPU only"):
        make_agent("compact", device="cuda")


def test_an_exported_agent_plays_as_its_run(no_data: Path, tmp_path: Path) -> None:
    config = TrainConfig(
        split="generated", minutes=None, iterations=1, episodes=8, max_turns=5, tensorboard=False
    )
    train(replace(config, checkpoint_seconds=0.0), tmp_path / "run")
    result = evaluate(make_agent(tmp_path / "run"), split="generated", episodes=2)
    told = {"command": "hiper train", "commit": "abc", "versions": {"python": "3"}}
    state = export(tmp_path / "run", tmp_path / "out", evaluations=[result], **told)  # type: ignore[arg-type]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        [CHECKPOINT_FILE, PROVENANCE_FILE, state.name]
    )
    (whole,) = (tmp_path / "run").glob("*.safetensors")
    assert state.stat().st_size < whole.stat().st_size / 2
    agents = [make_agent(tmp_path / name, greedy=False, seed=3) for name in ("run", "out")]
    turns = [evaluate(agent, split="generated", episodes=4)["mean_turns"] for agent in agents]
    assert turns[0] == turns[1]
    weights = [agent.player.network.state_dict() for agent in agents]  # type: ignore[attr-defined]
    for name, tensor in weights[0].items():
        np.testing.assert_array_equal(tensor, weights[1][name])
    with pytest.raises(AgentError, match="at least one evaluation"):
        export(tmp_path / "run", tmp_path / "none", evaluations=[], **told)  # type: ignore[arg-type]


def test_the_folder_is_found_by_the_environment() -> None:
    for env, name in SHIPPED_FOR.items():
        assert shipped_folder(env) == SHIPPED / name
