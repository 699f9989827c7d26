from __future__ import annotations

import numpy as np
import pytest

from benchmarks.exact.gradient import gradient, objective
from benchmarks.exact.policy import random_policy
from benchmarks.exact.process import Process, errands, random_process, unrolled


@pytest.mark.parametrize("delay", [0, 1, 2, 3])
def test_an_errand_pays_the_same_whenever_it_pays(delay: int) -> None:
    process = errands(stages=4, subgoals=3, horizon=9, delay=delay, total=8.0)
    paid = [process.reward[stage, stage % 3, stage + 1] for stage in range(4)]
    assert sum(paid) == pytest.approx(8.0)
    assert paid[:delay] == [0.0] * delay
    # Nothing else pays.
    assert process.reward.sum() == pytest.approx(8.0)


def test_the_wrong_kind_of_work_never_completes_a_stage() -> None:
    process = errands(stages=3, subgoals=2, horizon=9, success=0.7, hazard=0.1)
    assert process.transition[1, 1].tolist() == pytest.approx([0.0, 0.3, 0.7, 0.0])
    assert process.transition[1, 0].tolist() == pytest.approx([0.0, 0.9, 0.0, 0.1])


@pytest.mark.parametrize("delay", [-1, 3])
def test_an_impossible_delay_is_refused(delay: int) -> None:
    with pytest.raises(ValueError, match="3 stages cannot pay"):
        errands(stages=3, subgoals=2, horizon=9, delay=delay)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": np.array([0.5, 0.6])}, "start"),
        ({"transition": np.full((2, 2, 3), 0.5)}, "transition"),
        ({"reward": np.zeros((2, 2, 2))}, "shape"),
        ({"discount": 0.0}, "discount"),
    ],
)
def test_what_is_no_process_is_refused(change: dict[str, object], message: str) -> None:
    fine = vars(random_process(np.random.default_rng(0), 2, 2, 2, 3))
    with pytest.raises(ValueError, match=message):
        Process(**{**fine, **change})


def test_unrolled_the_process_is_the_same_but_meets_no_state_twice() -> None:
    rng = np.random.default_rng(1)
    process = random_process(rng, states=2, actions=3, subgoals=2, horizon=4)
    policy = random_policy(process, rng)
    long = unrolled(process)
    # The same decisions in all copies of a state.
    copies = random_policy(long, rng)
    for head in ("switch", "high", "low"):
        getattr(copies, head)[:] = np.concatenate([getattr(policy, head)] * 4)
    assert objective(long, copies) == pytest.approx(objective(process, policy), rel=1e-12)
    for head, block in policy.blocks.items():
        parts = gradient(long, copies)[copies.blocks[head]].reshape(4, -1)
        np.testing.assert_allclose(
            parts.sum(0), gradient(process, policy)[block], rtol=1e-9, atol=1e-12
        )
