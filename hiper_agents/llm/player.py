"""`LanguagePlayer`: a policy that plays episodes, a turn of many at a time.

It turns the last observation and info of each episode into a prompt, has the generator write the
responses, and keeps the earlier turns that later prompts tell. It knows nothing of environments but
the `info` contract, and nothing of rewards or learning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hiper_agents.llm.generation import Generator
from hiper_agents.llm.grammar import ResponseGrammar
from hiper_agents.llm.prompts import PromptWriter
from hiper_agents.llm.turns import PastTurn, TurnTokens, TurnView

__all__ = ["LanguagePlayer", "Slot"]


class Slot:
    """One episode being played, as prompts tell of it.

    Args:
        info: Its first info.
        observation: Its first observation.

    Attributes:
        info: The latest info.
        observation: The latest observation.
        history: The earlier turns, oldest first.
        strategy: What the whole episode follows; "" for nothing.
    """

    __slots__ = ("history", "info", "observation", "strategy")

    def __init__(self, info: Mapping[str, Any], observation: str) -> None:
        self.info = info
        self.observation = observation
        self.history: list[PastTurn] = []
        self.strategy = ""

    @property
    def must_switch(self) -> bool:
        """Whether no option is running yet, so that one has to begin."""
        return not self.info["subgoal"]

    @property
    def view(self) -> TurnView:
        """What a prompt can tell of the next turn."""
        info = self.info
        return TurnView(
            task=info["task"],
            observation=self.observation,
            subgoal=info["subgoal"],
            option_step=info["option_step"],
            turn=len(self.history),
            admissible=info["admissible_actions"],
            history=self.history,
            strategy=self.strategy,
        )

    def observe(self, observation: str, info: Mapping[str, Any]) -> None:
        """Takes in what the last response led to."""
        self.history.append(PastTurn(self.observation, info["subgoal"], info["action"]))
        self.observation, self.info = observation, info


class LanguagePlayer:
    """Plays with a language model.

    Args:
        writer: Writes the prompts.
        grammar: Says what a response may be.
        generator: Writes the responses.
    """

    def __init__(
        self, writer: PromptWriter, grammar: ResponseGrammar, generator: Generator
    ) -> None:
        self.writer = writer
        self.grammar = grammar
        self.generator = generator

    def act(self, slots: Sequence[Slot], rng: np.random.Generator) -> list[TurnTokens]:
        """Writes the next response of every episode.

        Args:
            slots: The episodes, none of which has ended.
            rng: The only source of randomness.

        Raises:
            HiperError: A prompt or a response cannot be written.
        """
        prompts = [self.writer.write(slot.view) for slot in slots]
        states = [
            self.grammar.begin(slot.info["admissible_actions"], must_switch=slot.must_switch)
            for slot in slots
        ]
        return self.generator.respond(prompts, states, rng)
