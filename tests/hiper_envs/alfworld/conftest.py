"""Generated games laid out as the published ones, for tests of what finds and reads them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hiper_envs.alfworld import cache
from hiper_envs.alfworld.game import TASK_TYPES
from hiper_envs.alfworld.generator import generate_game

Files = Mapping[str, bytes]


def member(split: str, seed: int, trial: str = "trial_1") -> str:
    """The path that a generated game has in the tree."""
    kind = TASK_TYPES[seed % len(TASK_TYPES)]
    return f"json_2.1.1/{split}/{kind}-Thing-None-Place-{seed}/{trial}/game.tw-pddl"


def content(seed: int, **changes: Any) -> bytes:
    """A game file."""
    return json.dumps(generate_game(seed) | changes).encode()


@pytest.fixture(scope="session")
def files() -> Files:
    """Six training games, one of each type, and two of valid_seen."""
    train = {member("train", seed): content(seed) for seed in range(6)}
    return train | {member("valid_seen", seed): content(seed) for seed in (6, 7)}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty data root that the environment points to, with a cache folder of its own."""
    (tmp_path / "alfworld").mkdir()
    monkeypatch.setenv("HIPER_DATA", str(tmp_path))
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    cache.forget()
    yield tmp_path
    cache.forget()


@pytest.fixture
def write_zip(root: Path) -> Callable[..., Path]:
    """Writes an archive into the data folder."""

    def write(files: Files, name: str = "games.zip", folder: Path | None = None) -> Path:
        path = (folder or root / "alfworld") / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, raw in files.items():
                archive.writestr(file, raw)
        return path

    return write


@pytest.fixture
def write_tree(root: Path) -> Callable[..., Path]:
    """Writes the unpacked tree into the data folder."""

    def write(files: Files, folder: Path | None = None) -> Path:
        folder = folder or root / "alfworld"
        for file, raw in files.items():
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
        return folder

    return write
