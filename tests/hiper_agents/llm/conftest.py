"""A tiny model's tokenizer, and turns that a tiny policy has written."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from hiper_agents.llm.tiny import make_tiny

# A program: what it imports lies beside it, where only programs look.
collect_ignore = ["sharded.py"]


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


@pytest.fixture(scope="session")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Path]:
    """Has a program of this folder run by several processes; returns the folder it was given."""

    def run(file: str, size: int) -> Path:
        folder = tmp_path_factory.mktemp(file)
        (folder / "no-data").mkdir()
        # As `torchrun` does it: whoever launches keeps the store in which the processes meet.
        store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        environment = {
            **os.environ,
            "HIPER_DATA": str(folder / "no-data"),
            "WORLD_SIZE": str(size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
        }
        program = str(Path(__file__).with_name(f"{file}.py"))
        command = [sys.executable, program, str(folder)]
        subprocess.run(command, env=environment, check=True, timeout=900)
        return folder

    return run


def _module(file: str) -> ModuleType:
    name = f"hiper_test_{file}"
    path = Path(__file__).with_name(f"{file}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
