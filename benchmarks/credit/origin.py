"""What made a cell: library versions, and a digest of the code that can change its result.

Two cells are comparable where these agree. The digest is over source files, so that it is the same
in a checkout and in an installed wheel, and on any machine.
"""

from __future__ import annotations

import functools
import hashlib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import hiper_agents
import hiper_base
import hiper_envs
import webshop_server
from benchmarks.recording import cpu_model
from hiper_agents.estimators import ENTRY_POINT_GROUP
from hiper_agents.provenance import git_commit, versions

__all__ = ["COMPARED", "code_digest", "origin"]

COMPARED = ("versions", "code", "plugin")
"""What has to agree between cells; commit and processor are for the record only."""

_VERSIONS = ("hiper-gym", "numpy", "torch")
# What no training run goes through.
_LEFT_OUT = ("agents", "cli", "integrations", "report", "figures.py", "progress.py", "py.typed")


def origin(estimator: str) -> dict[str, Any]:
    """What makes a cell of this estimator here and now."""
    found = versions()
    return {
        "versions": {name: found[name] for name in _VERSIONS if name in found},
        "code": code_digest(),
        "plugin": _plugin(estimator),
        "commit": git_commit(),
        "cpu": cpu_model(),
    }


@functools.cache
def code_digest() -> str:
    """SHA-256 over the sources of the environments, the agent and the estimators, in short."""
    digest = hashlib.sha256()
    for package in (hiper_base, webshop_server, hiper_envs, hiper_agents):
        root = Path(str(package.__file__)).parent
        for path in sorted(root.rglob("*.py")):
            inside = path.relative_to(root)
            if not set(inside.parts) & set(_LEFT_OUT):
                digest.update(f"{root.name}/{inside.as_posix()}\0".encode())
                digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _plugin(estimator: str) -> str | None:
    """Distribution and version of an estimator that another package publishes."""
    for point in entry_points(group=ENTRY_POINT_GROUP, name=estimator):
        if point.dist is not None:
            return f"{point.dist.name} {point.dist.version}"
    return None
