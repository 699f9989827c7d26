"""Drawing tasks by how often their type is solved."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hiper_agents.training.sampler import TaskSampler

TYPES = ["easy"] * 90 + ["hard"] * 10


def shares(sampler: TaskSampler) -> dict[str, float]:
    drawn = sampler.draw(20_000, np.random.default_rng(0))
    counts = Counter(TYPES[task] for task in drawn)
    return {name: counts[name] / 20_000 for name in ("easy", "hard")}


def test_at_first_all_types_are_alike() -> None:
    assert shares(TaskSampler(TYPES))["hard"] == pytest.approx(0.5, abs=0.02)


def test_the_hard_share_goes_to_what_fails() -> None:
    sampler = TaskSampler(TYPES, hard_share=0.5)
    sampler.success = {"easy": 1.0, "hard": 0.0}
    assert shares(sampler)["hard"] == pytest.approx(0.75, abs=0.02)
    sampler.success = {"easy": 0.9, "hard": 0.6}
    assert shares(sampler)["hard"] == pytest.approx(0.25 + 0.5 * 0.8, abs=0.02)


def test_the_natural_share_goes_to_all_tasks_alike() -> None:
    assert shares(TaskSampler(TYPES, natural_share=1.0))["hard"] == pytest.approx(0.1, abs=0.02)
    half = TaskSampler(TYPES, natural_share=0.5)
    assert shares(half)["hard"] == pytest.approx(0.3, abs=0.02)


def test_when_all_is_solved_all_types_are_alike() -> None:
    sampler = TaskSampler(TYPES)
    sampler.success = {"easy": 1.0, "hard": 1.0}
    assert shares(sampler)["easy"] == pytest.approx(0.5, abs=0.02)


def test_the_running_success_follows_what_was_played() -> None:
    sampler = TaskSampler(TYPES, decay=0.5)
    sampler.observe(["hard"] * 4 + ["easy"] * 4, np.array([True] * 4 + [False] * 4))
    assert sampler.success == {"easy": 0.0, "hard": 0.5}
    sampler.observe(["easy"] * 8, np.ones(8, np.bool_))
    assert sampler.success == {"easy": 0.5, "hard": 0.5}
