"""Choosing tokens among those allowed, with the log-probabilities of the choices.

One uniform number chooses one token, by the inverse of the cumulative distribution over the sorted
allowed ids. The module knows nothing of models or of what is allowed for which reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Chooser", "Draw", "Draws", "Streams", "drawing_from", "draws_for"]

IntArray = NDArray[np.int32]

Streams: TypeAlias = np.random.Generator | Sequence[np.random.Generator]
"""Where random numbers come from: one source for all rows, or one for each row."""
Draw: TypeAlias = Callable[[int], float]
"""The random number, in [0, 1), for a row's k-th choice."""

_FEW = 512  # allowed ids up to which they are looked up instead of masking out all others
_REMEMBERED = 64


class Draws:
    """Uniform random numbers for rows that choose one token after another.

    The k-th choice of a row always gets the same number, however rows are batched.

    Args:
        rng: Where they come from: as many for every k as there are rows, as soon as they are asked
            for.
        rows: Number of rows.
    """

    def __init__(self, rng: np.random.Generator, rows: int) -> None:
        self._rng, self._rows = rng, rows
        self._columns: list[NDArray[np.float64]] = []

    def __call__(self, row: int, choice: int) -> float:
        """The number, in [0, 1), for a row's choice."""
        while len(self._columns) <= choice:
            self._columns.append(self._rng.random(self._rows))
        return float(self._columns[choice][row])


class _OwnDraws:
    """The same of rows that have a source of their own each.

    A row takes as many numbers as it makes choices, whatever other rows do.

    Args:
        streams: One for each row.
    """

    def __init__(self, streams: Sequence[np.random.Generator]) -> None:
        self._streams = streams
        self._drawn: list[list[float]] = [[] for _ in streams]

    def __call__(self, row: int, choice: int) -> float:
        """The number, in [0, 1), for a row's choice."""
        drawn = self._drawn[row]
        while len(drawn) <= choice:
            drawn.append(float(self._streams[row].random()))
        return drawn[choice]


def drawing_from(rng: np.random.Generator) -> Draw:
    """The numbers of a source that a row has for itself, as they come."""
    return lambda _: float(rng.random())


def draws_for(streams: Streams, rows: int) -> Draws | _OwnDraws:
    """Uniform random numbers for rows.

    Args:
        streams: Where they come from.
        rows: Number of rows.

    Raises:
        ValueError: If there are streams, but not one for each row.
    """
    if isinstance(streams, np.random.Generator):
        return Draws(streams, rows)
    if len(streams) != rows:
        raise ValueError(f"{rows} rows need a stream each, not {len(streams)} streams")
    return _OwnDraws(streams)


class Choice(NamedTuple):
    """What was chosen.

    Attributes:
        tokens: Ids, int64 [n].
        log_probs: Of these, among those allowed, float32 [n].
    """

    tokens: NDArray[np.int64]
    log_probs: NDArray[np.float32]


class Chooser:
    """Chooses tokens.

    Args:
        temperature: What logits are divided by.
    """

    def __init__(self, temperature: float) -> None:
        self._temperature = temperature
        # By identity: arrays that exclude a few ids out of very many are made once and shared.
        self._excluded: dict[int, tuple[IntArray, Tensor]] = {}

    def __call__(
        self,
        logits: Tensor,
        allowed: Sequence[IntArray | None],
        draws: NDArray[np.float64] | None,
    ) -> Choice:
        """Chooses one token for each row.

        Args:
            logits: float32 [n, V].
            allowed: For each row the sorted ids that are allowed, None for all.
            draws: Uniform numbers in [0, 1), [n]; None takes the most likely tokens.
        """
        logits = logits / self._temperature
        few = [row for row, ids in enumerate(allowed) if ids is not None and len(ids) <= _FEW]
        many: dict[int, list[int]] = {}
        for row, ids in enumerate(allowed):
            if ids is None or len(ids) > _FEW:
                many.setdefault(0 if ids is None else id(ids), []).append(row)
        uniform = None if draws is None else torch.from_numpy(draws).to(logits.device)
        chosen = torch.empty(2, len(allowed), dtype=torch.float64, device=logits.device)
        for rows in ([few] if few else []) + list(many.values()):
            index = torch.tensor(rows, device=logits.device)
            own = None if uniform is None else uniform[index]
            lists = [allowed[row] for row in rows]
            pick = self._among_few if rows is few else self._among_many
            chosen[:, index] = pick(logits[index], lists, own)
        # float64 holds every id and every float32 exactly: one transfer instead of two.
        tokens, log_probs = chosen.cpu().numpy()
        return Choice(tokens.astype(np.int64), log_probs.astype(np.float32))

    def _among_few(
        self, logits: Tensor, allowed: Sequence[IntArray | None], draws: Tensor | None
    ) -> Tensor:
        """Tokens and log-probabilities [2, n] for rows with short lists."""
        ids = [torch.from_numpy(own.astype(np.int64)) for own in allowed if own is not None]
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=-1)
        padded = padded.to(logits.device)
        offered = logits.gather(1, padded.clamp(min=0)).masked_fill(padded < 0, -torch.inf)
        place, log_probs = _pick(offered, draws)
        return torch.stack([padded.gather(1, place)[:, 0].double(), log_probs.double()])

    def _among_many(
        self, logits: Tensor, allowed: Sequence[IntArray | None], draws: Tensor | None
    ) -> Tensor:
        """Tokens and log-probabilities [2, n] for rows that share one long list, or have none."""
        if allowed[0] is not None:
            logits = logits.index_fill(1, self._all_but(allowed[0], logits), -torch.inf)
        place, log_probs = _pick(logits, draws)
        return torch.stack([place[:, 0].double(), log_probs.double()])

    def _all_but(self, allowed: IntArray, logits: Tensor) -> Tensor:
        """The ids that are not allowed, where the logits are."""
        known = self._excluded.get(id(allowed))
        if known is None or known[1].device != logits.device:
            others = np.setdiff1d(np.arange(logits.shape[1]), allowed, assume_unique=True)
            known = allowed, torch.from_numpy(others).to(logits.device)
            if len(self._excluded) >= _REMEMBERED:
                self._excluded.pop(next(iter(self._excluded)))
            self._excluded[id(allowed)] = known  # keeps the array, so that its id is not reused
        return known[1]


def _pick(logits: Tensor, draws: Tensor | None) -> tuple[Tensor, Tensor]:
    """Places [n, 1] in rows of logits [n, K], and their log-probabilities [n]."""
    log_probs = logits.log_softmax(1)
    place = log_probs.argmax(1, keepdim=True)
    if draws is not None:
        cumulative = log_probs.double().exp().cumsum(1)
        target = draws[:, None] * cumulative[:, -1:]
        drawn = torch.searchsorted(cumulative, target, right=True).clamp(max=logits.shape[1] - 1)
        # A draw next to 1 may be rounded to a place that is not allowed.
        place = torch.where(log_probs.gather(1, drawn).isneginf(), place, drawn)
    return place, log_probs.gather(1, place)[:, 0]
