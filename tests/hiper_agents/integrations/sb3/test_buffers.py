from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer

from hiper_agents.estimators import TurnBatch, UnknownEstimatorError, get_estimator
from hiper_agents.integrations.sb3 import HAEDictRolloutBuffer, HAERolloutBuffer
from hiper_agents.integrations.sb3.buffers import RolloutError

BOX = spaces.Box(0.0, 1.0, (2,), np.float32)
STEPS = 12

rollouts = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "n_envs": st.integers(1, 4),
        "gamma": st.sampled_from([1.0, 0.99, 0.5, 0.0]),
        "gae_lambda": st.sampled_from([1.0, 0.9, 0.0]),
    }
)


def fill(buffer: Any, seed: int, heads: int = 3) -> tuple[th.Tensor, np.ndarray]:
    """A random rollout; returns what lies behind it: last values and dones."""
    rng = np.random.default_rng(seed)
    n = buffer.n_envs
    starts = np.ones(n, np.bool_) if rng.random() < 0.5 else np.zeros(n, np.bool_)
    for _ in range(buffer.buffer_size):
        if isinstance(buffer, HAERolloutBuffer):
            buffer.mark_boundaries(rng.random(n) < 0.4)
        else:
            rng.random(n)
        observation = rng.random((n, 2)).astype(np.float32)
        buffer.add(
            {"x": observation}
            if isinstance(buffer.observation_space, spaces.Dict)
            else observation,
            rng.integers(3, size=(n, 1)),
            rng.normal(size=n),
            starts,
            th.as_tensor(rng.normal(size=(n, 3)))[:, :heads],
            th.as_tensor(rng.normal(size=n)),
        )
        starts = rng.random(n) < 0.25
    return th.as_tensor(rng.normal(size=(n, 1))), starts


def by_the_formulas(
    buffer: HAERolloutBuffer, last: th.Tensor, dones: np.ndarray
) -> dict[str, np.ndarray]:
    """HAE turn by turn, as it is written down, with V_T of the state behind a cut."""
    gamma, lam, lam_high = buffer.gamma, buffer.gae_lambda, buffer.lam_high
    steps, n = buffer.rewards.shape
    found = {name: np.zeros((steps, n)) for name in ("low", "high", "switch", "target_switch")}
    for e in range(n):
        behind = 0.0 if dones[e] else float(last.reshape(-1)[e])
        for t in reversed(range(steps)):
            ends_rollout = t == steps - 1
            ends_episode = dones[e] if ends_rollout else bool(buffer.episode_starts[t + 1, e])
            ends_option = not ends_rollout and bool(buffer.boundaries[t + 1, e])
            over = ends_rollout or ends_episode
            reward = float(buffer.rewards[t, e])
            if over:
                after_low = after = behind if ends_rollout else 0.0
                carry = further = 0.0
            elif ends_option:
                after_low = after = float(buffer.values_high[t + 1, e])
                carry, further = 0.0, found["high"][t + 1, e]
            else:
                after_low = float(buffer.values[t + 1, e])
                after = found["target_switch"][t + 1, e]
                carry, further = found["low"][t + 1, e], found["high"][t + 1, e]
            delta = reward + gamma * after_low - float(buffer.values[t, e])
            found["low"][t, e] = delta + gamma * lam * carry
            found["target_switch"][t, e] = reward + gamma * after
            found["switch"][t, e] = found["target_switch"][t, e] - buffer.values_switch[t, e]
            # What the options behind this one are worth more than expected, discounted to here.
            if over:
                found["high"][t, e] = 0.0
            else:
                weight = lam_high if ends_option else 1.0
                found["high"][t, e] = gamma * weight * further
            starts_piece = t == 0 or buffer.episode_starts[t, e] or buffer.boundaries[t, e]
            if starts_piece:
                delta = found["target_switch"][t, e] - buffer.values_high[t, e]
                found["high"][t, e] += delta
    return found


