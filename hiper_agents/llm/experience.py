"""What an iteration's turns teach, as arrays, and the minibatches that are dealt from them.

`Experience` says for every turn which of its blocks and heads learn, and from what; a `Minibatch`
is some of it on the device, with the weight of every term of the loss. The module knows nothing of
how log-probabilities are computed or what the terms are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.llm.scoring import ChosenTokens
from hiper_agents.llm.turns import BLOCKS, TurnTokens

__all__ = ["Experience", "Minibatch", "Reduce", "deal"]

Reduce = Callable[[Sequence[Tensor]], None]
"""Replaces tensors by their sums over all processes, in place."""

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]

_SUBGOAL = BLOCKS.index("subgoal")


@dataclass(frozen=True, eq=False)
class Experience:
    """T turns and what they are worth.

    Columns of blocks are in the order of BLOCKS (switch, subgoal, action), columns of heads in that
    of the values (low, high, switch).

    Attributes:
        turns: As they were written.
        advantages: Of each block, float32 [T, 3].
        learns: Whether the policy chose anything in the block, and learns from it, bool [T, 3].
        targets: Of each head's value, float32 [T, 3].
        judged: Whether the head learns from the turn, bool [T, 3].
        values: As recorded, float32 [T, 3].
        log_probs: Of each turn's chosen tokens, when they were written.
        reference: Of the same tokens, under the frozen start; None without a penalty.
    """

    turns: Sequence[TurnTokens]
    advantages: FloatArray
    learns: BoolArray
    targets: FloatArray
    judged: BoolArray
    values: FloatArray
    log_probs: Sequence[FloatArray]
    reference: Sequence[FloatArray] | None = None

    @classmethod
    def of(
        cls,
        turns: Sequence[TurnTokens],
        advantages: Advantages,
        boundary: BoolArray | None = None,
    ) -> Experience:
        """Puts turns and their advantages together.

        Args:
            turns: T turns.
            advantages: Of the same turns.
            boundary: The turns that begin an option; by default those with a subgoal block. V_H
                learns there only, and so does a subgoal block if the advantages are hierarchical:
                a subgoal written on KEEP changed nothing.

        Raises:
            ValueError: If there is not one advantage for each turn.
        """
        shape = (len(turns),)
        if advantages.low.shape != shape or (boundary is not None and boundary.shape != shape):
            raise ValueError(f"{advantages.low.shape} advantages do not fit {len(turns)} turns")
        if boundary is None:
            boundary = np.array([turn.spans.subgoal[1] > 0 for turn in turns], np.bool_)
        learns = _has_choices(turns)
        if not advantages.flat:
            learns[:, _SUBGOAL] &= boundary
        everywhere = np.ones(len(turns), np.bool_)
        heads = (advantages.returns_low, advantages.returns_high, advantages.returns_switch)
        return cls(
            turns=turns,
            advantages=_columns(advantages.switch, advantages.high, advantages.low),
            learns=learns,
            targets=_columns(*heads),
            judged=np.stack([everywhere, boundary, everywhere], 1),
            values=np.array([turn.values for turn in turns], np.float32).reshape(-1, len(heads)),
            log_probs=[turn.log_probs[turn.sampled] for turn in turns],
        )


@dataclass(frozen=True, eq=False)
class Minibatch:
    """n turns with N chosen tokens, on the device.

    A weight is 1 over the number of turns (or tokens) that the mean is over, those of all processes
    included, and 0 for what does not count: the loss is a plain sum of weighted terms.

    Attributes:
        turns: As they were written.
        advantages: Of each block, [n, 3].
        block_weights: Of the terms of each block, [n, 3].
        targets: Of each head's value, [n, 3].
        value_weights: Of the terms of each head, [n, 3].
        values: As recorded, [n, 3].
        block: Of each token; see `ChosenTokens.block`, int64 [N].
        log_probs: Of each token under the weights that wrote it, [N].
        recorded: The same, as it was recorded, [N].
        reference: The same, under the frozen start, [N]; None without a penalty.
        token_weight: Of the terms of each token.
    """

    turns: Sequence[TurnTokens]
    advantages: Tensor
    block_weights: Tensor
    targets: Tensor
    value_weights: Tensor
    values: Tensor
    block: Tensor
    log_probs: Tensor
    recorded: Tensor
    reference: Tensor | None
    token_weight: Tensor

    @classmethod
    def of(
        cls, data: Experience, rows: IntArray, device: torch.device, reduce: Reduce | None
    ) -> Minibatch:
        """Takes some of the turns; `reduce` makes the counts those of all processes."""
        turns = [data.turns[row] for row in rows]
        chosen = ChosenTokens.of(turns)
        learns, judged = data.learns[rows], data.judged[rows]
        own = np.concatenate([learns.sum(0), judged.sum(0), [len(chosen.token)]])
        counts = torch.tensor(own, dtype=torch.float32, device=device)
        if reduce is not None:
            reduce([counts])
        blocks, heads, tokens = counts.clamp(min=1).split([len(BLOCKS), judged.shape[1], 1])

        def on(array: NDArray[np.float32]) -> Tensor:
            return torch.from_numpy(array).to(device)

        def joined(parts: Sequence[FloatArray]) -> Tensor:
            return on(np.concatenate([np.zeros(0, np.float32), *(parts[row] for row in rows)]))

        recorded = [turn.log_probs[turn.sampled] for turn in turns]
        return cls(
            turns=turns,
            advantages=on(data.advantages[rows]),
            block_weights=on(learns.astype(np.float32)) / blocks,
            targets=on(data.targets[rows]),
            value_weights=on(judged.astype(np.float32)) / heads,
            values=on(data.values[rows]),
            block=torch.from_numpy(chosen.block).to(device),
            log_probs=joined(data.log_probs),
            recorded=on(np.concatenate([np.zeros(0, np.float32), *recorded])),
            reference=None if data.reference is None else joined(data.reference),
            token_weight=1 / tokens,
        )


def deal(
    turns: int, size: int, rng: np.random.Generator, device: torch.device, reduce: Reduce | None
) -> Iterator[IntArray]:
    """Shuffles all turns and deals them into minibatches of about the given size.

    Several processes deal the same number of minibatches, which together have about that size; a
    process with few turns may have none in one of them.
    """
    total = torch.tensor([turns], dtype=torch.float32, device=device)
    if reduce is not None:
        reduce([total])
    number = max(1, round(total.item() / size))
    yield from np.array_split(rng.permutation(turns), number)


def _has_choices(turns: Sequence[TurnTokens]) -> BoolArray:
    """Which blocks of the turns hold chosen tokens, [T, 3]."""
    chosen = ChosenTokens.of(turns)
    inside = chosen.block >= 0
    place = chosen.turn[inside] * len(BLOCKS) + chosen.block[inside]
    counts = np.bincount(place, minlength=len(turns) * len(BLOCKS))
    return counts.reshape(len(turns), len(BLOCKS)) > 0


def _columns(*columns: NDArray[np.float64]) -> FloatArray:
    return np.stack(columns, 1).astype(np.float32)
