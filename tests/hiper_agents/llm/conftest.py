"""A tiny model's tokenizer, and turns that a tiny policy has written."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from transformers import PreTrainedTokenizerFast

from hiper_agents.llm.tiny import make_tiny


@pytest.fixture(scope="session")
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    return make_tiny(layers=1, hidden=8)[1]


@pytest.fixture(scope="session")
def learning() -> ModuleType:
    """The module `learning.py`, which writes turns."""
    return _module("learning")


@pytest.fixture(scope="session")
def together() -> ModuleType:
    """The module `together.py`, which several processes run."""
    return _module("together")


def _module(file: str) -> ModuleType:
    name = f"hiper_test_{file}"
    path = Path(__file__).with_name(f"{file}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
