"""Puts a language-model agent together from its settings, and takes it out of a run folder.

A checkpoint of this kind of agent holds the weight sets and value heads of a `LanguagePolicy`;
`checkpoint.json` says what the weights belong to: the model, the prompts, the format. The model
itself is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hiper_agents.llm.columns import ColumnProvider
from hiper_agents.llm.config import AgentConfig, settings_in
from hiper_agents.llm.generation import Generator
from hiper_agents.llm.grammar import ResponseGrammar
from hiper_agents.llm.models import load_model
from hiper_agents.llm.player import LanguagePlayer
from hiper_agents.llm.policy import LanguagePolicy, PolicyError
from hiper_agents.llm.prompts import PromptWriter
from hiper_agents.llm.responder import GenerationConfig, Responder
from hiper_agents.llm.sharding import gathered, part_for
from hiper_agents.llm.strategist import Strategist
from hiper_agents.training.ranks import Ranks
from hiper_agents.training.state_files import (
    CheckpointError,
    optimizer_tensors,
    read_checkpoint,
    read_tensors,
    restore_optimizer,
    state_path,
    write_checkpoint,
)
from hiper_base.errors import HiperError

__all__ = [
    "Made",
    "describe",
    "export",
    "load_weights",
    "make_for",
    "make_generator",
    "make_player",
    "make_policy",
    "restore_columns",
    "save",
]

_WEIGHTS = "weights."
_POLICY, _REFERENCE = "policy.", "reference."
_COLUMNS = "columns."


class Made(NamedTuple):
    """A policy and what its results have to say of it.

    Attributes:
        policy: With an adapter and value heads that have learned nothing.
        about: The model's name, where its weights come from, and what they were quantised to once
            ("" if they never were).
    """

    policy: LanguagePolicy
    about: dict[str, str]


def make_policy(config: AgentConfig, *, shard: bool = False) -> Made:
    """Loads the model.

    Args:
        config: Which one.
        shard: Whether to keep a part of its weights only. All processes that train together have
            to call this then, and the whole model needs to fit into the machine's memory only.

    Raises:
        HiperError: If there is no such model or device, or what is trained of it is not sharded.
    """
    device = device_of(config.device)
    dtype = config.dtype
    if dtype == "auto":
        dtype = "bfloat16" if device.startswith("cuda") else "float32"
    loaded = load_model(config.model, device="cpu" if shard else device, dtype=dtype)
    about = {
        "model": loaded.name,
        "weights": loaded.origin,
        "quantised_from": loaded.quantised_from,
    }
    policy = LanguagePolicy(loaded.model, loaded.tokenizer, config.policy)
    if shard:
        policy.shard(torch.device(device))
    return Made(policy, about)


def make_for(config: AgentConfig, ranks: Ranks, *, shard: bool) -> Made:
    """Loads the model on the device of one of the processes that train it together.

    Raises:
        HiperError: If there is no such model or device, or nothing to be sharded.
    """
    if shard and ranks.size == 1:
        raise HiperError("one process cannot shard: launch several, or leave out --shard")
    if shard and config.policy.lora_rank:
        raise HiperError(
            "an adapter is not sharded: leave out --shard, or train the whole model "
            "(--policy.lora-rank 0)"
        )
    return make_policy(replace(config, device=ranks.device(config.device)), shard=shard)


def make_player(
    policy: LanguagePolicy, config: AgentConfig, generation: GenerationConfig
) -> LanguagePlayer:
    """Lets a policy play.

    Raises:
        HiperError: If its tokenizer cannot write the format, or prompts leave no room.
    """
    writer = PromptWriter(policy.tokenizer, config.prompt)
    grammar = ResponseGrammar(policy.tokenizer, **asdict(config.format))
    generator = make_generator(policy, generation, writer.prefix)
    tokens = config.strategy_tokens
    strategist = Strategist(writer, generator, tokens) if tokens else None
    return LanguagePlayer(writer, grammar, generator, strategist)


def make_generator(
    policy: LanguagePolicy, config: GenerationConfig, prefix: Sequence[int]
) -> Responder:
    """What writes a policy's responses.

    Args:
        policy: What chooses.
        config: How, and with which backend.
        prefix: Tokens that prompts begin with.

    Raises:
        HiperError: The backend is not installed, or cannot run the model.
    """
    if config.backend == "transformers":
        return Generator(policy, config, prefix=prefix)
    # Only here: it is heavy, and an extra.
    from hiper_agents.llm.vllm_generation import VllmGenerator

    return VllmGenerator(policy, config)


def device_of(name: str) -> str:
    """The device that a setting names.

    Raises:
        HiperError: If there is none such.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise HiperError(f"cannot compute on device {name!r}: {reason}") from error
    return name


