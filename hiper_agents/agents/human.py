"""The `human` agent: asks a person at the terminal what to do.

It shows each turn with its options and reads one line. It knows nothing of environments: `hiper
play` and `hiper eval --agent human` run the episode.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from hiper_agents.agent import AgentError
from hiper_agents.templates import fill, hole
from hiper_envs.tags import render

if TYPE_CHECKING:
    from hiper_envs.core import TaskInfo

HELP = """\
Type
  3                        the number of an action; you are asked for what it leaves open
  go to desk 1             an action in words
  buy now                  short for click[buy now], where that is an action
  red shirt                short for search[red shirt], where there is a search bar
  :subgoal find a mug      begin a new option with your next action
  <switch>SWITCH</switch><subgoal>find a mug</subgoal><action>go to desk 1</action>
                           the same in one line, as a language model writes it
  :quit                    stop"""


_MARKED = re.compile(r"\[(clicked )?button\] (.*?) \[(?:clicked )?button_\]")
_SEPARATOR = " [SEP] "
_TAG = re.compile(r"<[a-z]")


class PlayerQuitError(AgentError):
    """The person at the terminal stopped the game."""

    def __init__(self) -> None:
        super().__init__("stopped by the player")


@dataclass
class OptionTimeline:
    """The options of one episode so far, gathered from its infos.

    Attributes:
        options: Subgoal and length in steps of every option, the current one last.
    """

    options: list[tuple[str, int]] = field(default_factory=list)

    def update(self, info: Mapping[str, Any]) -> None:
        """Adds the step that `info` reports; the info of a reset begins anew."""
        if info["option_boundary"]:
            if info["option_id"] == 0:
                self.options.clear()
            self.options.append((info["subgoal"], 1))
        elif self.options:
            subgoal, length = self.options[-1]
            self.options[-1] = (subgoal, length + 1)

    def renderable(self) -> Text:
        """One block per step, grouped by option, the current option last."""
        text = Text()
        for number, (subgoal, length) in enumerate(self.options):
            style = "bold cyan" if number == len(self.options) - 1 else "dim"
            text.append(f"{number} {subgoal or '(no subgoal)'} ", style=style)
            text.append("▇" * length + "  ", style=style)
        return text


class HumanAgent:
    """Asks a person for every action, one episode at a time.

    Args:
        console: Where turns are shown.
        read: Reads one line, given a prompt; raises `EOFError` when there is no more input.
    """

    name = "human"
    max_batch = 1

    def __init__(
        self, console: Console | None = None, read: Callable[[str], str] | None = None
    ) -> None:
        self.console = console or Console()
        self._read = read or self.console.input
        self._timeline = OptionTimeline()
        self._pending = ""  # subgoal that the next action begins
        self._started = False

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        """Begins an episode.

        Raises:
            AgentError: More than one task: a person plays one at a time.
        """
        if len(tasks) != 1:
            raise AgentError(f"a person plays one episode at a time, not {len(tasks)}")
        self._timeline = OptionTimeline()
        self._pending = ""
        self._started = False
        self.console.print(Panel(Text(tasks[0].task), title="Task", border_style="green"))
        self.console.print(Text("? for help", style="dim"))

    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> list[str]:
        """Shows the turn and reads the answer.

        Raises:
            PlayerQuitError: The person typed `:quit`, or the input ended.
        """
        observation, info = observations[0], infos[0]
        self.show(observation, info)
        while True:
            action = self._interpret(self._ask(), info["admissible_actions"])
            if action is not None:
                return [action]

    def show(self, observation: str, info: Mapping[str, Any], *, ended: bool = False) -> None:
        """Prints a turn: what the world says, the options so far, the actions unless it ended."""
        if self._started:
            self._timeline.update(info)
        self._started = True
        parts: list[RenderableType] = [readable(observation)]
        if info["format_error"]:
            parts.append(Text(f"malformed: {info['format_error']}", style="red"))
        elif info["action"] and not info["action_valid"]:
            parts.append(Text(f"{info['action']!r} was not admissible", style="yellow"))
        if self._timeline.options:
            parts += [Text(), self._timeline.renderable()]
        title = Text("no option yet")
        if self._timeline.options:
            subgoal = info["subgoal"] or "(no subgoal)"
            title = Text(f"option {info['option_id']}: {subgoal}, step {info['option_step']}")
        self.console.print(Panel(Group(*parts), title=title, title_align="left"))
        if ended:
            return
        numbered = [
            Text(f"{number:2} {action}")
            for number, action in enumerate(info["admissible_actions"], start=1)
        ]
        self.console.print(Columns(numbered, column_first=True, padding=(0, 3)))

    def _ask(self, what: str = "") -> str:
        """One line of the person's, stripped."""
        try:
            return self._read(f"{what}> ").strip()
        except EOFError:
            raise PlayerQuitError from None

    def _interpret(self, line: str, actions: Sequence[str]) -> str | None:
        """The string to act with; None when the line was a command or cannot be used."""
        if not line:
            return None
        if line in ("?", ":help"):
            self.console.print(Text(HELP))
            return None
        if line in (":quit", ":q"):
            raise PlayerQuitError
        if line.startswith(":"):
            self._set_subgoal(line)
            return None
        if line.isdecimal():
            number = int(line)
            if not 1 <= number <= len(actions):
                self.console.print(
                    Text(f"there are {len(actions)} actions, no number {number}", style="red")
                )
                return None
            line = actions[number - 1]
        line = _in_full(line, actions)
        missing = hole(line) if line in actions else None
        if missing is not None:
            line = fill(line, text) if (text := self._ask(missing)) else ""
        if not line:
            return None
        if not self._pending or line.startswith("<"):
            return line
        subgoal, self._pending = self._pending, ""
        return render(line, subgoal=subgoal, switch=True)

    def _set_subgoal(self, line: str) -> None:
        command, _, subgoal = line.partition(" ")
        if command != ":subgoal" or not subgoal.strip():
            self.console.print(Text(f"cannot use {line!r}; ? for help", style="red"))
            return
        self._pending = subgoal.strip()
        self.console.print(Text(f"your next action begins: {self._pending}", style="cyan"))


def readable(observation: str) -> Text:
    """A world's text for a person to read.

    It is shown as it is, but for the two ways in which pages are written as texts: parts separated
    by `[SEP]` get a line each, and what is marked as a button is underlined instead, or shown in
    reverse when it has been clicked.
    """
    text = Text()
    rest = observation.strip().replace(_SEPARATOR, "\n")
    end = 0
    for match in _MARKED.finditer(rest):
        text.append(rest[end : match.start()])
        text.append(match[2], style="bold cyan reverse" if match[1] else "cyan underline")
        end = match.end()
    text.append(rest[end:])
    return text


def _in_full(line: str, actions: Sequence[str]) -> str:
    """The action `verb[argument]` of which a person typed only the argument, if there is one."""
    if line in actions or _TAG.match(line) or "[" in line:
        return line
    ending = f"[{line.lower()}]"
    meant = [action for action in actions if action.lower().endswith(ending)]
    meant = meant or [fill(action, line) for action in actions if hole(action) is not None]
    return meant[0] if len(meant) == 1 else line
