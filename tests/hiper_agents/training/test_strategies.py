"""Strategies: which are tried, who follows them, and what is learned about them."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Player
from hiper_agents.estimators import Needs
from hiper_agents.estimators.advantages import Advantages
from hiper_agents.training.compact import CompactTrainer
from hiper_agents.training.ppo import PPOConfig, make_optimizer, update
from hiper_agents.training.run import TrainConfig
from hiper_agents.training.strategies import StrategyProvider, farthest_points

SMALL = TrainConfig(minutes=None, iterations=1, episodes=16, max_turns=5, tensorboard=False)
POINTS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(4, 12), st.integers(1, 3)),
    elements=st.integers(-3, 3).map(float),
)


@given(POINTS, st.integers(1, 4))
def test_the_points_that_are_kept_lie_apart(points: np.ndarray, count: int) -> None:
    kept = farthest_points(points, count)
    assert len(set(kept.tolist())) == count
    assert kept[0] == 0
    different = len(np.unique(points, axis=0))
    assert len(np.unique(points[kept], axis=0)) == min(count, different)
    for place in range(1, count):
        apart = np.linalg.norm(points[:, None] - points[kept[:place]], axis=2).min(1)
        assert apart[kept[place]] == apart.max()


def make_player(levers: ModuleType, strategies: int) -> Player:
    torch.manual_seed(0)
    domain = levers.LeverDomain()
    return Player(CompactNetwork(domain.sizes, NetworkConfig(strategies=strategies)), domain)


@given(
    groups=st.integers(1, 4),
    count=st.integers(1, 4),
    each=st.integers(1, 3),
    table=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_every_group_is_divided_equally(
    levers: ModuleType, groups: int, count: int, each: int, table: int, seed: int
) -> None:
    player = make_player(levers, table)
    size = count * each
    needs = Needs(group_size=size, strategies=count)
    provider = StrategyProvider(SMALL, player, needs)
    info = {"task": "pull red", "admissible_actions": ("unlock", "wait")}
    slots = [player.open(info, levers.LOCKED) for _ in range(groups * size)]
    rng = np.random.default_rng(seed)
    # Groups come in any order.
    group = rng.permutation(np.repeat(np.arange(groups), size))
    provider.begin(slots, group, rng)
    ids, strategy = provider._ids, np.array([slot.strategy for slot in slots])
    assert np.unique(ids, return_counts=True)[1].tolist() == [each] * (groups * count)
    for number in np.unique(ids):
        members = ids == number
        assert len(np.unique(group[members])) == 1
        assert len(np.unique(strategy[members])) == 1
    assert strategy.max() < table


def test_an_episode_keeps_the_strategy_that_it_began_with(levers_env: str) -> None:
    config = replace(SMALL, env=levers_env, estimator="strata", group_size=16)
    trainer = CompactTrainer(config)
    assert trainer.config.network.strategies > 1
    trainer.iterate()
    batch = trainer.buffer.batch()
    assert batch.strategy_id is not None
    assert len(np.unique(batch.strategy_id)) == 4
    for trajectory in range(16):
        assert len(np.unique(batch.strategy_id[batch.trajectory_id == trajectory])) == 1


def test_an_estimator_without_strategies_has_a_network_without_them(levers_env: str) -> None:
    trainer = CompactTrainer(replace(SMALL, env=levers_env, estimator="grpo"))
    assert trainer.network.strategist is None
    assert not any("strateg" in name for name in trainer.network.state_dict())


def test_what_follows_a_strategy_depends_on_it(levers: ModuleType) -> None:
    player = make_player(levers, 3)
    info = {"task": "pull red", "admissible_actions": ("unlock", "wait")}
    slots = [player.open(info, levers.LOCKED) for _ in range(3)]
    for number, slot in enumerate(slots):
        slot.strategy = number
    _, decisions = player.act(slots, [info] * 3, np.full((3, player.draws), 0.3), with_values=True)
    assert len(np.unique(decisions.log_subgoal)) == 3
    assert decisions.before.state_types.tolist() == [[0], [1], [2]]
    # The critic judges the situation, whatever the strategy.
    np.testing.assert_allclose(decisions.values[:, 1], decisions.values[0, 1], rtol=1e-5)


def test_a_better_strategy_becomes_likelier(levers: ModuleType) -> None:
    player = make_player(levers, 3)
    info = {"task": "pull red", "admissible_actions": ("unlock", "wait")}
    slots = [player.open(info, levers.LOCKED) for _ in range(30)]
    for number, slot in enumerate(slots):
        slot.strategy = number % 3
    rng = np.random.default_rng(0)
    before = player.log_strategies(slots[:1])[0]
    _, decisions = player.act(slots, [info] * 30, rng.random((30, player.draws)))
    np.testing.assert_allclose(decisions.log_strategy, np.tile(before, 10), rtol=1e-6)
    high = np.where(np.arange(30) % 3 == 1, 1.0, -0.5)
    nothing = np.zeros(30)
    advantages = Advantages(nothing, high, nothing, nothing, nothing, nothing)
    config = PPOConfig(entropy_strategy=0.0, entropy_subgoal=0.0, entropy_action=0.0)
    optimizer = make_optimizer(player.network, config)
    planned = player.network.planner.state_dict()
    planned = {name: tensor.clone() for name, tensor in planned.items()}
    losses = update(player.network, optimizer, decisions, advantages, rng, config, critic=False)
    fresh = player.open(info, levers.LOCKED)
    after = player.log_strategies([fresh])[0]
    assert after[1] > before[1]
    assert losses["policy_strategy"] < 0.0
    # The first subgoal follows the strategy and has the action's advantage, which was 0.
    now = player.network.planner.state_dict()
    assert all(torch.equal(planned[name], now[name]) for name in planned)
