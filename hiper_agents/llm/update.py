"""One iteration's learning: PPO of the three blocks of a turn, a KL penalty, three values.

Each block has its own ratio, its own clipping and its own advantage (HiPER, arXiv 2602.16165: A_T
on the switch block of every turn, A_H on the subgoal block of boundary turns, A_L on the action
block of every turn), and each block's loss is averaged over its own turns. A flat estimator gives
the same advantage to all three. The penalty is k3 against the frozen start, averaged over all
chosen tokens. Where the format left no choice, there is nothing to learn.

Gradients are summed over micro-batches, and over processes if there are several; all averages are
over the whole minibatch, so that neither changes what is learnt. Nothing here knows which estimator
the advantages come from, nor what the texts say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.llm.experience import Experience, Minibatch, Reduce, deal
from hiper_agents.llm.losses import block_sums, clipped_surrogate, is_clipped, k3, squared_error
from hiper_agents.llm.memory import TokenBudget
from hiper_agents.llm.policy import HEADS, LanguagePolicy
from hiper_agents.llm.processes import gradients_of
from hiper_agents.llm.scoring import Scored, log_probs_of, score, score_values
from hiper_agents.llm.sharding import clip_gradients
from hiper_agents.llm.turns import BLOCKS, TurnTokens
from hiper_base.errors import HiperError

__all__ = ["DivergedError", "LLMUpdateConfig", "make_optimizer", "update"]

BoolArray = NDArray[np.bool_]

_BLOCK_FIGURES = ("policy", "clipped", "kl_step")
_TOKEN_FIGURES = ("kl", "entropy", "mismatch")
_FIGURES = (
    *(f"{figure}_{block}" for figure in _BLOCK_FIGURES for block in BLOCKS),
    *_TOKEN_FIGURES,
    *(f"value_{head}" for head in HEADS),
)
_NORMS = ("policy_grad_norm", "critic_grad_norm")


class DivergedError(HiperError):
    """A loss or a gradient is not finite; the weights are as they were before the minibatch."""


@dataclass(frozen=True)
class LLMUpdateConfig:
    """Every number of the update.

    Published for a fully trained model: learning rates 1e-6 (policy) and 1e-5 (critic), clip 0.2,
    kl 0.01, minibatch 256. An adapter wants longer steps.

    Raises:
        HiperError: If a number is out of range.
    """

    learning_rate: float = 1e-5
    """AdamW step size of the policy."""
    critic_learning_rate: float = 1e-4
    """AdamW step size of the value heads, and of a critic with weights of its own."""
    epochs: int = 1
    """Passes over the turns of an iteration."""
    minibatch: int = 256
    """Turns in a minibatch, those of all processes together."""
    clip: float = 0.2
    """Clipping range of the probability ratios."""
    kl: float = 0.01
    """Weight of the KL penalty against the frozen start; 0 leaves it out."""
    entropy: float = 0.0
    """Weight of the mean entropy of the choice of a token."""
    value_weight: float = 0.1
    """Weight of the value losses, which share the trunk with the policy's; 0 for no critic."""
    value_clip: float = 0.0
    """Most that a value may move from the recorded one in an iteration; 0 for no limit."""
    max_grad_norm: float = 1.0
    """Gradients of policy and critic are each clipped to this norm."""
    temperature: float = 1.0
    """That the turns were drawn at."""
    micro_tokens: int = 16384
    """Tokens in a pass; halves when a GPU runs out of memory. On a CPU the system kills the process
    instead: say 4096 for SmolLM2 in 16 GB."""
    recompute: bool = False
    """Whether ratios are taken against log-probabilities computed anew before the first step, not
    against the recorded ones: where generation rounds differently from training (bfloat16)."""

    def __post_init__(self) -> None:
        for name in ("epochs", "minibatch", "micro_tokens"):
            if getattr(self, name) < 1:
                raise HiperError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("temperature", "max_grad_norm"):
            if not getattr(self, name) > 0:
                raise HiperError(f"{name} must be greater than 0, not {getattr(self, name)}")
        for name in ("kl", "entropy", "value_weight", "value_clip", "clip"):
            if not getattr(self, name) >= 0:
                raise HiperError(f"{name} must be 0 or more, not {getattr(self, name)}")


