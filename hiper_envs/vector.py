"""Many episodes in one process behind Gymnasium's vector API.

No per-environment wrappers and no copies: the episodes share one task source and are stepped in a
loop. The module knows nothing of tags or of any benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, cast

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from hiper_envs.core import (
    MAX_ACTION_LENGTH,
    MAX_OBSERVATION_LENGTH,
    Episode,
    TaskSource,
    check_limits,
    render_episode,
    task_id_option,
)
from hiper_envs.errors import ResetOptionError
from hiper_envs.spaces import UnicodeText

__all__ = ["TextVectorEnv", "batch_infos"]

VectorStep = tuple[
    tuple[str, ...],
    NDArray[np.float64],
    NDArray[np.bool_],
    NDArray[np.bool_],
    dict[str, Any],
]
DictStep = tuple[list[str], list[float], list[bool], list[bool], list[dict[str, Any]]]


class TextVectorEnv(VectorEnv[tuple[str, ...], Sequence[str], NDArray[Any]]):
    """Batched text environments with options in ``infos``.

    It behaves as ``gymnasium.vector.SyncVectorEnv`` around as many
    :class:`~hiper_envs.core.HierarchicalTextEnv`: same seeds, same tasks, same bytes. In addition

    * :meth:`reset_dicts` and :meth:`step_dicts` return plain lists, one ``info`` dict per
      environment, of all or of some environments; batching into arrays is skipped.
    * ``reset(options={"task_id": [...]})`` gives every environment a task of its own.

    Args:
        source: The tasks, shared by all environments.
        num_envs: Number of environments.
        max_turns: Number of steps after which an episode is truncated.
        max_episode_steps: A second bound on that number, as ``gym.make_vec`` passes it.
        autoreset_mode: Gymnasium's mode or its value: "NextStep", "SameStep" or "Disabled".
        render_mode: None, or "ansi" for :meth:`render`.
    """

    metadata = {  # noqa: RUF012  (VectorEnv declares it so)
        "render_modes": ["ansi"],
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        source: TaskSource,
        num_envs: int = 1,
        *,
        max_turns: int = 50,
        max_episode_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        check_limits(source, max_turns)
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, not {num_envs}")
        self.source = source
        self.num_envs = num_envs
        self.max_turns = (
            max_turns if max_episode_steps is None else min(max_turns, max_episode_steps)
        )
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = render_mode
        self.single_observation_space = UnicodeText(MAX_OBSERVATION_LENGTH)
        self.single_action_space = UnicodeText(MAX_ACTION_LENGTH, min_length=1)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._episodes: list[Episode | None] = [None] * num_envs
        self._generators: list[np.random.Generator | None] = [None] * num_envs

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Begin a task in every environment, or in those of ``options["reset_mask"]``.

        Args:
            seed: Environment i is seeded with ``seed + i``, or with ``seed[i]``.
            options: ``task_id``: one id for all environments or a sequence of ids, None among them
                for a draw. ``reset_mask``: boolean array ``[num_envs]``.

        Returns:
            Observations of all environments, and the batched infos of those that were reset.

        Raises:
            UnknownTaskError: If no task has a given id.
            ResetOptionError: If ``options`` has another key, or a value of the wrong kind.
        """
        options = dict(options or {})
        indices = self._masked(options.pop("reset_mask", None))
        seeds = self._per_env("seed", seed)
        task_ids = self._per_env("task_id", options.get("task_id"))
        task_id_option({**options, "task_id": None})
        _, infos = self.reset_dicts(
            indices,
            seed=[seeds[i] for i in indices],
            task_id=[task_ids[i] for i in indices],
        )
        observations = tuple("" if e is None else e.observation for e in self._episodes)
        return observations, batch_infos(infos, indices, self.num_envs)

    def step(self, actions: Sequence[str]) -> VectorStep:
        """Play one turn in every environment.

        Args:
            actions: A text for each environment. Under ``NEXT_STEP`` the text for an environment
                whose episode has ended is ignored: the step resets it.

        Returns:
            Observations, rewards ``[num_envs]``, terminated ``[num_envs]``, truncated
            ``[num_envs]`` and batched infos; with ``SAME_STEP`` the infos hold ``final_obs`` and
            ``final_info`` of the episodes that ended.

        Raises:
            ResetNeeded: Before the first :meth:`reset`; with ``DISABLED`` also at an ended episode.
        """
        observations, rewards, terminated, truncated, infos = self.step_dicts(actions)
        return (
            tuple(observations),
            np.array(rewards, dtype=np.float64),
            np.array(terminated, dtype=np.bool_),
            np.array(truncated, dtype=np.bool_),
            batch_infos(infos, range(self.num_envs), self.num_envs),
        )

    def reset_dicts(
        self,
        indices: Sequence[int] | None = None,
        *,
        seed: int | Sequence[int | None] | None = None,
        task_id: str | Sequence[str | None] | None = None,
    ) -> tuple[list[str], list[dict[str, Any]]]:
        """:meth:`reset` without batching.

        Args:
            indices: The environments to reset, all by default; the lists follow their order.
            seed: As in :meth:`reset`; a sequence has one entry per reset environment.
            task_id: An id for all, or one (or None) per reset environment.

        Returns:
            Observations and infos (:class:`~hiper_envs.core.HierarchicalInfo`).

        Raises:
            UnknownTaskError: If no task has a given id. Then no environment has been reset.
        """
        if indices is None:
            indices = range(self.num_envs)
        if isinstance(seed, int):
            seed = [seed + index for index in indices]
        seeds = _one_each("seed", seed, len(indices))
        task_ids = _one_each("task_id", task_id, len(indices))
        positions = [None if id_ is None else self.source.index(id_) for id_ in task_ids]
        for index, env_seed, position in zip(indices, seeds, positions, strict=True):
            if env_seed is not None:
                self._generators[index], _ = seeding.np_random(env_seed)
            self._begin(index, position)
        episodes = [self._running(index) for index in indices]
        return [e.observation for e in episodes], [_info(e) for e in episodes]

    def step_dicts(self, actions: Sequence[str], indices: Sequence[int] | None = None) -> DictStep:
        """:meth:`step` without batching, for all environments or for some.

        Args:
            actions: A text for each of the environments that are stepped.
            indices: Those environments, all by default; the lists follow their order.

        Returns:
            Lists of observations, rewards, terminated, truncated and infos
            (:class:`~hiper_envs.core.HierarchicalInfo`; with ``SAME_STEP`` an episode's end adds
            ``final_obs`` and ``final_info``).

        Raises:
            ResetNeeded: As :meth:`step`.
            ValueError: If the number of actions is not that of the environments.
        """
        if indices is None:
            indices = range(self.num_envs)
        if len(actions) != len(indices):
            raise ValueError(f"{len(actions)} actions for {len(indices)} environments")
        steps = [self._step_one(i, text) for i, text in zip(indices, actions, strict=True)]
        return (
            [step[0] for step in steps],
            [step[1] for step in steps],
            [step[2] for step in steps],
            [step[3] for step in steps],
            [step[4] for step in steps],
        )

    def render(self) -> tuple[str, ...] | None:
        """Each episode's state as text; None without ``render_mode="ansi"``."""
        if self.render_mode is None:
            return None
        return tuple(render_episode(self._running(index)) for index in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Drop all episodes."""
        self._episodes = [None] * self.num_envs

    def _step_one(self, index: int, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        episode = self._running(index)
        if episode.ended and self.autoreset_mode is AutoresetMode.NEXT_STEP:
            episode = self._begin(index)
            return episode.observation, 0.0, False, False, _info(episode)
        observation, reward, terminated, truncated, _ = episode.step(action)
        info = _info(episode)
        if episode.ended and self.autoreset_mode is AutoresetMode.SAME_STEP:
            episode = self._begin(index)
            info = {"final_obs": observation, "final_info": info, **_info(episode)}
            observation = episode.observation
        return observation, reward, terminated, truncated, info

    def _begin(self, index: int, position: int | None = None) -> Episode:
        if position is None:
            generator = self._generators[index]
            if generator is None:
                generator, _ = seeding.np_random()
                self._generators[index] = generator
            position = int(generator.integers(len(self.source)))
        episode = Episode(self.source.open(position), self.max_turns)
        self._episodes[index] = episode
        return episode

    def _running(self, index: int) -> Episode:
        episode = self._episodes[index]
        if episode is None:
            raise ResetNeeded(f"environment {index} has no task; call reset() first")
        return episode

    def _masked(self, mask: Any) -> Sequence[int]:
        if mask is None:
            return range(self.num_envs)
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
            raise ResetOptionError("'reset_mask' must be a numpy array of booleans")
        if mask.shape != (self.num_envs,) or not mask.any():
            raise ResetOptionError(
                f"'reset_mask' must have shape ({self.num_envs},) and a True in it; it has shape "
                f"{mask.shape} and {int(mask.sum())} True"
            )
        return [int(index) for index in np.flatnonzero(mask)]

    def _per_env(self, name: str, value: Any) -> list[Any]:
        if name == "seed" and isinstance(value, int):
            return [value + index for index in range(self.num_envs)]
        return _one_each(name, value, self.num_envs)


def batch_infos(
    infos: Sequence[Mapping[str, Any]], indices: Sequence[int], num_envs: int
) -> dict[str, Any]:
    """Batch info dicts as Gymnasium's vector environments do, but column by column.

    Args:
        infos: An info dict for each environment that has one; nested dicts are batched likewise.
        indices: The environment of each info.
        num_envs: Length of the arrays.

    Returns:
        For every key an array ``[num_envs]`` (of numbers, else of objects) and under ``_key`` the
        mask of the environments that have it.
    """
    batched: dict[str, Any] = {}
    everyone = len(infos) == num_envs and indices == range(num_envs)
    for key in dict.fromkeys(chain.from_iterable(infos)):
        try:
            values = [info[key] for info in infos]
            rows = slice(None) if everyone else list(indices)
        except KeyError:
            having = [
                (index, info) for index, info in zip(indices, infos, strict=True) if key in info
            ]
            values = [info[key] for _, info in having]
            rows = [index for index, _ in having]
        batched[key] = _column(values, rows, num_envs)
        batched[f"_{key}"] = mask = np.zeros(num_envs, dtype=np.bool_)
        mask[rows] = True
    return batched


def _column(values: list[Any], rows: slice | list[int], num_envs: int) -> Any:
    kind = type(values[0])
    if kind is dict:
        return batch_infos(
            values, range(num_envs)[rows] if isinstance(rows, slice) else rows, num_envs
        )
    if kind in (bool, int, float):
        column = np.zeros(num_envs, dtype=kind)
        column[rows] = values
    else:
        column = np.full(num_envs, None, dtype=object)
        # Through an iterator, because numpy would take a list of equally long tuples for a matrix.
        column[rows] = np.fromiter(values, dtype=object, count=len(values))
    return column


def _one_each(name: str, value: Any, count: int) -> list[Any]:
    if value is None or isinstance(value, str):
        return [value] * count
    values = list(value)
    if len(values) != count:
        raise ResetOptionError(f"{len(values)} values of {name!r} for {count} environments")
    return values


def _info(episode: Episode) -> dict[str, Any]:
    return cast("dict[str, Any]", episode.info)
