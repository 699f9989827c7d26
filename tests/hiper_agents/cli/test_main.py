"""The command line's dispatch, help and errors."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from hiper_agents.cli import main as cli
from hiper_base.errors import HiperError


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for name, command in cli.COMMANDS.items():
        assert f"  {name}" in text
        assert command.help in text
    assert text.index("usage:") < text.index("examples:")


def test_no_arguments_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "usage: hiper" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.split() == ["hiper-gym", cli.package_version()]


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fly"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("hiper: error: unknown command 'fly'")
    assert "eval" in error


def test_help_needs_no_heavy_module() -> None:
    heavy = ("torch", "textworld", "transformers", "flask", "tyro")
    code = (
        "import sys; from hiper_agents.cli.main import main; main(['--help']);"
        f"sys.exit(','.join(m for m in {heavy} if m in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def run_without_reader(argv: list[str], *, first: str = "pass", unbuffered: str = "") -> Any:
    """Exit code and stderr of a command whose output nobody reads, after some Python code."""
    code = f"import sys; from hiper_agents.cli.main import main; {first}; sys.exit(main({argv}))"
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    os.close(writes)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("argv", "unbuffered"),
    [(["eval", "--help"], ""), (["eval", "--help"], "1"), (["data", "list"], ""), (["--help"], "")],
)
def test_a_reader_that_goes_is_no_error(argv: list[str], unbuffered: str) -> None:
    assert run_without_reader(argv, unbuffered=unbuffered) == (1, "")


def test_errors_are_told_without_a_reader_too() -> None:
    argv = ["eval", "--agent", "nobody"]
    code, error = run_without_reader(argv, first="print('what was said before')")
    assert code == 1
    assert error.startswith("hiper: error: ")
    assert error.count("\n") == 1


def test_another_broken_pipe_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: cli.Command, name: str, argv: object) -> int:
        raise BrokenPipeError("a worker died")

    monkeypatch.setattr(cli.Command, "run", fail)
    with pytest.raises(BrokenPipeError, match="a worker died"):
        cli.main(["data"])


@pytest.fixture
def failing_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: cli.Command, name: str, argv: object) -> int:
        raise HiperError("the first line\nand a long second one " + "x" * 200)

    monkeypatch.setattr(cli.Command, "run", fail)


@pytest.mark.usefixtures("failing_command")
def test_an_error_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HIPER_DEBUG", raising=False)
    assert cli.main(["data"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("hiper: error: the first line and a long second one xxx")
    assert captured.err.count("\n") == 1


@pytest.mark.usefixtures("failing_command")
def test_debug_keeps_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPER_DEBUG", "1")
    with pytest.raises(HiperError, match="the first line"):
        cli.main(["data"])


@pytest.mark.parametrize("name", ["play", "train", "eval"])
def test_every_command_lists_its_flags(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name == "train":
        pytest.importorskip("torch", reason="training needs the extra `compact`")
    with pytest.raises(SystemExit) as exit_:
        cli.main([name, "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: hiper {name}" in text
    assert "--env" in text
