"""What prompts say: the plan-execute format and the parts of a turn, in a long and a short wording.

A wording turns the parts of a turn into lines. It knows nothing of tokens, of chat templates, or of
what has to be left out when a prompt is too long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hiper_agents.llm.condense import condense, fold, inline_actions
from hiper_agents.llm.turns import PastTurn, TurnView
from hiper_agents.templates import hole

__all__ = ["COMPACT", "FULL", "Wording"]


class Wording(Protocol):
    """How the parts of a turn are said.

    Every method but `observation` returns whole lines, each with its line break, or "".
    """

    @property
    def system(self) -> str:
        """What is the same in all turns of all tasks."""
        ...

    def task(self, view: TurnView) -> str:
        """The task, and the strategy where it is given."""
        ...

    def past(self, turns: Sequence[PastTurn], before: int) -> str:
        """Earlier turns, of which the first was turn number `before` (from 0)."""
        ...

    def option(self, view: TurnView) -> str:
        """The running option, and the plan where it is given."""
        ...

    def observation(self, view: TurnView) -> tuple[str, Sequence[str]]:
        """The latest text, and the admissible actions that it does not name already."""
        ...

    def standing(self, view: TurnView, actions: Sequence[str], hidden: int) -> str:
        """What of the admissible actions is the same in most turns of an episode.

        Is given what `actions` is given; "" where that says it all.
        """
        ...

    def actions(self, view: TurnView, actions: Sequence[str], hidden: int) -> str:
        """The admissible actions that are to be shown; `hidden` are not."""
        ...

    @property
    def ending(self) -> str:
        """What is said last."""
        ...


class _Full:
    system = (
        "You play a text world, one action a turn, until the task is done. You work in subgoals: "
        "a subgoal is a short phrase for what the next few actions are to achieve, for example "
        "find a mug, or heat the egg.\n"
        "\n"
        "Every turn, first look at the current subgoal.\n"
        "- Write KEEP if it still has to be achieved and can be.\n"
        "- Write SWITCH and a new subgoal if it has been achieved, if it has turned out to be "
        "impossible, or if there is none yet.\n"
        "Then write one action that serves the subgoal, exactly as it stands among the admissible "
        "actions. Where an action has a part such as <your query>, put your own words in its "
        "place.\n"
        "\n"
        "Your whole answer is one line, in one of these two forms:\n"
        "<switch>KEEP</switch><action>the action</action>\n"
        "<switch>SWITCH</switch><subgoal>the new subgoal</subgoal><action>the action</action>"
    )
    ending = "Answer with one line in one of the two forms.\n"

    def task(self, view: TurnView) -> str:
        lines = f"Task: {view.task}\n"
        if view.strategy:
            lines += f"Strategy for the whole task: {view.strategy}\n"
        return lines

    def past(self, turns: Sequence[PastTurn], before: int) -> str:
        return "".join(
            f"\nTurn {number}\nObservation: {turn.observation.strip()}\n"
            f"Subgoal: {turn.subgoal or 'none'}\nAction: {turn.action}\n"
            for number, turn in enumerate(turns, start=before + 1)
        )

    def option(self, view: TurnView) -> str:
        age = f"{view.option_step} turn{'' if view.option_step == 1 else 's'}"
        running = f"{view.subgoal} (for {age} so far)" if view.subgoal else "none yet"
        lines = f"\nTurn {view.turn + 1}\nCurrent subgoal: {running}\n"
        if view.plan:
            lines += f"What an expert would pursue now: {view.plan}\n"
        return lines

    def observation(self, view: TurnView) -> tuple[str, Sequence[str]]:
        return f"Observation: {view.observation.strip()}", view.admissible

    def standing(self, view: TurnView, actions: Sequence[str], hidden: int) -> str:
        return ""

    def actions(self, view: TurnView, actions: Sequence[str], hidden: int) -> str:
        lines = "Admissible actions:\n" if actions else ""
        lines += "".join(f"- {action}\n" for action in actions)
        if hidden:
            lines += f"({hidden} admissible actions are not shown.)\n"
        return lines


class _Compact:
    system = (
        "Each turn write\n<switch>KEEP</switch><action>...</action>\n"
        "or, when the subgoal is done or hopeless,\n"
        "<switch>SWITCH</switch><subgoal>...</subgoal><action>...</action>"
    )
    ending = ""

    def task(self, view: TurnView) -> str:
        lines = f"Task: {view.task}\n"
        if view.strategy:
            lines += f"Strategy: {view.strategy}\n"
        return lines

    def past(self, turns: Sequence[PastTurn], before: int) -> str:
        """Actions only, behind the subgoal that they served."""
        said, running = [], None
        for turn in turns:
            named = f"({turn.subgoal}) " if turn.subgoal and turn.subgoal != running else ""
            said.append(named + turn.action)
            running = turn.subgoal
        return f"Done: {', '.join(said)}\n" if said else ""

    def option(self, view: TurnView) -> str:
        lines = f"Subgoal: {view.subgoal} ({view.option_step})\n" if view.subgoal else ""
        if view.plan:
            lines += f"Plan: {view.plan}\n"
        return lines

    def observation(self, view: TurnView) -> tuple[str, Sequence[str]]:
        parts, actions = inline_actions(condense(view.observation, view.task), view.admissible)
        return "\n".join(parts), actions

    def standing(self, view: TurnView, actions: Sequence[str], hidden: int) -> str:
        """The actions of the first turn, in words that do not change from turn to turn.

        Where some have to be hidden, only those of them that can be taken now.
        """
        shown = set(actions)
        return _listed("Actions", [one for one in _standing(view) if not hidden or one in shown])

    def actions(self, view: TurnView, actions: Sequence[str], hidden: int) -> str:
        """What differs from the first turn, or all actions where next to nothing is the same."""
        standing = _standing(view)
        now, known = set(view.admissible), set(standing)
        more = [action for action in actions if action not in known]
        lines = _listed("Also" if standing else "Actions", more)
        gone = [] if hidden else [action for action in standing if action not in now]
        if gone:
            lines += f"Not now: {', '.join(fold(gone))}\n"
        if any(hole(action) for action in actions):
            lines += "Write your own words for <...>.\n"
        return lines + (f"({hidden} more)\n" if hidden else "")


def _standing(view: TurnView) -> Sequence[str]:
    """The actions of an episode's first turn, if at least half of them are admissible now."""
    now = set(view.admissible)
    kept = sum(action in now for action in view.opening)
    return view.opening if 2 * kept >= len(view.opening) else ()


def _listed(title: str, actions: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in (f"{title}:", *fold(actions))) if actions else ""


FULL: Wording = _Full()
"""Explains the format, and shows texts as they are."""
COMPACT: Wording = _Compact()
"""As few tokens as can be, for small models that are trained on it."""
