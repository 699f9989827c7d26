"""Making an environment to play in, with errors that a person at a command line can use."""

from __future__ import annotations

import logging
from typing import Any

import gymnasium as gym

import hiper_envs  # noqa: F401  (registers the environments)
from hiper_base.errors import DataNotFoundError, HiperError
from hiper_envs.core import HierarchicalTextEnv

DEFAULT_SPLIT = "valid_seen"
SPLIT_WITHOUT_DATA = "generated"

logger = logging.getLogger(__name__)


def make_env(
    env_id: str, split: str | None = None, *, default_split: str = DEFAULT_SPLIT, **kwargs: Any
) -> HierarchicalTextEnv:
    """Makes a hierarchical environment, without Gymnasium's wrappers.

    Args:
        env_id: Its Gymnasium id.
        split: Which tasks; None for `default_split`, or generated tasks, with a warning, where no
            data is installed. A split that is named is never replaced.
        default_split: What None stands for.
        **kwargs: More arguments of the environment.

    Raises:
        HiperError: There is no such environment, split or data, an argument is wrong, or the
            environment is not a hierarchical one.
    """
    try:
        return _make(env_id, split or default_split, kwargs)
    except DataNotFoundError as error:
        if split is not None:
            raise
        logger.warning("playing generated tasks instead of %s: %s", default_split, error)
        return _make(env_id, SPLIT_WITHOUT_DATA, kwargs)


def _make(env_id: str, split: str, kwargs: dict[str, Any]) -> HierarchicalTextEnv:
    try:
        env = gym.make(env_id, disable_env_checker=True, split=split, **kwargs).unwrapped
    except HiperError:
        raise
    except (gym.error.Error, TypeError, ValueError) as error:
        raise HiperError(f"cannot make {env_id}: {error}") from error
    if not isinstance(env, HierarchicalTextEnv):
        raise HiperError(f"{env_id} is not a hierarchical text environment: {type(env).__name__}")
    return env
