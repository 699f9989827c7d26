"""Making an environment to play in, with errors that a person at a command line can use."""

from __future__ import annotations

import logging
from typing import Any

import gymnasium as gym

import hiper_envs  # noqa: F401  (registers the environments)
from hiper_agents.families import family_of
from hiper_base.errors import DataNotFoundError, HiperError
from hiper_envs.core import HierarchicalTextEnv

logger = logging.getLogger(__name__)


def make_env(
    env_id: str, split: str | None = None, *, default_split: str | None = None, **kwargs: Any
) -> HierarchicalTextEnv:
    """Makes a hierarchical environment, without Gymnasium's wrappers.

    Args:
        env_id: Its Gymnasium id.
        split: Which tasks; None for `default_split`, or generated tasks, with a warning, where no
            data is installed. A split that is named is never replaced.
        default_split: What None stands for; None is the split on which the benchmark is evaluated
            (`hiper_agents.families`), or the environment's own default.
        **kwargs: More arguments of the environment.

    Raises:
        HiperError: There is no such environment, split or data, an argument is wrong, or the
            environment is not a hierarchical one.
    """
    family = family_of(env_id)
    chosen = split or default_split or family.eval_split
    try:
        return _make(env_id, chosen, kwargs)
    except DataNotFoundError as error:
        if split is not None or family.split_without_data is None:
            raise
        logger.warning("playing generated tasks instead of %s: %s", chosen, error)
        return _make(env_id, family.split_without_data, kwargs)


def _make(env_id: str, split: str | None, kwargs: dict[str, Any]) -> HierarchicalTextEnv:
    given = kwargs if split is None else {**kwargs, "split": split}
    try:
        env = gym.make(env_id, disable_env_checker=True, **given).unwrapped
    except HiperError:
        raise
    except (gym.error.Error, TypeError, ValueError) as error:
        raise HiperError(f"cannot make {env_id}: {error}") from error
    if not isinstance(env, HierarchicalTextEnv):
        raise HiperError(f"{env_id} is not a hierarchical text environment: {type(env).__name__}")
    return env
