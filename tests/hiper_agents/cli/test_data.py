"""`hiper data`: what it prints, and its exit codes."""

from __future__ import annotations

import hashlib
import json
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hiper_agents.cli.data import main
from hiper_agents.cli.main import main as hiper
from hiper_base.errors import DataError
from hiper_envs.alfworld.data import load_tasks
from hiper_envs.alfworld.game import TASK_TYPES
from hiper_envs.alfworld.generator import generate_game


def games(split: str, seeds: range) -> dict[str, bytes]:
    return {
        f"json_2.1.1/{split}/{TASK_TYPES[seed % 6]}-Mug-None-Desk-{seed}/trial_1/game.tw-pddl": (
            json.dumps(generate_game(seed)).encode()
        )
        for seed in seeds
    }


def write(root: Path, files: dict[str, bytes], name: str = "games.zip") -> Path:
    path = root / "alfworld" / name
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, raw in files.items():
            archive.writestr(file, raw)
    return path


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with seven training and two validation games."""
    monkeypatch.setenv("HIPER_DATA", str(tmp_path))
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    write(tmp_path, games("train", range(7)) | games("valid_seen", range(10, 12)))
    return tmp_path


def test_list(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    for split in ("train", "valid_seen"):
        assert load_tasks(split).sha256 in text
    rows = {line.split()[1]: line.split()[3::2] for line in text.splitlines() if "│" in line}
    assert list(rows) == [*TASK_TYPES, "all"]
    assert rows["all"] == ["7", "2"]
    assert rows["pick_and_place_simple"] == ["2", "0"]
    assert f"from {root / 'alfworld' / 'games.zip'}: train 7, valid_seen 2" in text
    assert "valid_unseen" not in text


def test_list_without_data(no_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    assert str(no_data / "alfworld") in text
    assert "hiper data download" in text


def test_list_takes_a_root(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    assert main(["list", "--root", str(root)]) == 0
    assert main(["verify", "--root", str(empty)]) == 1


def test_verify(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 0
    text = capsys.readouterr().out
    assert "every game can be read" in text
    assert load_tasks("train").sha256 in text
    assert "train has 7 games; the official release has 3553" in text
    assert main(["verify", "--official"]) == 1


def test_verify_reports_every_bad_game(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = games("train", range(4))
    first, second, third, _ = sorted(files)
    files[first] = b"{"
    files[second] = files[second].replace(b"move {o} to {r}", b"put {o} in/on {r}")
    files[third] = files[third].replace(b"You open", b"{exit()} You open")
    write(root, files)
    assert main(["verify"]) == 1
    text = capsys.readouterr().out
    assert f"{first}: not valid JSON" in text
    assert f"{second}: the grammar has no action 'move X to Y'" in text
    assert f"{third}: unknown grammar" in text
    assert text.count(first) == 1
    assert "every game can be read" not in text
    assert main(["list"]) == 1


def test_verify_goes_on_after_a_damaged_archive(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(root, games("train", range(2)), "broken.zip")
    path.write_bytes(path.read_bytes()[:-30])
    assert main(["verify"]) == 1
    text = capsys.readouterr().out
    assert f"{path}: not a complete zip archive" in text
    assert "train 7, valid_seen 2" in text
    with pytest.raises(DataError, match=r"broken\.zip"):
        main(["list"])
    assert hiper(["data", "list"]) == 2


def test_verify_finds_sources_that_disagree(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, raw = next(iter(games("train", range(1)).items()))
    write(root, {name: raw + b" "}, "other.zip")
    assert main(["verify"]) == 1
    assert "differs between" in capsys.readouterr().out


def test_verify_does_not_trust_the_cache(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    (root / "alfworld" / "games.zip").unlink()
    assert main(["verify"]) == 1
    assert "no ALFWorld games" in capsys.readouterr().out


def test_download_verifies_what_arrived(
    root: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=root / "alfworld")
    target = tmp_path_factory.mktemp("target")
    archive = (root / "alfworld" / "games.zip").read_bytes()
    digest = hashlib.sha256(archive).hexdigest()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/games.zip"
        arguments = ["download", "--root", str(target), "--url", url]
        with pytest.raises(DataError, match="instead of"):
            main(arguments)
        assert list((target / "alfworld").iterdir()) == []
        assert main([*arguments, "--sha256", digest]) == 0
        server.shutdown()
    text = capsys.readouterr().out
    assert "every game can be read" in text
    assert len(load_tasks("train", root=target)) == 7


@pytest.mark.parametrize("arguments", [[], ["fly"], ["list", "--fast"]])
def test_wrong_arguments(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
