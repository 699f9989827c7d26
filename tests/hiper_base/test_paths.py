"""Where data and caches are looked for."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from hiper_base.paths import alfworld_folders, cache_folders, data_root, is_writable, webshop_folder


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HIPER_DATA", "ALFWORLD_DATA", "HIPER_CACHE"):
        monkeypatch.delenv(name, raising=False)


def user_cache() -> Path:
    return Path(platformdirs.user_cache_dir("hiper-gym", appauthor=False))


def test_the_root_is_the_argument_then_the_variable_then_the_user_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert data_root() == user_cache()
    monkeypatch.setenv("HIPER_DATA", "")
    assert data_root() == user_cache()
    monkeypatch.setenv("HIPER_DATA", str(tmp_path / "variable"))
    assert data_root() == tmp_path / "variable"
    assert data_root(tmp_path / "argument") == tmp_path / "argument"
    assert data_root(str(tmp_path / "argument")) == tmp_path / "argument"
    assert webshop_folder() == tmp_path / "variable" / "webshop"


def test_a_relative_root_and_a_home_folder_become_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert data_root("data") == tmp_path / "data"
    assert data_root("~/data") == Path.home() / "data"


def test_upstreams_variable_adds_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HIPER_DATA", str(tmp_path / "ours"))
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "theirs"))
    assert alfworld_folders() == (tmp_path / "ours" / "alfworld", tmp_path / "theirs")
    assert alfworld_folders(tmp_path) == (tmp_path / "alfworld",)


def test_one_folder_under_two_names_counts_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "alfworld").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "alfworld")
    monkeypatch.setenv("HIPER_DATA", str(tmp_path))
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "link"))
    assert alfworld_folders() == (tmp_path / "alfworld",)


def test_caches_lie_beside_the_data_then_with_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    beside, fallback = cache_folders(tmp_path)
    assert beside.parent == tmp_path
    assert user_cache() in fallback.parents
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "elsewhere"))
    assert cache_folders(tmp_path) == (tmp_path / "elsewhere",)


def test_writable_means_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert is_writable(tmp_path)
    assert is_writable(tmp_path / "not" / "yet")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    # Also for the superuser, whom the operating system would let through.
    assert not is_writable(locked)
    assert not is_writable(locked / "not" / "yet")
