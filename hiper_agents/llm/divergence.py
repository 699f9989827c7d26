"""How far the policy is from the same policy that is told the expert's plan, turn by turn.

For GEAR-style estimators (arXiv 2605.11853, at abstract level). The plan is the subgoal that the
environment's searching expert pursues in the state that the agent has reached; the policy that
knows it reads the same prompt with that line in it. Both then judge the response that was written
without the plan: at every token that was chosen, the Jensen-Shannon divergence between the two
distributions over the ids that were allowed there, between 0 (equal) and log 2 (nothing in common).
A turn's divergence is the mean over these tokens. Nothing here knows what it is used for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.estimators import Needs
from hiper_agents.llm.columns import ColumnProvider
from hiper_agents.llm.memory import TokenBudget
from hiper_agents.llm.player import LanguagePlayer, Slot
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.reading import hidden_states, micro_batches
from hiper_agents.llm.scoring import ChosenTokens, choices
from hiper_agents.llm.turns import TurnTokens
from hiper_base.errors import HiperError
from hiper_envs.contract import TaskSource

if TYPE_CHECKING:
    from hiper_agents.llm.config import LanguageTrainConfig

__all__ = ["DivergenceProvider", "divergences", "jensen_shannon"]

FloatArray = NDArray[np.float64]


class DivergenceProvider(ColumnProvider):
    """Fills `divergence`; 0 where the expert has no plan."""

    def __init__(
        self,
        config: LanguageTrainConfig,
        policy: LanguagePolicy,
        player: LanguagePlayer,
        needs: Needs,
    ) -> None:
        self._policy, self._writer = policy, player.writer
        self._temperature = config.generation.temperature
        self._max_tokens = config.update.micro_tokens
        self._prompts: list[NDArray[np.int32] | None] = []

    @classmethod
    def adapt(cls, config: LanguageTrainConfig, needs: Needs) -> LanguageTrainConfig:
        """Has the environments say what the expert would do. Prompts of play do not tell it."""
        return replace(config, env_options={**config.env_options, "reference": True})

    def begin(
        self,
        source: TaskSource,
        tasks: Sequence[int],
        groups: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        """Forgets the iteration before."""
        self._prompts = []

    def decided(self, slots: Sequence[Slot], turns: Sequence[TurnTokens]) -> None:
        """Keeps the prompts with the plan in them.

        Raises:
            HiperError: If an environment does not say what the expert pursues.
        """
        for slot in slots:
            plan = slot.info.get("reference_subgoal")
            if plan is None:
                raise HiperError(
                    "the environment has no expert whose plan the policy could be compared with; "
                    "choose another estimator"
                )
            told = self._writer.write(replace(slot.shown, plan=plan)) if plan else None
            self._prompts.append(None if told is None else np.array(told, np.int32))

    def annotate(
        self, buffer: OptionRolloutBuffer, turns: Sequence[TurnTokens], rng: np.random.Generator
    ) -> dict[str, float]:
        """Sets `divergence`."""
        measured = np.zeros(len(turns))
        planned = [row for row, prompt in enumerate(self._prompts) if prompt is not None]
        prompts = [prompt for prompt in self._prompts if prompt is not None]
        measured[planned] = divergences(
            self._policy,
            [turns[row] for row in planned],
            prompts,
            temperature=self._temperature,
            max_tokens=self._max_tokens,
        )
        buffer.annotate(divergence=measured)
        return {"divergence": float(measured.mean())}


def divergences(
    policy: LanguagePolicy,
    turns: Sequence[TurnTokens],
    prompts: Sequence[NDArray[np.int32]],
    *,
    temperature: float,
    max_tokens: int,
) -> FloatArray:
    """How much other prompts change what the policy would choose in the same responses.

    Args:
        policy: Judges the responses.
        turns: As they were written.
        prompts: The other prompt of each turn.
        temperature: Logits are divided by it, as when the turns were written.
        max_tokens: Tokens in a pass; fewer where memory does not suffice.

    Returns:
        [turns], nats, each the mean over the turn's chosen tokens; 0 for a turn without any.

    Raises:
        DeviceMemoryError: If not even a single turn fits into memory.
    """
    others = [replace(turn, prompt=prompt) for turn, prompt in zip(turns, prompts, strict=True)]

    def attempt(tokens: int) -> FloatArray:
        found = torch.zeros(len(turns), dtype=torch.float64)
        for batch in micro_batches(policy, others, tokens):
            rows = torch.from_numpy(batch)
            pair = [turns[row] for row in batch], [others[row] for row in batch]
            found[rows] = _mean_divergence(policy, *pair, temperature).double().cpu()
        return found.numpy()

    lengths = [*map(len, turns), *map(len, others)]
    return TokenBudget(max_tokens).run(attempt, longest=max(lengths, default=1))


@torch.no_grad()
def _mean_divergence(
    policy: LanguagePolicy,
    turns: Sequence[TurnTokens],
    others: Sequence[TurnTokens],
    temperature: float,
) -> Tensor:
    """[turns] of a few turns that fit into a pass."""
    owner = torch.from_numpy(ChosenTokens.of(turns).turn).to(policy.device)
    total = torch.zeros(len(turns), device=policy.device)
    pairs = zip(
        _choices(policy, turns, temperature), _choices(policy, others, temperature), strict=True
    )
    for (rows, _, first), (_, _, second) in pairs:
        at = owner[torch.from_numpy(rows).to(owner.device)]
        total = total.index_add(0, at, jensen_shannon(first, second))
    return total / owner.bincount(minlength=len(turns)).clamp(min=1)


def _choices(
    policy: LanguagePolicy, turns: Sequence[TurnTokens], temperature: float
) -> Iterator[tuple[NDArray[np.int64], Tensor, Tensor]]:
    """The distributions that the chosen tokens of a few turns are judged by; see `choices`."""
    chosen, hidden = ChosenTokens.of(turns), hidden_states(policy, turns)
    at = torch.from_numpy(np.stack([chosen.turn, chosen.before])).to(hidden.device)
    return choices(policy, hidden[at[0], at[1]], chosen.allowed, temperature)


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """Divergence of pairs of distributions, [n], in nats.

    `JS(p, q) = (KL(p, m) + KL(q, m)) / 2` with `m = (p + q) / 2` (Lin, 1991).

    Args:
        first: Logits of p, float32 [n, K]; -inf where nothing can be chosen.
        second: Logits of q, -inf in the same places.
    """
    logs = first.log_softmax(1), second.log_softmax(1)
    middle = torch.logaddexp(*logs) - math.log(2.0)
    gaps = [(own.exp() * (own - middle)).masked_fill(own.isneginf(), 0.0).sum(1) for own in logs]
    return (sum(gaps, torch.zeros_like(gaps[0])) / 2.0).clamp(0.0, math.log(2.0))
