"""Many episodes in one process behind Gymnasium's vector API.

No per-environment wrappers and no copies: the episodes share one task source and are stepped in a
loop. The module knows nothing of tags or of any benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from hiper_base.errors import ResetOptionError
from hiper_envs.core import (
    MAX_ACTION_LENGTH,
    MAX_OBSERVATION_LENGTH,
    TaskSource,
    check_limits,
    render_episode,
    task_id_option,
)
from hiper_envs.episode import INFO_KINDS, Episode
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
        self.reset_dicts(
            indices,
            seed=[seeds[i] for i in indices],
            task_id=[task_ids[i] for i in indices],
        )
        observations = tuple("" if e is None else e.observation for e in self._episodes)
        reset = [self._running(index) for index in indices]
        return observations, batch_infos(reset, indices, self.num_envs)

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
        _check_count(actions, self.num_envs)
        finals: dict[int, Episode] = {}
        rewards = np.zeros(self.num_envs, dtype=np.float64)
        terminated = np.zeros(self.num_envs, dtype=np.bool_)
        truncated = np.zeros(self.num_envs, dtype=np.bool_)
        for index, text in enumerate(actions):
            rewards[index], played = self._play(index, text)
            if played.ended:
                terminated[index], truncated[index] = played.terminated, played.truncated
                if played is not self._episodes[index]:
                    finals[index] = played
        episodes = [self._running(index) for index in range(self.num_envs)]
        infos = batch_infos(episodes, range(self.num_envs), self.num_envs)
        if finals:
            infos.update(self._batch_finals(finals))
        return tuple(e.observation for e in episodes), rewards, terminated, truncated, infos

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
        _check_count(actions, len(indices))
        batch: DictStep = [], [], [], [], []
        observations, rewards, terminated, truncated, infos = batch
        for index, text in zip(indices, actions, strict=True):
            reward, played = self._play(index, text)
            now = self._running(index)
            info = _info(now)
            if played is not now:
                info = {**info, "final_obs": played.observation, "final_info": _info(played)}
            observations.append(now.observation)
            rewards.append(reward)
            terminated.append(played.terminated)
            truncated.append(played.truncated)
            infos.append(info)
        return batch

    def render(self) -> tuple[str, ...] | None:
        """Each episode's state as text; None without ``render_mode="ansi"``."""
        if self.render_mode is None:
            return None
        return tuple(render_episode(self._running(index)) for index in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Drop all episodes."""
        self._episodes = [None] * self.num_envs

    def _play(self, index: int, text: str) -> tuple[float, Episode]:
        """Play one turn of an environment, or reset it, as the autoreset mode has it.

        Returns:
            The reward and the episode that was played. With ``SAME_STEP`` this is no longer the
            environment's running one if it ended.
        """
        episode = self._running(index)
        if episode.ended and self.autoreset_mode is AutoresetMode.NEXT_STEP:
            return 0.0, self._begin(index)
        reward = episode.play(text)
        if episode.ended and self.autoreset_mode is AutoresetMode.SAME_STEP:
            self._begin(index)
        return reward, episode

    def _batch_finals(self, finals: Mapping[int, Episode]) -> dict[str, Any]:
        """The entries of ``infos`` about episodes that ended in a step that began others."""
        indices = list(finals)
        mask = np.zeros(self.num_envs, dtype=np.bool_)
        mask[indices] = True
        observations = np.full(self.num_envs, None, dtype=object)
        observations[indices] = [episode.observation for episode in finals.values()]
        return {
            "final_obs": observations,
            "_final_obs": mask,
            "final_info": batch_infos(list(finals.values()), indices, self.num_envs),
            "_final_info": mask.copy(),
        }

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
    episodes: Sequence[Episode], indices: Sequence[int], num_envs: int
) -> dict[str, NDArray[Any]]:
    """Batch the infos of episodes as Gymnasium's vector environments do, but column by column.

    Args:
        episodes: At least one episode.
        indices: The environment of each, in rising order.
        num_envs: Length of the arrays.

    Returns:
        For every key an array ``[num_envs]`` (of numbers, else of objects) and under ``_key`` the
        mask of the environments that have it. A key that a benchmark adds gets the type of its
        first value.
    """
    count = len(episodes)
    columns = zip(*[episode.info_values() for episode in episodes], strict=True)
    batched: dict[str, NDArray[Any]] = {}
    for (key, kind), values in zip(INFO_KINDS.items(), columns, strict=False):
        # An iterator, because numpy would take a list of equally long tuples for a matrix.
        column: NDArray[Any] = np.fromiter(values, dtype=kind, count=count)
        mask = np.ones(count, dtype=np.bool_)
        if count < num_envs:
            column, mask = _spread(column, indices, num_envs), _spread(mask, indices, num_envs)
        batched[key], batched[f"_{key}"] = column, mask
    for index, episode in zip(indices, episodes, strict=True):
        for key, value in episode.extra_info.items():
            if key not in batched:
                kind = type(value) if isinstance(value, (bool, int, float)) else object
                batched[key] = np.full(num_envs, None if kind is object else 0, dtype=kind)
                batched[f"_{key}"] = np.zeros(num_envs, dtype=np.bool_)
            batched[key][index], batched[f"_{key}"][index] = value, True
    return batched


def _spread(column: NDArray[Any], rows: Sequence[int], num_envs: int) -> NDArray[Any]:
    empty = None if column.dtype == object else 0
    wide = np.full(num_envs, empty, dtype=column.dtype)
    wide[rows] = column
    return wide


def _check_count(actions: Sequence[str], count: int) -> None:
    if len(actions) != count:
        raise ValueError(f"{len(actions)} actions for {count} environments")


def _one_each(name: str, value: Any, count: int) -> list[Any]:
    if value is None or isinstance(value, str):
        return [value] * count
    values = list(value)
    if len(values) != count:
        raise ResetOptionError(f"{len(values)} values of {name!r} for {count} environments")
    return values


def _info(episode: Episode) -> dict[str, Any]:
    return cast("dict[str, Any]", episode.info)
