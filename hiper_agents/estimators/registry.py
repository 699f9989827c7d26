"""Estimators by name: those of this package, of plug-ins, and of the running program.

A plug-in is a function behind an entry point of the group `hiper.estimators`, loaded when its name
is first asked for. The registry knows nothing about what estimators compute.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, cast

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.needs import Needs
from hiper_base.errors import HiperError

ENTRY_POINT_GROUP = "hiper.estimators"
COMMON_SETTINGS = ("gamma", "lam_low", "lam_high", "bootstrap_truncated")
# Who fills an optional column when `hiper train` runs.
_PROVIDERS = {
    "strategy_id": "`hiper train` fills it with its strategies",
    "off_plan": "`hiper train --agent llm` fills it where episodes follow strategies",
    "divergence": "`hiper train` fills it with its teacher",
    "q_value": "`hiper train` fills it with its twin critic",
}


class EstimatorError(HiperError):
    """An estimator cannot be loaded, lacks a column, or returned no advantages of its batch."""


class UnknownEstimatorError(EstimatorError, ValueError):
    """No estimator has this name."""


class Estimator(Protocol):
    """A function from a batch of turns to advantages.

    Every estimator accepts the four settings below, so that one configuration fits all, and may
    take further keyword arguments of its own. What it does not need, it does not read.

    Attributes:
        flat: Whether it sees a turn as one step. Its baseline, `value_low`, has to be the value
            before anything was decided in the turn; to a hierarchical estimator it is the value
            once the subgoal is chosen, which would hide from a flat one what the choice was worth.
        needs: What it asks of the rollouts.
    """

    flat: bool
    needs: Needs

    def __call__(
        self,
        batch: TurnBatch,
        *,
        gamma: float = 1.0,
        lam_low: float = 1.0,
        lam_high: float = 0.95,
        bootstrap_truncated: bool = True,
        **settings: Any,
    ) -> Advantages:
        """Returns the advantages of the N turns, in the order of the batch."""
        ...


_registry: dict[str, Estimator] = {}


def register_estimator(
    name: str, *, flat: bool = False, needs: Needs | None = None, replace: bool = False
) -> Callable[[Callable[..., Advantages]], Estimator]:
    """Registers the decorated function as the estimator `name`.

    The decorated function checks its keyword arguments by name, that the columns it needs are
    there, and that it returns one advantage a turn.

    Args:
        name: What `get_estimator` and the command line call it.
        flat: Whether it sees a turn as one step; see `Estimator`.
        needs: What it asks of the rollouts; by default nothing but a critic.
        replace: Whether it may take the name of an estimator that is registered already.

    Raises:
        ValueError: If the name is empty, or taken and `replace` is false.
        TypeError: If the function does not accept the common settings.
    """

    def decorate(function: Callable[..., Advantages]) -> Estimator:
        if not name:
            raise ValueError("an estimator needs a name")
        if name in _registry and not replace:
            raise ValueError(
                f"an estimator named {name!r} is registered already; "
                "pass replace=True to replace it"
            )
        _registry[name] = _checked(name, function, flat, needs or Needs())
        return _registry[name]

    return decorate


def get_estimator(name: str) -> Estimator:
    """Looks an estimator up by name; names in this program come before those of plug-ins.

    Raises:
        UnknownEstimatorError: If there is none; the message lists those there are.
        EstimatorError: If it is a plug-in that cannot be loaded, or that two packages publish.
    """
    if name not in _registry:
        _load_plugin(name)
    return _registry[name]


def list_estimators() -> list[str]:
    """All names that `get_estimator` knows, sorted. Plug-ins are named without being loaded."""
    plugins = {entry_point.name for entry_point in entry_points(group=ENTRY_POINT_GROUP)}
    return sorted(plugins | _registry.keys())


def check_unit_interval(**settings: float) -> None:
    """Checks that every setting lies in [0, 1].

    Raises:
        ValueError: If one does not; the message names it.
    """
    for name, value in settings.items():
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name} must lie in [0, 1], not {value!r}")


def _load_plugin(name: str) -> None:
    found: tuple[EntryPoint, ...] = tuple(entry_points(group=ENTRY_POINT_GROUP, name=name))
    if not found:
        known = ", ".join(list_estimators())
        raise UnknownEstimatorError(f"unknown estimator {name!r}; known: {known}")
    targets = sorted({entry_point.value for entry_point in found})
    if len(targets) > 1:
        raise EstimatorError(f"estimator {name!r} is published more than once: {targets}")
    try:
        function = found[0].load()
    except Exception as error:
        raise EstimatorError(f"estimator {name!r} cannot be loaded from {targets[0]}") from error
    # A module that decorates its own function has registered it while it was loaded; under another
    # name, perhaps, but what it declared there holds here as well.
    if name not in _registry:
        flat, needs = getattr(function, "flat", False), getattr(function, "needs", None)
        register_estimator(name, flat=flat, needs=needs)(function)


def _checked(name: str, function: Callable[..., Advantages], flat: bool, needs: Needs) -> Estimator:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    accepted = [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    missing = [setting for setting in COMMON_SETTINGS if setting not in accepted]
    if missing and not open_ended:
        raise TypeError(f"estimator {name!r} must accept {', '.join(missing)}")

    @functools.wraps(function)
    def estimator(batch: TurnBatch, **settings: Any) -> Advantages:
        unknown = [setting for setting in settings if setting not in accepted]
        if unknown and not open_ended:
            raise TypeError(
                f"estimator {name!r} takes no {', '.join(unknown)}; it takes {', '.join(accepted)}"
            )
        _check_columns(name, needs, batch)
        advantages = function(batch, **settings)
        _check_result(name, advantages, len(batch))
        if flat and not advantages.flat:
            raise EstimatorError(f"estimator {name!r} is flat, but its heads' advantages differ")
        return advantages

    checked = cast("Estimator", estimator)
    checked.flat = flat
    checked.needs = needs
    return checked


def _check_columns(name: str, needs: Needs, batch: TurnBatch) -> None:
    for column in needs.columns:
        if getattr(batch, column) is None:
            raise EstimatorError(
                f"estimator {name!r} needs the column {column}, which this batch lacks; "
                f"{_PROVIDERS[column]}, other programs do with "
                f"OptionRolloutBuffer.annotate({column}=...)"
            )


def _check_result(name: str, advantages: Advantages, turns: int) -> None:
    if not isinstance(advantages, Advantages):
        raise EstimatorError(
            f"estimator {name!r} returned {type(advantages).__name__}, not Advantages"
        )
    for field, array in vars(advantages).items():
        if array.shape != (turns,):
            raise EstimatorError(
                f"estimator {name!r} returned {field} of shape {array.shape} for {turns} turns"
            )
