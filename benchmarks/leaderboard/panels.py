"""Panels: fixed lists of tasks, kept as manifests, and how the tasks at hand differ from them.

Knows environments by what all of them offer, and nothing of agents or studies.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmarks.leaderboard.schema import Panel, PanelTask, digest_of
from hiper_agents.environments import make_env
from hiper_base.errors import DataError, HiperError
from hiper_envs.core import HierarchicalTextEnv, TaskSource

__all__ = ["PANELS", "PanelError", "differences", "load_panel", "make_panel", "panel_names"]

PANELS = Path(__file__).parents[1] / "panels"
"""Where the manifests of the package lie."""

_SHOWN = 3


class PanelError(HiperError):
    """A panel is unknown, or its manifest is damaged."""


def panel_names() -> list[str]:
    """Names of the panels that come with the package."""
    return sorted(path.stem for path in PANELS.glob("*.json"))


def load_panel(spec: str | Path) -> Panel:
    """Reads a panel, by its name or from a manifest of one's own.

    Raises:
        PanelError: There is none, or it is not what its digest says.

    Example:
        >>> panel = load_panel("generated-smoke")
        >>> panel.env, len(panel.tasks)
        ('HiPER-ALFWorld-v0', 24)
    """
    path = PANELS / f"{spec}.json" if isinstance(spec, str) else spec
    if not path.is_file() and isinstance(spec, str):
        path = Path(spec)
    try:
        text = path.read_bytes()
    except OSError as error:
        close = difflib.get_close_matches(str(spec), panel_names(), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise PanelError(
            f"no panel {str(spec)!r}, nor a manifest of that name{hint} There are: "
            f"{', '.join(panel_names())}"
        ) from error
    try:
        panel = Panel.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PanelError(f"{path} is no panel of this version: {place}: {first['msg']}") from error
    if panel.sha256 != panel_digest(panel):
        raise PanelError(f"{path} was edited: its content does not have the digest that it names")
    return panel


def panel_digest(panel: Panel) -> str:
    """SHA-256 of a panel's fields but for the digest itself."""
    return digest_of(panel.model_dump(mode="json", exclude={"sha256"}))


def make_panel(
    name: str,
    title: str,
    env: str,
    split: str,
    *,
    data_version: str,
    syntax: str,
    env_options: Mapping[str, Any] | None = None,
    tasks: int | None = None,
) -> Panel:
    """Makes a panel of the first tasks of a split, as they are on this machine.

    Args:
        name: Its name.
        title: For people.
        env: Gymnasium id.
        split: Which tasks.
        data_version: Name of the published data.
        syntax: Version of the action syntax.
        env_options: Further arguments of the environment.
        tasks: How many; None for all.

    Raises:
        HiperError: There is no such environment, split or data.
    """
    made = make_env(env, split, **dict(env_options or {}))
    size = len(made.source)
    if tasks is not None and tasks > size:
        raise PanelError(f"split {split!r} of {env} has {size} tasks, not {tasks}")
    opened = [made.source.open(index).info for index in range(size if tasks is None else tasks)]
    panel = Panel(
        name=name,
        title=title,
        env=env,
        split=split,
        env_options=dict(env_options or {}),
        max_turns=made.max_turns,
        data_version=data_version,
        syntax=syntax,
        source_sha256=_source_digest(made.source),
        tasks=tuple(
            PanelTask(
                task_id=info.task_id, task_type=info.task_type, sha256=_text_digest(info.task)
            )
            for info in opened
        ),
        sha256="0" * 64,
    )
    return panel.model_copy(update={"sha256": panel_digest(panel)})


def differences(panel: Panel, env: HierarchicalTextEnv | None = None) -> list[str]:
    """How the tasks on this machine differ from a panel's, in words; nothing if they are the same.

    Args:
        panel: The panel.
        env: Its environment, if that is made already.

    Raises:
        PanelError: The data lack tasks of the panel.
        HiperError: Its environment cannot be made: there is no data at all.
    """
    if env is None:
        env = make_env(panel.env, panel.split, **dict[str, Any](panel.env_options))
    source = env.source
    missing, changed = [], []
    for task in panel.tasks:
        try:
            info = source.open(source.index(task.task_id)).info
        except DataError:
            missing.append(task.task_id)
            continue
        if (_text_digest(info.task), info.task_type) != (task.sha256, task.task_type):
            changed.append(task.task_id)
    if missing:
        raise PanelError(f"the data lack tasks of {panel.name}: {_some(missing)}")
    if changed:
        return [f"another instruction or type: {_some(changed)}"]
    if _source_digest(source) != panel.source_sha256:
        return [
            f"the data of {panel.env}, split {panel.split}, are not {panel.data_version}: the "
            "instructions are the same, and something else is not"
        ]
    return []


def _source_digest(source: TaskSource) -> str:
    # Where the task list says less than all that matters, a source has a second digest.
    digest: str | None = getattr(source, "content_sha256", None) or getattr(source, "sha256", None)
    if digest is None:
        raise PanelError("a panel needs an environment whose task source has a sha256")
    return digest


def _text_digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{', '.join(ids[:_SHOWN])}{more}"