@settings(max_examples=40)
@given(rollouts)
def test_with_gae_the_numbers_are_those_of_sb3(case: dict[str, Any]) -> None:
    seed = case.pop("seed")
    for ours, theirs, space in (
        (HAERolloutBuffer, RolloutBuffer, BOX),
        (HAEDictRolloutBuffer, DictRolloutBuffer, spaces.Dict(x=BOX)),
    ):
        buffer = ours(STEPS, space, spaces.Discrete(3), estimator="gae", **case)
        reference = theirs(STEPS, space, spaces.Discrete(3), **case)
        for each in (buffer, reference):
            each.compute_returns_and_advantage(*fill(each, seed, heads=1))
        np.testing.assert_allclose(buffer.values, reference.values)
        np.testing.assert_allclose(buffer.advantages, reference.advantages, atol=1e-5)
        np.testing.assert_allclose(buffer.returns, reference.returns, atol=1e-5)


@settings(max_examples=40)
@given(rollouts, st.sampled_from([1.0, 0.95, 0.0]))
def test_with_hae_the_numbers_are_those_of_the_formulas(
    case: dict[str, Any], lam_high: float
) -> None:
    seed = case.pop("seed")
    buffer = HAERolloutBuffer(STEPS, BOX, spaces.Discrete(3), lam_high=lam_high, **case)
    last, dones = fill(buffer, seed)
    buffer.compute_returns_and_advantage(last, dones)
    expected = by_the_formulas(buffer, last, dones)
    np.testing.assert_allclose(buffer.advantages, expected["low"], atol=1e-5)
    np.testing.assert_allclose(buffer.advantages_switch, expected["switch"], atol=1e-5)
    begun = buffer.boundaries
    assert begun[buffer.episode_starts > 0].all()
    np.testing.assert_allclose(buffer.advantages_high[begun], expected["high"][begun], atol=1e-5)
    np.testing.assert_allclose(buffer.returns, buffer.advantages + buffer.values, atol=1e-5)
    np.testing.assert_allclose(
        buffer.returns_high[begun], (buffer.advantages_high + buffer.values_high)[begun], atol=1e-5
    )
    np.testing.assert_allclose(buffer.returns_switch, expected["target_switch"], atol=1e-5)


def test_whole_episodes_are_what_the_estimator_would_be_given_anyway() -> None:
    buffer = HAERolloutBuffer(STEPS, BOX, spaces.Discrete(3), gamma=0.9, gae_lambda=0.8, n_envs=3)
    last, _ = fill(buffer, seed=3)
    buffer.episode_starts[0] = 1.0
    buffer.compute_returns_and_advantage(last, np.ones(3, np.bool_))
    columns: dict[str, list[Any]] = {name: [] for name in TurnBatch.__dataclass_fields__}
    episode = -1
    for e in range(3):
        for t in range(STEPS):
            episode += int(buffer.episode_starts[t, e])
            ends = t == STEPS - 1 or bool(buffer.episode_starts[t + 1, e])
            turn = 0 if buffer.episode_starts[t, e] else columns["turn"][-1] + 1
            row = {
                "reward": buffer.rewards[t, e],
                "terminated": ends,
                "truncated": False,
                "boundary": buffer.boundaries[t, e],
                "value_low": buffer.values[t, e],
                "value_high": buffer.values_high[t, e],
                "value_switch": buffer.values_switch[t, e],
                "trajectory_id": episode,
                "turn": turn,
                "group_id": 0,
                "state_key": 0,
            }
            for name, value in row.items():
                columns[name].append(value)
    batch = TurnBatch(**{name: np.array(v) for name, v in columns.items() if v})
    found = get_estimator("hae")(batch, gamma=0.9, lam_low=0.8, lam_high=0.95)
    for ours, theirs in (
        (buffer.advantages, found.low),
        (buffer.advantages_high, found.high),
        (buffer.advantages_switch, found.switch),
        (buffer.returns, found.returns_low),
        (buffer.returns_high, found.returns_high),
        (buffer.returns_switch, found.returns_switch),
    ):
        np.testing.assert_allclose(ours.T.ravel(), theirs, atol=1e-5)


