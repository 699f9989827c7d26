from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hiper_agents.estimators import (
    Advantages,
    EstimatorError,
    Needs,
    TurnBatch,
    UnknownEstimatorError,
    get_estimator,
    list_estimators,
    register_estimator,
    registry,
)

MakeBatch = Callable[..., TurnBatch]
Publish = Callable[..., None]

PLUGIN = """
import numpy as np
from hiper_agents.estimators import Advantages

def ones(batch, *, scale=1.0, **settings):
    one = np.full(len(batch), scale)
    return Advantages(one, one, one, one, one, one)
"""


@pytest.fixture(autouse=True)
def _restored_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registry", dict(registry._registry))


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publish]:
    """Installs a distribution with one module and one entry point, for this test."""
    modules: list[str] = []

    def install(name: str, source: str, estimator: str = "ones", function: str = "ones") -> None:
        site = tmp_path / name
        (site / f"{name}-1.0.dist-info").mkdir(parents=True)
        (site / f"{name}.py").write_text(source)
        info = site / f"{name}-1.0.dist-info"
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[hiper.estimators]\n{estimator} = {name}:{function}\n"
        )
        monkeypatch.syspath_prepend(site)
        modules.append(name)

    yield install
    for name in modules:
        sys.modules.pop(name, None)


def zeros(batch: TurnBatch, **settings: Any) -> Advantages:
    zero = np.zeros(len(batch))
    return Advantages(zero, zero, zero, zero, zero, zero)


def test_the_estimators_of_the_package_are_listed_in_order() -> None:
    names = list_estimators()
    assert {"gae", "hae"} <= set(names)
    assert names == sorted(names)


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownEstimatorError, match=r"unknown estimator 'hea'; known: .*gae.*hae"):
        get_estimator("hea")


def test_a_registered_function_is_found_by_name(make_batch: MakeBatch) -> None:
    decorated = register_estimator("zeros")(zeros)
    assert get_estimator("zeros") is decorated
    assert "zeros" in list_estimators()
    assert get_estimator("zeros")(make_batch([1.0])).low.tolist() == [0.0]


def test_a_name_is_only_replaced_on_purpose() -> None:
    before = get_estimator("gae")
    with pytest.raises(ValueError, match="an estimator named 'gae' is registered already"):
        register_estimator("gae")(zeros)
    assert get_estimator("gae") is before
    replacement = register_estimator("gae", replace=True)(zeros)
    assert get_estimator("gae") is replacement


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a name"):
        register_estimator("")(zeros)


def test_a_setting_of_its_own_reaches_the_estimator(make_batch: MakeBatch) -> None:
    @register_estimator("scaled")
    def scaled(
        batch: TurnBatch,
        *,
        gamma: float = 1.0,
        lam_low: float = 1.0,
        lam_high: float = 0.95,
        bootstrap_truncated: bool = True,
        scale: float = 1.0,
    ) -> Advantages:
        return replace(zeros(batch), low=batch.reward * scale)

    assert scaled(make_batch([2.0]), scale=3.0).low.tolist() == [6.0]
    with pytest.raises(TypeError, match=r"'scaled' takes no size; it takes gamma, .*, scale"):
        scaled(make_batch([2.0]), size=3.0)


def test_an_unknown_setting_is_answered_with_the_known_ones(make_batch: MakeBatch) -> None:
    message = "estimator 'hae' takes no lamda; it takes gamma, lam_low, lam_high, bootstrap_trunc"
    with pytest.raises(TypeError, match=message):
        get_estimator("hae")(make_batch([1.0]), lamda=0.9)


def test_an_estimator_has_to_accept_the_common_settings() -> None:
    def partial(batch: TurnBatch, gamma: float = 1.0, lam_low: float = 1.0) -> Advantages:
        return zeros(batch)

    with pytest.raises(TypeError, match="'partial' must accept lam_high, bootstrap_truncated"):
        register_estimator("partial")(partial)
    assert "partial" not in list_estimators()


def test_a_result_has_to_be_one_advantage_a_turn(make_batch: MakeBatch) -> None:
    @register_estimator("short")
    def short(batch: TurnBatch, **settings: Any) -> Advantages:
        return replace(zeros(batch), switch=np.zeros(1))

    @register_estimator("bare")
    def bare(batch: TurnBatch, **settings: Any) -> Any:
        return batch.reward

    with pytest.raises(EstimatorError, match=r"'short' returned switch of shape \(1,\) for 2"):
        short(make_batch([1.0, 2.0]))
    with pytest.raises(EstimatorError, match="'bare' returned ndarray, not Advantages"):
        bare(make_batch([1.0, 2.0]))


