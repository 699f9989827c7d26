"""Log-probabilities and values of turns that were written before, from one pass over their tokens.

What comes out equals what was recorded while the turns were generated, as long as the weights are
the same: every chosen token is judged among the ids that it was chosen among, at the temperature
that it was drawn at. Logits are computed for the states that precede chosen tokens, and for no
others. The module knows nothing of advantages or losses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from hiper_agents.llm.memory import TokenBudget
from hiper_agents.llm.policy import HEADS, LanguagePolicy
from hiper_agents.llm.reading import hidden_states, micro_batches
from hiper_agents.llm.turns import TurnTokens

__all__ = [
    "OUTSIDE",
    "ChosenTokens",
    "Scored",
    "choices",
    "log_probs_of",
    "score",
    "score_values",
    "values_of",
]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
Allowed = Sequence[NDArray[np.int32] | None]

OUTSIDE = -1
"""Instead of a block's number, for chosen tokens that lie in none."""

# Sets of ids up to this size are padded to the longest of them; larger ones are few and shared.
_SMALL = 512


@dataclass(frozen=True, eq=False)
class ChosenTokens:
    """The N tokens that the policy chose in some turns, turn by turn.

    Attributes:
        turn: Which of the turns each belongs to, int64 [N].
        token: Its id, int64 [N].
        before: Position, in prompt and response together, of the token before it, int64 [N].
        block: Number of its block in BLOCKS, or OUTSIDE, int64 [N].
        allowed: What it was chosen among: [N] arrays of sorted ids, None for the vocabulary.
    """

    turn: IntArray
    token: IntArray
    before: IntArray
    block: IntArray
    allowed: Allowed

    @classmethod
    def of(cls, turns: Sequence[TurnTokens]) -> ChosenTokens:
        """Collects them.

        Raises:
            ValueError: If a turn does not say for every chosen token what it was chosen among.
        """
        places = [np.flatnonzero(turn.sampled) for turn in turns]
        for turn, chosen in zip(turns, places, strict=True):
            if len(turn.allowed) != len(chosen):
                raise ValueError(f"{len(chosen)} chosen tokens, but {len(turn.allowed)} choices")
        pairs = list(zip(turns, places, strict=True))
        return cls(
            turn=np.repeat(np.arange(len(turns)), [len(chosen) for chosen in places]),
            token=_joined([turn.response[chosen] for turn, chosen in pairs]),
            before=_joined([len(turn.prompt) - 1 + chosen for turn, chosen in pairs]),
            block=_joined([_blocks(turn, chosen) for turn, chosen in pairs]),
            allowed=list(chain.from_iterable(turn.allowed for turn in turns)),
        )


@dataclass(frozen=True, eq=False)
class Scored:
    """A micro-batch of n turns with N chosen tokens, as the present weights judge it.

    Attributes:
        turns: Which turns these are, int64 [n].
        chosen: Which of all chosen tokens (`ChosenTokens.of` all turns), int64 [N].
        owner: Position in `turns` of each chosen token's turn, int64 [N].
        log_probs: Of the chosen tokens, float32 [N].
        entropies: Of the distributions that they were drawn from, float32 [N].
        values: V_L, V_H, V_T of the turns, float32 [n, 3]; None if not asked for.
    """

    turns: Tensor
    chosen: Tensor
    owner: Tensor
    log_probs: Tensor
    entropies: Tensor
    values: Tensor | None


def score(
    policy: LanguagePolicy,
    turns: Sequence[TurnTokens],
    *,
    temperature: float,
    max_tokens: int,
    grad: bool,
    values: bool = False,
    grad_entropy: bool = False,
) -> Iterator[Scored]:
    """Judges turns, one micro-batch after the other.

    Args:
        policy: The weights; those of the reference within `policy.reference()`.
        turns: What was written.
        temperature: Logits are divided by it, as when the turns were written.
        max_tokens: Tokens in a micro-batch, see `reading.micro_batches`.
        grad: Whether log-probabilities and values carry gradients. Go backward before the next
            micro-batch, and only one of them has to be in memory.
        values: Whether to judge states, too. A critic with weights of its own gives none here; see
            `score_values`.
        grad_entropy: Whether entropies carry gradients.

    Yields:
        Micro-batches; together they hold every turn once.
    """
    chosen = ChosenTokens.of(turns)
    first = np.searchsorted(chosen.turn, np.arange(len(turns) + 1))
    for batch in _dealt(policy, turns, max_tokens, grad):
        rows = [np.arange(first[turn], first[turn + 1]) for turn in batch]
        owner = np.repeat(np.arange(len(batch)), [len(row) for row in rows])
        picked = _joined(rows)
        judge = partial(
            _judge_turns,
            policy,
            [turns[turn] for turn in batch],
            (owner, chosen.before[picked], chosen.token[picked]),
            [chosen.allowed[i] for i in picked],
            temperature,
            grad_entropy,
            values,
        )
        with torch.set_grad_enabled(grad):
            log_probs, entropies, judged = policy.run(judge) if grad else judge()
        device = log_probs.device
        yield Scored(
            turns=torch.as_tensor(batch, device=device),
            chosen=torch.as_tensor(picked, device=device),
            owner=torch.as_tensor(owner, device=device),
            log_probs=log_probs,
            entropies=entropies,
            values=judged,
        )


