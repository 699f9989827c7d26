"""Two real processes that learn as one; what they do is in `together.py`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from hiper_agents.agent import make_agent
from hiper_agents.llm.sft import sft
from hiper_agents.training.ranks import Ranks, join, launched
from hiper_agents.training.run import make_trainer
from hiper_agents.training.state_files import CheckpointError, read_checkpoint
from hiper_base.errors import HiperError

SIZE = 2


@pytest.fixture(scope="module")
def folder(launch: Callable[[str, int], Path]) -> Path:
    """Where two processes have left what they did."""
    return launch("together", SIZE)


@pytest.fixture
def found(folder: Path) -> list[dict[str, Any]]:
    """What each of them has found."""
    return [json.loads((folder / f"found-{rank}.json").read_text()) for rank in range(SIZE)]


def test_processes_tell_each_other_what_they_have(found: list[dict[str, Any]]) -> None:
    for rank, own in enumerate(found):
        assert own["gathered"] == [["ü", 0, None], ["ü", 1, None]]
        assert own["arrays"] == {"empty_or_not": [0, 1, 2], "text": ["a", "aa"]}
        assert own["first"] == 0.1
        assert own["share"] == [[0, 1, 2], [3, 4]][rank]
        assert "process 1 of 2 has other names than the first" in own["different"]


def test_an_iteration_is_that_of_one_process_with_the_turns_of_all(
    found: list[dict[str, Any]],
) -> None:
    one, other = found
    assert one["weights"] == other["weights"]
    # Three groups of two: four episodes here, two there, none of them played twice.
    assert set(one["trajectories"]) == set(range(6))
    assert one["trajectories"] == other["trajectories"]
    pairs = set(zip(one["trajectories"], one["groups"], strict=True))
    assert pairs == {(episode, episode // 2) for episode in range(6)}
    assert one["turns"] + other["turns"] == len(one["trajectories"])
    assert one["turns"] != other["turns"]
    for own in found:
        assert own["advantages_apart"] == 0.0
        assert own["apart"] < 1e-2 * own["changed"]


def test_figures_are_those_of_all_and_the_first_process_tells_them(
    folder: Path, found: list[dict[str, Any]]
) -> None:
    one, other = found
    assert one["metrics"] == other["metrics"]
    first, second = one["shown"]
    assert other["shown"] == []
    assert first["turns"] == one["turns"] + other["turns"]
    # Seconds, and what is made of them, are never the same twice.
    for name in ("iteration", "episodes", "turns", "return", "options", "success_by_type"):
        assert second[name] == one["metrics"][name]
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [first, second]


def test_a_run_that_was_stopped_ends_like_one_that_was_not(
    folder: Path, found: list[dict[str, Any]]
) -> None:
    one, other = found
    assert one["resumed"] == other["resumed"] == one["weights_after_two"]
    assert one["resumed"] != one["weights"]
    kept = read_checkpoint(folder / "run")
    assert len(kept["streams"]) == SIZE
    for own in found:
        for name in ("iteration", "episodes", "turns", "success", "rng", "streams"):
            assert own["progress"][name] == kept[name]


def test_a_run_goes_on_with_as_many_processes_as_it_began_with(
    folder: Path, together: ModuleType, no_data: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"began with 2 processes .* not with 1: launch 2"):
        make_trainer(together.TRAINED).load(folder / "run")
    # Its weights are anybody's.
    make_agent(folder / "run", device="cpu")
    make_trainer(replace(together.TRAINED, start=str(folder / "run")))


def test_demonstrations_teach_two_processes_what_they_teach_one(
    folder: Path,
    found: list[dict[str, Any]],
    together: ModuleType,
    no_data: Path,
    tmp_path: Path,
) -> None:
    assert found[0]["taught"] == found[1]["taught"]
    alone = sft(together.TAUGHT, tmp_path / "alone")
    start = replace(together.TRAINED, start=str(folder / "taught"))
    taught, before = (
        make_trainer(config).policy.adapter_state()  # type: ignore[attr-defined]
        for config in (start, together.TRAINED)
    )
    after = {
        name: tensor
        for name, tensor in alone.policy.adapter_state().items()
        if name.startswith("policy.")
    }
    assert together.distance(after, taught) < 1e-2 * together.distance(after, before)


def test_who_has_nothing_to_play_is_not_launched(found: list[dict[str, Any]]) -> None:
    for own in found:
        assert "1 groups of episodes cannot be dealt to 2 processes" in own["too_few"]


def test_vllm_does_not_play_for_several(found: list[dict[str, Any]]) -> None:
    for own in found:
        assert "vllm plays for one process, not for 2" in own["vllm"]


def test_one_process_is_asked_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert join() == launched() == Ranks()
    mine = object()
    assert join().gather(mine) == [mine]
    join().gather_check("names", "any")
    join().leave()
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize(
    "said", [("2", "2", "0"), ("x", "2", "0"), ("0", "0", "0"), ("0", "2", "-1")]
)
def test_a_launcher_that_makes_no_sense_is_an_error(
    said: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in zip(("RANK", "WORLD_SIZE", "LOCAL_RANK"), said, strict=True):
        monkeypatch.setenv(name, number)
    with pytest.raises(HiperError, match="makes no sense"):
        launched()


def test_who_cannot_share_is_not_launched_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, number)
    from hiper_agents.training.config import TrainConfig

    with pytest.raises(HiperError, match="2 processes were launched, but agent compact"):
        make_trainer(TrainConfig(split="generated"))


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert Ranks(3, 4, 1).device("auto") == Ranks(3, 4, 1).device("cuda") == "cuda:1"
    assert chosen == [1, 1]
    assert Ranks(3, 4, 1).device("cpu") == "cpu"
    assert Ranks().device("auto") == "auto"
    with pytest.raises(HiperError, match="2 GPUs are not enough for 3 processes"):
        Ranks(2, 4, 2).device("auto")
