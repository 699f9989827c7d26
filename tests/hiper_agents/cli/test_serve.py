from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from hiper_agents.cli.main import main


def test_a_taken_port_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        db = str(tmp_path / "shop.sqlite3")
        assert main(["serve", "--port", str(port), "--db", db]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"port {port}" in err


def test_settings_without_sense_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "70000"]) == 2
    assert "70000" in capsys.readouterr().err


def test_the_extra_is_named_where_flask_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("webshop_server.site")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "flask", None)
    assert main(["serve", "--port", "0"]) == 2
    assert "hiper-gym[webshop]" in capsys.readouterr().err


def test_help_knows_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    shown = capsys.readouterr().out
    for flag in ("--port", "--host", "--db", "--generated", "--ready-file", "--open"):
        assert flag in shown
