"""The measurements run and count what they say; the figures themselves are not judged here."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from benchmarks.measuring import in_fresh_process, rss_mib, target
from benchmarks.throughput import ThroughputArgs, measure_import, measure_memory, measure_vector
from benchmarks.throughput_alfworld import measure_opening

KWARGS = {"split": "generated"}
ENV_ID = "HiPER-ALFWorld-v0"


def test_targets() -> None:
    assert target(5.0, at_least=3) == {"value": 5.0, "at_least": 3, "met": True}
    assert target(5.0, at_most=3) == {"value": 5.0, "at_most": 3, "met": False}


def test_fresh_process_has_its_own_memory() -> None:
    assert 0 < in_fresh_process(rss_mib) < rss_mib() + 100


def test_quick_run_is_smaller() -> None:
    args = ThroughputArgs(quick=True, seed=4).effective()
    assert (args.seed, args.num_envs, args.memory_envs) == (4, 16, 64)
    assert ThroughputArgs().effective() == ThroughputArgs(memory_envs=1024)
    assert ThroughputArgs(env="webshop").effective().memory_envs == 256


def test_vector_env_beside_single_ones() -> None:
    args = ThroughputArgs(repeats=2, num_envs=4, steps=10)
    result = measure_vector(ENV_ID, KWARGS, args)
    assert result["steps_per_repeat"] == 40
    rates = result["steps_per_second"]
    assert {summary.n for summary in rates.values()} == {2}
    expected = rates["batched"].values[0] / rates["single"].values[0]
    assert result["batched_over_single"].values[0] == pytest.approx(expected)


def test_memory_and_import() -> None:
    memory = measure_memory(ENV_ID, KWARGS, 4)
    assert memory["single_playing_mib"] >= memory["single_imported_mib"] > 0
    assert memory["batched_playing_mib"] >= memory["batched_imported_mib"] > 0
    assert measure_import(1).values[0] > 0


def test_opening_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    opening = measure_opening("generated", 1)
    assert opening["games"] > 0
    assert list(tmp_path.iterdir()) == []