def test_what_an_estimator_needs_is_declared(make_batch: MakeBatch) -> None:
    assert get_estimator("hae").needs == Needs(1, 1, critic=True, columns=())
    needs = Needs(group_size=8, strategies=2, critic=False, columns=("q_value", "off_plan"))
    register_estimator("needy", needs=needs)(zeros)
    assert get_estimator("needy").needs is needs
    assert len(get_estimator("needy")(make_batch([1.0], q_value=[0.0], off_plan=[0])).low) == 1


@pytest.mark.parametrize(
    ("column", "provider"),
    [
        ("strategy_id", "fills it with its strategies"),
        ("off_plan", "`hiper train --agent llm` fills it where episodes follow strategies"),
        ("divergence", "fills it with its teacher"),
        ("q_value", "fills it with its twin critic"),
    ],
)
def test_a_missing_column_is_named_with_who_provides_it(
    make_batch: MakeBatch, column: str, provider: str
) -> None:
    register_estimator("needy", needs=Needs(columns=(column,)))(zeros)
    message = rf"'needy' needs the column {column}, .*{provider}.*annotate\({column}=...\)"
    with pytest.raises(EstimatorError, match=message):
        get_estimator("needy")(make_batch([1.0]))


@pytest.mark.parametrize(
    ("needs", "error", "message"),
    [
        ({"group_size": 0}, ValueError, "group_size must be at least 1, not 0"),
        ({"strategies": -1}, ValueError, "strategies must be at least 1, not -1"),
        ({"group_size": 6, "strategies": 4}, ValueError, "6 rollouts cannot be divided equally"),
        ({"critic_warm_up": -1}, ValueError, "critic_warm_up must not be negative, not -1"),
        ({"columns": ("advice",)}, ValueError, "no optional column is named 'advice'; there are"),
        ({"columns": "q_value"}, TypeError, "columns must be a tuple of names, not 'q_value'"),
    ],
)
def test_needs_that_nobody_can_meet(
    needs: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Needs(**needs)


def test_a_plugin_is_listed_unloaded_and_loaded_when_asked_for(
    publish: Publish, make_batch: MakeBatch
) -> None:
    publish("plugin_one", PLUGIN)
    assert "ones" in list_estimators()
    assert "plugin_one" not in sys.modules
    assert get_estimator("ones")(make_batch([5.0]), scale=2.0, gamma=0.9).low.tolist() == [2.0]


def test_a_plugin_that_registers_itself_while_it_is_loaded(
    publish: Publish, make_batch: MakeBatch
) -> None:
    source = PLUGIN.replace("import Advantages", "import Advantages, register_estimator")
    publish("plugin_own", source + "\nones = register_estimator('ones')(ones)\n")
    assert get_estimator("ones")(make_batch([5.0])).low.tolist() == [1.0]


def test_a_plugin_keeps_what_its_module_declared_under_another_name(
    publish: Publish, make_batch: MakeBatch
) -> None:
    source = PLUGIN.replace("import Adv", "import Needs, register_estimator, Adv") + (
        "\nneeds = Needs(group_size=4, critic=False)"
        "\nones = register_estimator('unity', flat=True, needs=needs)(ones)\n"
    )
    publish("plugin_renamed", source)
    found = get_estimator("ones")
    assert found.flat
    assert found.needs == Needs(group_size=4, critic=False)
    assert found(make_batch([5.0]), scale=2.0).low.tolist() == [2.0]


def test_a_plain_plugin_may_carry_its_declarations(publish: Publish) -> None:
    publish("plugin_plain", PLUGIN + "\nones.flat = True\n")
    assert get_estimator("ones").flat
    assert get_estimator("ones").needs == Needs()


def test_a_plugin_does_not_take_the_name_of_a_built_in_one(publish: Publish) -> None:
    before = get_estimator("hae")
    publish("plugin_hae", PLUGIN, estimator="hae")
    assert get_estimator("hae") is before
    assert list_estimators().count("hae") == 1


def test_a_plugin_that_cannot_be_loaded(publish: Publish) -> None:
    publish("plugin_broken", "raise RuntimeError('no GPU')")
    with pytest.raises(EstimatorError, match="'ones' cannot be loaded from plugin_broken:ones"):
        get_estimator("ones")


def test_two_plugins_of_one_name(publish: Publish) -> None:
    publish("plugin_left", PLUGIN)
    publish("plugin_right", PLUGIN)
    with pytest.raises(EstimatorError, match="'ones' is published more than once"):
        get_estimator("ones")
