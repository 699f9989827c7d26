"""Replacing files."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiper_base.files import replacing, write_text


def test_a_file_is_made_with_its_folder_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "one é")
    write_text(path, "two")
    assert path.read_text(encoding="utf-8") == "two"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(FileNotFoundError), replacing(path):
        (tmp_path / "missing").read_text()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("durable", [True, False])
def test_whoever_reads_never_sees_half(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "a.txt"
    with replacing(path, durable=durable) as temporary:
        temporary.write_text("half")
        assert not path.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]

    def interrupted() -> None:
        with replacing(path, durable=durable) as temporary:
            temporary.write_text("other")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "half"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_the_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"")
