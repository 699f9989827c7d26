"""`hiper train` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hiper_agents.cli.main import main

SMALL = ["--split", "generated", "--episodes", "8", "--max-turns", "10", "--minutes", "None"]


def test_a_run_folder_with_everything_and_its_resumption(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    command = ["train", *SMALL, "--estimator", "gae", "--out", str(run)]
    assert main([*command, "--iterations", "1"]) == 0
    assert "report.html" in capsys.readouterr().out.replace("\n", "")
    assert {"checkpoint.json", "config.json", "metrics.jsonl", "report.html", "tensorboard"} <= {
        entry.name for entry in run.iterdir()
    }
    samples = json.loads((run / "samples.json").read_text())
    assert len(samples) == 6
    assert all(turn["subgoal"] and turn["action"] for turn in samples[0]["turns"])

    assert main([*command, "--iterations", "2"]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--iterations", "2", "--resume"]) == 0
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2

    result = run / "result.json"
    evaluation = ["eval", "--agent", str(run), "--split", "generated", "--episodes", "5"]
    assert main([*evaluation, "--out", str(result)]) == 0
    assert json.loads(result.read_text())["n"] == 5
    assert "success_rate" in result.read_text()


def test_settings_in_json_and_a_budget_of_turns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    command = ["train", *SMALL, "--estimator", "gigpo", "--turns", "1", "--out", str(run)]
    given = ["--estimator-settings", '{"w": 0.5}', "--env-options", '{"backend": "native"}']
    assert main([*command, *given]) == 0
    config = json.loads((run / "config.json").read_text())
    assert config["estimator_settings"] == {"w": 0.5}
    assert config["env_options"] == {"backend": "native"}
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 1
    # There is no critic, so that there is nothing to show of one.
    assert "values" not in json.loads((run / "samples.json").read_text())[0]["turns"][0]
    capsys.readouterr()
    for wrong in ("[1]", "{", "w=1"):
        with pytest.raises(SystemExit):
            main([*command, "--estimator-settings", wrong])
        assert "--estimator-settings" in capsys.readouterr().err


def test_unknown_names_are_one_line_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", *SMALL, "--iterations", "1", "--out", str(tmp_path / "run")]
    assert main([*command, "--estimator", "nope"]) == 2
    assert "unknown estimator 'nope'" in capsys.readouterr().err
