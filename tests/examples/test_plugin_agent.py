"""The example plug-in is a real package: built, installed where nothing else is, and ranked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "plugin_agent"
MOST_LINES = 60


class Machine:
    """A virtual environment with this checkout's core and the example, and a folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "no-data"
        self.data.mkdir()
        venv.create(folder / "venv", with_pip=True)
        self.scripts = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a program of the environment; nothing of this checkout can be imported there."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HIPER"))}
        variables = {"HIPER_DATA": str(self.data), "HIPER_CACHE": str(self.folder / "cache")}
        return subprocess.run(
            [str(self.scripts / program), *arguments],
            cwd=self.folder,
            env=inherited | variables,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def hiper(self, *arguments: str) -> str:
        done = self.run("hiper", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    reached = machine.run("python", "-m", "pip", "install", "hatchling>=1.25")
    if reached.returncode:
        last = (reached.stderr.strip() or "no reason given").splitlines()[-1]
        pytest.skip(f"the package registry cannot be reached: {last}")
    # hatchling is there by now; the second needs the first, which no registry has to offer.
    for project in (ROOT, EXAMPLE):
        command = ("-m", "pip", "install", "--no-build-isolation", str(project))
        done = machine.run("python", *command)
        assert done.returncode == 0, done.stdout + done.stderr
    return machine


@pytest.fixture(scope="module")
def studies(machine: Machine) -> dict[str, Any]:
    """Results of the example and of the random agent on a panel, by the name of the folder."""
    panel = ("--panel", "generated-smoke", "--seeds", "1")
    for agent in ("thorough", "random"):
        machine.hiper("leaderboard", "run", "--agent", agent, *panel, "--out", agent)
    return {agent: machine.json(f"{agent}/result.json") for agent in ("thorough", "random")}


def test_it_is_small_and_not_part_of_the_package() -> None:
    files = [path for path in EXAMPLE.rglob("*") if path.is_file() and "__" not in str(path)]
    assert len(files) == 3
    assert sum(len(path.read_text().splitlines()) for path in files) < MOST_LINES


def test_it_plays_by_its_name(machine: Machine) -> None:
    """Without torch, and without anything else that the core does not need."""
    assert machine.run("python", "-c", "import torch").returncode != 0
    options = ("--split", "generated", "--episodes", "8", "--out", "result.json")
    machine.hiper("eval", "--agent", "thorough", *options)
    result = machine.json("result.json")
    assert (result["agent"], result["n"], result["split"]) == ("thorough", 8, "generated")
    assert result["invalid_action_rate"] == result["format_error_rate"] == 0.0
    assert result["options"]["mean_per_episode"] > 2


def test_it_is_ranked(machine: Machine, studies: dict[str, Any]) -> None:
    success = {a: result["figures"]["success"]["mean"] for a, result in studies.items()}
    assert all(result["ranked"] for result in studies.values())
    assert success["thorough"] > success["random"]
    machine.hiper("leaderboard", "render", "random", "thorough", "--out", "site")
    page = (machine.folder / "site" / "index.html").read_text(encoding="utf-8")
    ranking = re.search(r"<tbody.*?</tbody>", page, re.DOTALL)
    assert ranking is not None
    first, second = (ranking[0].index(f">{agent}<") for agent in ("thorough", "random"))
    assert first < second


def test_the_same_again_whatever_the_batch(machine: Machine, studies: dict[str, Any]) -> None:
    chosen = ("--agent", "thorough", "--panel", "generated-smoke", "--seeds", "1", "--out", "again")
    machine.hiper("leaderboard", "run", *chosen, "--num-envs", "5")
    assert machine.json("again/result.json")["episodes"] == studies["thorough"]["episodes"]


def test_what_ships_with_the_package_was_installed(machine: Machine) -> None:
    """Its files are there; without torch, what is missing is said."""
    code = "from hiper_agents.compact import domain; print(domain.__file__)"
    compact = Path(machine.run("python", "-c", code).stdout.strip()).parent
    for name in ("alfworld", "webshop"):
        names = {path.suffix for path in (compact / "shipped" / name).iterdir()}
        assert names == {".json", ".safetensors"}
    done = machine.run("hiper", "eval", "--agent", "compact", "--split", "generated")
    assert done.returncode != 0
    assert "pip install 'hiper-gym[compact]'" in done.stdout + done.stderr