def score_values(
    policy: LanguagePolicy, turns: Sequence[TurnTokens], *, max_tokens: int, grad: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Judges states only.

    Both the loop and the backward passes within it belong inside `policy.critic()`.

    Yields:
        Which turns, int64 [n], and their V_L, V_H, V_T, float32 [n, 3].
    """
    for batch in _dealt(policy, turns, max_tokens, grad):
        judge = partial(_judge_states, policy, [turns[turn] for turn in batch])
        with torch.set_grad_enabled(grad):
            values = policy.run(judge) if grad else judge()
        yield torch.as_tensor(batch, device=values.device), values


def log_probs_of(
    policy: LanguagePolicy, turns: Sequence[TurnTokens], *, temperature: float, max_tokens: int
) -> list[FloatArray]:
    """The log-probabilities of each turn's chosen tokens, float32, without gradients."""
    sizes = [int(turn.sampled.sum()) for turn in turns]
    found = torch.zeros(sum(sizes), device=policy.device)
    parts = score(policy, turns, temperature=temperature, max_tokens=max_tokens, grad=False)
    for part in parts:
        found[part.chosen] = part.log_probs
    return np.split(found.cpu().numpy(), np.cumsum(sizes)[:-1])


def values_of(
    policy: LanguagePolicy, turns: Sequence[TurnTokens], *, max_tokens: int
) -> FloatArray:
    """V_L, V_H and V_T of every turn, float32 [turns, 3], without gradients.

    Where memory does not suffice for micro-batches of `max_tokens`, they are smaller.

    Raises:
        DeviceMemoryError: If not even a single turn fits into memory.
    """

    def attempt(tokens: int) -> FloatArray:
        found = torch.zeros(len(turns), len(HEADS), device=policy.device)
        for rows, values in score_values(policy, turns, max_tokens=tokens, grad=False):
            found[rows] = values
        array: FloatArray = found.cpu().numpy()
        return array

    with policy.critic(), policy.whole():
        return TokenBudget(max_tokens).run(attempt, longest=max(map(len, turns), default=1))


def choices(
    policy: LanguagePolicy, states: Tensor, allowed: Allowed, temperature: float
) -> Iterator[tuple[IntArray, Tensor, Tensor]]:
    """The distributions that tokens are chosen from, those that go together at a time.

    Args:
        policy: The weights.
        states: [N, H] hidden states before the tokens.
        allowed: What each was chosen among.
        temperature: Logits are divided by it.

    Yields:
        Rows [n] of the states, their logits [n, V], and logits [n, K] of what is allowed, with
        -inf for what is not; which ids these K are depends on `allowed` only.
    """
    for rows, ids in _groups(allowed):
        logits = policy.logits(states[_on(states, rows)]) / temperature
        if isinstance(ids, list):
            scores = logits.gather(1, _padded(states, ids))
            scores = scores.masked_fill(_beyond(states, ids), -torch.inf)
        elif ids is None:
            scores = logits
        else:
            excluded = torch.ones_like(logits[0], dtype=torch.bool)
            excluded[_on(states, ids)] = False
            scores = logits.masked_fill(excluded, -torch.inf)
        yield rows, logits, scores


def _judge_turns(
    policy: LanguagePolicy,
    turns: Sequence[TurnTokens],
    chosen: tuple[IntArray, IntArray, IntArray],
    allowed: Allowed,
    temperature: float,
    grad_entropy: bool,
    with_values: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """One pass: log-probabilities and entropies [N] of chosen tokens, values [n, 3] of the turns.

    Of each chosen token its turn, the position of the token before it, and its id, int64 [N].
    """
    owner, before, token = chosen
    hidden = hidden_states(policy, turns)
    states = hidden[_on(hidden, owner), _on(hidden, before)]
    log_probs, entropies = _judge(policy, states, token, allowed, temperature, grad_entropy)
    values = _values(policy, hidden, turns) if with_values else None
    return policy.tied(log_probs, hidden), entropies, values


def _judge_states(policy: LanguagePolicy, turns: Sequence[TurnTokens]) -> Tensor:
    """One pass: values [n, 3] of the turns."""
    hidden = hidden_states(policy, turns)
    return policy.tied(_values(policy, hidden, turns), hidden)


def _judge(
    policy: LanguagePolicy,
    states: Tensor,
    tokens: IntArray,
    allowed: Allowed,
    temperature: float,
    grad_entropy: bool,
) -> tuple[Tensor, Tensor]:
    """Log-probabilities of tokens [N] in states [N, H], and entropies [N]."""
    log_probs, entropies, order = [states.new_zeros(0, dtype=torch.float32)], [], []
    for rows, logits, scores in choices(policy, states, allowed, temperature):
        own = logits.gather(1, _on(states, tokens[rows])[:, None]).squeeze(1)
        total = scores.logsumexp(1)
        log_probs.append(own - total)
        with torch.set_grad_enabled(grad_entropy and torch.is_grad_enabled()):
            entropies.append(_entropy(scores, total))
        order.append(rows)
    back = _on(states, np.argsort(np.concatenate([np.zeros(0, np.int64), *order])))
    return torch.cat(log_probs)[back], torch.cat([log_probs[0], *entropies])[back]


def _entropy(scores: Tensor, total: Tensor) -> Tensor:
    """Of distributions given by scores [n, K] and their log-sum [n]; -inf is left out."""
    if not torch.is_grad_enabled():
        scores, total = scores.detach(), total.detach()
    probabilities = (scores - total[:, None]).exp()
    finite = scores.masked_fill(scores == -torch.inf, 0.0)
    return total - (probabilities * finite).sum(1)


def _groups(
    allowed: Allowed,
) -> Iterator[tuple[IntArray, list[NDArray[np.int32]] | NDArray[np.int32] | None]]:
    """Puts tokens together whose distributions can be computed together.

    Yields:
        Rows, and the ids of each, or the ids of all, or None for the vocabulary.
    """
    small: list[int] = []
    shared: dict[int, list[int]] = {}
    for row, ids in enumerate(allowed):
        if ids is not None and len(ids) <= _SMALL:
            small.append(row)
        else:
            shared.setdefault(id(ids), []).append(row)
    if small:
        sets = [ids for ids in (allowed[row] for row in small) if ids is not None]
        yield np.array(small), sets
    for rows in shared.values():
        yield np.array(rows), allowed[rows[0]]


def _padded(like: Tensor, sets: Sequence[NDArray[np.int32]]) -> Tensor:
    """Sets of ids as rows of one array, int64 [n, longest]; 0 beyond the end of a set."""
    padded = np.zeros((len(sets), max(map(len, sets))), np.int64)
    for row, ids in zip(padded, sets, strict=True):
        row[: len(ids)] = ids
    return _on(like, padded)


def _beyond(like: Tensor, sets: Sequence[NDArray[np.int32]]) -> Tensor:
    """Where `_padded` is padding."""
    sizes = np.array([len(ids) for ids in sets])
    return _on(like, np.arange(sizes.max()) >= sizes[:, None])


def _values(policy: LanguagePolicy, hidden: Tensor, turns: Sequence[TurnTokens]) -> Tensor:
    """V_L at the last token before the action, V_H and V_T at the prompt's last token, [n, 3]."""
    rows = torch.arange(len(turns), device=hidden.device)
    ends, anchors = ([len(t.prompt) - 1 for t in turns], [t.low_anchor for t in turns])
    before = policy.values(hidden[rows, _on(hidden, np.array(ends, np.int64))])
    carried = policy.values(hidden[rows, _on(hidden, np.array(anchors, np.int64))])
    return torch.cat([carried[:, :1], before[:, 1:]], 1)


def _dealt(
    policy: LanguagePolicy, turns: Sequence[TurnTokens], max_tokens: int, grad: bool
) -> Sequence[IntArray]:
    """Micro-batches; with gradients as many as all processes make, the last ones empty."""
    batches = list(micro_batches(policy, turns, max_tokens))
    passes = policy.weights.passes(len(batches)) if grad else len(batches)
    return batches + [np.zeros(0, np.int64)] * (passes - len(batches))


def _blocks(turn: TurnTokens, places: IntArray) -> IntArray:
    """The block that each position of a response lies in."""
    blocks = np.full(len(places), OUTSIDE)
    for number, (start, end) in enumerate(turn.spans):
        blocks[(places >= start) & (places < end)] = number
    return blocks


def _joined(parts: Sequence[NDArray[np.integer]]) -> IntArray:
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def _on(like: Tensor, values: ArrayLike) -> Tensor:
    return torch.as_tensor(np.asarray(values), device=like.device)
