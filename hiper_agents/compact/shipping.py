"""Trained compact agents that come with the package: where they are, and how one is put there.

`shipped/<domain>/` holds what a run folder needs to be played with, and `provenance.json`: the
training's settings, command, commit and versions, and how the agent did in evaluations. Only what
was measured gets in there; nothing here trains or plays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hiper_agents.agent import AgentError
from hiper_agents.compact.domain import domain_of
from hiper_agents.provenance import write_json
from hiper_agents.training.state_files import (
    read_checkpoint,
    read_tensors,
    state_path,
    write_checkpoint,
)

__all__ = ["PROVENANCE_FILE", "SHIPPED", "about_shipped", "export", "shipped_folder"]

SHIPPED = Path(__file__).parent / "shipped"
PROVENANCE_FILE = "provenance.json"

_NETWORK = "network."
# What is needed to play, and the counters that tell one training from another.
_KEPT = (
    *("agent", "network", "domain", "vocabulary", "options"),
    *("iteration", "episodes", "turns", "seconds", "estimator"),
)
_MEASURED = (
    *("env", "split", "mode", "seed", "n", "success_rate", "success_rate_se", "success_rate_ci95"),
    *("mean_score", "mean_score_se", "reachable", "mean_turns", "options", "invalid_action_rate"),
    *("format_error_rate", "panel_sha256", "noun_tagger", "versions", "git_commit"),
)


def shipped_folder(env: str) -> Path:
    """The folder of the agent that comes for an environment.

    Args:
        env: Gymnasium id.

    Raises:
        AgentError: If there is none.

    Example:
        >>> shipped_folder("HiPER-WebShop-v0").name
        'webshop'
    """
    folder = SHIPPED / domain_of(env)
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in SHIPPED.iterdir() if path.is_dir()))
        raise AgentError(
            f"no trained compact agent comes for {env}, only for {known}; make one with "
            f"`hiper train --env {env}` and name its folder"
        )
    return folder


def about_shipped(folder: Path) -> dict[str, Any]:
    """What results say of such an agent: how it was trained, and the digest of its weights."""
    told = json.loads((folder / PROVENANCE_FILE).read_text(encoding="utf-8"))
    return {name: told[name] for name in ("trained_on", "estimator", "turns", "seed", "sha256")}


def export(
    run: Path,
    folder: Path,
    *,
    command: str,
    commit: str,
    versions: Mapping[str, str],
    evaluations: Sequence[Mapping[str, Any]],
) -> Path:
    """Writes the agent of a run folder in as few bytes as it plays with, and where it comes from.

    Args:
        run: The run folder of a finished training.
        folder: Where to write; one that `make_agent` loads.
        command: What made the run.
        commit: Of the code that made it.
        versions: Of Python and the libraries that made it.
        evaluations: Results of `hiper_agents.evaluation.evaluate` of this run.

    Returns:
        The file with the weights.

    Raises:
        CheckpointError: If the run has no checkpoint.
        AgentError: If it holds another kind of agent, or there is no evaluation.
    """
    document, config = read_checkpoint(run), json.loads((run / "config.json").read_text("utf-8"))
    if document.get("agent") != "compact" or not evaluations:
        raise AgentError(f"{run} needs a compact agent and at least one evaluation")
    tensors = read_tensors(run, document)
    kept = {name: tensor for name, tensor in tensors.items() if name.startswith(_NETWORK)}
    told = {name: document[name] for name in _KEPT if name in document}
    write_checkpoint(folder, document["iteration"], kept, told)
    state = state_path(folder, read_checkpoint(folder))
    state.chmod(0o644)
    provenance = {
        "trained_on": config["env"],
        "estimator": config["estimator"],
        "seed": config["seed"],
        **{name: document[name] for name in ("iteration", "episodes", "turns", "seconds")},
        "sha256": hashlib.sha256(state.read_bytes()).hexdigest(),
        "command": command,
        "git_commit": commit,
        "versions": dict(versions),
        "config": config,
        "evaluations": [
            {name: result[name] for name in _MEASURED if name in result} for result in evaluations
        ],
    }
    write_json(folder / PROVENANCE_FILE, provenance)
    return state
