"""ALFWorld tasks of dependent subtasks as Gymnasium environments, single and vectorised.

This module puts tasks and the hierarchical protocol together. It knows nothing of what chains are,
nor of engines.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gymnasium.vector import AutoresetMode

from hiper_envs.alfworld.chain_tasks import ChainDials, ChainTasks
from hiper_envs.core import HierarchicalTextEnv
from hiper_envs.vector import TextVectorEnv

__all__ = ["TURNS_PER_SUBTASK", "AlfworldLongEnv", "AlfworldLongVectorEnv"]

TURNS_PER_SUBTASK = 50
"""The step limit of ALFWorld, which a chain has for each of its subtasks."""


class AlfworldLongEnv(HierarchicalTextEnv):
    """ALFWorld, harder by dials: chains of subtasks that have to hold at once.

    Everything is ALFWorld's but the tasks: observations, actions, rewards (1.0 when the task
    succeeds, else 0.0) and both engines. The tasks are made on demand and need no data. Besides the
    keys of :class:`~hiper_envs.contract.HierarchicalInfo`, ``info`` always holds ``subtasks`` and
    ``subtasks_done``, how many there are and how many hold now.

    Args:
        split: "train" (10,000 tasks; also called "generated") or "valid" (1,000 others).
        subtasks: How many subtasks depend on each other, 1 to 8.
        distractors: How many objects and receptacles of no use are added, 0 to 60.
        reward_delay: How many actions pass between success and the reward, 0 to 1,000. Meanwhile
            nothing can undo the success, nor does anything but the count of subtasks tell of it;
            the task ends with the reward.
        backend: "native", or "textworld" for the upstream engine (extra ``alfworld``).
        task_types: Only tasks of these types: ``chain_put``, ``chain_clean``, ``chain_heat``,
            ``chain_cool``, ``chain_look``, by the last subtask; all by default.
        reference: Whether ``info`` also holds the oracle's plan.
        max_turns: Number of steps after which an episode is truncated; by default 50 for each
            subtask, and the reward delay besides.
        render_mode: None, or "ansi".

    Raises:
        UnknownSplitError: If there is no such split.
        DataError: If a dial is out of its range, or there is no such task type.

    Example:
        >>> import gymnasium as gym
        >>> import hiper_envs
        >>> env = gym.make("HiPER-ALFWorldLong-v0", subtasks=3)
        >>> observation, info = env.reset(options={"task_id": "long-k3/train/000002"})
        >>> info["subtasks"], info["subtasks_done"]
        (3, 0)
    """

    def __init__(
        self,
        split: str = "train",
        subtasks: int = 4,
        distractors: int = 0,
        reward_delay: int = 0,
        backend: str = "native",
        task_types: Collection[str] | None = None,
        reference: bool = False,
        max_turns: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        dials = ChainDials(subtasks, distractors, reward_delay)
        source = ChainTasks(
            split, dials, backend=backend, task_types=task_types, reference=reference
        )
        super().__init__(source, max_turns=_limit(dials, max_turns), render_mode=render_mode)
        self._constructor_kwargs: dict[str, Any] = {
            "split": split,
            "subtasks": subtasks,
            "distractors": distractors,
            "reward_delay": reward_delay,
            "backend": backend,
            "task_types": task_types,
            "reference": reference,
            "max_turns": max_turns,
            "render_mode": render_mode,
        }


class AlfworldLongVectorEnv(TextVectorEnv):
    """Many chains in one process; what ``gym.make_vec`` gives by default.

    Args:
        num_envs: Number of environments.
        split: As for :class:`AlfworldLongEnv`, like the following ones.
        subtasks: How many subtasks depend on each other.
        distractors: How many objects and receptacles of no use are added.
        reward_delay: How many actions pass between success and the reward.
        backend: The engine.
        task_types: Only tasks of these types.
        reference: Whether ``infos`` also hold the oracle's plan.
        max_turns: Number of steps after which an episode is truncated.
        max_episode_steps: A second bound on that number, as ``gym.make_vec`` passes it.
        autoreset_mode: See :class:`~hiper_envs.vector.TextVectorEnv`.
        render_mode: None, or "ansi".

    Example:
        >>> import gymnasium as gym
        >>> import hiper_envs
        >>> envs = gym.make_vec("HiPER-ALFWorldLong-v0", num_envs=2, subtasks=8)
        >>> observations, infos = envs.reset(seed=0)
        >>> infos["subtasks"].tolist(), infos["subtasks_done"].tolist()
        ([8, 8], [0, 0])
    """

    def __init__(
        self,
        num_envs: int = 1,
        split: str = "train",
        subtasks: int = 4,
        distractors: int = 0,
        reward_delay: int = 0,
        backend: str = "native",
        task_types: Collection[str] | None = None,
        reference: bool = False,
        max_turns: int | None = None,
        max_episode_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        dials = ChainDials(subtasks, distractors, reward_delay)
        super().__init__(
            ChainTasks(split, dials, backend=backend, task_types=task_types, reference=reference),
            num_envs,
            max_turns=_limit(dials, max_turns),
            max_episode_steps=max_episode_steps,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )


def _limit(dials: ChainDials, max_turns: int | None) -> int:
    if max_turns is not None:
        return max_turns
    return TURNS_PER_SUBTASK * dials.subtasks + dials.reward_delay
