"""Sums over the processes of `torch.distributed`, for updates that several devices share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.distributed
from torch import Tensor, nn

__all__ = ["all_reduce", "gradients_of", "is_part"]

_MOST = 1 << 25
"""Numbers in one exchange, so that a model's gradients are not all held twice."""


def all_reduce(tensors: Sequence[Tensor]) -> None:
    """Replaces tensors by their sums over all processes, in place, in few exchanges.

    The tensors are of one type and on one device. Every process calls this with tensors of the same
    shapes, in the same order, once its process group has been set up.
    """
    some: list[Tensor] = []
    for tensor in tensors:
        if some and sum(part.numel() for part in some) + tensor.numel() > _MOST:
            _all_reduce(some)
            some = []
        some.append(tensor)
    if some:
        _all_reduce(some)


def gradients_of(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """All gradients; zeros where a process has none, for others may have some.

    Those of which each process has a part are left out: they are sums already.
    """
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        if not is_part(parameter.grad):
            gradients.append(parameter.grad)
    return gradients


def is_part(tensor: Tensor) -> bool:
    """Whether other processes have other parts of a tensor (a `DTensor`)."""
    return hasattr(tensor, "full_tensor")


def _all_reduce(tensors: Sequence[Tensor]) -> None:
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    torch.distributed.all_reduce(flat)
    for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))
