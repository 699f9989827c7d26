"""Proximal policy optimisation of the three blocks of a turn: switch, subgoal, action.

Each block has its own ratio, its own clipping and its own advantage (HiPER, arXiv 2602.16165: A_T
on the switch of every turn, A_H on the subgoal of boundary turns, A_L on the action of every turn),
and each head's loss is averaged over its own turns. A flat estimator gives the same advantage to
all three. The words of a composed action are part of the action: their log-probabilities are added
to its own. An episode's strategy, where there is one, is a fourth block, in the first turn: it
takes the high head's advantage, and the first subgoal, which follows it, the low head's. Nothing
here knows which estimator the advantages come from.
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
    word_learning_rate: float = 1e-4
    """Adam step size of the choice of words, where actions are composed of words: what one word is
    worth shows in few turns among much noise, and Adam's steps are as long for noise."""
    epochs: int = 3
    """Passes over the turns of an iteration."""
    minibatch: int = 1024
    """Turns in a minibatch."""
    clip: float = 0.2
    """Clipping range of the probability ratios."""
    entropy_switch: float = 0.0
    """Weight of the switch head's entropy."""
    entropy_subgoal: float = 0.01
    """Weight of the planner's entropy."""
    entropy_action: float = 0.01
    """Weight of the executor's entropy."""
    entropy_word: float = 0.0
    """Weight of the entropy of the choice of a word, where actions are composed of words."""
    entropy_strategy: float = 0.01
    """Weight of the entropy of the choice of a strategy, where the estimator asks for some."""
    max_grad_norm: float = 0.5
    """Gradients of policy and critic are each clipped to this norm."""


def make_optimizer(network: CompactNetwork, config: PPOConfig) -> torch.optim.Adam:
    """Adam over the policy, the critic and the choice of words, each with its own step size."""
    critic = list(network.critic.parameters())
    words = network.word_parameters()
    ids = {id(parameter) for parameter in (*critic, *words)}
    policy = [parameter for parameter in network.parameters() if id(parameter) not in ids]
    groups = [
        {"params": policy, "lr": config.learning_rate},
        {"params": critic, "lr": config.critic_learning_rate},
    ]
    if words:
        groups.append({"params": words, "lr": config.word_learning_rate})
    return torch.optim.Adam(groups)


def update(
    network: CompactNetwork,
    optimizer: torch.optim.Optimizer,
    decisions: Decisions,
    advantages: Advantages,
    rng: np.random.Generator,
    config: PPOConfig,
    *,
    critic: bool = True,
    policy: bool = True,
) -> dict[str, float]:
    """Runs all epochs on one iteration's turns.

    Args:
        network: Policy and critic; changed in place.
        optimizer: From `make_optimizer`.
        decisions: The N turns as they were played.
        advantages: Per turn, already whitened if they are to be.
        rng: Shuffles the turns.
        config: The settings.
        critic: Whether the critic learns.
        policy: Whether the policy does. Without it, entropies are not rewarded either: Adam would
            take steps of full size for them alone.

    Returns:
        Means over all minibatches of the losses, entropies, the share of clipped action ratios and
        an estimate of the KL divergence from the policy that played.
    """
    turns = len(decisions.boundary)
    sums: dict[str, float] = defaultdict(float)
    updates = 0
    for _ in range(config.epochs):
        for chosen in minibatches(turns, config.minibatch, rng):
            losses = _losses(network, decisions, advantages, chosen, config, critic, policy)
            if losses["total"].requires_grad:  # else nobody learns
                _step(optimizer, losses["total"], config)
            updates += 1
            for name, value in losses.items():
                sums[name] += value.item()
    return {name: value / updates for name, value in sums.items()}


def imitate(
    network: CompactNetwork,
    optimizer: torch.optim.Optimizer,
    decisions: Decisions,
    rng: np.random.Generator,
    config: PPOConfig,
) -> float:
    """One pass of maximum likelihood over demonstrated turns; returns the mean loss."""
    losses = []
    for chosen in minibatches(len(decisions.boundary), config.minibatch, rng):
        now = replay(network, decisions, chosen)
        loss = -(_mean(now.log_switch, now.asked) + _mean(now.log_subgoal) + _mean(now.log_action))
        _step(optimizer, loss, config)
        losses.append(loss.item())
    return float(np.mean(losses))


