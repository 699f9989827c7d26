"""Proximal policy optimisation of the three blocks of a turn: switch, subgoal, action.

Each block has its own ratio, its own clipping and its own advantage (HiPER, arXiv 2602.16165: A_T on
the switch of every turn, A_H on the subgoal of boundary turns, A_L on the action of every turn), and
each head's loss is averaged over its own turns. A flat estimator gives the same advantage to all
three. Nothing here knows which estimator the advantages come from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hiper_agents.compact.network import Choices, CompactNetwork
from hiper_agents.compact.player import Decisions
from hiper_agents.estimators.advantages import Advantages


@dataclass(frozen=True)
class PPOConfig:
    """Every number of the update."""

    learning_rate: float = 1e-3
    """Adam step size of the policy."""
    critic_learning_rate: float = 1e-3
    """Adam step size of the critic."""
    epochs: int = 3
    """Passes over the turns of an iteration."""
    minibatch: int = 1024
    """Turns in a minibatch."""
    clip: float = 0.2
    """Clipping range of the probability ratios."""
    entropy_switch: float = 0.0
    """Weight of the switch head's entropy."""
    entropy_subgoal: float = 0.02
    """Weight of the planner's entropy."""
    entropy_action: float = 0.02
    """Weight of the executor's entropy."""
    max_grad_norm: float = 0.5
    """Gradients of policy and critic are each clipped to this norm."""


def make_optimizer(network: CompactNetwork, config: PPOConfig) -> torch.optim.Adam:
    """Adam over the policy and the critic, each with its own step size."""
    critic = list(network.critic.parameters())
    ids = {id(parameter) for parameter in critic}
    policy = [parameter for parameter in network.parameters() if id(parameter) not in ids]
    return torch.optim.Adam(
        [
            {"params": policy, "lr": config.learning_rate},
            {"params": critic, "lr": config.critic_learning_rate},
        ]
    )


def update(
    network: CompactNetwork,
    optimizer: torch.optim.Optimizer,
    decisions: Decisions,
    advantages: Advantages,
    rng: np.random.Generator,
    config: PPOConfig,
) -> dict[str, float]:
    """Runs all epochs on one iteration's turns.

    Args:
        network: Policy and critic; changed in place.
        optimizer: From `make_optimizer`.
        decisions: The N turns as they were played.
        advantages: Per turn, already whitened if they are to be.
        rng: Shuffles the turns.
        config: The settings.

    Returns:
        Means over all minibatches of the losses, entropies, the share of clipped action ratios and
        an estimate of the KL divergence from the policy that played.
    """
    turns = len(decisions.boundary)
    boundary_index = np.cumsum(decisions.boundary) - 1
    sums: dict[str, float] = defaultdict(float)
    updates = 0
    for _ in range(config.epochs):
        for chosen in _minibatches(turns, config.minibatch, rng):
            losses = _losses(network, decisions, advantages, chosen, boundary_index, config)
            optimizer.zero_grad()
            losses["total"].backward()
            for group in optimizer.param_groups:
                nn.utils.clip_grad_norm_(group["params"], config.max_grad_norm)
            optimizer.step()
            updates += 1
            for name, value in losses.items():
                sums[name] += value.item()
    return {name: value / updates for name, value in sums.items()}


