"""Checkpoints of the compact agent's runs, in the files of `state_files`.

The tensors of the network, of its optimizer and of whatever else learns in the run; beside them
what the network reads, its sizes, and the rules of its options, so that the folder is all that is
needed to rebuild it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from hiper_agents.agent import CHECKPOINT_FILE
from hiper_agents.compact.domain import Domain, DomainError, make_domain
from hiper_agents.compact.flat import domain_under
from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Player
from hiper_agents.compact.slot import OptionRules
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
    "CheckpointError",
    "load_player",
    "load_policy",
    "read_checkpoint",
    "read_extra",
    "restore",
    "save_checkpoint",
]

_EXTRA = "extra."
FIRST_DOMAIN = "alfworld"
"""The domain of checkpoints that name none: once there was only this one."""


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
    tensors |= optimizer_tensors(optimizer)
    tensors |= {f"{_EXTRA}{name}": tensor for name, tensor in extra.items()}
    document = {
        "agent": "compact",
        "network": asdict(network_config),
        "domain": domain.name,
        "vocabulary": domain.vocabulary,
        "options": asdict(player.rules),
        **progress,
    }
    write_checkpoint(run, progress["iteration"], tensors, document)


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
    loaded, kept, tensors = _load(run, document)
    if (kept.name, kept.vocabulary) != (domain.name, domain.vocabulary):
        raise CheckpointError(
            f"the checkpoint in {run} reads {kept.name}, not {domain.name} with the words of this "
            "version"
            if kept.name == domain.name
            else f"the checkpoint in {run} reads {kept.name}, not {domain.name}"
        )
    network.load_state_dict(loaded.state_dict())
    try:
        restore_optimizer(optimizer, tensors)
    except (ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"cannot load {state_path(run, document)}: {error}") from error


def read_extra(run: Path, document: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The further tensors of a checkpoint.

    Raises:
        CheckpointError: If the state file is missing or damaged.
    """
    tensors = read_tensors(run, document)
    return {n.removeprefix(_EXTRA): t for n, t in tensors.items() if n.startswith(_EXTRA)}


def _rules(run: Path, document: Mapping[str, Any]) -> OptionRules:
    """The rules of a checkpoint; those without any are from before there were other rules."""
    try:
        return OptionRules(**document.get("options", {}))
    except (TypeError, HiperError) as error:
        raise CheckpointError(f"cannot read {run / CHECKPOINT_FILE}: {error}") from error


def _load(
    run: Path, document: Mapping[str, Any]
) -> tuple[CompactNetwork, Domain[Any], dict[str, torch.Tensor]]:
    rules = _rules(run, document)
    try:
        domain = make_domain(document.get("domain", FIRST_DOMAIN), document["vocabulary"])
        domain = domain_under(rules, domain)
        tensors = read_tensors(run, document)
        network = CompactNetwork(domain.sizes, NetworkConfig(**document["network"]))
        prefix = "network."
        network.load_state_dict(
            {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        )
    except DomainError as error:
        raise CheckpointError(f"cannot read {run / CHECKPOINT_FILE}: {error}") from error
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"cannot load {state_path(run, document)}: {error}") from error
    return network, domain, tensors
