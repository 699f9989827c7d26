"""The package as a whole: what it imports, which way imports point, and what a wheel holds."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import hiper_envs

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("hiper_base", "webshop_server", "hiper_envs", "hiper_agents", "benchmarks")
HEAVY = ("torch", "transformers", "textworld", "alfworld", "flask", "selenium", "matplotlib")


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and module of every import in a file, at any depth."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


@pytest.mark.parametrize("package", [name for name in PACKAGES if (ROOT / name).is_dir()])
def test_imports_point_one_way(package: str) -> None:
    """Each package may import those before it in PACKAGES, and none after it."""
    later = PACKAGES[PACKAGES.index(package) + 1 :]
    assert modules(package)
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in modules(package)
        for line, module in imports(path)
        if module.split(".")[0] in (*later, "tests")
    ]
    assert wrong == []


@pytest.mark.parametrize("module", ["hiper_envs", "hiper_envs.core", "hiper_envs.alfworld.env"])
def test_environments_import_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, {module};sys.exit(', '.join(m for m in {HEAVY} if m in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_making_an_environment_imports_nothing_heavy(no_data: Path) -> None:
    """The native engine needs none of it either, once it plays."""
    code = (
        "import sys, gymnasium, hiper_envs;"
        "env = gymnasium.make('HiPER-ALFWorld-v0', split='generated'); env.reset(seed=0);"
        "env.step('look');"
        f"sys.exit(', '.join(m for m in {HEAVY} if m in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_untrusted_is_executed() -> None:
    """No eval, exec or unpickling; `torch.load` only of tensors."""
    wrong = []
    for package in PACKAGES:
        for path in modules(package):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    name = ast.unparse(node.func)
                    dotted = name.split(".")
                    if (
                        dotted[0] in ("eval", "exec", "pickle", "marshal", "shelve")
                        or dotted[-1] == "literal_eval"
                        or (name == "torch.load" and "weights_only=True" not in ast.unparse(node))
                    ):
                        wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {name}")
    assert wrong == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of the files in a wheel of this checkout."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("needs hatchling, of the extra `dev`, to build a wheel")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path).namelist()


def test_wheel_holds_every_module_and_its_types(wheel: list[str]) -> None:
    for package in PACKAGES:
        if not (ROOT / package).is_dir():
            continue
        assert f"{package}/py.typed" in wheel
        missing = {str(path.relative_to(ROOT)) for path in modules(package)} - set(wheel)
        assert missing == set()


def test_wheel_holds_no_data(wheel: list[str]) -> None:
    suffixes = (".zip", ".tw-pddl", ".pt", ".safetensors", ".npz", ".pyc")
    shipped = "hiper_agents/compact/shipped/"  # the agents that come with the package
    assert [n for n in wheel if n.endswith(suffixes) and not n.startswith(shipped)] == []
    top = {name.split("/")[0] for name in wheel}
    assert {name for name in top if not name.endswith(".dist-info")} <= set(PACKAGES)


def test_wheel_holds_what_is_read_at_run_time(wheel: list[str]) -> None:
    read = (
        "benchmarks/panels/*.json",
        "benchmarks/leaderboard/published.json",
        "benchmarks/leaderboard/schemas/*.json",
        "benchmarks/*/*.css",
        "benchmarks/*/*.js",
        "benchmarks/leaderboard/site/*.js",
        "hiper_agents/compact/shipped/*/*",
    )
    for pattern in read:
        names = {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)}
        assert names
        assert names <= set(wheel)


def test_versions_agree() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{hiper_envs.__version__}"\n' in text
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {hiper_envs.__version__}\n" in citation


def test_wheel_declares_the_command(wheel: list[str]) -> None:
    from hiper_agents.cli.main import main

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'hiper = "{main.__module__}:{main.__name__}"' in text
    assert any(name.endswith("entry_points.txt") for name in wheel)
