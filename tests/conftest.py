"""Fixtures and settings that all tests share."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine must not turn a slow example into a failure.
settings.register_profile("hiper", deadline=None, print_blob=True)
settings.load_profile("hiper")

_CACHE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the run a cache folder of its own and one thread per process.

    Runs before any test module is imported. Worker processes of xdist inherit the environment,
    so that they share the folder and parse each game only once between them.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if "HIPER_CACHE" not in os.environ:
        config.stash[_CACHE] = os.environ["HIPER_CACHE"] = tempfile.mkdtemp(prefix="hiper-cache-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the cache folder, in the process that made it."""
    folder = config.stash.get(_CACHE, None)
    if folder is not None:
        os.environ.pop("HIPER_CACHE", None)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def real_data() -> Path:
    """The data root with the published ALFWorld games; skips the test where there is none."""
    root = os.environ.get("HIPER_DATA")
    if not root:
        pytest.skip("needs the published games: HIPER_DATA is not set")
    path = Path(root)
    if not (path / "alfworld").is_dir():
        pytest.skip(f"needs the published games: {path} has no folder alfworld")
    return path


@pytest.fixture(scope="session")
def webshop_data() -> Path:
    """The folder with WebShop's published files; skips the test where there is none."""
    root = os.environ.get("HIPER_DATA")
    if not root:
        pytest.skip("needs WebShop's published files: HIPER_DATA is not set")
    folder = Path(root) / "webshop"
    if not (folder / "items_shuffle_1000.json").is_file():
        pytest.skip(f"needs WebShop's published files: {folder} has no items_shuffle_1000.json")
    return folder


@pytest.fixture(scope="session")
def webshop_recordings() -> Path:
    """The folder with what was recorded from the upstream WebShop; skips where there is none."""
    root = os.environ.get("HIPER_DATA")
    path = Path(root or "") / "webshop" / "upstream"
    if not root or not path.is_dir():
        pytest.skip("needs recordings of upstream: HIPER_DATA has no webshop/upstream")
    return path


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty data root, so that environments fall back to generated tasks."""
    root = tmp_path / "no-data"
    root.mkdir()
    monkeypatch.setenv("HIPER_DATA", str(root))
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    return root
