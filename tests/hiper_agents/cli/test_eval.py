"""`hiper eval` from its arguments to the file it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hiper_agents.cli.main import main


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.mark.usefixtures("no_data")
def test_writes_the_result_and_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "result.json"
    command = "eval --agent expert --split generated --episodes 5 --seed 7 --num-envs 2 --out"
    assert main([*command.split(), str(out)]) == 0
    result = json.loads(out.read_text())
    assert (result["n"], result["seed"], result["mode"]) == (5, 7, "greedy")
    assert (result["agent"], result["env"]) == ("expert", "HiPER-ALFWorld-v0")
    shown = capsys.readouterr().out
    assert "expert on HiPER-ALFWorld-v0, generated, greedy" in shown
    assert "success rate" in shown
    assert str(out) in shown


@pytest.mark.usefixtures("no_data")
def test_says_when_there_is_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "result.json"
    command = "eval --agent random --episodes 2 --sampled --out"
    assert main([*command.split(), str(out)]) == 0
    assert json.loads(out.read_text())["mode"] == "sampled"
    assert "generated (no data for valid_seen)" in capsys.readouterr().out


def test_long_tasks_show_how_far_they_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "result.json"
    command = "eval --agent expert --env HiPER-ALFWorldLong-v0 --episodes 4 --out"
    assert main([*command.split(), str(out), "--env-options", '{"subtasks": 2}']) == 0
    result = json.loads(out.read_text())
    assert (result["split"], result["panel_size"], result["max_turns"]) == ("valid", 1000, 100)
    assert result["mean_subtasks_done"] == result["success_rate"] == 1.0
    assert result["env_kwargs"]["subtasks"] == 2
    assert "subtasks done at the end" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["4", "subtasks=4"])
def test_options_of_the_environment_are_an_object(text: str) -> None:
    with pytest.raises(SystemExit):
        main(["eval", "--agent", "expert", "--env-options", text])


@pytest.mark.usefixtures("no_data")
def test_scores_and_what_can_be_won_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "result.json"
    command = "eval --agent random --env HiPER-WebShop-v0 --noun-tagger textblob --episodes 3 --out"
    assert main([*command.split(), str(out)]) == 0
    result = json.loads(out.read_text())
    assert (result["noun_tagger"], result["env_kwargs"]["noun_tagger"]) == ("textblob", "textblob")
    shown = capsys.readouterr().out
    assert "generated (no data for test), greedy, nouns by textblob" in shown
    assert f"mean score {100 * result['mean_score']:.1f} % ±" in " ".join(
        shown.replace("│", " ").split()
    )
    assert shown.count(f"of the {result['reachable']['n']} tasks that can be won") == 2


@pytest.mark.usefixtures("no_data")
def test_a_benchmark_without_partial_success_shows_no_score(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["eval", "--agent", "expert", "--split", "generated", "--episodes", "2"]) == 0
    assert "mean score" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--agent random --env HiPER-WebShop-v0 --noun-tagger nltk", "there are: spacy, textblob"),
        ("--agent random --goals human", "goals"),
        ("--agent nobody", "unknown agent 'nobody'"),
        ("--agent random --split everything", "everything"),
        ("--agent random --env Nowhere-v0", "cannot make Nowhere-v0"),
        ("--agent random --split generated --episodes 0", "at least one is needed"),
    ],
)
@pytest.mark.usefixtures("no_data")
def test_mistakes_are_one_line(
    arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", *arguments.split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.splitlines()[-1].startswith("hiper: error: ")
    assert "Traceback" not in error


def test_greedy_and_sampled_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["eval", "--agent", "random", "--greedy", "--sampled"])
    assert exit_.value.code == 2
    assert "not allowed together" in capsys.readouterr().err
