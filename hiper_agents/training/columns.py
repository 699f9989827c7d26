"""Who fills the optional columns that an estimator declares, by the column's name.

An estimator says which columns it needs (`Estimator.needs`); the run finds a provider for each. A
provider is told when episodes begin and what is decided in every turn, and annotates the buffer
once they are over. Nothing here knows any estimator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.compact.player import Decisions, Player
from hiper_agents.compact.slot import Slot
from hiper_agents.estimators import Needs
from hiper_agents.training.providers import find_providers

if TYPE_CHECKING:
    from hiper_agents.training.config import TrainConfig

PROVIDERS = {
    "strategy_id": "hiper_agents.training.strategies:StrategyProvider",
    "divergence": "hiper_agents.training.teacher:DivergenceProvider",
    "q_value": "hiper_agents.training.twin_critic:TwinCriticProvider",
}
"""Where the provider of each column is."""


class ColumnProvider:
    """Fills one column; a base class whose hooks do nothing.

    Args:
        config: The settings of the run.
        player: Plays in it.
        needs: What the estimator asks for.

    Raises:
        HiperError: If the settings leave nothing to fill the column with.
    """

    with_expert: ClassVar[bool] = False
    """Whether the searching expert has to follow the episodes."""

    def __init__(self, config: TrainConfig, player: Player, needs: Needs) -> None:
        pass

    @classmethod
    def adapt(cls, config: TrainConfig, needs: Needs) -> TrainConfig:
        """The settings of a run that this column needs; called before there is a network."""
        return config

    def begin(
        self, slots: Sequence[Slot], groups: NDArray[np.int64], rng: np.random.Generator
    ) -> None:
        """Is shown the episodes of an iteration before their first turn.

        Args:
            slots: One an episode, in the order of their trajectory ids.
            groups: [episodes] group of each.
            rng: The run's source of randomness.
        """

    def decided(
        self, slots: Sequence[Slot], infos: Sequence[Mapping[str, Any]], decisions: Decisions
    ) -> None:
        """Is shown the decisions of a turn before they are carried out.

        Args:
            slots: The episodes that still run, as they are after the decisions.
            infos: Their last infos.
            decisions: What they decided; the next rows of the buffer.
        """

    def annotate(
        self, buffer: OptionRolloutBuffer, decisions: Decisions, rng: np.random.Generator
    ) -> dict[str, float]:
        """Sets the column for all turns of an iteration.

        Args:
            buffer: Holds the iteration's turns.
            decisions: The same turns in the same order.
            rng: The run's source of randomness.

        Returns:
            Figures for the log.
        """
        raise NotImplementedError

    def state(self) -> dict[str, torch.Tensor]:
        """All that an exact resumption needs, for a checkpoint."""
        return {}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Goes on from what `state` returned."""


def provider_classes(needs: Needs, estimator: str) -> dict[str, type[ColumnProvider]]:
    """The classes that fill the columns of an estimator, by column.

    Raises:
        HiperError: If nothing fills one of them.
    """
    return find_providers(needs, estimator, PROVIDERS, "the compact agent")