def make_optimizer(policy: LanguagePolicy, config: LLMUpdateConfig) -> torch.optim.AdamW:
    """AdamW, without decay, over the policy and the critic, each with its own step size."""
    critic, heads = policy.critic_parameters(), len(list(policy.heads.parameters()))
    groups = [
        {"params": policy.policy_parameters(), "lr": config.learning_rate},
        # Apart, for of the heads every process has all.
        {"params": critic[:-heads], "lr": config.critic_learning_rate},
        {"params": critic[-heads:], "lr": config.critic_learning_rate},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, weight_decay=0.0, fused=policy.device.type == "cuda")


def update(
    policy: LanguagePolicy,
    optimizer: torch.optim.Optimizer,
    turns: Sequence[TurnTokens],
    advantages: Advantages,
    rng: np.random.Generator,
    config: LLMUpdateConfig,
    *,
    boundary: BoolArray | None = None,
    only_critic: bool = False,
    reduce: Reduce | None = None,
) -> dict[str, float]:
    """Runs all epochs on one iteration's turns.

    Args:
        policy: Policy and critic; changed in place.
        optimizer: From `make_optimizer`.
        turns: As they were written; T of them.
        advantages: Of the same turns, already whitened if they are to be.
        rng: Shuffles the turns.
        config: The settings.
        boundary: The turns that begin an option, bool [T]; see `Experience.of`.
        only_critic: Whether the policy stays what it is.
        reduce: Sums over processes, each of which calls this with turns of its own (`rng` may
            differ) and ends with the same weights. All of them must call it.

    Returns:
        Means over all minibatches of the losses, the shares of clipped blocks, the entropy, the KL
        divergence from the start (`kl`) and that of each block from the policy that played
        (`kl_step_*`), and the norms of the gradients before clipping. Besides, `mismatch`: how far
        the log-probabilities of chosen tokens were from the recorded ones before the first step;
        and `micro_tokens`: the tokens in a pass that memory sufficed for in the end.

    Raises:
        DivergedError: If a loss or a gradient is not finite.
        DeviceMemoryError: If not even a single turn fits into memory.
    """
    budget = TokenBudget(config.micro_tokens)
    data = _score_before(policy, Experience.of(turns, advantages, boundary), budget, config)
    steps = []
    for _ in range(config.epochs):
        for rows in deal(len(turns), config.minibatch, rng, policy.device, reduce):
            batch = Minibatch.of(data, rows, policy.device, reduce)
            sums = budget.run(
                partial(_accumulate, policy, optimizer, batch, config),
                _longest(batch.turns),
                alone=not policy.weights.is_sharded,
            )
            steps.append(_step(policy, optimizer, sums, reduce, config, only_critic))
    figures = {name: float(np.mean([step[name] for step in steps])) for name in steps[0]}
    return {**figures, "mismatch": steps[0]["mismatch"], "micro_tokens": float(budget.tokens)}


def _score_before(
    policy: LanguagePolicy, data: Experience, budget: TokenBudget, config: LLMUpdateConfig
) -> Experience:
    """Adds what has to be known of the turns before the first step."""

    def log_probs(tokens: int) -> list[NDArray[np.float32]]:
        return log_probs_of(policy, data.turns, temperature=config.temperature, max_tokens=tokens)

    if config.recompute:
        with policy.whole():
            data = replace(data, log_probs=budget.run(log_probs, _longest(data.turns)))
    if config.kl:
        with policy.reference():
            data = replace(data, reference=budget.run(log_probs, _longest(data.turns)))
    return data


