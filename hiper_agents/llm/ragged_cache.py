"""Keys and values of rows that have different lengths, each without holes.

A `DynamicCache` appends the same number of positions to every row, so that rows of different
lengths need padding in the middle, and it copies everything at every step. Here every row writes at
its own positions into memory that is there already; padding lies behind a row's last token, where
the row's next tokens overwrite it and nothing attends to it. The module knows nothing of tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

__all__ = ["RaggedCache", "causal_mask"]


class RaggedCache(DynamicCache):
    """The cache of one batch; say with `aim` where the next tokens go, then run the model.

    Models must be given a mask of `causal_mask` and explicit positions.

    Args:
        rows: Rows of the batch.
        capacity: Positions that a row has memory for; see `reserve`.
    """

    def __init__(self, rows: int, capacity: int) -> None:
        super().__init__()
        self._keys: list[Tensor] = []  # for every layer [rows, heads, capacity, width]
        self._values: list[Tensor] = []
        self._rows, self.capacity = rows, capacity
        self._aimed: slice | Tensor = slice(0, rows)
        self._into = self._positions = torch.zeros(0, dtype=torch.long)
        self._length = 0

    def aim(self, rows: slice | Tensor, into: Tensor, positions: Tensor, length: int) -> None:
        """Determines where `update` writes, and from which rows it reads.

        Args:
            rows: The n rows that are run; a slice is read without a copy.
            into: Where each of them writes, int64 [n]: as a rule, into itself.
            positions: Where each of their next tokens goes, int64 [n, T].
            length: One more than the largest of these positions, or more.
        """
        self._aimed, self._into = rows, into[:, None]
        self._positions, self._length = positions, length

    def reserve(self, length: int, rows: int = 0) -> None:
        """Makes sure that there are so many rows with memory for so many positions each."""
        if length <= self.capacity and rows <= self._rows:
            return
        length, rows = max(length, self.capacity), max(rows, self._rows)
        for tensors in (self._keys, self._values):
            for layer, old in enumerate(tensors):
                tensors[layer] = old.new_zeros(rows, old.shape[1], length, old.shape[3])
                tensors[layer][: self._rows, :, : self.capacity] = old
        self._rows, self.capacity = rows, length

    def copy(self, source: int, targets: Tensor, length: int) -> None:
        """Overwrites the first positions of rows [n] with those of another row."""
        for tensors in (self._keys, self._values):
            for tensor in tensors:
                tensor[targets, :, :length] = tensor[source, :, :length].clone()

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        layer_idx: int,
        *_: Any,
        **__: Any,
    ) -> tuple[Tensor, Tensor]:
        """Stores a layer's new keys and values [n, heads, T, width]; called by the model.

        Returns:
            All keys and values [n, heads, length, width], with the length of the longest row.
        """
        if layer_idx == len(self._keys):
            for tensors, states in ((self._keys, key_states), (self._values, value_states)):
                heads, width = states.shape[1], states.shape[3]
                tensors.append(states.new_zeros(self._rows, heads, self.capacity, width))
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        # The two indices come first: [n, T, heads, width].
        keys[self._into, :, self._positions] = key_states.transpose(1, 2)
        values[self._into, :, self._positions] = value_states.transpose(1, 2)
        return keys[:, :, : self._length][self._aimed], values[:, :, : self._length][self._aimed]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Length of the longest row that is run, or more, without its next tokens."""
        return self._length - self._positions.shape[1]


def causal_mask(positions: Tensor, length: int, dtype: torch.dtype) -> Tensor:
    """What tokens attend to: everything up to their own position in their row.

    Args:
        positions: Of the tokens, int64 [n, T].
        length: Positions of the keys.
        dtype: That the model computes in.

    Returns:
        What is added to the attention's scores, [n, 1, T, length].
    """
    keys = torch.arange(length, device=positions.device)
    mask = torch.zeros(*positions.shape, length, dtype=dtype, device=positions.device)
    mask.masked_fill_(keys > positions[..., None], torch.finfo(dtype).min)
    return mask[:, None]