def describe(config: AgentConfig) -> dict[str, Any]:
    """What the weights of such an agent belong to, JSON-able."""
    return {field.name: asdict(config)[field.name] for field in fields(AgentConfig)}


def save(
    run: Path,
    config: AgentConfig,
    made: Made,
    optimizer: torch.optim.Optimizer,
    progress: Mapping[str, Any],
    columns: Mapping[str, Mapping[str, Tensor]] = MappingProxyType({}),
    *,
    write: bool = True,
) -> None:
    """Writes a checkpoint; it does not show whether the policy is sharded.

    Args:
        run: The run folder.
        config: What the weights belong to.
        made: The weights, and what is to be said of them.
        optimizer: Of them.
        progress: JSON-able counters and random states, with the key `iteration`.
        columns: States of those who fill columns, by column.
        write: Whether this process is the one that writes. If the policy is sharded, all call this.
    """
    state = made.policy.adapter_state(keep=write)
    tensors = {f"{_WEIGHTS}{name}": tensor for name, tensor in state.items()}
    tensors |= gathered(optimizer_tensors(optimizer), keep=write)
    if not write:
        return
    for column, kept in columns.items():
        tensors |= {f"{_COLUMNS}{column}.{name}": tensor for name, tensor in kept.items()}
    document = {"agent": "llm", "made_of": describe(config), "about": made.about, **progress}
    write_checkpoint(run, progress["iteration"], tensors, document)


def export(run: Path, folder: Path) -> Path:
    """Writes the agent of a run folder in as few bytes as it plays with.

    The policy's weights and the value heads, in bfloat16; neither the optimizer nor the frozen
    start. The folder is one that `make_agent` loads.

    Args:
        run: The run folder.
        folder: Where to write.

    Returns:
        The file with the weights.

    Raises:
        CheckpointError: If the run has no checkpoint, or one of another kind of agent.
    """
    document = read_checkpoint(run)
    settings_in(run, document)
    kept = {
        name: tensor.to(torch.bfloat16)
        for name, tensor in read_tensors(run, document).items()
        if name.startswith((f"{_WEIGHTS}{_POLICY}", f"{_WEIGHTS}heads."))
    }
    names = ("agent", "made_of", "about", "iteration", "turns", "seconds")
    told = {name: document[name] for name in names if name in document}
    write_checkpoint(folder, document["iteration"], kept, told)
    return state_path(folder, read_checkpoint(folder))


def load_weights(
    run: Path,
    document: Mapping[str, Any],
    policy: LanguagePolicy,
    optimizer: torch.optim.Optimizer | None = None,
) -> None:
    """Puts a policy, and its optimizer if given, into the state of a checkpoint.

    Args:
        run: The run folder.
        document: Its `read_checkpoint`.
        policy: Made from the same settings.
        optimizer: Of its parameters.

    Raises:
        CheckpointError: If the state file is missing, damaged, or of another model.
    """
    tensors = read_tensors(run, document)
    weights = {n.removeprefix(_WEIGHTS): t for n, t in tensors.items() if n.startswith(_WEIGHTS)}
    # An exported agent has no start to be held to.
    for name in [name for name in weights if name.startswith(_POLICY)]:
        weights.setdefault(name.replace(_POLICY, _REFERENCE, 1), weights[name])
    try:
        policy.load_adapter_state(weights)
        if optimizer is not None:
            restore_optimizer(optimizer, tensors, keep=part_for)
    except (PolicyError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"cannot load {state_path(run, document)}: {error}") from error


def restore_columns(
    run: Path, document: Mapping[str, Any], providers: Mapping[str, ColumnProvider]
) -> None:
    """Has those who fill columns go on from a checkpoint.

    Raises:
        CheckpointError: If the state file is missing, damaged, or of another kind of run.
    """
    if not providers:
        return
    tensors = read_tensors(run, document)
    for column, provider in providers.items():
        prefix = f"{_COLUMNS}{column}."
        own = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        try:
            provider.restore(own)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            place = state_path(run, document)
            raise CheckpointError(f"cannot load {column} of {place}: {error}") from error
