"""Who declares a column gets it, whoever it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hiper_agents.estimators import Advantages, Needs, TurnBatch, register_estimator, registry
from hiper_agents.estimators.batch import OPTIONAL_COLUMNS
from hiper_agents.training.columns import PROVIDERS, ColumnProvider, provider_classes
from hiper_agents.training.compact import CompactTrainer
from hiper_agents.training.run import TrainConfig
from hiper_base.errors import HiperError

CONFIG = TrainConfig(minutes=None, iterations=1, episodes=16, max_turns=5, tensorboard=False)


@pytest.fixture
def declare() -> Iterator[Any]:
    """Registers a third party's estimator that keeps the batch that it was shown."""
    seen: list[TurnBatch] = []

    def register(*columns: str, **needs: Any) -> list[TurnBatch]:
        @register_estimator("someones", flat=True, needs=Needs(columns=columns, **needs))
        def someones(batch: TurnBatch, **settings: Any) -> Advantages:
            seen.append(batch)
            zeros = np.zeros(len(batch))
            return Advantages(zeros, zeros, zeros, zeros, zeros, zeros)

        return seen

    yield register
    del registry._registry["someones"]


@pytest.mark.parametrize("column", PROVIDERS)
def test_a_plug_in_gets_the_column_that_it_declares(
    declare: Any, levers_env: str, column: str
) -> None:
    seen = declare(column)
    CompactTrainer(replace(CONFIG, env=levers_env, estimator="someones")).iterate()
    (batch,) = seen
    given = {name for name in OPTIONAL_COLUMNS if getattr(batch, name) is not None}
    assert given == {column}


def test_several_columns_at_once(declare: Any, levers_env: str) -> None:
    seen = declare(*PROVIDERS, group_size=8, strategies=2)
    CompactTrainer(replace(CONFIG, env=levers_env, estimator="someones")).iterate()
    (batch,) = seen
    assert all(getattr(batch, column) is not None for column in PROVIDERS)
    assert len(np.unique(batch.strategy_id)) == 4


def test_a_column_that_nobody_fills_is_named(declare: Any, levers_env: str) -> None:
    declare("divergence", "off_plan")
    with pytest.raises(
        HiperError, match=r"'someones' needs off_plan, which .* cannot fill .*strategy_id"
    ):
        CompactTrainer(replace(CONFIG, env=levers_env, estimator="someones"))


def test_every_provider_can_be_found() -> None:
    classes = provider_classes(Needs(columns=tuple(PROVIDERS)), "someones")
    assert all(issubclass(provider, ColumnProvider) for provider in classes.values())
