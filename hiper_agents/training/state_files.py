"""Files that a run's state is kept in, replaced so that a kill at any moment loses nothing.

`state-<iteration>.safetensors` holds every tensor of what learns and of its optimizer;
`checkpoint.json` holds everything else and names the state file that it belongs to. The state is
written first, under a new name, and `checkpoint.json` is replaced last. Neither can hold code. What
the tensors and the entries mean is known to each kind of agent only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hiper_agents.agent import CHECKPOINT_FILE
from hiper_base.errors import HiperError
from hiper_base.files import replacing, write_text

__all__ = [
    "CheckpointError",
    "optimizer_tensors",
    "read_checkpoint",
    "read_tensors",
    "restore_optimizer",
    "write_checkpoint",
]

FORMAT = 1
_OPTIMIZER = "optimizer."


class CheckpointError(HiperError):
    """A checkpoint is missing, damaged, or of another version."""


def write_checkpoint(
    run: Path, iteration: int, tensors: Mapping[str, Tensor], document: Mapping[str, Any]
) -> None:
    """Replaces the checkpoint of a run.

    Args:
        run: The run folder; made if it does not exist.
        iteration: Number of the iteration after which it is written.
        tensors: By name.
        document: JSON-able; has the key `agent`, the kind of agent.
    """
    state = f"state-{iteration:06d}.safetensors"
    with replacing(run / state) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
    whole = {"format": FORMAT, "state": state, **document}
    write_text(run / CHECKPOINT_FILE, json.dumps(whole, indent=1))
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


def read_tensors(run: Path, document: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a checkpoint, on the CPU.

    Args:
        run: The run folder.
        document: Its `read_checkpoint`.

    Raises:
        CheckpointError: If the state file is missing or damaged.
    """
    path = state_path(run, document)
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot load {path}: {error}") from error
    return tensors


def state_path(run: Path, document: Mapping[str, Any]) -> Path:
    """The state file that a checkpoint names; always one in the run folder itself."""
    return run / Path(str(document.get("state"))).name


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimizer remembers of every parameter, by name."""
    return {
        f"{_OPTIMIZER}{index}.{name}": tensor
        for index, slots in optimizer.state_dict()["state"].items()
        for name, tensor in slots.items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, Tensor],
    *,
    keep: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> None:
    """Puts an optimizer into the state that `optimizer_tensors` gave.

    Args:
        optimizer: Of the same parameters.
        tensors: May hold others, too.
        keep: What of a tensor to keep for a parameter; by default all of it.

    Raises:
        ValueError: If the tensors are not those of such an optimizer.
    """
    slots: dict[int, dict[str, Tensor]] = {}
    parameters = [tensor for group in optimizer.param_groups for tensor in group["params"]]
    for name, tensor in tensors.items():
        if name.startswith(_OPTIMIZER):
            index, slot = name.removeprefix(_OPTIMIZER).split(".")
            if keep is not None and int(index) < len(parameters):
                tensor = keep(tensor, parameters[int(index)])
            slots.setdefault(int(index), {})[slot] = tensor
    state = optimizer.state_dict()
    state["state"] = slots
    optimizer.load_state_dict(state)
