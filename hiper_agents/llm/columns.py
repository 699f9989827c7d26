"""Who fills the optional columns that an estimator declares, for language models, by column.

An estimator says which columns it needs (`Estimator.needs`); the run finds a provider for each. A
provider is told what episodes there will be, is shown them as they begin and what is written in
every turn, and annotates the buffer once they are over. Nothing here knows any estimator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.estimators import Advantages, Needs
from hiper_agents.llm.player import LanguagePlayer, Slot
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.turns import TurnTokens
from hiper_agents.training.providers import find_providers
from hiper_envs.contract import TaskSource

if TYPE_CHECKING:
    from hiper_agents.llm.config import LanguageTrainConfig

__all__ = ["LESSON_FIGURES", "PROVIDERS", "ColumnProvider", "Lesson", "provider_classes"]

PROVIDERS = {
    "strategy_id": "hiper_agents.llm.strategy_column:StrategyProvider",
    "divergence": "hiper_agents.llm.divergence:DivergenceProvider",
    "q_value": "hiper_agents.llm.twin_critic:TwinCriticProvider",
}
"""Where the provider of each column is."""
LESSON_FIGURES = ("policy_subgoal", "clipped_subgoal", "kl", "entropy")
"""What is told of a lesson in the log."""


class Lesson(NamedTuple):
    """Something to learn besides the turns, with losses averaged by themselves.

    Attributes:
        name: What figures in the log are called after.
        turns: What the policy wrote; all that it chose lies in subgoal blocks.
        advantages: Of it.
    """

    name: str
    turns: Sequence[TurnTokens]
    advantages: Advantages


class ColumnProvider:
    """Fills one column; a base class whose hooks do nothing.

    Args:
        config: The settings of the run.
        policy: What is trained.
        player: Plays in the run.
        needs: What the estimator asks for.

    Raises:
        HiperError: If the settings leave nothing to fill the column with.
    """

    def __init__(
        self,
        config: LanguageTrainConfig,
        policy: LanguagePolicy,
        player: LanguagePlayer,
        needs: Needs,
    ) -> None:
        pass

    @classmethod
    def adapt(cls, config: LanguageTrainConfig, needs: Needs) -> LanguageTrainConfig:
        """The settings of a run that this column needs; called before there is a policy."""
        return config

    def begin(
        self,
        source: TaskSource,
        tasks: Sequence[int],
        groups: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        """Is told what an iteration will play.

        Args:
            source: The tasks.
            tasks: Position in `source` of each episode's task.
            groups: [episodes] group of each; the episodes of a group have one task.
            rng: The run's source of randomness.
        """

    def opened(self, number: int, slot: Slot) -> None:
        """Is shown an episode before its first turn; `number` is its trajectory id."""

    def decided(self, slots: Sequence[Slot], turns: Sequence[TurnTokens]) -> None:
        """Is shown what was written in some episodes, before it is carried out.

        Args:
            slots: The episodes.
            turns: What was written in each; the next rows of the buffer.
        """

    def annotate(
        self, buffer: OptionRolloutBuffer, turns: Sequence[TurnTokens], rng: np.random.Generator
    ) -> dict[str, float]:
        """Sets the column for all turns of an iteration.

        Args:
            buffer: Holds the iteration's turns.
            turns: The same turns as tokens, in the same order.
            rng: The run's source of randomness.

        Returns:
            Figures for the log.
        """
        raise NotImplementedError

    def divide(
        self, buffer: OptionRolloutBuffer, advantages: Advantages
    ) -> tuple[Advantages, Lesson | None]:
        """Says what else the estimated advantages belong to.

        Args:
            buffer: The annotated turns.
            advantages: Of them.

        Returns:
            What the turns learn from, and what is to be learned besides.
        """
        return advantages, None

    def state(self) -> dict[str, Tensor]:
        """All that an exact resumption needs, for a checkpoint, on the CPU."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from what `state` returned.

        Raises:
            KeyError, ValueError, RuntimeError: If it is the state of something else.
        """


def provider_classes(needs: Needs, estimator: str) -> dict[str, type[ColumnProvider]]:
    """The classes that fill the columns of an estimator, by column.

    Raises:
        HiperError: If nothing fills one of them.
    """
    return find_providers(needs, estimator, PROVIDERS, "language models")
