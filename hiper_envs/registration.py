"""The environment ids of the package. Knows names and entry points, imports no environment."""

from __future__ import annotations

from gymnasium.envs.registration import register, registry

__all__ = ["register_envs"]


_ENTRY_POINTS = {
    "HiPER-ALFWorld-v0": ("hiper_envs.alfworld.env:AlfworldEnv", "AlfworldVectorEnv"),
    "HiPER-ALFWorldLong-v0": (
        "hiper_envs.alfworld.long_env:AlfworldLongEnv",
        "AlfworldLongVectorEnv",
    ),
    "HiPER-WebShop-v0": ("hiper_envs.webshop.env:WebshopEnv", "WebshopVectorEnv"),
    "HiPER-WebShopBrowser-v0": ("hiper_envs.webshop.browser:WebshopBrowserEnv", None),
}
"""Per id the environment, and the class of its batched version in the same module."""


def register_envs() -> None:
    """Register the ids with Gymnasium; calling it again changes nothing."""
    for env_id, (entry_point, batched) in _ENTRY_POINTS.items():
        if env_id not in registry:
            module = entry_point.partition(":")[0]
            register(
                id=env_id,
                entry_point=entry_point,
                vector_entry_point=f"{module}:{batched}" if batched else None,
            )
