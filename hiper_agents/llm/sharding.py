"""`Shards`: whole models of which every process keeps a part, by PyTorch's `fully_shard` (FSDP2).

Weights, gradients and what an optimizer remembers of them are dealt out over the processes. Where
gradients are wanted, the processes gather one layer at a time, and add up its gradients at once:
each of them has to make the same number of passes. Without gradients a whole model is gathered
first (`whole`), and then each makes as many passes as it likes.

Besides, what else is done with tensors of which there are parts: to put them together, to take
one's part, to clip gradients. The module knows nothing of policies, losses or optimizers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from transformers import PreTrainedModel

from hiper_agents.llm.processes import all_reduce, is_part
from hiper_agents.llm.weights import Copies, WeightSets
from hiper_base.errors import HiperError

__all__ = ["Shards", "clip_gradients", "gathered", "part_for"]

T = TypeVar("T")


class Shards(WeightSets):
    """Copies of a model, each dealt out over all processes.

    Args:
        copies: The same ones in every process; taken over.
        device: Of this process; parts are moved to it, a layer at a time.

    Raises:
        HiperError: If this version of torch is too old.
    """

    def __init__(self, copies: Copies, device: torch.device) -> None:
        super().__init__()
        self.names = copies.names
        self.copies = copies
        self._whole: str | None = None
        # Not modules of this one: they hold what `copies` holds.
        size = torch.distributed.get_world_size()
        mesh = torch.distributed.device_mesh.init_device_mesh(device.type, (size,))
        self._passes = {name: _shard(copies.use(name), mesh) for name in copies.names}

    def use(self, name: str) -> PreTrainedModel:
        """The model of that name."""
        return self.copies.use(name)

    def tensors(self, name: str) -> dict[str, nn.Parameter]:
        """All parameters of one model, in parts unless it is `whole`."""
        return self.copies.tensors(name)

    @property
    def is_sharded(self) -> bool:
        """That they are."""
        return True

    def run(self, name: str, compute: Callable[[], T]) -> T:
        """A pass with gradients: all processes make it, and go backward from what it gives.

        Args:
            name: The set that computes.
            compute: Returns tensors, of which every weight of the set has a share.
        """
        return cast(T, self._passes[name](compute))

    def passes(self, count: int) -> int:
        """The most that any of the processes has said; all of them ask."""
        counts = torch.tensor([float(count)])
        torch.distributed.all_reduce(counts, torch.distributed.ReduceOp.MAX)
        return int(counts)

    @contextmanager
    def whole(self, name: str) -> Iterator[None]:
        """While it lasts, this process has all of a set, for passes without gradients.

        All processes come and go; in between nothing is exchanged. One set is whole at a time:
        another one is let go, and gathered again afterwards.
        """
        before = self._whole
        if before != name:
            self._gather(name)
        try:
            yield
        except BaseException:
            # Nothing that others would have to take part in.
            self._gather(None)
            raise
        if before != name:
            self._gather(before)

    def _gather(self, name: str | None) -> None:
        """Lets go what is whole, then gathers a set."""
        if self._whole is not None:
            outermost, *layers = _sharded(self._passes[self._whole])
            for layer in layers:
                layer.set_reshard_after_forward(True, recurse=False)
            for module in (outermost, *layers):
                module.reshard()
        if name is not None:
            outermost, *layers = _sharded(self._passes[name])
            for layer in layers:
                layer.set_reshard_after_forward(False, recurse=False)
            for module in (outermost, *layers):
                module.unshard()
        self._whole = name


class _Pass(nn.Module):
    """A pass through a model, whatever parts of it are called, and however often.

    Around a call of this module what belongs to no layer (embeddings, the last norm, the output) is
    gathered, and remains so until the backward pass has ended.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, compute: Callable[[], Any]) -> Any:
        """Computes."""
        return compute()


def _shard(model: PreTrainedModel, mesh: DeviceMesh) -> nn.Module:
    """Deals a model out; returns what its passes with gradients are to be made through."""
    from torch.distributed import fsdp

    # The latest of what is needed here.
    if not hasattr(getattr(fsdp, "FSDPModule", None), "set_force_sum_reduction_for_comms"):
        raise HiperError(f"torch {torch.__version__} cannot shard models well: install a newer one")
    kinds = set(getattr(model, "_no_split_modules", None) or ())
    layers = [module for module in model.modules() if type(module).__name__ in kinds]
    whole = _Pass(model)
    for module in (*layers, whole):
        fsdp.fully_shard(module, mesh=mesh)
    for module in _sharded(whole):
        # Losses are weighted for all processes: gradients are summed, not averaged.
        module.set_force_sum_reduction_for_comms(True)
        module.set_gradient_divide_factor(1.0)
    # What is gathered ahead in the backward pass is by default what was called before in any pass.
    # Passes that only some processes have made must not change it; the outermost is there anyway.
    outermost: Any = whole
    for module, following in pairwise([outermost, *reversed(layers), outermost]):
        module.set_modules_to_backward_prefetch([following])
    whole(lambda: None)  # The first call decides which module is the outermost.
    outermost.reshard()
    return whole


def _sharded(whole: nn.Module) -> list[Any]:
    """The modules that are gathered on their own, the outermost first."""
    return [module for module in whole.modules() if hasattr(module, "unshard")]


def part_for(tensor: Tensor, parameter: Tensor) -> Tensor:
    """What this process keeps of a whole tensor, if it keeps a part of a parameter of that shape.

    Args:
        tensor: The same in all processes.
        parameter: What the tensor is, or belongs to.
    """
    if not is_part(parameter) or tensor.shape != parameter.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    like: Any = parameter
    tensor = tensor.to(parameter.device, parameter.dtype)
    part = distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)
    return part.clone()  # or else it would be a view, and all of it would stay in memory


def gathered(tensors: Mapping[str, Tensor], *, keep: bool = True) -> dict[str, Tensor]:
    """Copies, on the CPU, of whole tensors.

    Args:
        tensors: By name; where processes have parts, all of them call this with theirs.
        keep: Whether this process wants the copies; it gets none otherwise.
    """
    found = {}
    for name, tensor in tensors.items():
        if is_part(tensor):
            part: Any = tensor.detach()
            tensor = part.full_tensor()
        if keep:
            found[name] = tensor.detach().to("cpu", copy=True)
    return found


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], most: float) -> Tensor:
    """`nn.utils.clip_grad_norm_`, over all parts of the gradients that there are parts of.

    Args:
        parameters: Whose gradients, changed in place; where processes have parts, all of them call
            this.
        most: The norm to clip to.

    Returns:
        The norm before clipping.
    """
    parameters = list(parameters)
    gradients: list[Any] = [tensor.grad for tensor in parameters if tensor.grad is not None]
    parts = [gradient.to_local() for gradient in gradients if is_part(gradient)]
    if not parts:
        return nn.utils.clip_grad_norm_(parameters, most)
    own = [gradient for gradient in gradients if not is_part(gradient)]
    squares = _square(parts)
    all_reduce([squares])
    norm = (squares + _square(own)).sqrt() if own else squares.sqrt()
    scale = (most / (norm + 1e-6)).clamp(max=1.0)
    for gradient in (*parts, *own):
        gradient.mul_(scale)
    return norm


def _square(tensors: list[Tensor]) -> Tensor:
    """The squared norm of all of them together."""
    return nn.utils.get_total_norm(tensors).square()
