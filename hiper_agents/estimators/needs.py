"""`Needs`: what an estimator asks of the rollouts, declared beside its name.

A trainer reads it to arrange the rollouts and to leave out what nobody reads; the registry refuses
a batch that lacks a column. It knows nothing about how any of this is provided.
"""

from __future__ import annotations

from dataclasses import dataclass

from hiper_agents.estimators.batch import OPTIONAL_COLUMNS


@dataclass(frozen=True)
class Needs:
    """What an estimator is made for; the defaults ask for nothing but a critic.

    Attributes:
        group_size: Rollouts of one task in a group (equal `group_id`).
        strategies: Strategies that a group's rollouts are divided among, equally.
        critic: Whether it reads the values. If not, no critic has to be trained.
        critic_warm_up: First iterations in which only critics should learn.
        columns: Optional columns of `TurnBatch` that have to be there.

    Raises:
        ValueError: If a number is too small, a group cannot be divided equally, or a column is
            none of the optional ones.
    """

    group_size: int = 1
    strategies: int = 1
    critic: bool = True
    critic_warm_up: int = 0
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("group_size", "strategies"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.critic_warm_up < 0:
            raise ValueError(f"critic_warm_up must not be negative, not {self.critic_warm_up}")
        if self.group_size % self.strategies:
            raise ValueError(
                f"{self.group_size} rollouts cannot be divided equally among "
                f"{self.strategies} strategies"
            )
        # A string would be read as its letters, and a list would leave the needs unhashable.
        if not isinstance(self.columns, tuple):
            raise TypeError(f"columns must be a tuple of names, not {self.columns!r}")
        unknown = [name for name in self.columns if name not in OPTIONAL_COLUMNS]
        if unknown:
            raise ValueError(
                f"no optional column is named {', '.join(map(repr, unknown))}; "
                f"there are {', '.join(OPTIONAL_COLUMNS)}"
            )
