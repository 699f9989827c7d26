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
    name = "hiper_test_learning"
    path = Path(__file__).with_name("learning.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