def _minibatches(turns: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    order = rng.permutation(turns)
    yield from np.array_split(order, max(1, round(turns / size)))


def _losses(
    network: CompactNetwork,
    decisions: Decisions,
    advantages: Advantages,
    chosen: np.ndarray,
    boundary_index: np.ndarray,
    config: PPOConfig,
) -> dict[str, Tensor]:
    before, after = decisions.before.take(chosen), decisions.after.take(chosen)
    state, state_types, running = before.tensors()
    carried = after.tensors()[2]

    # Switch: a decision only where no option had ended.
    logits = network.switch_logits(state, state_types, running)
    switched = _tensor(decisions.boundary[chosen])
    log_switch = nn.functional.logsigmoid(torch.where(switched.bool(), logits, -logits))
    asked = ~torch.from_numpy(decisions.forced[chosen])
    probability = torch.sigmoid(logits)
    entropy_switch = nn.functional.softplus(logits) - probability * logits

    # Subgoal: at boundary turns.
    begins = np.flatnonzero(decisions.boundary[chosen])
    planned = boundary_index[chosen[begins]]
    log_plan = network.plan(
        state[begins], state_types[begins], Choices.of(decisions.planned.take(planned))
    )
    log_subgoal = _pick(log_plan, decisions.subgoal_choice[planned])

    # Action: at every turn, given the subgoal.
    log_execute = network.execute(
        state, state_types, carried, Choices.of(decisions.executed.take(chosen))
    )
    log_action = _pick(log_execute, decisions.action_choice[chosen])

    low, high = _tensor(advantages.low[chosen]), _tensor(advantages.high[chosen[begins]])
    switch = _tensor(advantages.switch[chosen])
    old_switch = _tensor(decisions.log_switch[chosen])
    old_subgoal = _tensor(decisions.log_subgoal[planned])
    old_action = _tensor(decisions.log_action[chosen])
    policy_switch = _clipped(log_switch, old_switch, switch, config.clip, asked)
    policy_subgoal = _clipped(log_subgoal, old_subgoal, high, config.clip)
    policy_action = _clipped(log_action, old_action, low, config.clip)

    value_low = network.value_low(state, state_types, carried)
    value_high = network.value_high(state[begins], state_types[begins])
    value_switch = network.value_switch(state, state_types, running)
    values = {
        "value_low": _squared(value_low, advantages.returns_low[chosen]),
        "value_high": _squared(value_high, advantages.returns_high[chosen[begins]]),
        "value_switch": _squared(value_switch, advantages.returns_switch[chosen]),
    }
    entropies = {
        "entropy_switch": _mean(entropy_switch, asked),
        "entropy_subgoal": _entropy(log_plan),
        "entropy_action": _entropy(log_execute),
    }
    total = policy_switch + policy_subgoal + policy_action + sum(values.values())
    total = total - config.entropy_switch * entropies["entropy_switch"]
    total = total - config.entropy_subgoal * entropies["entropy_subgoal"]
    total = total - config.entropy_action * entropies["entropy_action"]
    with torch.no_grad():
        log_ratio = log_action - old_action
        kl = (log_ratio.exp() - 1 - log_ratio).mean()
        clipped = ((log_ratio.exp() - 1).abs() > config.clip).float().mean()
    return {
        "total": total,
        "policy_switch": policy_switch,
        "policy_subgoal": policy_subgoal,
        "policy_action": policy_action,
        **values,
        **entropies,
        "kl": kl,
        "clipped": clipped,
    }


def _clipped(
    log_new: Tensor, log_old: Tensor, advantage: Tensor, clip: float, own: Tensor | None = None
) -> Tensor:
    """PPO's clipped surrogate loss, averaged over the head's own turns (arXiv 1707.06347, eq. 7)."""
    ratio = (log_new - log_old).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return _mean(-torch.minimum(ratio * advantage, clipped * advantage), own)


def _squared(value: Tensor, target: np.ndarray) -> Tensor:
    return _mean((value - _tensor(target)) ** 2)


def _entropy(log_probs: Tensor) -> Tensor:
    """Mean entropy of rows of log-probabilities padded with -inf."""
    finite = log_probs.masked_fill(log_probs == -torch.inf, 0.0)
    return _mean(-(log_probs.exp() * finite).sum(1))


def _mean(values: Tensor, own: Tensor | None = None) -> Tensor:
    """Mean over the turns that are a head's own; 0 if there is none."""
    if own is None:
        return values.sum() / max(len(values), 1)
    return (values * own).sum() / own.sum().clamp(min=1)


def _pick(log_probs: Tensor, choice: np.ndarray) -> Tensor:
    return log_probs.gather(1, torch.from_numpy(choice)[:, None]).squeeze(1)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
