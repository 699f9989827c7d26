"""Checkpoints of a training run: two files, replaced so that a kill at any moment loses nothing.

`state-<iteration>.safetensors` holds every tensor of the network, of the optimizer, and of whatever
else learns in the run;
`checkpoint.json` holds everything else and names the state file that it belongs to. The state is
written first, under a new name, and `checkpoint.json` is replaced last. Neither can hold code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hiper_agents.agent import CHECKPOINT_FILE
from hiper_agents.compact.domain import Domain, DomainError, make_domain
from hiper_agents.compact.flat import domain_under
from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Player
from hiper_agents.compact.slot import OptionRules
from hiper_base.errors import HiperError
from hiper_base.files import replacing, write_text

FORMAT = 1
_EXTRA = "extra."
FIRST_DOMAIN = "alfworld"
"""The domain of checkpoints that name none: once there was only this one."""


class CheckpointError(HiperError):
    """A checkpoint is missing, damaged, or of another version."""


def save_checkpoint(
    run: Path,
    player: Player,
    network_config: NetworkConfig,
    optimizer: torch.optim.Optimizer,
    progress: Mapping[str, Any],
    extra: Mapping[str, torch.Tensor] = MappingProxyType({}),
) -> None:
    """Writes the current state of a run.

    Args:
        run: The run folder.
        player: Policy and critic, what they read, and the rules of its options.
        network_config: The network's sizes.
        optimizer: Of the network's parameters.
        progress: JSON-able counters and random states, with the key `iteration`.
        extra: Further tensors, for `read_extra`.
    """
    network, domain = player.network, player.domain
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in slots.items()}
    tensors |= {f"{_EXTRA}{name}": tensor for name, tensor in extra.items()}
    state = f"state-{progress['iteration']:06d}.safetensors"
    with replacing(run / state) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
    document = {
        "format": FORMAT,
        "agent": "compact",
        "state": state,
        "network": asdict(network_config),
        "domain": domain.name,
        "vocabulary": domain.vocabulary,
        "options": asdict(player.rules),
        **progress,
    }
    write_text(run / CHECKPOINT_FILE, json.dumps(document, indent=1))
    for old in run.glob("state-*.safetensors"):
        if old.name != state:
            old.unlink(missing_ok=True)


def read_checkpoint(run: Path) -> dict[str, Any]:
    """Reads `checkpoint.json`.

    Raises:
        CheckpointError: If it is missing, not JSON, or of another format version.
    """
    path = run / CHECKPOINT_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"no checkpoint in {run}: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of format {FORMAT}")
    return document


def load_player(run: Path) -> Player:
    """Rebuilds what plays in a run.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged, or of an unknown domain.
    """
    document = read_checkpoint(run)
    network, domain, _ = _load(run, document)
    return Player(network, domain, _rules(run, document))


def load_policy(run: Path) -> tuple[CompactNetwork, Domain[Any]]:
    """Rebuilds the network of a run and what it reads.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged, or of an unknown domain.
    """
    document = read_checkpoint(run)
    network, domain, _ = _load(run, document)
    return network, domain


def restore(
    run: Path,
    document: Mapping[str, Any],
    network: CompactNetwork,
    domain: Domain[Any],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Puts a network and its optimizer into the state of a checkpoint.

    Raises:
        CheckpointError: If the state file is missing, damaged, or of another network, or if the
            checkpoint is of another domain.
    """
    loaded, kept, slots = _load(run, document)
    if (kept.name, kept.vocabulary) != (domain.name, domain.vocabulary):
        raise CheckpointError(
            f"the checkpoint in {run} reads {kept.name}, not {domain.name} with the words of this "
            "version"
            if kept.name == domain.name
            else f"the checkpoint in {run} reads {kept.name}, not {domain.name}"
        )
    network.load_state_dict(loaded.state_dict())
    state = optimizer.state_dict()
    state["state"] = slots
    optimizer.load_state_dict(state)


def read_extra(run: Path, document: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The further tensors of a checkpoint.

    Raises:
        CheckpointError: If the state file is missing or damaged.
    """
    tensors = _tensors(_state_path(run, document))
    return {n.removeprefix(_EXTRA): t for n, t in tensors.items() if n.startswith(_EXTRA)}


def _state_path(run: Path, document: Mapping[str, Any]) -> Path:
    return run / Path(str(document.get("state"))).name


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot load {path}: {error}") from error


def _rules(run: Path, document: Mapping[str, Any]) -> OptionRules:
    """The rules of a checkpoint; those without any are from before there were other rules."""
    try:
        return OptionRules(**document.get("options", {}))
    except (TypeError, HiperError) as error:
        raise CheckpointError(f"cannot read {run / CHECKPOINT_FILE}: {error}") from error


def _load(
    run: Path, document: Mapping[str, Any]
) -> tuple[CompactNetwork, Domain[Any], dict[int, dict[str, torch.Tensor]]]:
    path = _state_path(run, document)
    rules = _rules(run, document)
    try:
        domain = make_domain(document.get("domain", FIRST_DOMAIN), document["vocabulary"])
        domain = domain_under(rules, domain)
        tensors = _tensors(path)
        network = CompactNetwork(domain.sizes, NetworkConfig(**document["network"]))
        prefix = "network."
        network.load_state_dict(
            {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        )
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, slot = name.split(".")
                slots.setdefault(int(index), {})[slot] = tensor
    except DomainError as error:
        raise CheckpointError(f"cannot read {run / CHECKPOINT_FILE}: {error}") from error
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"cannot load {path}: {error}") from error
    return network, domain, slots
