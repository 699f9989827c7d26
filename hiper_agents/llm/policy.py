"""`LanguagePolicy`: a causal language model that is trained, its critic and its frozen start.

The model writes responses; three value heads judge states (V_L, V_H and V_T of HiPER, arXiv
2602.16165). By default the heads read the policy's own last hidden state; a separate critic has
weights of its own. What is trained is a LoRA adapter, or with rank 0 the whole model. The frozen
start, for the KL penalty, is kept beside it.

A model of bfloat16 computes in bfloat16 by autocast; whatever is trained is float32. The module
knows nothing of prompts, of what a response may contain, of losses or of optimizers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutputWithPast

from hiper_agents.llm.sharding import Shards, gathered, part_for
from hiper_agents.llm.weights import Adapters, Copies, WeightSets
from hiper_base.errors import HiperError

__all__ = ["HEADS", "LanguagePolicy", "PolicyConfig", "PolicyError"]

T = TypeVar("T")

CriticKind = Literal["trunk", "separate"]

HEADS = ("low", "high", "switch")
"""The order of the values: V_L, V_H, V_T."""

_POLICY, _REFERENCE, _CRITIC = "policy", "reference", "critic"
_DTYPES = (torch.float32, torch.bfloat16)


class PolicyError(HiperError, ValueError):
    """A model cannot be trained here, or stored weights do not fit one."""


@dataclass(frozen=True)
class PolicyConfig:
    """What of a language model is trained.

    Raises:
        HiperError: If a number is out of range, or there is no such critic.
    """

    lora_rank: int = 16
    """Rank of the adapter in every linear layer; 0 trains the whole model."""
    lora_alpha: int = 32
    """The adapter's output is scaled by alpha / rank."""
    critic: CriticKind = "trunk"
    """trunk: the value heads read the policy's hidden state. separate: they read that of an adapter
    of their own on the same base, or of a copy of the model where the whole model is trained."""
    detach_critic: bool = False
    """Whether the value losses of a critic on the trunk leave the trunk alone."""
    value_hidden: int = 256
    """Width of the hidden layer of each value head."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them."""
    seed: int = 0
    """Of the first weights of adapter and heads."""

    def __post_init__(self) -> None:
        if self.lora_rank < 0:
            raise HiperError(f"lora_rank must be 0 or more, not {self.lora_rank}")
        if self.value_hidden < 1:
            raise HiperError(f"value_hidden must be at least 1, not {self.value_hidden}")
        if self.critic not in get_args(CriticKind):
            known = ", ".join(get_args(CriticKind))
            raise HiperError(f"there is no critic {self.critic!r}; there are {known}")


