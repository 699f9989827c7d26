"""The terms of the loss of a language-model agent, element by element.

Every term comes unaveraged, so that whoever sums micro-batches, or processes, divides by counts
that do not depend on how turns were dealt. The module knows nothing of models, tokens' texts or
estimators.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hiper_agents.llm.turns import BLOCKS

__all__ = ["block_sums", "clipped_surrogate", "is_clipped", "k3", "squared_error"]

# e^20 is beyond every clipping range, and far from overflow.
_MOST = 20.0


def block_sums(per_token: Tensor, owner: Tensor, block: Tensor, turns: int) -> Tensor:
    """Adds up what belongs to the tokens of each block: log-probabilities, as a rule.

    Args:
        per_token: A number of each chosen token, [N].
        owner: The token's turn, int64 [N].
        block: Number of the token's block; negative for a token that lies in none, int64 [N].
        turns: How many turns there are.

    Returns:
        Sums [turns, 3], in the order of BLOCKS.
    """
    inside = block >= 0
    sums = per_token.new_zeros(turns * len(BLOCKS))
    place = (owner * len(BLOCKS) + block).clamp(min=0)
    return sums.index_add(0, place, per_token * inside).view(turns, len(BLOCKS))


def clipped_surrogate(new: Tensor, old: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """PPO's clipped surrogate as a loss (arXiv 1707.06347, eq. 7).

    A block is one action: the ratio is that of its tokens' joint probability, and it is clipped
    once (HiPER, arXiv 2602.16165).

    Args:
        new: Log-probability under the present weights.
        old: The same under the weights that wrote it.
        advantage: Of the block.
        clip: Ratios are clipped to 1 - clip .. 1 + clip.
    """
    ratio = (new - old).clamp(-_MOST, _MOST).exp()
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def is_clipped(new: Tensor, old: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """Where `clipped_surrogate` has no gradient because of the clipping."""
    ratio = (new - old).clamp(-_MOST, _MOST).exp()
    return ((ratio > 1 + clip) & (advantage > 0)) | ((ratio < 1 - clip) & (advantage < 0))


def k3(new: Tensor, reference: Tensor) -> Tensor:
    """Estimate of KL(new | reference) from log-probabilities of what was drawn from `new`.

    exp(d) - d - 1 with d = reference - new: unbiased, never negative, 0 where the two agree
    (Schulman, "Approximating KL divergence", 2020, k3).
    """
    difference = (reference - new).clamp(-_MOST, _MOST)
    return difference.expm1() - difference


def squared_error(
    value: Tensor, target: Tensor, old: Tensor | None = None, clip: float = 0.0
) -> Tensor:
    """The squared error of values.

    Args:
        value: What a head says.
        target: What it should have said.
        old: What it said when the turn was played; needed for clipping.
        clip: Values further than this from the old ones count as if they were no further, unless
            that is nearer to the target; 0 for no clipping.
    """
    error = (value - target).square()
    if not clip or old is None:
        return error
    near = old + (value - old).clamp(-clip, clip)
    return torch.maximum(error, (near - target).square())
