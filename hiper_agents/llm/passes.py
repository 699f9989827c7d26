"""Passes of a model over rows that each read some tokens and remember what they have read.

Rows keep their keys and values without holes (`ragged_cache`). Those whose tokens would mostly be
padding are run apart. The module knows nothing of prompts, responses or choices.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from hiper_agents.llm.batching import pass_overhead, split
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.ragged_cache import RaggedCache, causal_mask
from hiper_agents.llm.replay import Replay
from hiper_agents.llm.responder import GenerationConfig, GenerationError, longest_row

__all__ = ["Part", "Passes"]

_ROOM = 64  # positions by which the memory of a row grows
# Shapes of the passes that are recorded: tokens of a row, and what lengths are multiples of.
_WIDTHS = (1, 2, 4, 8, 16)
_LENGTHS = 128


class Part(NamedTuple):
    """Tokens that a row is to read.

    Attributes:
        row: Which one.
        begin: Position of the first token; the row has read all positions before it.
        tokens: One or more.
    """

    row: int
    begin: int
    tokens: Sequence[int]


class Passes:
    """Reads tokens with the weights of a policy.

    Row 0 holds the prefix that other rows can begin with.

    Args:
        policy: Whose weights.
        config: How passes are made up.

    Raises:
        GenerationError: The model's layers need another cache than one of keys and values.
    """

    def __init__(self, policy: LanguagePolicy, config: GenerationConfig) -> None:
        self._policy, self._config = policy, config
        self._longest = longest_row(policy)
        overhead = config.pass_overhead
        self._overhead = pass_overhead(policy.device) if overhead is None else overhead
        is_cuda = policy.device.type == "cuda"
        self._pool = torch.cuda.graph_pool_handle() if config.fixed_shapes and is_cuda else None
        self.forget()

    def forget(self) -> None:
        """Drops all that has been read, which also frees the memory."""
        self._model: PreTrainedModel | None = None
        self._rows, self._prefix = 1, 0
        self._cache = RaggedCache(1, 0)
        self._replays: dict[tuple[int, int], Replay] = {}

    def begin(self, prefix: Sequence[int]) -> None:
        """Goes over to the present weights, and reads the prefix; all else has to be read again."""
        self._model = self._policy.merge() if self._config.merge_adapter else None
        self._prefix = len(prefix)
        if len(prefix):
            self._pass([Part(0, 0, prefix)], 1)

    def add_rows(self, count: int) -> None:
        """Makes room for more rows."""
        self._rows += count
        self._move(0)

    def start(self, rows: Sequence[int]) -> None:
        """Has rows begin with the prefix."""
        if len(rows):
            self._cache.copy(0, torch.tensor(rows, device=self._policy.device), self._prefix)

    def read(self, parts: Sequence[Part], last: int = 1) -> Tensor:
        """Reads tokens in n rows.

        Args:
            parts: What each of them reads.
            last: Of how many tokens the hidden states are wanted.

        Returns:
            Hidden states of the last tokens of every part, [n, last, H]; a part that is shorter
            begins with its first one, over and over.

        Raises:
            GenerationError: A row gets longer than the model can read.
        """
        needed = max(part.begin + len(part.tokens) for part in parts)
        if needed > self._longest:
            raise GenerationError(
                f"prompt and response take {needed} tokens, the model reads {self._longest}"
            )
        order = sorted(range(len(parts)), key=lambda number: len(parts[number].tokens))
        lengths = [len(parts[number].tokens) for number in order]
        few = bisect_right(lengths, _WIDTHS[-1]) if self._has_fixed_shapes else 0
        passes = split(lengths[few:], overhead=self._overhead, limit=self._config.pass_tokens)
        done, hidden = [order[:few]] if few else [], []
        if few:
            hidden.append(self._pass_of_few([parts[number] for number in order[:few]], last))
        for found in passes:
            done.append(sorted(order[few:][found], key=lambda number: parts[number].row))
            hidden.append(self._pass([parts[number] for number in done[-1]], last))
        return torch.cat(hidden)[np.argsort(np.concatenate(done))]

    @property
    def _has_fixed_shapes(self) -> bool:
        # The weights of a sharded model do not stay where they are.
        return self._config.fixed_shapes and not self._policy.weights.is_sharded

    def _pass(self, parts: Sequence[Part], last: int) -> Tensor:
        """A pass of some rows, sorted by row, in a shape of its own."""
        device = self._policy.device
        tokens, positions = _laid_out(parts, max(len(part.tokens) for part in parts))
        length = 1 + int(positions.max())
        self._reserve(-(-length // _ROOM) * _ROOM)
        into = torch.tensor([part.row for part in parts], device=device)
        first, end = parts[0].row, parts[-1].row + 1
        rows = slice(first, end) if end - first == len(parts) else into  # a slice is not copied
        hidden = self._run(rows, into, tokens.to(device), positions.to(device), length)
        return _last(hidden, range(len(parts)), parts, last)

    def _pass_of_few(self, parts: Sequence[Part], last: int) -> Tensor:
        """A pass of all rows, in one of few shapes."""
        longest = max(len(part.tokens) for part in parts)
        width = next(width for width in _WIDTHS if width >= longest)
        rows = [part.row for part in parts]
        # Rows that have nothing to read write where nothing is read: behind the prefix.
        into = torch.zeros(self._rows, dtype=torch.long)
        tokens = torch.zeros(self._rows, width, dtype=torch.long)
        positions = (self._prefix + torch.arange(width)).repeat(self._rows, 1)
        into[rows] = torch.tensor(rows)
        tokens[rows], positions[rows] = _laid_out(parts, width)
        length = -(-(1 + int(positions.max())) // _LENGTHS) * _LENGTHS
        self._reserve(length)

        def compute(into: Tensor, tokens: Tensor, positions: Tensor) -> Tensor:
            return self._run(slice(0, len(into)), into, tokens, positions, length)

        inputs = into, tokens, positions
        replay = self._replays.get((width, length))
        if replay is None:
            replay = Replay(compute, inputs, self._policy.device, self._pool)
            self._replays[width, length] = replay
        return _last(replay(*inputs), rows, parts, last)

    def _run(
        self, rows: slice | Tensor, into: Tensor, tokens: Tensor, positions: Tensor, length: int
    ) -> Tensor:
        """Hidden states [n, T, H] of tokens [n, T] at positions [n, T] below a length.

        Rows are those that are read, `into` [n] those that are written.
        """
        self._cache.aim(rows, into, positions, length)
        hidden = self._policy.trunk(
            tokens,
            causal_mask(positions, length, self._policy.compute_dtype),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            model=self._model,
        ).last_hidden_state
        assert hidden is not None
        return hidden

    def _reserve(self, length: int) -> None:
        if length > self._cache.capacity:
            self._move(length)

    def _move(self, length: int) -> None:
        """Has memory for more; what was recorded knows only the old one."""
        self._replays.clear()
        self._cache.reserve(length, self._rows)


def _laid_out(parts: Sequence[Part], width: int) -> tuple[Tensor, Tensor]:
    """The tokens of n parts and their positions, [n, width], with anything at the ends."""
    tokens = torch.zeros(len(parts), width, dtype=torch.long)
    for part, own in zip(parts, tokens, strict=True):
        own[: len(part.tokens)] = torch.tensor(part.tokens)
    begins = torch.tensor([part.begin for part in parts])
    return tokens, begins[:, None] + torch.arange(width)


def _last(hidden: Tensor, rows: Sequence[int], parts: Sequence[Part], last: int) -> Tensor:
    """The last states of n parts that stand in these rows, [n, last, H]."""
    counts = torch.tensor([len(part.tokens) for part in parts])
    columns = (counts[:, None] - last + torch.arange(last)).clamp(min=0)
    return hidden[torch.tensor(rows)[:, None].to(hidden.device), columns.to(hidden.device)]
