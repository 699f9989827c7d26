"""The entry point of `hiper`: finds the command and reports errors.

It knows the commands' names and nothing of what they do; a command's module is imported when the
command is called, so that `hiper --help` answers at once and without optional dependencies.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console
from rich.text import Text

from hiper_base.errors import HiperError

EXIT_CLOSED = 1
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Command:
    """One command of the command line.

    Attributes:
        help: What it does, in one line.
        module: Where it lives.
        arguments: Name of the dataclass its flags are made from, whose instance `run` gets; a
            module with a function `defaults(argv)` is asked for an instance to begin with instead.
            Empty for a module that reads its arguments itself, with `main(argv)`.
    """

    help: str
    module: str
    arguments: str = ""

    def run(self, name: str, argv: Sequence[str]) -> int:
        """Reads the flags and calls the command; returns the exit code."""
        module = import_module(self.module)
        if not self.arguments:
            return module.main(list(argv)) or 0
        import tyro

        # Some commands begin with other values than their dataclass, or have more flags, as the
        # flags that are given have it.
        defaults = getattr(module, "defaults", None)
        given = {} if defaults is None else {"default": defaults(argv)}
        kind = type(given["default"]) if given else getattr(module, self.arguments)
        module.run(tyro.cli(kind, prog=f"hiper {name}", args=list(argv), **given))
        return 0


COMMANDS = {
    "data": Command("list, verify and download task data", "hiper_agents.cli.data"),
    "play": Command("play a task in the terminal", "hiper_agents.cli.play", "PlayArgs"),
    "train": Command("train an agent", "hiper_agents.cli.train", "RunArgs"),
    "sft": Command("teach a language model by demonstrations", "hiper_agents.cli.sft", "SftArgs"),
    "eval": Command("evaluate an agent on a split", "hiper_agents.cli.eval", "EvalArgs"),
    "leaderboard": Command("play, verify and rank fixed panels", "benchmarks.leaderboard.command"),
    "view": Command("look at trajectories in a browser", "benchmarks.viewer.command", "ViewArgs"),
    "serve": Command("serve the WebShop as a web site", "hiper_agents.cli.serve", "ServeArgs"),
}

EXAMPLES = """\
  hiper play --split valid_seen
  hiper train --env HiPER-ALFWorld-v0 --agent compact --estimator hae --minutes 10 --out runs/demo
  hiper eval --agent runs/demo --env HiPER-ALFWorld-v0 --split valid_seen --out result.json
  hiper leaderboard run --agent runs/demo --panel alfworld-valid-seen --seeds 3"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        The exit code: 0, 2 for an error that the package foresees (one line on stderr; a traceback
        too with `HIPER_DEBUG=1`), 130 when interrupted, or 1 when nobody reads the output any more.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        out.print(Text(usage()), soft_wrap=True)
        return 0
    if arguments[0] in ("-V", "--version"):
        out.print(Text(f"hiper-gym {package_version()}"))
        return 0
    name, *rest = arguments
    command = COMMANDS.get(name)
    if command is None:
        _report(err, f"unknown command {name!r}; try one of {', '.join(COMMANDS)}, or --help")
        return EXIT_ERROR
    try:
        try:
            return _run(command, name, rest, err)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        return EXIT_CLOSED


def _run(command: Command, name: str, argv: Sequence[str], err: Console) -> int:
    """Calls a command and reports its errors; returns the exit code."""
    try:
        return command.run(name, argv)
    except HiperError as error:
        if os.environ.get("HIPER_DEBUG") == "1":
            raise
        _report(err, str(error))
        return EXIT_ERROR
    except KeyboardInterrupt:
        _report(err, "interrupted")
        return EXIT_INTERRUPTED


def usage() -> str:
    """The text of `hiper --help`."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: hiper COMMAND [OPTIONS]",
            "",
            "Long-horizon text tasks with subgoals, and agents that learn to solve them.",
            "",
            "commands:",
            *lines,
            "",
            "hiper COMMAND --help lists a command's options; hiper --version prints the version.",
            "",
            "examples:",
            EXAMPLES,
        ]
    )


def package_version() -> str:
    """The installed version, or "unknown" in a checkout that was never installed."""
    try:
        return version("hiper-gym")
    except PackageNotFoundError:
        return "unknown"


def _nobody_reads() -> bool:
    """Whether the reader of the output has gone, as `head` does; what is left goes nowhere then."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _report(console: Console, message: str) -> None:
    """Prints one line on stderr, never wrapped, so that scripts can read it."""
    line = " ".join(message.split())
    console.print(Text(f"hiper: {_which()}error: {line}", style="red"), soft_wrap=True)


def _which() -> str:
    """Which of several processes this is; nothing where there is one."""
    size = os.environ.get("WORLD_SIZE", "1")
    return "" if size == "1" else f"process {os.environ.get('RANK', '?')} of {size}: "


if __name__ == "__main__":
    sys.exit(main())
