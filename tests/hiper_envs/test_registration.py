from __future__ import annotations

import subprocess
import sys
import warnings

import gymnasium as gym
import pytest

import hiper_envs
from hiper_envs.registration import register_envs

HEAVY = (
    "torch",
    "transformers",
    "textworld",
    "alfworld",
    "flask",
    "selenium",
    "hiper_envs.core",
    "hiper_envs.alfworld.native",
)


def run(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_importing_registers_and_loads_nothing_else() -> None:
    code = (
        "import sys, hiper_envs, gymnasium\n"
        "assert 'HiPER-ALFWorld-v0' in gymnasium.registry\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    assert run(code) == "[]\n"


def test_gymnasium_may_be_imported_first() -> None:
    run("import gymnasium, hiper_envs; gymnasium.spec('HiPER-ALFWorld-v0')")


def test_an_id_with_a_module_needs_no_import() -> None:
    run("import gymnasium; gymnasium.make('hiper_envs:HiPER-ALFWorld-v0', split='generated')")


def test_registering_again_changes_nothing() -> None:
    before = gym.spec("HiPER-ALFWorld-v0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_envs()
    assert gym.spec("HiPER-ALFWorld-v0") is before


@pytest.mark.parametrize("name", sorted(set(hiper_envs.__all__)))
def test_public_names_exist(name: str) -> None:
    assert getattr(hiper_envs, name).__name__ == name
    assert name in dir(hiper_envs)


def test_other_names_do_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = hiper_envs.nothing
