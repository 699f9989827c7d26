"""Checkpoints of a training run: two files, replaced so that a kill at any moment loses nothing.

`state-<iteration>.safetensors` holds every tensor of the network and the optimizer;
`checkpoint.json` holds everything else and names the state file that it belongs to. The state is
written first, under a new name, and `checkpoint.json` is replaced last. Neither can hold code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hiper_agents.agent import CHECKPOINT_FILE
from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.vocabulary import Vocabulary
from hiper_base.errors import HiperError
from hiper_base.files import replacing, write_text

FORMAT = 1


class CheckpointError(HiperError):
    """A checkpoint is missing, damaged, or of another version."""


def save_checkpoint(
    run: Path,
    network: CompactNetwork,
    network_config: NetworkConfig,
    vocabulary: Vocabulary,
    optimizer: torch.optim.Optimizer,
    progress: Mapping[str, Any],
) -> None:
    """Writes the current state of a run.

    Args:
        run: The run folder.
        network: Policy and critic.
        network_config: Its sizes.
        vocabulary: Its words.
        optimizer: Of the network's parameters.
        progress: JSON-able counters and random states, with the key `iteration`.
    """
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in slots.items()}
    state = f"state-{progress['iteration']:06d}.safetensors"
    with replacing(run / state) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
    document = {
        "format": FORMAT,
        "agent": "compact",
        "state": state,
        "network": asdict(network_config),
        "vocabulary": list(vocabulary.words),
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


def load_policy(run: Path) -> tuple[CompactNetwork, Vocabulary]:
    """Rebuilds the network of a run.

    Raises:
        CheckpointError: If the checkpoint is missing or damaged.
    """
    document = read_checkpoint(run)
    network, vocabulary, _ = _load(run, document)
    return network, vocabulary


def restore(
    run: Path,
    document: Mapping[str, Any],
    network: CompactNetwork,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Puts a network and its optimizer into the state of a checkpoint.

    Raises:
        CheckpointError: If the state file is missing, damaged, or of another network.
    """
    loaded, _, slots = _load(run, document)
    network.load_state_dict(loaded.state_dict())
    state = optimizer.state_dict()
    state["state"] = slots
    optimizer.load_state_dict(state)


def _load(
    run: Path, document: Mapping[str, Any]
) -> tuple[CompactNetwork, Vocabulary, dict[int, dict[str, torch.Tensor]]]:
    path = run / Path(str(document.get("state"))).name
    try:
        tensors = load_file(path)
        vocabulary = Vocabulary(document["vocabulary"])
        network = CompactNetwork(len(vocabulary), NetworkConfig(**document["network"]))
        prefix = "network."
        network.load_state_dict(
            {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        )
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, slot = name.split(".")
                slots.setdefault(int(index), {})[slot] = tensor
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"cannot load {path}: {error}") from error
    return network, vocabulary, slots
