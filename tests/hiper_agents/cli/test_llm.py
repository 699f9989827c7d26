"""A language model from the command line: taught, trained, resumed and evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hiper_agents.cli.main import main

TINY = ["--model", "tiny", "--device", "cpu", "--prompt.template", "compact"]
SHORT = ["--split", "generated", "--max-turns", "3"]


def test_taught_then_trained_then_evaluated(
    no_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taught, run = tmp_path / "sft", tmp_path / "run"
    lesson = ["sft", *TINY, "--split", "generated", "--episodes", "2", "--epochs", "1"]
    assert main([*lesson, "--minibatch", "8", "--no-tensorboard", "--out", str(taught)]) == 0
    told = capsys.readouterr().out
    assert "loss" in told
    assert f"--start {taught}" in told

    command = ["train", "--agent", "llm", "--start", str(taught), *SHORT, "--out", str(run)]
    small = ["--episodes", "4", "--num-envs", "4", "--minutes", "None", "--no-tensorboard"]
    assert main([*command, *small, "--iterations", "1"]) == 0
    # What belongs to the weights came with the run that it began with.
    config = json.loads((run / "config.json").read_text())
    assert (config["agent"], config["model"]) == ("llm", "tiny")
    assert config["prompt"]["template"] == "compact"
    assert (run / "report.html").exists()
    assert main([*command, *small, "--iterations", "2", "--resume"]) == 0
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2

    result = tmp_path / "result.json"
    panel = ["--split", "generated", "--episodes", "2", "--env-options", '{"max_turns": 3}']
    assert main(["eval", "--agent", str(run), *panel, "--out", str(result)]) == 0
    assert json.loads(result.read_text())["about"]["model"] == "tiny"


def test_a_model_as_it_comes_is_an_agent(no_data: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    options = json.dumps({"model": "tiny", "template": "compact", "structured": False})
    panel = ["--split", "generated", "--episodes", "2", "--env-options", '{"max_turns": 2}']
    command = ["eval", "--agent", "llm", "--agent-options", options, "--device", "cpu", *panel]
    assert main([*command, "--out", str(result)]) == 0
    figures = json.loads(result.read_text())
    assert figures["about"]["weights"] == "random weights"
    assert figures["format_error_rate"] + figures["invalid_action_rate"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train --agent elephant", "elephant"),
        ("train --agent llm --model nowhere --iterations 1", "nowhere"),
        ("train --agent llm --start nowhere", "no checkpoint in nowhere"),
        ("sft --model tiny --episodes 0", "episodes"),
        ('eval --agent llm --agent-options {"modle":1}', "modle"),
    ],
)
def test_mistakes_are_one_line(
    no_data: Path, tmp_path: Path, arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = arguments.split()
    out = [] if words[0] == "eval" else ["--out", str(tmp_path / "run")]
    assert main([*words, *out]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.splitlines()[-1].startswith("hiper: error: ")


def test_help_names_the_settings_of_the_agent(capsys: pytest.CaptureFixture[str]) -> None:
    for agent, flag in (("llm", "--update.kl"), ("compact", "--ppo.clip")):
        with pytest.raises(SystemExit) as exit_:
            main(["train", "--agent", agent, "--help"])
        assert exit_.value.code == 0
        assert flag in capsys.readouterr().out


def test_help_leaves_out_what_a_command_cannot_use(capsys: pytest.CaptureFixture[str]) -> None:
    for command, is_there in ((["sft"], False), (["train", "--agent", "llm"], True)):
        with pytest.raises(SystemExit):
            main([*command, "--help"])
        assert ("--strategy-tokens" in capsys.readouterr().out) == is_there
