"""`hiper leaderboard`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.leaderboard.panels import load_panel
from benchmarks.leaderboard.schema import Panel
from benchmarks.leaderboard.store import StudyFolder
from hiper_agents.cli.main import main


@pytest.fixture
def manifest(panel: Panel, tmp_path: Path) -> Path:
    path = tmp_path / "panel.json"
    path.write_text(panel.model_dump_json())
    return path


def test_a_study_is_played_verified_packed_and_rendered(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, packed, site = tmp_path / "one", tmp_path / "packed", tmp_path / "site"
    play = ["leaderboard", "run", "--agent", "random", "--panel", str(manifest), "--seeds", "2"]
    assert main([*play, "--label", "Rolling dice", "--out", str(study)]) == 0
    assert "Rolling dice on tiny" in capsys.readouterr().out
    assert StudyFolder(study).result().seeds == (0, 1)
    assert main(["leaderboard", "pack", str(study), "--out", str(packed)]) == 0
    both = [str(study), str(packed), "--panels", str(manifest)]
    assert main(["leaderboard", "verify", *both]) == 0
    assert capsys.readouterr().out.count(": verified") == 2
    assert main(["leaderboard", "render", *both, "--out", str(site)]) == 0
    assert "Rolling dice" in (site / "index.html").read_text(encoding="utf-8")
    # Whose tasks these are nobody knows without the manifest.
    assert main(["leaderboard", "render", str(study), "--out", str(site)]) == 1
    assert "no panel is called" in capsys.readouterr().out.replace("\n", "")


def test_a_changed_study_fails_verification(
    study: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = StudyFolder(study)
    changed = files.trajectory(0, 2).model_copy(update={"score": 1.0})
    files.add_trajectories(0, [changed.model_dump_json().encode()])
    files.tidy(0)
    assert main(["leaderboard", "verify", str(study), "--panels", str(manifest)]) == 1
    assert "seed-0.jsonl.gz: episode 2: score: expected 0.0, found 1.0" in capsys.readouterr().out


def test_a_damaged_study_does_not_keep_the_others_from_the_site(
    study: Path, manifest: Path, tmp_path: Path
) -> None:
    packed, site = tmp_path / "packed", tmp_path / "site"
    assert main(["leaderboard", "pack", str(study), "--out", str(packed)]) == 0
    (packed / "outputs.jsonl.gz").write_bytes(b"?")
    both = [str(packed), str(study), "--panels", str(manifest)]
    assert main(["leaderboard", "render", *both, "--out", str(site)]) == 1
    page = (site / "index.html").read_text(encoding="utf-8")
    assert "outputs.jsonl.gz is damaged" in page
    assert "1 ranked run on 1 panel, 1 without a rank" in page


def test_two_studies_are_compared(
    study: Path, walked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "comparison.json"
    assert main(["leaderboard", "compare", str(study), str(walked), "--out", str(out)]) == 0
    assert "random" in capsys.readouterr().out
    assert json.loads(out.read_text())


def test_panels_are_listed_and_made(
    tmp_path: Path, no_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["leaderboard", "panels"]) == 0
    shown = capsys.readouterr().out
    assert "generated-smoke" in shown
    assert "no data" in shown
    out = tmp_path / "mine.json"
    make = ["leaderboard", "make-panel", "--name", "mine", "--env", "HiPER-WebShop-v0"]
    assert main([*make, "--split", "generated", "--tasks", "3", "--out", str(out)]) == 0
    assert len(load_panel(out).tasks) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--agent", "random", "--panel", "smoke"], "no panel 'smoke'"),
        (["run", "--agent", "random", "--panel", "generated-smoke", "--seeds", "0"], "seeds"),
        (["compare", "no-such-folder", "another"], "cannot read"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert main(["leaderboard", *arguments, *out]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
