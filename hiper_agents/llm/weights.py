"""The sets of weights that one language model holds: policy, reference, and perhaps a critic.

With adapters (LoRA, arXiv 2106.09685) the sets are small matrices beside one frozen base, of which
one set is active at a time. Without, each set is a whole copy of the model. Both kinds hand out the
model that computes with a set, and the tensors that make it up. Nothing here knows what the sets
are used for, nor about heads, losses or tokens.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

__all__ = ["Adapters", "Copies", "WeightSets"]

_T = TypeVar("_T")


class WeightSets(nn.Module):
    """Sets of weights by name; the first one is there to be trained from the start.

    Attributes:
        names: The sets.
    """

    names: tuple[str, ...]

    def use(self, name: str) -> PreTrainedModel:
        """The model that computes with a set, until another one is asked for."""
        raise NotImplementedError

    def tensors(self, name: str) -> dict[str, nn.Parameter]:
        """The trainable tensors of a set; the same names in every set."""
        raise NotImplementedError

    def merged(self, name: str) -> Iterator[tuple[str, Tensor]]:
        """A set as the weights of one plain model: its tensors by their names in a checkpoint."""
        raise NotImplementedError

    def merge(self, name: str) -> PreTrainedModel:
        """A plain model that computes what a set does now, for passes without gradients.

        It is the same one at every call, with other weights if those of the set have changed.
        """
        return self.use(name)

    @property
    def is_sharded(self) -> bool:
        """Whether each of several processes has a part of every tensor only."""
        return False

    def run(self, name: str, compute: Callable[[], _T]) -> _T:
        """What a pass with gradients gives; see `sharding` for what that means where it matters."""
        return compute()

    def passes(self, count: int) -> int:
        """How many passes with gradients a process has to make that needs some number of them."""
        return count

    @contextmanager
    def whole(self, name: str) -> Iterator[None]:
        """While it lasts, passes through a set without gradients can be made."""
        yield

    @torch.no_grad()
    def overwrite(self, target: str, source: str) -> None:
        """Gives one set the numbers of another one."""
        found = self.tensors(source)
        for name, tensor in self.tensors(target).items():
            tensor.copy_(found[name])


class Adapters(WeightSets):
    """A frozen base with a LoRA adapter in every linear layer but the output, for each set.

    All sets begin as the same adapter, which changes nothing yet: its second matrix is zero. The
    matrices are float32 whatever the base is, for small steps would be lost in bfloat16.

    Args:
        model: The base; layers are replaced in place and its weights are frozen.
        names: The sets.
        rank: Of the adapters.
        alpha: Their output is scaled by alpha / rank.
        seed: Of the first matrices.
    """

    def __init__(
        self, model: PreTrainedModel, names: Sequence[str], *, rank: int, alpha: int, seed: int
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.model = model.requires_grad_(False)
        targets = _linear_layers(model)
        for name in names:
            config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=targets)
            with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
                # That there is more than one adapter is meant.
                warnings.filterwarnings("ignore", message="Already found a `peft_config`")
                inject_adapter_in_model(config, model, name)
        self._layers = _tuned(model)
        self._merged: dict[str, PreTrainedModel] = {}
        self._active = ""
        generator = torch.Generator().manual_seed(seed)
        for key, tensor in self.tensors(names[0]).items():
            tensor.data = _initial(key, tensor, generator)
        for name in names[1:]:
            for key, tensor in self.tensors(name).items():
                tensor.data = self.tensors(names[0])[key].data.clone()
        for layer in self._layers.values():
            # Under autocast the matrices are cast to the base's type; casting inputs to theirs
            # first would only cost time and memory.
            layer.cast_input_dtype_enabled = False
        self.use(names[0])

    def use(self, name: str) -> PreTrainedModel:
        """The base with the adapter of that name; the other adapters need no gradients then."""
        if name != self._active:
            for layer in self._layers.values():
                layer.set_adapter([name])
            self._active = name
        return self.model

    def tensors(self, name: str) -> dict[str, nn.Parameter]:
        """The matrices of one adapter."""
        marker = f".{name}."
        return {
            path.replace(marker, "."): tensor
            for path, tensor in self.model.named_parameters()
            if marker in path and ".lora_" in path
        }

    def merged(self, name: str) -> Iterator[tuple[str, Tensor]]:
        """The base with an adapter added to it, in the base's type."""
        for path, tensor in self.model.named_parameters():
            owner, _, part = path.partition(".base_layer.")
            if ".lora_" in path:
                continue
            own = _sum(self._layers[owner], name) if part == "weight" else tensor.detach()
            yield path.replace(".base_layer.", "."), own

    @torch.no_grad()
    def merge(self, name: str) -> PreTrainedModel:
        """The base with an adapter added to it: fewer operations for a copy of its layers."""
        if name not in self._merged:
            self._merged[name] = _without_adapters(self.model)
        for path, layer in self._layers.items():
            weight = self._merged[name].get_submodule(path).weight
            assert isinstance(weight, Tensor)
            weight.copy_(_sum(layer, name))
        return self._merged[name]


