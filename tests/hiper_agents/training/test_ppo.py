"""The pieces of the update, worked by hand."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import pytest
import torch

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Player
from hiper_agents.training import ppo
from hiper_agents.training.collect import collect


def test_the_clipped_surrogate_by_hand() -> None:
    ratio = torch.tensor([1.5, 1.5, 0.5, 0.5])
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0])
    # min(r A, clip(r, 0.8, 1.2) A) = 1.2, -1.5, 0.5, -0.8; the loss is minus their mean.
    loss = ppo._clipped(ratio.log(), torch.zeros(4), advantage, 0.2)
    assert loss.item() == pytest.approx(-(1.2 - 1.5 + 0.5 - 0.8) / 4)


def test_a_head_is_averaged_over_its_own_turns() -> None:
    values = torch.tensor([1.0, 2.0, 6.0])
    assert ppo._mean(values, torch.tensor([True, False, True])).item() == 3.5
    assert ppo._mean(values, torch.zeros(3, dtype=torch.bool)).item() == 0.0
    assert ppo._mean(values[:0]).item() == 0.0


def test_entropy_leaves_padding_out() -> None:
    log_probs = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]).log()
    assert ppo._entropy(log_probs).item() == pytest.approx(math.log(2) / 2)


def test_a_minibatch_without_a_boundary_teaches_the_planner_nothing(levers: ModuleType) -> None:
    torch.manual_seed(0)
    domain = levers.LeverDomain()
    network = CompactNetwork(domain.sizes, NetworkConfig(keep_bias=3.0))
    buffer = OptionRolloutBuffer()
    player, rng = Player(network, domain), np.random.default_rng(0)
    _, decisions = collect(player, levers.Source(), list(range(12)) * 4, buffer, rng, max_turns=6)
    kept = np.flatnonzero(~decisions.boundary)
    assert len(kept)
    advantages = buffer.advantages("hae")
    losses = ppo._losses(
        network, decisions, advantages, kept, ppo.PPOConfig(), critic=True, policy=True
    )
    assert losses["policy_subgoal"].item() == losses["value_high"].item() == 0.0
    torch.autograd.backward(losses["total"])
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert any(gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize("learns", [{"policy"}, {"critic"}, set()])
def test_only_what_is_to_learn_changes(levers: ModuleType, learns: set[str]) -> None:
    torch.manual_seed(0)
    domain = levers.LeverDomain()
    network = CompactNetwork(domain.sizes, NetworkConfig())
    optimizer = ppo.make_optimizer(network, ppo.PPOConfig())
    buffer = OptionRolloutBuffer()
    player, rng = Player(network, domain), np.random.default_rng(0)
    _, decisions = collect(player, levers.Source(), list(range(12)), buffer, rng, max_turns=6)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    figures = ppo.update(
        network,
        optimizer,
        decisions,
        buffer.advantages("hae"),
        rng,
        ppo.PPOConfig(),
        critic="critic" in learns,
        policy="policy" in learns,
    )
    changed = {
        "critic" if name.startswith("critic.") else "policy"
        for name, tensor in network.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed == learns
    assert ("value_low" in figures) == ("critic" in learns)


def test_minibatches_deal_every_turn_once() -> None:
    parts = list(ppo.minibatches(10, 4, np.random.default_rng(0)))
    assert [len(part) for part in parts] == [5, 5]
    assert sorted(np.concatenate(parts).tolist()) == list(range(10))
    assert len(list(ppo.minibatches(3, 100, np.random.default_rng(0)))) == 1
