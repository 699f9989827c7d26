"""`LanguagePlayer`: a policy that plays episodes, many at a time.

It turns the last observation and info of each episode into a prompt and has the generator write the
responses. It knows nothing of environments but the `info` contract, and nothing of rewards or
learning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hiper_agents.llm.episode_memory import EpisodeMemory
from hiper_agents.llm.grammar import ResponseGrammar
from hiper_agents.llm.prompts import PromptWriter
from hiper_agents.llm.responder import Responder, Stream
from hiper_agents.llm.responses import ResponseState
from hiper_agents.llm.sampling import Streams, drawing_from
from hiper_agents.llm.strategist import Strategist, sentence_of
from hiper_agents.llm.turns import TurnTokens, TurnView

__all__ = ["LanguagePlayer", "Slot"]


class Slot:
    """One episode being played.

    Args:
        info: Its first info.
        observation: Its first observation.
        keep: Earlier turns that prompts may tell.

    Attributes:
        info: The latest info.
        observation: The latest observation.
        strategy: What the whole episode follows, if it has been said; "" for nothing.
        devised: The strategy as it was written for this episode alone; None if it was not.
        shown: What the last prompt told.
    """

    __slots__ = ("_memory", "devised", "info", "observation", "shown", "strategy")

    shown: TurnView

    def __init__(self, info: Mapping[str, Any], observation: str, keep: int) -> None:
        self.info = info
        self.observation = observation
        self.strategy: str | None = None
        self.devised: TurnTokens | None = None
        self._memory = EpisodeMemory(keep)

    @property
    def must_switch(self) -> bool:
        """Whether no option is running yet, so that one has to begin."""
        return not self.info["subgoal"]

    def view(self) -> TurnView:
        """What a prompt can tell of the next turn; to be called once a turn."""
        view = self._memory.view(self.observation, self.info)
        self.shown = replace(view, strategy=self.strategy or "")
        return self.shown

    def observe(self, observation: str, info: Mapping[str, Any]) -> None:
        """Takes in what the last response led to."""
        self.observation, self.info = observation, info


class LanguagePlayer:
    """Plays with a language model.

    Args:
        writer: Writes the prompts.
        grammar: Says what a response may be.
        generator: Writes the responses.
        strategist: Says what an episode follows that nobody has given a strategy; None for nothing.
    """

    def __init__(
        self,
        writer: PromptWriter,
        grammar: ResponseGrammar,
        generator: Responder,
        strategist: Strategist | None = None,
    ) -> None:
        self.writer = writer
        self.grammar = grammar
        self.generator = generator
        self.strategist = strategist

    def open(self, info: Mapping[str, Any], observation: str) -> Slot:
        """Begins an episode, given its first info and observation."""
        return Slot(info, observation, self.writer.config.earlier_turns)

    def act(self, slots: Sequence[Slot], rng: Streams) -> list[TurnTokens]:
        """Writes the next response of every episode.

        Args:
            slots: The episodes, none of which has ended.
            rng: The only source of randomness, or one for each episode.

        Raises:
            HiperError: A prompt or a response cannot be written.
        """
        prompts, states = self._asked(slots, rng)
        return self.generator.respond(prompts, states, rng)

    def ask(
        self, stream: Stream, slots: Mapping[int, Slot], rngs: Sequence[np.random.Generator]
    ) -> None:
        """Has the next response of some episodes written.

        Args:
            stream: Of this player's generator.
            slots: The episodes, none of which has ended, by the key that the stream is given.
            rngs: The source of randomness of each.

        Raises:
            HiperError: A prompt or a response cannot be written.
        """
        prompts, states = self._asked([*slots.values()], rngs)
        for key, prompt, state, rng in zip(slots, prompts, states, rngs, strict=True):
            stream.add(key, prompt, state, drawing_from(rng))

    def _asked(
        self, slots: Sequence[Slot], rng: Streams
    ) -> tuple[list[list[int]], list[ResponseState]]:
        """The prompts and the beginnings of the responses."""
        if self.strategist is not None:
            _devise(self.strategist, slots, rng)
        prompts = [self.writer.write(slot.view()) for slot in slots]
        states = [
            self.grammar.begin(slot.info["admissible_actions"], must_switch=slot.must_switch)
            for slot in slots
        ]
        return prompts, states


def _devise(strategist: Strategist, slots: Sequence[Slot], rng: Streams) -> None:
    """Has strategies written for the episodes that have none."""
    new = [place for place, slot in enumerate(slots) if slot.strategy is None]
    if not new:
        return
    firsts = [(slots[place].info, slots[place].observation) for place in new]
    own = rng if isinstance(rng, np.random.Generator) else [rng[place] for place in new]
    for place, strategy in zip(new, strategist.propose(firsts, own), strict=True):
        slots[place].strategy = sentence_of(strategy)
        slots[place].devised = strategy
