"""Sums over the processes of `torch.distributed`, for updates that several devices share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed
from torch import Tensor

__all__ = ["all_reduce"]


def all_reduce(tensors: Sequence[Tensor]) -> None:
    """Replaces tensors by their sums over all processes, in place, in one exchange.

    The tensors are of one type and on one device. Every process calls this with tensors of the same
    shapes, in the same order, once its process group has been set up.
    """
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    torch.distributed.all_reduce(flat)
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))