def _step(optimizer: torch.optim.Optimizer, loss: Tensor, config: PPOConfig) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(loss)
    for group in optimizer.param_groups:
        nn.utils.clip_grad_norm_(group["params"], config.max_grad_norm)
    optimizer.step()


def minibatches(turns: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Shuffles all turns and deals them into minibatches of about the given size."""
    order = rng.permutation(turns)
    yield from np.array_split(order, max(1, round(turns / size)))


@dataclass(frozen=True)
class Replay:
    """A minibatch of B turns, b of them boundaries, as the current network sees it."""

    turns: np.ndarray
    """[B] rows of the iteration's decisions."""
    boundaries: np.ndarray
    """[b] those of `turns` that begin an option."""
    planned: np.ndarray
    """[b] their rows among all boundary turns."""
    asked: Tensor
    """[B] where the switch head decided."""
    begun: np.ndarray
    """[e] those of `turns` in which a strategy was chosen."""
    log_strategy: Tensor
    """[e]"""
    log_switch: Tensor
    """[B]"""
    log_subgoal: Tensor
    """[b]"""
    log_action: Tensor
    """[B]"""
    entropies: dict[str, Tensor]
    """Means, under the names of their weights in `PPOConfig`."""
    value_low: Tensor
    """[B]"""
    value_high: Tensor
    """[b]"""
    value_switch: Tensor
    """[B]"""


def replay(network: CompactNetwork, decisions: Decisions, turns: np.ndarray) -> Replay:
    """Evaluates the decisions of some turns again."""
    state, state_types, running = decisions.before.take(turns).tensors()
    _, _, carried = decisions.after.take(turns).tensors()
    begins = np.flatnonzero(decisions.boundary[turns])
    planned = (np.cumsum(decisions.boundary) - 1)[turns[begins]]

    logits = network.switch_logits(state, state_types, running)
    switched = torch.from_numpy(decisions.boundary[turns])
    asked = torch.from_numpy(decisions.asked[turns])
    log_plan = network.plan(
        state[begins], state_types[begins], Choices.of(decisions.planned.take(planned))
    )
    log_execute = network.execute(
        state, state_types, carried, Choices.of(decisions.executed.take(turns))
    )
    entropy_switch = _binary_entropy(logits)
    log_switch = nn.functional.logsigmoid(torch.where(switched, logits, -logits))
    log_subgoal = _pick(log_plan, decisions.subgoal_choice[planned])
    log_action = _pick(log_execute, decisions.action_choice[turns])
    entropies = {
        "entropy_switch": _mean(entropy_switch, asked),
        "entropy_subgoal": _entropy(log_plan),
        "entropy_action": _entropy(log_execute),
    }
    if network.speller is not None:
        log_words, entropies["entropy_word"] = _respell(network, decisions, turns)
        log_action = log_action + log_words
    begun = np.flatnonzero(decisions.begun[turns])
    log_strategy = torch.zeros(0)
    if network.strategist is not None:
        log_devise = network.devise(state[begun], state_types[begun])
        log_strategy = _pick(log_devise, decisions.before.state_types[turns[begun], -1])
        entropies["entropy_strategy"] = _entropy(log_devise)
    return Replay(
        turns=turns,
        boundaries=turns[begins],
        planned=planned,
        asked=asked,
        begun=turns[begun],
        log_strategy=log_strategy,
        log_switch=log_switch,
        log_subgoal=log_subgoal,
        log_action=log_action,
        entropies=entropies,
        value_low=network.value_low(state, state_types, carried),
        value_high=network.value_high(state[begins], state_types[begins]),
        value_switch=network.value_switch(state, state_types, running),
    )


def _respell(
    network: CompactNetwork, decisions: Decisions, turns: np.ndarray
) -> tuple[Tensor, Tensor]:
    """The words of composed actions.

    Returns:
        [B] log-probability of the words of each turn's action, 0 for those without, and the mean
        entropy of the choice of a word.
    """
    composed = np.flatnonzero(decisions.composed[turns])
    spelled = (np.cumsum(decisions.composed) - 1)[turns[composed]]
    rows, _ = decisions.spelled.rows_of(spelled)
    words = Choices.of(decisions.spelled.take(spelled))
    scores = network.spell(*decisions.after.take(turns[composed]).tensors(), words)
    drawn = torch.from_numpy(decisions.word_choice[rows])
    log_words = nn.functional.logsigmoid(torch.where(drawn, scores, -scores))
    owner = torch.from_numpy(composed)[words.owner]
    return torch.zeros(len(turns)).index_add(0, owner, log_words), _mean(_binary_entropy(scores))


def _losses(
    network: CompactNetwork,
    decisions: Decisions,
    advantages: Advantages,
    turns: np.ndarray,
    config: PPOConfig,
    critic: bool,
    policy: bool,
) -> dict[str, Tensor]:
    now = replay(network, decisions, turns)
    losses = _policy_losses(now, decisions, advantages, config)
    values = _value_losses(now, advantages) if critic else {}
    learned = [*(losses.values() if policy else ()), *values.values()]
    total = torch.stack(learned).sum() if learned else torch.zeros(())
    if policy:
        total = total - _bonus(now.entropies, config)
    with torch.no_grad():
        log_ratio = now.log_action - _tensor(decisions.log_action[turns])
        kl = (log_ratio.exp() - 1 - log_ratio).mean()
        clipped = ((log_ratio.exp() - 1).abs() > config.clip).float().mean()
    return {"total": total, **losses, **values, **now.entropies, "kl": kl, "clipped": clipped}


def _policy_losses(
    now: Replay, decisions: Decisions, advantages: Advantages, config: PPOConfig
) -> dict[str, Tensor]:
    """That of each block."""
    old_switch = _tensor(decisions.log_switch[now.turns])
    old_subgoal = _tensor(decisions.log_subgoal[now.planned])
    old_action = _tensor(decisions.log_action[now.turns])
    a_switch = _tensor(advantages.switch[now.turns])
    # With strategies, what is chosen in the first turn is the strategy; the subgoal follows it.
    high = np.where(decisions.begun, advantages.low, advantages.high)
    a_high = _tensor(high[now.boundaries])
    a_low = _tensor(advantages.low[now.turns])
    losses = {
        "policy_switch": _clipped(now.log_switch, old_switch, a_switch, config.clip, now.asked),
        "policy_subgoal": _clipped(now.log_subgoal, old_subgoal, a_high, config.clip),
        "policy_action": _clipped(now.log_action, old_action, a_low, config.clip),
    }
    if "entropy_strategy" in now.entropies:
        old_strategy = _tensor(decisions.log_strategy[now.begun])
        a_strategy = _tensor(advantages.high[now.begun])
        losses["policy_strategy"] = _clipped(
            now.log_strategy, old_strategy, a_strategy, config.clip
        )
    return losses


def _value_losses(now: Replay, advantages: Advantages) -> dict[str, Tensor]:
    """That of each head of the critic."""
    return {
        "value_low": _squared(now.value_low, advantages.returns_low[now.turns]),
        "value_high": _squared(now.value_high, advantages.returns_high[now.boundaries]),
        "value_switch": _squared(now.value_switch, advantages.returns_switch[now.turns]),
    }


def _bonus(entropies: dict[str, Tensor], config: PPOConfig) -> Tensor:
    """What the entropies of a policy's choices are worth."""
    weighted = [getattr(config, name) * entropy for name, entropy in entropies.items()]
    return torch.stack(weighted).sum()


def _clipped(
    log_new: Tensor, log_old: Tensor, advantage: Tensor, clip: float, own: Tensor | None = None
) -> Tensor:
    """PPO's clipped surrogate, averaged over the head's own turns (arXiv 1707.06347, eq. 7)."""
    ratio = (log_new - log_old).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return _mean(-torch.minimum(ratio * advantage, clipped * advantage), own)


def _squared(value: Tensor, target: np.ndarray) -> Tensor:
    return _mean((value - _tensor(target)) ** 2)


def _binary_entropy(logits: Tensor) -> Tensor:
    return nn.functional.softplus(logits) - torch.sigmoid(logits) * logits


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
