"""Finding and reading game files; refusing what is damaged, encrypted or far too large."""

from __future__ import annotations

import multiprocessing
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_base.errors import DataError, GameFormatError
from hiper_envs.alfworld.sources import (
    MAX_GAME_BYTES,
    FolderSource,
    ZipSource,
    decode_game,
    find_sources,
)

Files = Mapping[str, bytes]
Write = Callable[..., Path]

GAME = "json_2.1.1/train/pick_and_place_simple-Mug-None-Desk-1/trial_1/game.tw-pddl"


def test_an_archive_and_its_tree_list_and_read_the_same(
    files: Files, write_zip: Write, write_tree: Write
) -> None:
    archive, folder = ZipSource(write_zip(files)), FolderSource(write_tree(files))
    assert archive.files() == folder.files()
    assert [file.member for file in archive.files()] == sorted(files)
    for file in archive.files():
        assert file.member == f"json_2.1.1/{file.task_id}/game.tw-pddl"
        assert archive.read(file.member) == folder.read(file.member) == files[file.member]


def test_the_tree_may_lie_deeper_in_an_archive(write_zip: Write) -> None:
    source = ZipSource(write_zip({f"data/alfworld/{GAME}": b"{}"}))
    assert [file.task_id for file in source.files()] == [GAME[len("json_2.1.1/") :][:-13]]
    assert source.read(source.files()[0].member) == b"{}"


@pytest.mark.parametrize(
    "name",
    [
        GAME.replace("game.tw-pddl", "traj_data.json"),
        GAME.replace("train", "elsewhere"),
        GAME.replace("json_2.1.1", "json_9"),
        GAME.replace("trial_1/", ""),
        GAME.replace("trial_1", "deeper/trial_1"),
        GAME.replace("trial_1", ".."),
        GAME.replace("pick_and_place_simple", "pick_and_place_with_movable_recep"),
        GAME.replace("Mug", "AppleSliced"),
        GAME + ".bak",
    ],
)
def test_what_is_not_a_game_of_the_benchmark_is_passed_over(
    name: str, write_zip: Write, write_tree: Write
) -> None:
    assert ZipSource(write_zip({name: b"{}"})).files() == []
    assert FolderSource(write_tree({name: b"{}"})).files() == []


def test_sources_are_found_in_a_fixed_order(write_zip: Write, write_tree: Write) -> None:
    for name in ("b.zip", "a.zip", "c.zip.part"):
        write_zip({GAME: b"{}"}, name)
    folder = write_tree({GAME: b"{}"})
    (folder / "folder.zip").mkdir()
    found = [(type(source), source.path.name) for source in find_sources(folder)]
    assert found == [(FolderSource, "alfworld"), (ZipSource, "a.zip"), (ZipSource, "b.zip")]
    assert find_sources(folder / "nowhere") == []


def test_a_fingerprint_changes_with_the_content_and_not_without(
    write_zip: Write, write_tree: Write
) -> None:
    archive, folder = ZipSource(write_zip({GAME: b"{}"})), FolderSource(write_tree({GAME: b"{}"}))
    before = archive.fingerprint(), folder.fingerprint()
    assert before == (archive.fingerprint(), folder.fingerprint())
    write_zip({GAME: b'{"longer": 1}'})
    write_tree({GAME: b'{"longer": 1}'})
    assert archive.fingerprint() != before[0]
    assert folder.fingerprint() != before[1]
    assert archive.read(GAME) == b'{"longer": 1}'


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.7, 0.99])
def test_a_truncated_archive(files: Files, write_zip: Write, kept: float) -> None:
    path = write_zip(files)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(DataError, match=r"games\.zip: not a complete zip archive.*download"):
        ZipSource(path).files()


def test_a_damaged_member_is_named(write_zip: Write) -> None:
    path = write_zip({GAME: bytes(range(256)) * 40})
    raw = bytearray(path.read_bytes())
    middle = raw.index(b"game.tw-pddl") + 40
    raw[middle : middle + 8] = bytes(8)
    path.write_bytes(raw)
    with pytest.raises(DataError, match=rf"games\.zip: {GAME}: is damaged"):
        ZipSource(path).read(GAME)


def test_an_encrypted_member(write_zip: Write) -> None:
    path = write_zip({GAME: b"{}"})
    raw = bytearray(path.read_bytes())
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match="is encrypted"):
        ZipSource(path).read(GAME)


def test_a_bomb_is_refused(write_zip: Write, write_tree: Write) -> None:
    huge = {GAME: bytes(MAX_GAME_BYTES + 1)}
    archive = write_zip(huge)
    assert archive.stat().st_size < MAX_GAME_BYTES / 100
    with pytest.raises(DataError, match="too many for a game"):
        ZipSource(archive).read(GAME)
    with pytest.raises(DataError, match="too many for a game"):
        FolderSource(write_tree(huge)).read(GAME)


def test_a_name_that_appears_twice(root: Path) -> None:
    path = root / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(GAME, b"{}")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(GAME, b"[]")
    with pytest.raises(DataError, match="more than once"):
        ZipSource(path).files()


def test_what_is_missing(write_zip: Write, root: Path) -> None:
    with pytest.raises(DataError, match="is not in the archive"):
        ZipSource(write_zip({GAME: b"{}"})).read("other")
    with pytest.raises(DataError, match=r"gone\.zip: cannot be read"):
        ZipSource(root / "gone.zip").files()
    with pytest.raises(DataError, match="cannot be read"):
        FolderSource(root).read(GAME)


_inherited: list[ZipSource] = []


def _read_inherited(name: str) -> bytes:
    return _inherited[0].read(name)


def test_processes_that_inherit_an_open_archive(files: Files, write_zip: Write) -> None:
    source = ZipSource(write_zip({name: raw * 20 for name, raw in files.items()}))
    names = [file.member for file in source.files()] * 5
    _inherited[:] = [source]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        # With one file position for both processes, each would read what the other looks for.
        found = pool.map(_read_inherited, names, chunksize=1)
    assert found == [files[name] * 20 for name in names]


GOOD = b'{"pddl_domain": "", "grammar": "", "pddl_problem": "", "walkthrough": []}'


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not valid JSON"),
        (GOOD[:-1], "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "expected a JSON object, found list"),
        (b"{}", "no str under the key 'pddl_domain'"),
        (GOOD.replace(b'"grammar": ""', b'"grammar": 3'), "no str under the key 'grammar'"),
        (GOOD.replace(b'"walkthrough": []', b'"other": []'), "no list under the key 'walkthrough'"),
    ],
)
def test_what_is_no_game_file_is_refused_by_name(raw: bytes, message: str) -> None:
    with pytest.raises(GameFormatError, match=f"some/file: {message}"):
        decode_game(raw, "some/file")


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(raw: bytes) -> None:
    with pytest.raises(GameFormatError):
        decode_game(raw, "fuzz")
