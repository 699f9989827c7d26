"""`hiper view` writes the page and says where it is."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest

from benchmarks.leaderboard.store import StudyError
from benchmarks.viewer import render_view
from hiper_agents.cli.main import Command

COMMAND = Command("look at a run", "benchmarks.viewer.command", "ViewArgs")


def test_it_writes_the_page(
    mixed_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    arguments = [str(mixed_study), "--out", str(out), "--seed", "1", "--max-episodes", "2"]
    assert COMMAND.run("view", arguments) == 0
    assert out.read_text(encoding="utf-8") == render_view(mixed_study, seed=1, max_episodes=2)
    assert capsys.readouterr().out.startswith(f"written to {out} (")


def test_a_second_run_is_shown_beside_it(
    mixed_study: Path, expert_study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    COMMAND.run("view", [str(mixed_study), str(expert_study), "--out", str(out)])
    assert out.read_text(encoding="utf-8") == render_view(mixed_study, expert_study)


def test_it_can_be_opened(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    COMMAND.run("view", [str(run_folder), "--open"])
    assert opened == [(run_folder / "view.html").resolve().as_uri()]


def test_a_folder_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="neither a study folder"):
        COMMAND.run("view", [str(tmp_path)])