class LanguagePolicy(nn.Module):
    """A causal language model with value heads.

    Args:
        model: Of `transformers`, float32 or bfloat16. It is taken over: layers are replaced in
            place, and dropout is switched off, for probabilities must be the same twice.
        tokenizer: Its tokenizer.
        config: What is trained.

    Attributes:
        config: As given.
        tokenizer: As given.
        compute_dtype: The type that the model computes in.
        version: Counts changes of the weights; what was computed at another version is stale.

    Raises:
        PolicyError: If the model is of another type, or computes its logits in a way that
            `logits` does not know.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        config: PolicyConfig = PolicyConfig(),
    ) -> None:
        super().__init__()
        if model.dtype not in _DTYPES:
            raise PolicyError(f"models of {model.dtype} cannot be trained; use float32 or bfloat16")
        self.config = config
        self.tokenizer = tokenizer
        self.compute_dtype = model.dtype
        self.version = 0
        self._active = _POLICY
        _switch_off_dropout(model)
        model.eval()
        if config.gradient_checkpointing:
            _switch_on_checkpointing(model)
        self.weights = _weight_sets(model, config)
        self.heads = _make_heads(self.hidden_size, config).to(model.device)
        self._check_logits()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    @property
    def model(self) -> PreTrainedModel:
        """The model with the weights that are active now: the policy's, as a rule."""
        return self.weights.use(self._active)

    @property
    def weights_version(self) -> tuple[int, int]:
        """Changes with every change of the weights by an optimizer or `load_adapter_state`."""
        return self.version, sum(parameter._version for parameter in self.parameters())

    @property
    def hidden_size(self) -> int:
        """Width of a hidden state."""
        return int(self.model.config.get_text_config().hidden_size)

    @property
    def has_trunk_critic(self) -> bool:
        """Whether `values` reads the hidden states that `trunk` gives."""
        return self.config.critic == "trunk"

    def trunk(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool = False,
        model: PreTrainedModel | None = None,
        **options: Any,
    ) -> BaseModelOutputWithPast:
        """Reads tokens.

        Args:
            input_ids: Token ids [B, T].
            attention_mask: 1 where a token counts, [B, past + T]; None where all do. A row that is
                padded on the right needs none: nothing attends to what comes after it.
            position_ids: Positions [B, T]; None counts them.
            past_key_values: The keys and values of earlier tokens.
            use_cache: Whether to return keys and values.
            model: What reads, such as what `merge` gave; None for the active weights.
            **options: Further arguments of the model, such as `cache_position`.

        Returns:
            `last_hidden_state`, [B, T, H], and `past_key_values` if asked for.
        """
        model = self.model if model is None else model
        if self.config.gradient_checkpointing:
            # transformers checkpoints in training mode only, and keeps no cache then.
            wanted = torch.is_grad_enabled() and not use_cache
            if model.training != wanted:
                model.train(wanted)
        with self._computing():
            output: BaseModelOutputWithPast = model.base_model(
                input_ids=input_ids,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=past_key_values,
                use_cache=use_cache,
                **options,
            )
        return output

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits [..., V], float32, of the token that follows each hidden state [..., H]."""
        model = self.model
        with self._computing():
            logits: Tensor = model.get_output_embeddings()(hidden)
        logits = logits.float()
        config = model.config.get_text_config()
        if multiplier := getattr(config, "logit_scale", None):  # Cohere
            logits = logits * multiplier
        if divisor := getattr(config, "logits_scaling", None):  # Granite
            logits = logits / divisor
        if cap := getattr(config, "final_logit_softcapping", None):  # Gemma 2
            logits = torch.tanh(logits / cap) * cap
        return logits

    def values(self, hidden: Tensor) -> Tensor:
        """V_L, V_H and V_T, float32 [..., 3], of hidden states [..., H].

        All three heads judge every state; which of them means something where is the caller's
        affair. The hidden states of a separate critic come from `trunk` within `critic`.
        """
        if self.config.detach_critic:
            hidden = hidden.detach()
        with torch.autocast(hidden.device.type, enabled=False):
            hidden = nn.functional.layer_norm(hidden.float(), hidden.shape[-1:])
            return torch.cat([head(hidden) for head in self.heads], -1)

    @contextmanager
    def reference(self) -> Iterator[None]:
        """While it lasts, `trunk` and `logits` are those of the frozen start, without gradients.

        Example:
            with policy.reference():
                logits = policy.logits(policy.trunk(ids).last_hidden_state)
        """
        with self._activated(_REFERENCE), self.whole(), torch.no_grad():
            yield

    @contextmanager
    def critic(self) -> Iterator[None]:
        """While it lasts, `trunk` gives the hidden states that `values` judges.

        That changes nothing for a critic on the trunk. The backward pass of a separate one belongs
        in here, too: where activations are computed again, that takes the weights active by then.
        """
        with self._activated(_POLICY if self.has_trunk_critic else _CRITIC):
            yield

    def shard(self, device: torch.device) -> None:
        """Has each of the processes that train together keep a part of every weight set.

        From then on all of them have to come into `reference` and `whole`, to call
        `freeze_reference`, `adapter_state` and `load_adapter_state`, and to make the same number of
        passes with gradients, all within `run`. Value heads stay whole.

        Args:
            device: Of this process; the policy is moved there.

        Raises:
            PolicyError: If it trains an adapter.
        """
        if not isinstance(self.weights, Copies):
            raise PolicyError("an adapter is not sharded: only a model that is trained whole is")
        self.weights = Shards(self.weights, device)
        self.heads.to(device)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """While it lasts, any number of passes can be made without gradients.

        That changes nothing unless the policy is sharded; then all weights are gathered before.
        """
        with self.weights.whole(self._active):
            yield

    def run(self, compute: Callable[[], T]) -> T:
        """What a pass with gradients through the active weights gives: tensors, one `tied`."""
        return self.weights.run(self._active, compute)

    def tied(self, result: Tensor, hidden: Tensor) -> Tensor:
        """The result of a pass with hidden states [n, T, H], in which all weights have a share.

        Sharded, each of them needs a gradient in every process, be it 0.
        """
        if not (self.weights.is_sharded and torch.is_grad_enabled()):
            return result
        return result + 0.0 * self.logits(hidden[:1, :1]).sum()

    def freeze_reference(self) -> None:
        """Makes the present policy the reference, say after supervised learning."""
        self.weights.overwrite(_REFERENCE, _POLICY)

    def merge(self) -> PreTrainedModel:
        """The policy's present weights as a plain model, to read through without gradients.

        An adapter is added to a copy of the layers that have one: fewer operations a token for the
        memory of that copy. In bfloat16 the sums are rounded once more. It is the same model at
        every call.
        """
        return self.weights.merge(_POLICY)

    def merged_weights(self) -> Iterator[tuple[str, Tensor]]:
        """The policy as one model without adapters, tensor by tensor, by the names of the model."""
        return self.weights.merged(_POLICY)

    def policy_parameters(self) -> list[nn.Parameter]:
        """What the policy's losses train."""
        return list(self.weights.tensors(_POLICY).values())

    def critic_parameters(self) -> list[nn.Parameter]:
        """What the value losses train besides the policy's weights."""
        own = [] if self.has_trunk_critic else [*self.weights.tensors(_CRITIC).values()]
        return [*own, *self.heads.parameters()]

    def adapter_state(self, *, keep: bool = True) -> dict[str, Tensor]:
        """Copies, on the CPU, of all that is not the given model: weight sets and heads.

        Args:
            keep: Whether they are wanted here, or this is called for the sake of others (`shard`).
        """
        return gathered(self._stored_tensors(), keep=keep)

    @torch.no_grad()
    def load_adapter_state(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from what `adapter_state` gave.

        Raises:
            PolicyError: If the tensors are of another model or another configuration. Nothing is
                changed then.
        """
        tensors = self._stored_tensors()
        if different := sorted(tensors.keys() ^ state.keys()):
            raise PolicyError(
                f"the stored weights are of another configuration: {different[0]} is in one of the "
                "two only"
            )
        for name, tensor in tensors.items():
            if state[name].shape != tensor.shape:
                shapes = f"{tuple(state[name].shape)}, not {tuple(tensor.shape)}"
                raise PolicyError(f"the stored weights are of another model: {name} has {shapes}")
        for name, tensor in tensors.items():
            tensor.copy_(part_for(state[name], tensor))
        self.version += 1

    def _stored_tensors(self) -> dict[str, nn.Parameter]:
        stored = {f"heads.{name}": tensor for name, tensor in self.heads.named_parameters()}
        for part in self.weights.names:
            for name, tensor in self.weights.tensors(part).items():
                stored[f"{part}.{name}"] = tensor
        return stored

    @contextmanager
    def _activated(self, name: str) -> Iterator[None]:
        before, self._active = self._active, name
        try:
            self.weights.use(name)
            yield
        finally:
            self._active = before
            self.weights.use(before)

    def _computing(self) -> torch.autocast:
        # No weight is used twice in a pass, so that a cache of cast weights would only cost memory.
        return torch.autocast(
            self.device.type,
            dtype=torch.bfloat16,
            enabled=self.compute_dtype == torch.bfloat16,
            cache_enabled=False,
        )

    @torch.no_grad()
    def _check_logits(self) -> None:
        """Compares `logits` with the model's own, once."""
        ids = torch.arange(min(8, self.model.config.get_text_config().vocab_size))[None]
        ids = ids.to(self.device)
        hidden = self.trunk(ids).last_hidden_state
        assert hidden is not None
        with self._computing():
            expected = self.model(ids, use_cache=False).logits.float()
        error = (self.logits(hidden) - expected).abs().max()
        tolerance = 1e-4 if self.compute_dtype == torch.float32 else 2e-2
        if not error <= tolerance * expected.abs().max().clamp(min=1):
            raise PolicyError(
                f"{type(self.model).__name__} computes logits in a way that is not known here: "
                f"they differ by up to {error.item():.2g}"
            )


def _weight_sets(model: PreTrainedModel, config: PolicyConfig) -> WeightSets:
    names = [_POLICY, _REFERENCE] + ([_CRITIC] if config.critic == "separate" else [])
    if not config.lora_rank:
        return Copies(model, names)
    return Adapters(model, names, rank=config.lora_rank, alpha=config.lora_alpha, seed=config.seed)


def _make_heads(hidden: int, config: PolicyConfig) -> nn.ModuleList:
    """A small network for each value, that says 0 at first."""
    with torch.random.fork_rng(devices=[]):
        heads = nn.ModuleList(
            nn.Sequential(
                nn.Linear(hidden, config.value_hidden),
                nn.SiLU(),
                nn.Linear(config.value_hidden, 1),
            )
            for _ in HEADS
        )
    generator = torch.Generator().manual_seed(config.seed)
    bound = hidden**-0.5
    with torch.no_grad():
        for name, parameter in heads.named_parameters():
            if name.endswith("0.weight"):
                parameter.uniform_(-bound, bound, generator=generator)
            else:
                parameter.zero_()
    return heads


def _switch_off_dropout(model: PreTrainedModel) -> None:
    for module in model.modules():
        # Attention reads its rate from an attribute of its own.
        for rate in ("p",) if isinstance(module, nn.Dropout) else ("attention_dropout",):
            if isinstance(getattr(module, rate, None), float):
                setattr(module, rate, 0.0)


def _switch_on_checkpointing(model: PreTrainedModel) -> None:
    # Version 5 of transformers has a new name for it.
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")
    enable = next(getattr(model, name) for name in names if hasattr(model, name))
    enable({"use_reentrant": False})
