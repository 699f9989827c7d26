"""Properties that hold for every batch, and a slow reference that loops over the formulas."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from hiper_agents.estimators import Advantages, TurnBatch, get_estimator

HEADS = [field.name for field in fields(Advantages)]
COLUMNS = [field.name for field in fields(TurnBatch) if field.default is MISSING]
UNIT = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0))
NUMBERS = st.floats(-10.0, 10.0)


@st.composite
def batches(draw: st.DrawFn, boundary: bool | None = None) -> TurnBatch:
    """Some trajectories, each ended in one of the four ways, with their turns shuffled."""
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=5))
    turns = sum(lengths)
    turn = np.concatenate([np.arange(length) for length in lengths])
    end = np.cumsum(lengths) - 1
    columns: dict[str, Any] = {
        name: draw(arrays(np.float64, turns, elements=NUMBERS, fill=st.nothing()))
        for name in ("reward", "value_low", "value_high", "value_switch")
    }
    for name in ("terminated", "truncated"):
        columns[name] = np.zeros(turns, dtype=bool)
        columns[name][end] = draw(arrays(np.bool_, len(lengths)))
    given_boundary = draw(arrays(np.bool_, turns)) if boundary is None else boundary
    columns["boundary"] = np.broadcast_to(given_boundary, turns)
    columns["trajectory_id"] = np.repeat(draw(st.permutations(range(len(lengths)))), lengths)
    columns["turn"] = turn
    columns["group_id"] = columns["trajectory_id"] // 2
    columns["state_key"] = turn
    order = draw(st.permutations(range(turns)))
    return TurnBatch(**{name: column[order] for name, column in columns.items()})


@st.composite
def all_settings(draw: st.DrawFn) -> dict[str, Any]:
    units = {name: draw(UNIT) for name in ("gamma", "lam_low", "lam_high")}
    return {**units, "bootstrap_truncated": draw(st.booleans())}


def trajectories(batch: TurnBatch) -> list[np.ndarray]:
    """The rows of each trajectory, by turn."""
    rows = [np.flatnonzero(batch.trajectory_id == i) for i in np.unique(batch.trajectory_id)]
    return [r[np.argsort(batch.turn[r])] for r in rows]


def take(batch: TurnBatch, rows: Any) -> TurnBatch:
    return TurnBatch(**{name: getattr(batch, name)[rows] for name in COLUMNS})


def reference_gae(
    b: TurnBatch, gamma: float, lam_low: float, lam_high: float, bootstrap_truncated: bool
) -> dict[str, np.ndarray]:
    advantage = np.zeros(len(b))
    for rows in trajectories(b):
        after = 0.0
        if not b.terminated[rows[-1]] and bootstrap_truncated:
            after = b.value_low[rows[-1]]
        trace = 0.0
        for row in rows[::-1]:
            delta = b.reward[row] + gamma * after - b.value_low[row]
            trace = advantage[row] = delta + gamma * lam_low * trace
            after = b.value_low[row]
    returns = advantage + b.value_low
    return dict(zip(HEADS, [advantage] * 3 + [returns] * 3, strict=True))


def reference_hae(
    b: TurnBatch, gamma: float, lam_low: float, lam_high: float, bootstrap_truncated: bool
) -> dict[str, np.ndarray]:
    low, high, g = np.zeros(len(b)), np.zeros(len(b)), np.zeros(len(b))
    for rows in trajectories(b):
        starts = [i for i in range(len(rows)) if i == 0 or b.boundary[rows[i]]]
        ends = [*starts[1:], len(rows)]
        cut = not b.terminated[rows[-1]] and bootstrap_truncated
        later_high = 0.0
        for start, end in reversed(list(zip(starts, ends, strict=True))):
            segment, first = rows[start:end], rows[start]
            if end < len(rows):
                v_high = after_low = b.value_high[rows[end]]
            else:
                v_high = b.value_high[first] if cut else 0.0
                after_low = b.value_low[segment[-1]] if cut else 0.0
            trace, to_go = 0.0, v_high
            for row in segment[::-1]:
                delta = b.reward[row] + gamma * after_low - b.value_low[row]
                trace = low[row] = delta + gamma * lam_low * trace
                to_go = g[row] = b.reward[row] + gamma * to_go
                after_low = b.value_low[row]
            n = len(segment)
            r = sum(gamma**j * b.reward[row] for j, row in enumerate(segment))
            delta = r + gamma**n * v_high - b.value_high[first]
            later_high = high[first] = delta + gamma**n * lam_high * later_high
    advantages = [low, high, g - b.value_switch]
    returns = [low + b.value_low, high + b.value_high, g]
    return dict(zip(HEADS, advantages + returns, strict=True))


@pytest.mark.parametrize(("name", "reference"), [("gae", reference_gae), ("hae", reference_hae)])
@given(batch=batches(), chosen=all_settings())
def test_equals_the_reference(
    name: str, reference: Any, batch: TurnBatch, chosen: dict[str, Any]
) -> None:
    out = get_estimator(name)(batch, **chosen)
    for head, expected in reference(batch, **chosen).items():
        # Sums of numbers of size 10 that cancel leave an absolute error.
        assert_allclose(getattr(out, head), expected, rtol=1e-9, atol=1e-10, err_msg=head)


@pytest.mark.parametrize("name", ["gae", "hae"])
@given(batch=batches(), chosen=all_settings(), data=st.data())
def test_the_order_of_turns_does_not_matter(
    name: str, batch: TurnBatch, chosen: dict[str, Any], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(batch))))
    out = get_estimator(name)(batch, **chosen)
    shuffled = get_estimator(name)(take(batch, order), **chosen)
    for head in HEADS:
        assert_array_equal(getattr(out, head)[order], getattr(shuffled, head))


@pytest.mark.parametrize("name", ["gae", "hae"])
@given(batch=batches(), chosen=all_settings())
def test_trajectories_do_not_influence_each_other(
    name: str, batch: TurnBatch, chosen: dict[str, Any]
) -> None:
    out = get_estimator(name)(batch, **chosen)
    for rows in trajectories(batch):
        alone = get_estimator(name)(take(batch, rows), **chosen)
        for head in HEADS:
            assert_array_equal(getattr(out, head)[rows], getattr(alone, head))


@given(batch=batches(boundary=False), chosen=all_settings())
def test_with_one_option_an_episode_low_is_gae(batch: TurnBatch, chosen: dict[str, Any]) -> None:
    hae, gae = get_estimator("hae")(batch, **chosen), get_estimator("gae")(batch, **chosen)
    assert_array_equal(hae.low, gae.low)
    assert_array_equal(np.flatnonzero(batch.boundary), np.flatnonzero(batch.turn == 0))


@given(batch=batches(), chosen=all_settings())
def test_without_the_bootstrap_at_boundaries_an_option_is_an_episode_of_its_own(
    batch: TurnBatch, chosen: dict[str, Any]
) -> None:
    out = get_estimator("hae")(batch, **chosen, boundary_bootstrap=False)
    layout = batch.layout
    segment = np.repeat(np.arange(len(layout.starts)), layout.lengths)
    inner = layout.segment_end & ~layout.trajectory_end
    apart = replace(
        batch,
        trajectory_id=layout.unsort(segment),
        turn=layout.unsort(np.arange(len(batch)) - layout.starts[segment]),
        terminated=batch.terminated | layout.unsort(inner),
    )
    assert_array_equal(out.low, get_estimator("gae")(apart, **chosen).low)
    full = get_estimator("hae")(batch, **chosen)
    assert_array_equal(out.high, full.high)
    assert_array_equal(out.switch, full.switch)


@given(batch=batches(boundary=True), chosen=all_settings())
def test_with_every_turn_a_boundary_high_is_gae_over_the_high_values(
    batch: TurnBatch, chosen: dict[str, Any]
) -> None:
    """An option of one turn is a step: A_H is GAE with V_H and lam_high; low and switch are TD."""
    hae = get_estimator("hae")(batch, **chosen)
    flat = replace(batch, value_low=batch.value_high)
    gae = get_estimator("gae")(flat, **{**chosen, "lam_low": chosen["lam_high"]})
    assert_allclose(hae.high, gae.low, rtol=1e-9, atol=1e-10)
    # The one-step target r + gamma V_H(next) is GAE's at lam 0.
    step = get_estimator("gae")(flat, **{**chosen, "lam_low": 0.0})
    assert_allclose(hae.returns_switch, step.returns_low, rtol=1e-9, atol=1e-10)


@given(batch=batches(), chosen=all_settings())
def test_lam_1_leaves_returns_and_lam_0_one_step_errors(
    batch: TurnBatch, chosen: dict[str, Any]
) -> None:
    gamma, bootstrap = chosen["gamma"], chosen["bootstrap_truncated"]
    full = get_estimator("hae")(batch, **{**chosen, "lam_low": 1.0, "lam_high": 1.0})
    none = get_estimator("hae")(batch, **{**chosen, "lam_low": 0.0, "lam_high": 0.0})
    for rows in trajectories(batch):
        # lam_high 1: the discounted reward from the boundary to the end of the episode.
        starts = np.flatnonzero(batch.boundary[rows])
        cut = not batch.terminated[rows[-1]] and bootstrap
        tail = batch.value_high[rows[starts[-1]]] if cut else 0.0
        rewards = np.append(batch.reward[rows], tail)
        to_go = [np.sum(gamma ** np.arange(len(rewards) - s) * rewards[s:]) for s in starts]
        assert_allclose(full.returns_high[rows[starts]], to_go, rtol=1e-9, atol=1e-9)
        # lam_high 0: the target of an option is its own return and the next option's value.
        targets = none.returns_switch[rows[starts]]
        assert_allclose(none.returns_high[rows[starts]], targets, rtol=1e-9, atol=1e-9)
        # lam_low 1: low and switch aim at the same return, but for a bootstrapped cut.
        inner = rows[: starts[-1]] if cut else rows
        targets = full.returns_switch[inner]
        assert_allclose(full.returns_low[inner], targets, rtol=1e-9, atol=1e-9)
        # lam_low 0: inside an option the target is one reward and the next low value.
        inside = np.flatnonzero(~batch.boundary[rows])
        targets = batch.reward[rows[inside - 1]] + gamma * batch.value_low[rows[inside]]
        assert_allclose(none.returns_low[rows[inside - 1]], targets, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["gae", "hae"])
@given(batch=batches(), chosen=all_settings())
def test_without_bootstrap_truncation_equals_termination(
    name: str, batch: TurnBatch, chosen: dict[str, Any]
) -> None:
    last = batch.layout.unsort(batch.layout.trajectory_end)
    chosen = {**chosen, "bootstrap_truncated": False}
    terminated = get_estimator(name)(replace(batch, terminated=last), **chosen)
    for truncated in (last, np.zeros_like(last)):
        cut = replace(batch, terminated=np.zeros_like(last), truncated=truncated)
        out = get_estimator(name)(cut, **chosen)
        for head in HEADS:
            assert_array_equal(getattr(out, head), getattr(terminated, head))


@given(batch=batches(), chosen=all_settings())
def test_high_is_zero_outside_boundaries(batch: TurnBatch, chosen: dict[str, Any]) -> None:
    out = get_estimator("hae")(batch, **chosen)
    keep = ~batch.boundary
    assert not out.high[keep].any()
    assert_array_equal(out.returns_high[keep], batch.value_high[keep])


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), all_settings())
def test_long_trajectories_equal_the_reference(seed: int, chosen: dict[str, Any]) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 300, size=4)
    turn = np.concatenate([np.arange(length) for length in lengths])
    turns = len(turn)
    columns = {name: rng.normal(size=turns) for name in ("reward", "value_low", "value_high")}
    batch = TurnBatch(
        **columns,
        value_switch=np.zeros(turns),
        terminated=np.isin(np.arange(turns), np.cumsum(lengths)[:2] - 1),
        truncated=np.zeros(turns, dtype=bool),
        boundary=rng.random(turns) < rng.choice([0.0, 0.02, 0.3]),
        trajectory_id=np.repeat(np.arange(4), lengths),
        turn=turn,
        group_id=np.zeros(turns, dtype=int),
        state_key=np.zeros(turns, dtype=int),
    )
    batch = take(batch, rng.permutation(turns))
    out = get_estimator("hae")(batch, **chosen)
    for head, expected in reference_hae(batch, **chosen).items():
        assert_allclose(getattr(out, head), expected, rtol=1e-9, atol=1e-9, err_msg=head)
