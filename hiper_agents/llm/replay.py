"""Computations of fixed shapes that are recorded once and replayed: CUDA graphs.

A small model's pass launches a thousand kernels that take less time than their launches; a graph
launches all of them at once. On a CPU there is nothing to record, and the computation just runs.
The module knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["Replay"]

_WARM_UPS = 2  # libraries set themselves up in the first runs, which cannot be recorded


class Replay:
    """A computation over inputs of one shape.

    Args:
        compute: Takes the inputs, in memory of this object's, and gives a tensor. On a GPU it must
            not wait for the device, and all else that it reads has to stay where it is. Running it
            twice must do what running it once does.
        inputs: The first ones, from which shapes and types are taken.
        device: Where it computes.
        pool: Memory that the graphs of one owner share (`torch.cuda.graph_pool_handle`).
    """

    def __init__(
        self,
        compute: Callable[..., Tensor],
        inputs: Sequence[Tensor],
        device: torch.device,
        pool: Any = None,
    ) -> None:
        self._compute = compute
        self._inputs = [given.to(device, copy=True) for given in inputs]
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda":
            self._graph, self._output = self._record(pool)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """What the computation gives for these inputs.

        The result is good until anything of the same pool is replayed.
        """
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        if self._graph is None:
            return self._compute(*self._inputs)
        self._graph.replay()
        return self._output

    def _record(self, pool: Any) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UPS):
                self._compute(*self._inputs)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            output = self._compute(*self._inputs)
        return graph, output
