"""The environment ids of the package. Knows names and entry points, imports no environment."""

from __future__ import annotations

from gymnasium.envs.registration import register, registry

__all__ = ["register_envs"]


def register_envs() -> None:
    """Register the ids with Gymnasium; calling it again changes nothing."""
    if "HiPER-ALFWorld-v0" not in registry:
        register(
            id="HiPER-ALFWorld-v0",
            entry_point="hiper_envs.alfworld.env:AlfworldEnv",
            vector_entry_point="hiper_envs.alfworld.env:AlfworldVectorEnv",
        )
