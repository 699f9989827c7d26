"""A toy benchmark that any agent can be trained on within a test."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import gymnasium
import pytest

from hiper_agents.compact import domain


@pytest.fixture(scope="session")
def levers() -> ModuleType:
    """The module of the toy benchmark in `levers.py`."""
    name = "hiper_test_levers"
    path = Path(__file__).with_name("levers.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def levers_env(levers: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Id of the toy benchmark, which can be trained on within the test."""
    gymnasium.register("Levers-v0", entry_point=levers.make_levers)
    monkeypatch.setitem(domain.DOMAINS, "levers", f"{levers.__name__}:LeverDomain")
    monkeypatch.setitem(domain._DOMAIN_OF_ENVIRONMENT, "Levers", "levers")
    yield "Levers-v0"
    del gymnasium.registry["Levers-v0"]
