"""Two real processes that share the weights; what they do is in `sharded.py`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from hiper_agents.agent import make_agent
from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig, PolicyError
from hiper_agents.llm.sft import sft
from hiper_agents.llm.sharding import clip_gradients, gathered, part_for
from hiper_agents.llm.tiny import make_tiny
from hiper_agents.training.run import make_trainer, read_config
from hiper_agents.training.state_files import CheckpointError, read_checkpoint, read_tensors
from hiper_base.errors import HiperError

SIZE = 2


@pytest.fixture(scope="module")
def folder(launch: Callable[[str, int], Path]) -> Path:
    """Where two processes have left what they did."""
    return launch("sharded", SIZE)


@pytest.fixture
def found(folder: Path) -> list[dict[str, Any]]:
    """What each of them has found."""
    return [json.loads((folder / f"found-{rank}.json").read_text()) for rank in range(SIZE)]


def tensors_in(run: Path) -> dict[str, Tensor]:
    """All tensors of a run's checkpoint."""
    return read_tensors(run, read_checkpoint(run))


def losses_in(run: Path) -> dict[str, float]:
    """The losses of a run's last iteration."""
    line = (run / "metrics.jsonl").read_text().splitlines()[-1]
    losses: dict[str, float] = json.loads(line)["losses"]
    return losses


def test_an_iteration_is_that_of_one_process_with_the_turns_of_all(
    found: list[dict[str, Any]],
) -> None:
    one, other = found
    assert one["weights"] == other["weights"]
    assert one["turns"] != other["turns"]
    for own in found:
        assert own["advantages_apart"] == 0.0
        assert own["apart"] < 1e-2 * own["changed"]


def test_a_run_that_was_stopped_ends_like_one_that_was_not(found: list[dict[str, Any]]) -> None:
    one, other = found
    assert one["resumed"] == other["resumed"] == one["weights_after_two"]
    assert one["resumed"] != one["weights"]


@pytest.mark.parametrize("name", ["critic", "archer", "strata", "taught"])
def test_parts_learn_what_the_whole_does(folder: Path, name: str) -> None:
    whole, parts = (tensors_in(folder / f"{name}-{kind}") for kind in ("whole", "sharded"))
    # The checkpoints do not show which is which.
    assert whole.keys() == parts.keys()
    assert [whole[key].shape for key in whole] == [parts[key].shape for key in whole]
    for key in whole:
        part, _, place = key.removeprefix("weights.").partition(".")
        if part in ("policy", "critic"):
            start = whole[f"weights.reference.{place}"]
            apart, changed = (whole[key] - parts[key]).norm(), (whole[key] - start).norm()
            assert apart <= 1e-2 * changed, key
    moved = (key for key in whole if key.startswith("weights.policy."))
    learned = any(
        not torch.equal(whole[key], whole[key.replace("policy", "reference")]) for key in moved
    )
    assert learned == (name != "archer")  # whose critic knows nothing yet
    for key in whole:
        if key.startswith("optimizer."):
            assert torch.allclose(whole[key], parts[key], rtol=1e-2, atol=1e-6), key


@pytest.mark.parametrize("name", ["critic", "archer", "strata"])
def test_figures_are_those_of_all(folder: Path, name: str) -> None:
    whole, parts = (losses_in(folder / f"{name}-{kind}") for kind in ("whole", "sharded"))
    assert whole.keys() == parts.keys()
    for figure, value in whole.items():
        if not figure.endswith("seconds"):
            assert parts[figure] == pytest.approx(value, rel=1e-2, abs=1e-4), figure
    if name == "critic":
        assert min(whole["policy_grad_norm"], whole["critic_grad_norm"]) > 0.1  # clipped to that


def test_each_process_has_a_part_of_everything_that_grows_with_the_model(
    found: list[dict[str, Any]],
) -> None:
    for own in found:
        assert own["held"] == [1 / SIZE, 1 / SIZE, 1 / SIZE]


def test_one_whole_model_at_a_time(found: list[dict[str, Any]]) -> None:
    for own in found:
        assert own["shares"] == [1.0, 1 / SIZE, 1.0, 1 / SIZE]


def test_gradients_are_clipped_over_all_parts(found: list[dict[str, Any]]) -> None:
    for own in found:
        assert own["clipped"] == pytest.approx([2.0, 0.5, 0.5], rel=1e-4)


def test_the_first_process_has_sample_episodes_in_the_end(found: list[dict[str, Any]]) -> None:
    assert [own["samples"] > 0 for own in found] == [True, False]


def test_one_process_takes_up_what_several_have_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPER_DATA", str(folder / "no-data"))
    make_agent(folder / "run", device="cpu")
    document = read_checkpoint(folder / "run")
    assert len(document["streams"]) == SIZE
    config: Any = read_config(folder / "run")
    alone = make_trainer(replace(config, shard=False, start=str(folder / "run")))
    with pytest.raises(CheckpointError, match=r"began with 2 processes .* not with 1: launch 2"):
        alone.load(folder / "run")


def test_one_process_has_nobody_to_shard_with(together: ModuleType, tmp_path: Path) -> None:
    for config in (together.TRAINED, together.TAUGHT):
        sharded = replace(config, shard=True, policy=PolicyConfig(lora_rank=0))
        with pytest.raises(HiperError, match="one process cannot shard: launch several"):
            sft(sharded, tmp_path) if config is together.TAUGHT else make_trainer(sharded)


def test_adapters_are_not_sharded() -> None:
    policy = LanguagePolicy(*make_tiny(layers=1, hidden=8), PolicyConfig(lora_rank=2))
    with pytest.raises(PolicyError, match="an adapter is not sharded"):
        policy.shard(torch.device("cpu"))
    assert not policy.weights.is_sharded


def test_what_is_whole_stays_as_it_is() -> None:
    tensor, parameter = torch.ones(3), torch.nn.Parameter(torch.zeros(3))
    assert part_for(tensor, parameter) is tensor
    copies = gathered({"name": parameter})
    assert copies["name"].tolist() == [0.0, 0.0, 0.0]
    assert copies["name"].data_ptr() != parameter.data_ptr()
    assert gathered({"name": parameter}, keep=False) == {}
    parameter.grad = torch.tensor([3.0, 0.0, 4.0])
    assert clip_gradients([parameter], 1.0) == 5.0
    assert parameter.grad.norm() == pytest.approx(1.0)
