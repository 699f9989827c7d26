"""What the searching expert would write, turn by turn: text for people, tokens for learning.

The expert's subgoals are the options of a demonstration: where its subgoal changes, the response
switches. The module knows nothing of models but their tokenizer, and nothing of learning.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiper_agents.llm.grammar import GrammarError, ResponseGrammar
from hiper_agents.llm.player import Slot
from hiper_agents.llm.prompts import PromptWriter
from hiper_agents.llm.turns import TurnTokens
from hiper_base.files import replacing
from hiper_envs.core import Episode, TaskSource

__all__ = ["DEMONSTRATIONS_FILE", "Demonstration", "demonstrate", "write_demonstrations"]

DEMONSTRATIONS_FILE = "demonstrations.jsonl"


@dataclass(frozen=True, eq=False)
class Demonstration:
    """One turn of the expert.

    Attributes:
        task_id: The task.
        number: The turn of the episode, from 0.
        messages: The prompt as messages.
        turn: Prompt and response as tokens.
    """

    task_id: str
    number: int
    messages: list[dict[str, str]]
    turn: TurnTokens

    def document(self) -> dict[str, Any]:
        """The turn as one line of a file."""
        return {
            "task_id": self.task_id,
            "turn": self.number,
            "messages": self.messages,
            "response": self.turn.text,
        }


def demonstrate(
    writer: PromptWriter,
    grammar: ResponseGrammar,
    source: TaskSource,
    tasks: Sequence[int],
    *,
    max_turns: int,
) -> Iterator[list[Demonstration]]:
    """Plays episodes as the expert would.

    An episode that the expert does not solve teaches nothing, nor does a turn that the grammar or
    the tokenizer cannot carry; both are left out.

    Args:
        writer: Writes the prompts.
        grammar: Says what a response may be.
        source: Tasks of an environment with its reference.
        tasks: Positions in `source`.
        max_turns: Steps until an episode is truncated.

    Yields:
        The turns of one episode after the other; none for one that was not solved.
    """
    for task in tasks:
        episode = Episode(source.open(task), max_turns)
        slot = Slot(episode.info, episode.observation, writer.config.earlier_turns)
        turns: list[Demonstration] = []
        while not episode.ended:
            info, view = episode.info, slot.view()
            begins = info["reference_boundary"] or slot.must_switch
            subgoal = info["reference_subgoal"] if begins else None
            try:
                written = grammar.demonstrate(
                    writer.write(view),
                    info["admissible_actions"],
                    must_switch=slot.must_switch,
                    subgoal=subgoal,
                    action=info["expert_action"],
                )
            except GrammarError:
                break
            turns.append(Demonstration(info["task_id"], view.turn, writer.messages(view), written))
            observation, _, _, _, info = episode.step(written.text)
            slot.observe(observation, info)
        yield turns if episode.info["won"] else []


def write_demonstrations(path: Path, demonstrations: Sequence[Demonstration]) -> None:
    """Writes one JSON line for each turn."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for demonstration in demonstrations:
            file.write(json.dumps(demonstration.document()) + "\n")