class Copies(WeightSets):
    """A whole model for each set, in float32.

    Args:
        model: The first set; it is trained, output and embeddings included.
        names: The sets.
    """

    def __init__(self, model: PreTrainedModel, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        model = model.float().requires_grad_(True)
        copies = {name: copy.deepcopy(model) for name in names[1:]}
        self.models = nn.ModuleDict({names[0]: model, **copies})

    def use(self, name: str) -> PreTrainedModel:
        """The model of that name."""
        model = self.models[name]
        assert isinstance(model, PreTrainedModel)
        return model

    def tensors(self, name: str) -> dict[str, nn.Parameter]:
        """All parameters of one model; tied ones once."""
        return dict(self.use(name).named_parameters())

    def merged(self, name: str) -> Iterator[tuple[str, Tensor]]:
        """The tensors of one model."""
        return ((path, tensor.detach()) for path, tensor in self.tensors(name).items())


def _linear_layers(model: PreTrainedModel) -> list[str]:
    """Paths of all linear layers but the one that gives the logits."""
    output = model.get_output_embeddings()
    return [
        path
        for path, module in model.named_modules()
        if isinstance(module, (nn.Linear, Conv1D)) and module is not output
    ]


def _tuned(model: nn.Module) -> dict[str, Any]:
    """The layers that have adapters, by path."""
    return {p: layer for p, layer in model.named_modules() if isinstance(layer, BaseTunerLayer)}


@torch.no_grad()
def _sum(layer: Any, name: str) -> Tensor:
    """The weight of a layer with an adapter added to it."""
    weight: Tensor = layer.get_base_layer().weight
    delta: Tensor = layer.get_delta_weight(name)
    return (weight.float() + delta.float()).to(weight.dtype)


def _without_adapters(model: PreTrainedModel) -> PreTrainedModel:
    """A copy whose layers have weights of their own where there are adapters; others are shared."""
    shared: dict[int, Any] = {id(each): each for each in (*model.parameters(), *model.buffers())}
    plain = copy.deepcopy(model, shared)
    for path, layer in _tuned(plain).items():
        bare = layer.get_base_layer()
        bare.weight = nn.Parameter(bare.weight.clone(), requires_grad=False)
        parent, _, child = path.rpartition(".")
        setattr(plain.get_submodule(parent), child, bare)
    return plain


def _initial(path: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    """The start of a LoRA matrix, the same on every device: uniform as for a linear layer, or 0."""
    if ".lora_B" in path:
        return torch.zeros_like(tensor, dtype=torch.float32)
    bound = 1 / math.sqrt(tensor.shape[1])
    start = torch.rand(tensor.shape, generator=generator) * 2 * bound - bound
    return start.to(tensor.device)
