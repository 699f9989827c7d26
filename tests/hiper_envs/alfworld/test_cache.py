"""The cache of parsed games: found again, rebuilt when needed, harmless where it cannot be."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hiper_base.errors import DataError
from hiper_envs.alfworld import cache
from hiper_envs.alfworld.cache import GameStore, build_store, forget, open_store, remember
from hiper_envs.alfworld.game import parse_game
from hiper_envs.alfworld.sources import FolderSource, ZipSource, decode_game

Files = Mapping[str, bytes]
Write = Callable[..., Path]


@pytest.fixture
def source(files: Files, write_zip: Write) -> ZipSource:
    return ZipSource(write_zip(files))


def cache_file(root: Path) -> Path:
    (path,) = (root / "cache").iterdir()
    return path


def reopen(source: ZipSource | FolderSource) -> tuple[GameStore, int]:
    """Opens a source as a new process would; also counts the games that were parsed."""
    forget()
    parsed = []
    store = open_store(source, lambda path, done, total: parsed.append(done))
    return store, max(parsed, default=0)


def test_games_come_back_as_they_were_parsed(source: ZipSource, files: Files) -> None:
    built, parsed = reopen(source)
    cached, parsed_again = reopen(source)
    assert (parsed, parsed_again) == (len(files), 0)
    assert cached.entries == built.entries
    for entry in cached.entries:
        raw = files[entry.member]
        assert entry.sha256 == hashlib.sha256(raw).hexdigest()
        assert cached.raw(entry) == raw
        assert cached.game(entry) == parse_game(decode_game(raw, "file"), "file")


def test_an_open_store_is_shared_until_its_source_changes(
    source: ZipSource, files: Files, write_zip: Write
) -> None:
    store = open_store(source)
    assert open_store(ZipSource(source.path)) is store
    write_zip(dict(list(files.items())[:3]))
    assert len(open_store(source).entries) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:20],
        lambda raw: raw[:-1],
        lambda raw: raw + b"x",
        lambda raw: b"\x00" * len(raw),
        lambda raw: raw.replace(b"hiper-games 1", b"hiper-games 0"),
        lambda raw: raw[: len(raw) // 2] + b"\x01\x02" + raw[len(raw) // 2 + 2 :],
    ],
)
def test_a_damaged_file_is_rebuilt(
    source: ZipSource,
    files: Files,
    root: Path,
    damage: Callable[[bytes], bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    open_store(source)
    path = cache_file(root)
    good = path.read_bytes()
    path.write_bytes(damage(good))
    with caplog.at_level(logging.INFO, logger=cache.__name__):
        _, parsed = reopen(source)
    assert parsed == len(files)
    assert "parsed again" in caplog.text
    assert path.read_bytes() == good


def test_a_stale_file_is_rebuilt(source: ZipSource, files: Files, write_zip: Write) -> None:
    open_store(source)
    fewer = dict(list(files.items())[:2])
    write_zip(fewer)
    assert reopen(source)[1] == 2
    os.utime(source.path, ns=(0, 0))
    assert reopen(source)[1] == 2
    assert reopen(source)[1] == 0


def test_a_file_of_another_parser_is_rebuilt(
    source: ZipSource, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(source)
    monkeypatch.setattr(cache, "_parser_fingerprint", lambda: "of an edited parser")
    assert reopen(source)[1] == len(files)


def test_an_edited_game_in_a_folder_is_noticed(files: Files, write_tree: Write) -> None:
    source = FolderSource(write_tree(files))
    before = open_store(source).entries[0]
    name = sorted(files)[0]
    (source.path / name).write_bytes(files[name] + b"\n")
    after, parsed = reopen(source)
    assert parsed == len(files)
    assert after.entries[0].sha256 != before.sha256


def test_no_temporary_file_is_left(source: ZipSource, root: Path) -> None:
    open_store(source)
    assert cache_file(root).suffix == ".games"
    assert cache_file(root).stat().st_mode & 0o444 == 0o444


def test_the_folder_beside_the_data_then_the_users(
    source: ZipSource, files: Files, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HIPER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "user"))
    folder = source.path.parent
    folder.chmod(0o555)
    open_store(source)
    assert list(folder.iterdir()) == [source.path]
    assert len(list((root / "user").rglob("*.games"))) == 1
    folder.chmod(0o755)
    (next((root / "user").rglob("*.games"))).unlink()
    assert reopen(source)[1] == len(files)
    assert len(list((folder / ".hiper-cache").glob("*.games"))) == 1
    folder.chmod(0o555)
    assert reopen(source)[1] == 0
    folder.chmod(0o755)


def test_games_are_served_where_nothing_can_be_written(
    source: ZipSource,
    files: Files,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (root / "file").write_text("not a folder")
    monkeypatch.setenv("HIPER_CACHE", str(root / "file" / "cache"))
    store, parsed = reopen(source)
    assert parsed == len(files)
    assert store.game(store.entries[0]).walkthrough
    assert "not cached" in caplog.text


def test_a_failed_write_leaves_nothing(
    source: ZipSource, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert len(open_store(source).entries) == 8
    assert list((root / "cache").iterdir()) == []


def _open(path: Path) -> list[str]:
    forget()
    return [entry.sha256 for entry in open_store(ZipSource(path)).entries]


def test_processes_that_build_at_once(source: ZipSource, root: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(_open, [source.path] * 2, chunksize=1)
    assert first == second == _open(source.path)
    assert cache_file(root).suffix == ".games"


def test_a_problem_is_recorded_with_its_file(files: Files, write_zip: Write) -> None:
    names = sorted(files)
    broken = {names[0]: b"{", names[1]: files[names[2]], names[2]: files[names[2]]}
    source = ZipSource(write_zip(broken))
    for store in (open_store(source), reopen(source)[0]):
        first, second, third = store.entries
        assert first.problem.startswith(f"{source.path}: {names[0]}: not valid JSON")
        assert "the folder says" in second.problem
        assert third.problem == ""


class Flaky(FolderSource):
    """A folder on a disk that fails now and then."""

    failing = True

    def read(self, member: str) -> bytes:
        if self.failing:
            raise DataError("the disk is away")
        return super().read(member)


def test_what_cannot_be_read_is_not_remembered(files: Files, write_tree: Write, root: Path) -> None:
    source = Flaky(write_tree(files))
    assert {entry.problem for entry in open_store(source).entries} == {"the disk is away"}
    assert not (root / "cache").exists()
    source.failing = False
    assert {entry.problem for entry in open_store(source).entries} == {""}


def test_unsolvable_games_are_kept_apart(files: Files, write_zip: Write) -> None:
    name, raw = next(iter(files.items()))
    for changed in (b'"solvable": false', b'"solvable": "yes"', b'"unknown": true'):
        source = ZipSource(write_zip({name: raw.replace(b'"solvable": true', changed)}))
        (entry,) = open_store(source).entries
        assert (entry.solvable, entry.problem, entry.length) == (False, "", 0)


def test_a_source_that_changes_under_an_open_store(
    source: ZipSource, files: Files, write_zip: Write
) -> None:
    store = open_store(source)
    entry = store.entries[0]
    write_zip(dict(files) | {entry.member: b"{}"})
    with pytest.raises(DataError, match="has changed"):
        store.raw(entry)


def test_memory_is_bounded_and_shared_by_content(
    source: ZipSource, files: Files, write_tree: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, tree = open_store(source), open_store(FolderSource(write_tree(files)))
    assert archive.game(archive.entries[0]) is tree.game(tree.entries[0])
    monkeypatch.setattr(cache, "_MAX_GAMES_IN_MEMORY", 2)
    games = [archive.game(entry) for entry in archive.entries[:3]]
    assert archive.game(archive.entries[2]) is games[2]
    assert archive.game(archive.entries[1]) is games[1]
    again = archive.game(archive.entries[0])
    assert again is not games[0]
    assert again == games[0]
    # The least recently used one made room.
    assert archive.game(archive.entries[1]) is games[1]
    assert archive.game(archive.entries[2]) is not games[2]


def test_a_failed_parse_is_not_remembered(source: ZipSource) -> None:
    store = open_store(source)

    def fail() -> None:
        raise DataError("this time")

    with pytest.raises(DataError, match="this time"):
        remember("key", fail)  # type: ignore[arg-type]
    game = store.game(store.entries[0])
    assert remember("key", lambda: game) is game


def test_progress_counts_up_to_the_number_of_games(source: ZipSource, files: Files) -> None:
    seen: list[tuple[Path, int, int]] = []
    build_store(source, lambda *report: seen.append(report))
    assert seen == [(source.path, done, len(files)) for done in range(len(files) + 1)]
