"""Properties of the estimators beside GAE and HAE, and slow references that loop."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from hiper_agents.estimators import Advantages, TurnBatch, get_estimator

HEADS = [field.name for field in fields(Advantages)]
COLUMNS = [field.name for field in fields(TurnBatch)]
GROUPED = ["grpo", "rloo", "gigpo", "strata"]
RIVALS = [*GROUPED, "reinforce_pp", "gear", "archer"]
# Sixteenths: sums are exact, and spreads are 0 or far from the 1e-6 that is added to them.
NUMBERS = st.integers(-64, 64).map(lambda n: n / 16)
GAMMA = st.sampled_from([0.0, 0.5, 0.9, 1.0])


@st.composite
def batches(draw: st.DrawFn) -> TurnBatch:
    """Trajectories in some groups and strategies, in few states, with their turns shuffled.

    The shape is drawn, the numbers come from a drawn seed: drawing each would take too long.
    """
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=8))
    largest = draw(st.sampled_from([1, 64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    turns, n = sum(lengths), len(lengths)
    columns: dict[str, Any] = {
        name: rng.integers(-largest, largest, size=turns, endpoint=True) / 16
        for name in ("reward", "value_low", "value_high", "value_switch", "q_value", "divergence")
    }
    columns["divergence"] = np.abs(columns["divergence"])
    columns["off_plan"] = rng.random(turns) < 0.3
    columns["boundary"] = rng.random(turns) < 0.3
    columns["terminated"] = np.isin(np.arange(turns), np.cumsum(lengths) - 1)
    columns["truncated"] = np.zeros(turns, dtype=bool)
    columns["trajectory_id"] = np.repeat(rng.permutation(n), lengths)
    columns["turn"] = np.concatenate([np.arange(length) for length in lengths])
    columns["group_id"] = np.repeat(rng.integers(0, 3, size=n), lengths)
    columns["strategy_id"] = np.repeat(rng.integers(0, 3, size=n), lengths)
    columns["state_key"] = rng.integers(0, 4, size=turns)
    order = rng.permutation(turns)
    return TurnBatch(**{name: column[order] for name, column in columns.items()})


def take(batch: TurnBatch, rows: Any) -> TurnBatch:
    return TurnBatch(**{name: getattr(batch, name)[rows] for name in COLUMNS})


def trajectories(batch: TurnBatch) -> list[np.ndarray]:
    """The rows of each trajectory, by turn."""
    rows = [np.flatnonzero(batch.trajectory_id == i) for i in np.unique(batch.trajectory_id)]
    return [r[np.argsort(batch.turn[r])] for r in rows]


def normal(value: float, others: list[float], norm: str = "mean_std") -> float:
    """One value beside all of its group, itself included."""
    if len(set(others)) == 1:
        return 0.0
    scale = 1.0 if norm == "mean" else np.std(others, ddof=1) + 1e-6
    return float((value - np.mean(others)) / scale)


def to_go(b: TurnBatch, gamma: float) -> np.ndarray:
    out = np.zeros(len(b))
    for rows in trajectories(b):
        for i, row in enumerate(rows):
            out[row] = sum(gamma**j * b.reward[later] for j, later in enumerate(rows[i:]))
    return out


def peers(b: TurnBatch, row: int, *names: str) -> list[np.ndarray]:
    """The trajectories that agree with that of the row in some columns."""
    same = [all(getattr(b, n)[r[0]] == getattr(b, n)[row] for n in names) for r in trajectories(b)]
    return [rows for rows, agree in zip(trajectories(b), same, strict=True) if agree]


def total(b: TurnBatch, rows: np.ndarray) -> float:
    return float(b.reward[rows].sum())


def reference_grpo(b: TurnBatch, gamma: float, norm: str) -> np.ndarray:
    out = np.zeros(len(b))
    for rows in trajectories(b):
        others = [total(b, r) for r in peers(b, rows[0], "group_id")]
        out[rows] = normal(total(b, rows), others, norm)
    return out


def reference_rloo(b: TurnBatch, gamma: float) -> np.ndarray:
    out = np.zeros(len(b))
    for rows in trajectories(b):
        others = [
            total(b, r)
            for r in peers(b, rows[0], "group_id")
            if b.trajectory_id[r[0]] != b.trajectory_id[rows[0]]
        ]
        out[rows] = total(b, rows) - np.mean(others) if others else 0.0
    return out


def reference_reinforce_pp(b: TurnBatch, gamma: float) -> np.ndarray:
    g = to_go(b, gamma)
    return np.zeros(len(b)) if g.std() < 1e-9 else (g - g.mean()) / g.std()


def reference_gigpo(b: TurnBatch, gamma: float, w: float, norm: str, per: str) -> np.ndarray:
    g, out = to_go(b, gamma), np.zeros(len(b))
    for rows in trajectories(b):
        group = peers(b, rows[0], "group_id")
        values = [total(b, r) for r in group for _ in (r if per == "turn" else [0])]
        own = total(b, rows)
        out[rows] = own if len(values) == 1 else normal(own, values, norm)
        for row in rows:
            same = (b.group_id == b.group_id[row]) & (b.state_key == b.state_key[row])
            out[row] += w * normal(g[row], list(g[same]), norm)
    return out


def reference_strata(b: TurnBatch, gamma: float, best: float) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.zeros(len(b)), np.zeros(len(b))

    def worth(followers: list[np.ndarray]) -> float:
        returns = sorted((total(b, r) for r in followers), reverse=True)
        return float(np.mean(returns[: max(1, int(np.ceil(best * len(returns))))]))

    for rows in trajectories(b):
        followers = peers(b, rows[0], "group_id", "strategy_id")
        rollout = normal(total(b, rows), [total(b, r) for r in followers])
        low[rows] = rollout - 0.1 * b.off_plan[rows]  # type: ignore[index]
        strategies = {b.strategy_id[r[0]]: r[0] for r in peers(b, rows[0], "group_id")}  # type: ignore[index]
        values = [worth(peers(b, r, "group_id", "strategy_id")) for r in strategies.values()]
        high[rows] = np.where(b.boundary[rows], low[rows], 0.0)
        high[rows[0]] = normal(worth(followers), values)
    return low, high


def reference_gear(b: TurnBatch, gamma: float, strength: float, spike: float, span: int) -> Any:
    out = reference_grpo(b, gamma, "mean_std")
    d: np.ndarray = b.divergence  # type: ignore[assignment]
    mean = np.mean(d[np.lexsort((b.turn, b.trajectory_id))])
    for rows in trajectories(b):
        shared, left = [], 0
        for row in rows:
            left -= 1
            if d[row] > spike * mean:
                current, left = d[row], span
            shared.append(current if left > 0 else d[row])
        c = np.array([s / (s + mean) if mean else 0.0 for s in shared])
        out[rows] *= 1 + strength * (c - c.mean())
    return out


@settings(max_examples=40)
@given(batch=batches(), gamma=GAMMA, data=st.data())
@pytest.mark.parametrize("name", ["grpo", "rloo", "reinforce_pp", "gigpo", "gear"])
def test_flat_rivals_equal_the_reference(
    name: str, batch: TurnBatch, gamma: float, data: st.DataObject
) -> None:
    norm = st.sampled_from(["mean", "mean_std"])
    choices: dict[str, dict[str, Any]] = {
        "grpo": {"norm": norm},
        "gigpo": {
            "norm": norm,
            "w": NUMBERS.map(abs),
            "per": st.sampled_from(["turn", "trajectory"]),
        },
        "gear": {
            "strength": st.floats(0, 1),
            "spike": st.sampled_from([0.5, 1.0, 2.0]),
            "span": st.integers(1, 4),
        },
    }
    chosen = {key: data.draw(choice) for key, choice in choices.get(name, {}).items()}
    out = get_estimator(name)(batch, gamma=gamma, **chosen)
    expected = globals()[f"reference_{name}"](batch, gamma, **chosen)
    assert_allclose(out.low, expected, rtol=1e-9, atol=1e-9)
    assert_allclose(out.returns_low, to_go(batch, gamma), rtol=1e-9, atol=1e-9)
    assert out.flat
    assert out.returns_low is out.returns_high is out.returns_switch


@settings(max_examples=40)
@given(batch=batches(), gamma=GAMMA, best=st.sampled_from([0.1, 0.5, 0.75, 1.0]))
def test_strata_equals_the_reference(batch: TurnBatch, gamma: float, best: float) -> None:
    out = get_estimator("strata")(batch, gamma=gamma, best=best)
    low, high = reference_strata(batch, gamma, best)
    assert_allclose(out.low, low, rtol=1e-9, atol=1e-9)
    assert_allclose(out.high, high, rtol=1e-9, atol=1e-9)
    assert_allclose(out.returns_low, to_go(batch, gamma), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", RIVALS)
@settings(max_examples=40)
@given(batch=batches(), gamma=GAMMA, seed=st.integers(0, 9))
def test_the_order_of_turns_does_not_matter(
    name: str, batch: TurnBatch, gamma: float, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(batch))
    out = get_estimator(name)(batch, gamma=gamma)
    shuffled = get_estimator(name)(take(batch, order), gamma=gamma)
    for head in HEADS:
        assert_array_equal(getattr(out, head)[order], getattr(shuffled, head))


@pytest.mark.parametrize("name", GROUPED)
@settings(max_examples=40)
@given(batch=batches())
def test_groups_do_not_influence_each_other(name: str, batch: TurnBatch) -> None:
    out = get_estimator(name)(batch)
    for group in np.unique(batch.group_id):
        rows = np.flatnonzero(batch.group_id == group)
        alone = get_estimator(name)(take(batch, rows))
        for head in HEADS:
            assert_array_equal(getattr(out, head)[rows], getattr(alone, head))


@pytest.mark.parametrize("name", ["gae", "hae", *RIVALS])
@settings(max_examples=40)
@given(batch=batches())
def test_only_what_is_declared_is_read(name: str, batch: TurnBatch) -> None:
    """Without a critic the values do not matter; to a flat method boundaries do not, either."""
    estimator = get_estimator(name)
    other = batch
    if not estimator.needs.critic:
        other = replace(other, value_low=-batch.value_low, value_high=0 * batch.value_high)
        other = replace(other, value_switch=batch.value_switch + 1)
    if estimator.flat:
        other = replace(other, boundary=~batch.boundary)
    optional = {"strategy_id", "divergence", "q_value"} - set(estimator.needs.columns)
    other = replace(other, **dict.fromkeys(optional))
    for head in HEADS:
        assert_array_equal(getattr(estimator(batch), head), getattr(estimator(other), head))


@pytest.mark.parametrize("name", ["grpo", "rloo", "reinforce_pp", "strata", "gear"])
@settings(max_examples=40)
@given(batch=batches(), reward=NUMBERS)
def test_equal_rewards_give_no_advantage(name: str, batch: TurnBatch, reward: float) -> None:
    """One reward at each last turn: every trajectory has the same return, at every turn."""
    same = replace(batch, reward=reward * batch.terminated, off_plan=None)
    out = get_estimator(name)(same)
    assert not out.low.any()
    assert not out.high.any()


@settings(max_examples=40)
@given(batch=batches(), reward=NUMBERS, norm=st.sampled_from(["mean", "mean_std"]))
def test_equal_rewards_give_gigpo_no_advantage_but_to_those_alone(
    batch: TurnBatch, reward: float, norm: str
) -> None:
    same = replace(batch, reward=reward * batch.terminated)
    advantage = get_estimator("gigpo")(same, norm=norm).low
    for rows in trajectories(same):
        alone = (same.group_id == same.group_id[rows[0]]).sum() == 1
        assert_array_equal(advantage[rows], reward if alone else 0.0)


@pytest.mark.parametrize("name", ["rloo", "gigpo"])
@settings(max_examples=40)
@given(batch=batches(), gamma=GAMMA)
def test_what_divides_by_nothing_scales_with_the_reward(
    name: str, batch: TurnBatch, gamma: float
) -> None:
    out = get_estimator(name)(batch, gamma=gamma).low
    scaled = get_estimator(name)(replace(batch, reward=-4.0 * batch.reward), gamma=gamma).low
    assert_array_equal(scaled, -4.0 * out)


@pytest.mark.parametrize("name", ["grpo", "reinforce_pp", "strata", "gear"])
@settings(max_examples=40)
@given(batch=batches())
def test_what_is_normalised_does_not_scale(name: str, batch: TurnBatch) -> None:
    out = get_estimator(name)(batch)
    scaled = get_estimator(name)(replace(batch, reward=4.0 * batch.reward))
    # The 1e-6 beside a spread of at least a sixteenth.
    assert_allclose(scaled.low, out.low, rtol=1e-4, atol=1e-9)
    assert_allclose(scaled.high, out.high, rtol=1e-4, atol=1e-9)


@settings(max_examples=40)
@given(batch=batches())
def test_baselines_of_groups_sum_to_zero(batch: TurnBatch) -> None:
    """Over trajectories for GRPO and RLOO; over turns and over states for the parts of GiGPO."""
    first = batch.turn == 0
    episode = get_estimator("gigpo")(batch, w=0.0).low
    once = get_estimator("gigpo")(batch, w=0.0, per="trajectory").low
    step = get_estimator("gigpo")(batch).low - episode
    for group in np.unique(batch.group_id):
        own = batch.group_id == group
        for name in ("grpo", "rloo"):
            out = get_estimator(name)(batch).low
            assert_allclose(out[own & first].sum(), 0.0, atol=1e-9)
        if own.sum() > 1:
            assert_allclose(episode[own].sum(), 0.0, atol=1e-9)
        if (own & first).sum() > 1:
            assert_allclose(once[own & first].sum(), 0.0, atol=1e-9)
        for state in np.unique(batch.state_key):
            assert_allclose(step[own & (batch.state_key == state)].sum(), 0.0, atol=1e-9)


@settings(max_examples=40)
@given(batch=batches(), gamma=GAMMA, norm=st.sampled_from(["mean", "mean_std"]))
def test_gigpo_in_distinct_states_is_its_episode_part(
    batch: TurnBatch, gamma: float, norm: str
) -> None:
    distinct = replace(batch, state_key=np.arange(len(batch)))
    out = get_estimator("gigpo")(distinct, gamma=gamma, norm=norm, w=3.0)
    episode = get_estimator("gigpo")(batch, gamma=gamma, norm=norm, w=0.0)
    assert_array_equal(out.low, episode.low)


@settings(max_examples=40)
@given(batch=batches(), norm=st.sampled_from(["mean", "mean_std"]))
def test_rivals_that_are_relatives(batch: TurnBatch, norm: str) -> None:
    grpo = get_estimator("grpo")(batch, norm=norm).low
    gigpo = get_estimator("gigpo")(batch, norm=norm, w=0.0, per="trajectory").low
    rloo = get_estimator("rloo")(batch).low
    plain = get_estimator("grpo")(batch, norm="mean").low
    for rows in trajectories(batch):
        k = len(peers(batch, rows[0], "group_id"))
        if k > 1:
            assert_array_equal(gigpo[rows], grpo[rows])
            assert_allclose(rloo[rows], k / (k - 1) * plain[rows], rtol=1e-12)


@settings(max_examples=40)
@given(batch=batches())
def test_strata_with_one_strategy_is_grpo(batch: TurnBatch) -> None:
    one = replace(batch, strategy_id=np.zeros(len(batch), dtype=int), off_plan=None)
    out = get_estimator("strata")(one)
    assert_array_equal(out.low, get_estimator("grpo")(batch).low)
    assert not out.high[batch.turn == 0].any()
    assert not out.high[~batch.boundary].any()


@settings(max_examples=40)
@given(batch=batches())
def test_strata_with_a_strategy_a_trajectory_compares_strategies_only(batch: TurnBatch) -> None:
    own = replace(batch, strategy_id=batch.trajectory_id, off_plan=None)
    out = get_estimator("strata")(own)
    assert not out.low.any()
    first = batch.turn == 0
    assert_array_equal(out.high[first], get_estimator("grpo")(batch).low[first])


@settings(max_examples=40)
@given(batch=batches(), strength=st.floats(0, 1), span=st.integers(1, 4))
def test_gear_moves_credit_within_a_trajectory(
    batch: TurnBatch, strength: float, span: int
) -> None:
    out = get_estimator("gear")(batch, strength=strength, span=span).low
    grpo = get_estimator("grpo")(batch).low
    for rows in trajectories(batch):
        assert_allclose(out[rows].mean(), grpo[rows[0]], rtol=1e-9, atol=1e-12)
        assert (out[rows] * grpo[rows] >= 0).all()


@settings(max_examples=40)
@given(batch=batches(), divergence=NUMBERS.map(abs))
def test_gear_with_an_equal_divergence_is_grpo(batch: TurnBatch, divergence: float) -> None:
    even = replace(batch, divergence=np.full(len(batch), divergence))
    assert_array_equal(get_estimator("gear")(even).low, get_estimator("grpo")(batch).low)
