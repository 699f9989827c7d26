"""ALFWorld as Gymnasium environments, single and vectorised.

This module puts tasks, an engine and the hierarchical protocol together. It knows nothing of the
engines' rules nor of the files' format.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from gymnasium.vector import AutoresetMode

from hiper_base.errors import DataNotFoundError
from hiper_base.paths import alfworld_folders
from hiper_envs.alfworld.backends import AlfworldTasks
from hiper_envs.alfworld.data import TaskSet, load_tasks
from hiper_envs.core import HierarchicalTextEnv
from hiper_envs.vector import TextVectorEnv

__all__ = ["AlfworldEnv", "AlfworldVectorEnv"]

_DEFAULT_SPLIT = "train"
_SPLIT_WITHOUT_DATA = "generated"


class AlfworldEnv(HierarchicalTextEnv):
    """ALFWorld: household tasks in text, with subgoals and their boundaries in ``info``.

    The reward is 1.0 when the task succeeds, else 0.0. Observations are TextWorld's feedback,
    unchanged. Step limits belong in ``max_turns``; ``gym.make(..., max_episode_steps=...)`` is
    honoured too.

    Args:
        split: "train", "valid_seen", "valid_unseen" or "generated". By default "train", or
            "generated" where no data is installed, with a warning that says so.
        backend: "native", or "textworld" for the upstream engine (extra ``alfworld``).
        task_types: Only tasks of these types; all by default.
        data_root: Where the data lies; by default ``$HIPER_DATA``, else the user cache directory.
        generated_tasks: How many tasks split "generated" has before ``task_types`` selects; the
            first ones stay the same.
        generated_receptacles: How many receptacles the houses of split "generated" have, 2 to 10,
            with one to two objects for each: tasks for small models and short runs. None for full
            houses, of 10 to 30 receptacles.
        reference: Whether ``info`` also holds the oracle's plan.
        max_turns: Number of steps after which an episode is truncated.
        render_mode: None, or "ansi".

    Raises:
        UnknownSplitError: If there is no such split.
        DataNotFoundError: If ``split`` was given and its data is not installed.
        DataError: If the data is damaged or of an unusable version, there are no tasks or houses of
            that size, or small ones are asked of another split.

    Example:
        >>> import gymnasium as gym
        >>> import hiper_envs
        >>> env = gym.make("HiPER-ALFWorld-v0", split="generated")
        >>> observation, info = env.reset(seed=0)
        >>> info["option_id"], info["subgoal"]
        (-1, '')
        >>> action = "<switch>SWITCH</switch><subgoal>look around</subgoal><action>look</action>"
        >>> observation, reward, terminated, truncated, info = env.step(action)
        >>> info["option_boundary"], info["subgoal"], info["action"]
        (True, 'look around', 'look')

        A small house of two receptacles:

        >>> env = gym.make("HiPER-ALFWorld-v0", split="generated", generated_receptacles=2)
        >>> observation, info = env.reset(options={"task_id": "generated-r2/0"})
        >>> len(info["admissible_actions"])
        5
    """

    def __init__(
        self,
        split: str | None = None,
        backend: str = "native",
        task_types: Collection[str] | None = None,
        data_root: str | Path | None = None,
        generated_tasks: int = 1000,
        generated_receptacles: int | None = None,
        reference: bool = False,
        max_turns: int = 50,
        render_mode: str | None = None,
    ) -> None:
        generated = _Generated(generated_tasks, generated_receptacles)
        task_set = _tasks(split, task_types, data_root, generated)
        source = AlfworldTasks(task_set, backend=backend, reference=reference)
        super().__init__(source, max_turns=max_turns, render_mode=render_mode)
        # The split that was found, so that a copy in another process does not look for data again.
        self._constructor_kwargs = {
            "split": task_set.split,
            "backend": backend,
            "task_types": task_types,
            "data_root": data_root,
            "generated_tasks": generated_tasks,
            "generated_receptacles": generated_receptacles,
            "reference": reference,
            "max_turns": max_turns,
            "render_mode": render_mode,
        }


class AlfworldVectorEnv(TextVectorEnv):
    """Many ALFWorld tasks in one process; what ``gym.make_vec`` gives by default.

    Args:
        num_envs: Number of environments.
        split: As for :class:`AlfworldEnv`, like the following ones.
        backend: The engine.
        task_types: Only tasks of these types.
        data_root: Where the data lies.
        generated_tasks: How many tasks split "generated" has.
        generated_receptacles: How many receptacles its houses have.
        reference: Whether ``infos`` also hold the oracle's plan.
        max_turns: Number of steps after which an episode is truncated.
        max_episode_steps: A second bound on that number, as ``gym.make_vec`` passes it.
        autoreset_mode: See :class:`~hiper_envs.vector.TextVectorEnv`.
        render_mode: None, or "ansi".

    Example:
        >>> import gymnasium as gym
        >>> import hiper_envs
        >>> envs = gym.make_vec("HiPER-ALFWorld-v0", num_envs=3, split="generated")
        >>> observations, infos = envs.reset(seed=0)
        >>> len(observations), infos["score"].tolist()
        (3, [0.0, 0.0, 0.0])
        >>> observations, rewards, terminated, truncated, infos = envs.step(["look"] * 3)
        >>> infos["option_boundary"].tolist()
        [True, True, True]
    """

    def __init__(
        self,
        num_envs: int = 1,
        split: str | None = None,
        backend: str = "native",
        task_types: Collection[str] | None = None,
        data_root: str | Path | None = None,
        generated_tasks: int = 1000,
        generated_receptacles: int | None = None,
        reference: bool = False,
        max_turns: int = 50,
        max_episode_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        generated = _Generated(generated_tasks, generated_receptacles)
        task_set = _tasks(split, task_types, data_root, generated)
        super().__init__(
            AlfworldTasks(task_set, backend=backend, reference=reference),
            num_envs,
            max_turns=max_turns,
            max_episode_steps=max_episode_steps,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )


class _Generated(NamedTuple):
    """What is asked of split "generated"."""

    tasks: int
    receptacles: int | None


def _tasks(
    split: str | None,
    task_types: Collection[str] | None,
    data_root: str | Path | None,
    generated: _Generated,
) -> TaskSet:
    """The tasks of a split; without a split those of "train", or generated ones without data."""
    chosen = _DEFAULT_SPLIT if split is None else split
    try:
        return _load(chosen, task_types, data_root, generated)
    except DataNotFoundError as error:
        if split is not None:
            raise
        # Attributed to this line, whoever asks, so that Python's filter shows it once a process.
        warnings.warn(
            f"ALFWorld falls back to split={_SPLIT_WITHOUT_DATA!r}, tasks that this package "
            f"generates: {error}",
            stacklevel=1,
        )
        return _load(_SPLIT_WITHOUT_DATA, task_types, data_root, generated)


def _load(
    split: str,
    task_types: Collection[str] | None,
    data_root: str | Path | None,
    generated: _Generated,
) -> TaskSet:
    if isinstance(task_types, str):
        task_types = (task_types,)
    kinds = None if task_types is None else tuple(sorted(task_types))
    return _load_once(split, kinds, alfworld_folders(data_root), data_root, *generated)


@functools.lru_cache(maxsize=16, typed=True)
def _load_once(
    split: str,
    task_types: tuple[str, ...] | None,
    folders: tuple[Path, ...],
    data_root: str | Path | None,
    num: int,
    receptacles: int | None,
) -> TaskSet:
    """Load a task set, one per process for all environments with the same tasks.

    Args:
        split: The split.
        task_types: Only tasks of these types.
        folders: Where ``data_root`` and the environment variables point now; part of the key.
        data_root: What the caller chose, which may be nothing.
        num: Seeds of generated tasks.
        receptacles: Of each generated house.
    """
    del folders
    return load_tasks(
        split, task_types=task_types, root=data_root, num=num, receptacles=receptacles
    )