def test_a_cut_piece_is_truncated_and_carries_the_value_behind_it() -> None:
    buffer = HAERolloutBuffer(3, BOX, spaces.Discrete(3), gamma=0.5, n_envs=2)
    for step in range(3):
        buffer.mark_boundaries([step == 1, False])
        starts = np.array([False, step == 1])
        buffer.add(
            np.zeros((2, 2)), np.zeros((2, 1)), np.ones(2), starts, th.zeros(2, 3), th.zeros(2)
        )
    batch = buffer.turn_batch(th.tensor([[4.0], [8.0]]), np.array([False, True]))
    assert batch.reward.tolist() == [1.0, 1.0, 3.0, 1.0, 1.0, 1.0]
    assert batch.terminated.tolist() == [False, False, False, True, False, True]
    assert batch.truncated.tolist() == [False, False, True, False, False, False]
    assert batch.trajectory_id.tolist() == [1, 1, 1, 2, 3, 3]
    assert batch.turn.tolist() == [0, 1, 2, 0, 0, 1]
    assert batch.boundary.tolist() == [True, True, False, True, True, False]


def test_minibatches_visit_every_turn_once_and_keep_its_columns_together() -> None:
    buffer = HAEDictRolloutBuffer(5, spaces.Dict(x=BOX), spaces.Discrete(50), n_envs=4)
    for step in range(5):
        number = np.arange(4) + 4.0 * step
        buffer.mark_boundaries(number % 3 == 0)
        values = th.as_tensor(number)[:, None] + th.tensor([0.0, 100.0, 200.0])
        buffer.add(
            {"x": np.stack([number, number], 1)},
            number[:, None],
            number,
            number % 5 == 0,
            values,
            th.as_tensor(number)[:, None] + th.tensor([400.0, 500.0, 0.0]),
        )
    buffer.compute_returns_and_advantage(th.zeros(4), np.zeros(4))
    seen = []
    for data in buffer.get(batch_size=6):
        number = data.observations["x"][:, 0]
        seen += number.tolist()
        for column, offset in (
            (data.actions[:, 0], 0.0),
            (data.old_values, 0.0),
            (data.old_values_high, 100.0),
            (data.old_values_switch, 200.0),
            (data.old_log_prob, 0.0),
            (data.old_log_prob_switch, 400.0),
            (data.old_log_prob_subgoal, 500.0),
        ):
            assert th.equal(column, number + offset)
        assert th.equal(data.boundaries, (number % 3 == 0) | (number % 5 == 0))
        assert th.equal(data.episode_starts, number % 5 == 0)
        assert th.allclose(data.returns, data.advantages + data.old_values)
    assert sorted(seen) == [float(number) for number in range(20)]


def test_a_flat_estimator_gets_the_value_of_the_state_before_anything_is_decided() -> None:
    for estimator, expected in (("hae", 1.0), ("gae", 3.0)):
        buffer = HAERolloutBuffer(1, BOX, spaces.Discrete(2), n_envs=1, estimator=estimator)
        values = th.tensor([[1.0, 2.0, 3.0]])
        zero = np.zeros(1)
        buffer.add(np.zeros((1, 2)), zero, zero, zero, values, th.zeros(1, 1))
        assert buffer.values.item() == expected
        assert (buffer.values_high.item(), buffer.values_switch.item()) == (2.0, 3.0)


def test_settings_reach_the_estimator() -> None:
    buffer = HAERolloutBuffer(
        STEPS, BOX, spaces.Discrete(3), estimator_settings={"no_such_setting": 1}
    )
    with pytest.raises(TypeError, match="takes no no_such_setting"):
        buffer.compute_returns_and_advantage(*fill(buffer, seed=0))


@pytest.mark.parametrize("name", ["grpo", "gigpo", "strata", "gear", "archer"])
def test_estimators_that_need_more_than_a_rollout_has_are_refused(name: str) -> None:
    with pytest.raises(RolloutError, match=f"estimator '{name}' is made for groups"):
        HAERolloutBuffer(STEPS, BOX, spaces.Discrete(3), estimator=name)


def test_an_unknown_estimator_is_named() -> None:
    with pytest.raises(UnknownEstimatorError, match="unknown estimator 'hea'"):
        HAERolloutBuffer(STEPS, BOX, spaces.Discrete(3), estimator="hea")
