"""Which of the official files make a catalogue."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hiper_base.errors import DataError, DataNotFoundError
from webshop_server.official import find_files


def touch(root: Path, *names: str) -> None:
    (root / "webshop").mkdir(exist_ok=True)
    for name in names:
        (root / "webshop" / f"{name}.json").write_text("[]")


def test_a_single_pair_is_taken(tmp_path: Path) -> None:
    touch(tmp_path, "items_shuffle_mine", "items_ins_v2_mine", "items_shuffle_half")
    files = find_files(tmp_path)
    assert files.suffix == "_mine"
    assert files.folder == tmp_path / "webshop"
    assert [path.name for path in files.paths] == [
        "items_shuffle_mine.json",
        "items_ins_v2_mine.json",
    ]


def test_the_benchmark_comes_first(tmp_path: Path) -> None:
    names = ("items_shuffle", "items_ins_v2")
    touch(tmp_path, *names, *(f"{name}_1000" for name in names), "items_human_ins", "reviews")
    assert find_files(tmp_path).suffix == "_1000"
    files = find_files(tmp_path, suffix="")
    assert files.products.name == "items_shuffle.json"
    assert files.human is not None
    assert files.reviews is not None
    assert len(files.paths) == 4


def test_an_open_choice_is_not_made(tmp_path: Path) -> None:
    names = ("items_shuffle", "items_ins_v2")
    touch(tmp_path, *names, *(f"{name}_100000" for name in names))
    with pytest.raises(DataError, match=r"items_shuffle\.json, items_shuffle_100000\.json"):
        find_files(tmp_path)
    assert find_files(tmp_path, suffix="_100000").attributes.name == "items_ins_v2_100000.json"


def test_nothing_and_half_of_it(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="no WebShop products in"):
        find_files(tmp_path)
    touch(tmp_path, "items_shuffle_1000")
    with pytest.raises(DataNotFoundError, match=r"items_ins_v2_1000\.json: there is no such file"):
        find_files(tmp_path)
    with pytest.raises(DataNotFoundError, match=r"items_shuffle_7\.json"):
        find_files(tmp_path, suffix="_7")


def test_the_fingerprint_follows_the_files(tmp_path: Path) -> None:
    touch(tmp_path, "items_shuffle", "items_ins_v2")
    files = find_files(tmp_path)
    before = files.fingerprint()
    assert files.fingerprint() == before
    os.utime(files.attributes, ns=(1, 1))
    changed = files.fingerprint()
    touch(tmp_path, "items_human_ins")
    assert len({before, changed, find_files(tmp_path).fingerprint()}) == 3
    files.products.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        files.fingerprint()
