from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.leaderboard.panels import make_panel
from benchmarks.leaderboard.running import Player, run_study
from benchmarks.leaderboard.schema import Panel


@pytest.fixture(scope="session")
def panel() -> Panel:
    """Six generated tasks of eight turns."""
    return make_panel(
        "tiny",
        "A few houses",
        "HiPER-ALFWorld-v0",
        "generated",
        data_version="generated",
        syntax="alfworld 0.4",
        env_options={"max_turns": 8},
        tasks=6,
    )


@pytest.fixture(scope="session")
def _played(panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies") / "random"
    run_study(folder, Player("random"), panel, seeds=(0, 1), num_envs=4)
    return folder


@pytest.fixture
def study(_played: Path, tmp_path: Path) -> Path:
    """A finished study of one's own: a random agent, two seeds."""
    return Path(shutil.copytree(_played, tmp_path / "random"))


@pytest.fixture(scope="session")
def agents_here() -> Iterator[str]:
    """Name of a module of strange agents that can be imported, also by new processes."""
    here = os.path.dirname(__file__)
    sys.path.insert(0, here)
    yield "strange_agents"
    sys.path.remove(here)


@pytest.fixture(scope="session")
def walked(agents_here: str, panel: Panel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of the agent that works, for reading only."""
    folder = tmp_path_factory.mktemp("studies") / "walker"
    run_study(folder, Player(f"{agents_here}:Walker", label="Wally"), panel, seeds=[0])
    return folder
