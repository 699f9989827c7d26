"""Finds who fills the columns that an estimator needs, among those who can for a kind of agent."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from hiper_agents.estimators import Needs
from hiper_base.errors import HiperError

__all__ = ["find_providers"]


def find_providers(
    needs: Needs, estimator: str, providers: Mapping[str, str], agents: str
) -> dict[str, Any]:
    """The classes that fill the columns of an estimator, by column.

    Args:
        needs: What the estimator asks for.
        estimator: Its name.
        providers: Where the provider of each column is, as "module:name".
        agents: Whom they provide for, as an error calls them.

    Raises:
        HiperError: If nothing fills one of the columns.
    """
    missing = [column for column in needs.columns if column not in providers]
    if missing:
        raise HiperError(
            f"estimator {estimator!r} needs {', '.join(missing)}, which `hiper train` cannot fill "
            f"for {agents}; it fills {', '.join(providers)}"
        )
    found = {}
    for column in needs.columns:
        module, _, name = providers[column].partition(":")
        found[column] = getattr(import_module(module), name)
    return found
