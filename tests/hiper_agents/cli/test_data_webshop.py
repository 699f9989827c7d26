"""`hiper data` and WebShop: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hiper_agents.cli.data import main
from hiper_agents.cli.main import main as hiper
from webshop_server.catalog import load_catalog
from webshop_server.goals import synthetic_goals

PRODUCT = {
    "asin": "B000000000",
    "name": "Plain Shirt",
    "category": "fashion",
    "query": "shirts",
    "product_category": "Clothing",
    "pricing": "$10.50",
}
TASK = {
    "attributes": ["soft"],
    "instruction": "Find me soft shirts",
    "instruction_attributes": ["soft"],
}


@pytest.fixture
def folder(no_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root's folder with one product and one goal."""
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    folder = no_data / "webshop"
    folder.mkdir()
    (folder / "items_shuffle_1000.json").write_text(json.dumps([PRODUCT]))
    (folder / "items_ins_v2_1000.json").write_text(json.dumps({"B000000000": TASK}))
    return folder


def test_list(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    catalog = load_catalog()
    assert catalog.sha256 in text
    assert synthetic_goals(catalog).sha256 in text
    assert f"from {folder}: 1 products (items_shuffle_1000.json, items_ins_v2_1000.json)" in text
    (row,) = [line.split() for line in text.splitlines() if "synthetic" in line and "│" in line]
    assert row[3::2] == ["1", "0", "1"]
    assert "human" not in text


def test_verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 0
    text = capsys.readouterr().out
    assert "gives 1 synthetic goals; 6,910 were published" in text
    assert "no ALFWorld games" in text
    assert main(["verify", "--official"]) == 1


def test_verify_reads_the_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    (folder / "items_shuffle_1000.json").write_text(json.dumps([{**PRODUCT, "name": 1}]))
    assert main(["verify"]) == 1
    assert "items_shuffle_1000.json: product B000000000: name: " in capsys.readouterr().out
    assert hiper(["data", "list"]) == 2


def test_half_of_the_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "items_ins_v2_1000.json").unlink()
    assert main(["verify"]) == 1
    assert "items_ins_v2_1000.json: there is no such file" in capsys.readouterr().out


def test_nothing(no_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert f"no WebShop products in {no_data / 'webshop'}" in capsys.readouterr().out
    assert main(["verify"]) == 1


def test_several_catalogues(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("items_shuffle", "items_ins_v2"):
        (folder / f"{name}_1000.json").rename(folder / f"{name}.json")
        (folder / f"{name}_7.json").write_bytes((folder / f"{name}.json").read_bytes())
    assert main(["verify"]) == 0
    text = capsys.readouterr().out
    assert text.count("every product and goal can be read") == 2
    assert "choose one by its suffix" in text


def test_the_published_files(
    webshop_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "webshop").symlink_to(webshop_data)
    assert main(["verify", "--root", str(tmp_path)]) == 0
    assert "the goals are the published ones" in capsys.readouterr().out