def _accumulate(
    policy: LanguagePolicy,
    optimizer: torch.optim.Optimizer,
    batch: Minibatch,
    config: LLMUpdateConfig,
    tokens: int,
) -> Tensor:
    """Leaves the minibatch's gradients in the parameters; returns its figures, [len(_FIGURES)]."""
    optimizer.zero_grad()
    sums = torch.zeros(len(_FIGURES), device=policy.device)
    with_values = policy.has_trunk_critic and config.value_weight > 0
    parts = score(
        policy,
        batch.turns,
        temperature=config.temperature,
        max_tokens=tokens,
        grad=True,
        values=with_values,
        grad_entropy=config.entropy > 0,
    )
    for part in parts:
        loss, figures = _policy_terms(part, batch, config)
        if part.values is not None:
            errors = _value_terms(part.turns, part.values, batch, config)
            loss = loss + config.value_weight * errors.sum()
            figures = torch.cat([figures[: -len(HEADS)], errors.detach()])
        if loss.requires_grad:  # else the format left no choice in any of these turns
            torch.autograd.backward(loss)
        sums += figures
    if config.value_weight and not policy.has_trunk_critic:
        with policy.critic():
            for rows, values in score_values(policy, batch.turns, max_tokens=tokens, grad=True):
                errors = _value_terms(rows, values, batch, config)
                torch.autograd.backward(config.value_weight * errors.sum())
                sums[-len(HEADS) :] += errors.detach()
    return sums


def _policy_terms(part: Scored, batch: Minibatch, config: LLMUpdateConfig) -> tuple[Tensor, Tensor]:
    """The loss of a micro-batch without values, and its figures, [len(_FIGURES)]."""
    turns = len(part.turns)
    block = batch.block[part.chosen]
    new = block_sums(part.log_probs, part.owner, block, turns)
    old = block_sums(batch.log_probs[part.chosen], part.owner, block, turns)
    advantage, weights = batch.advantages[part.turns], batch.block_weights[part.turns]
    surrogate = (clipped_surrogate(new, old, advantage, config.clip) * weights).sum(0)
    entropy = part.entropies.sum() * batch.token_weight
    loss = surrogate.sum() - config.entropy * entropy
    penalty = torch.zeros_like(entropy)
    if batch.reference is not None:
        apart = k3(part.log_probs, batch.reference[part.chosen])
        penalty = apart.sum() * batch.token_weight
        loss = loss + config.kl * penalty
    with torch.no_grad():
        clipped = (is_clipped(new, old, advantage, config.clip) * weights).sum(0)
        moved = (k3(old, new) * weights).sum(0)
        gap = (part.log_probs - batch.recorded[part.chosen]).abs().sum() * batch.token_weight
        none = surrogate.new_zeros(len(HEADS))
        figures = torch.cat([surrogate, clipped, moved, penalty, entropy, gap, none])
    return loss.squeeze(), figures


def _value_terms(rows: Tensor, values: Tensor, batch: Minibatch, config: LLMUpdateConfig) -> Tensor:
    """[3] each head's squared error, averaged over its own turns."""
    errors = squared_error(values, batch.targets[rows], batch.values[rows], config.value_clip)
    return (errors * batch.value_weights[rows]).sum(0)


def _step(
    policy: LanguagePolicy,
    optimizer: torch.optim.Optimizer,
    sums: Tensor,
    reduce: Reduce | None,
    config: LLMUpdateConfig,
    only_critic: bool,
) -> dict[str, float]:
    """Takes one step if all is finite; returns the minibatch's figures."""
    groups = [policy.policy_parameters(), policy.critic_parameters()]
    if only_critic:
        for parameter in groups[0]:
            parameter.grad = None
        groups[0] = []
    if reduce is not None:
        reduce([sums, *gradients_of(chain.from_iterable(groups))])
    norms = [clip_gradients(group, config.max_grad_norm) for group in groups]
    names = (*_FIGURES, *_NORMS)
    # The only time that the device is waited for.
    numbers = torch.cat([sums, torch.stack([norm.to(sums) for norm in norms])]).tolist()
    figures = dict(zip(names, numbers, strict=True))
    for name, value in figures.items():
        if not math.isfinite(value):
            optimizer.zero_grad()
            raise DivergedError(
                f"{name} is {value}: lower the learning rate, or look at what the model was given"
            )
    optimizer.step()
    optimizer.zero_grad()
    policy.version += 1
    return figures


def _longest(turns: Sequence[TurnTokens]) -> int:
    return max(map(len, turns), default=1)
