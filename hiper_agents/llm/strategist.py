"""`Strategist`: has a policy say how it will go about a task, in one sentence, before it acts.

    <strategy>search the shelves first, then heat what was found</strategy>

The tags are forced, the sentence is free text on one line; the prompt is that of the first turn
with a question at its end. The module knows nothing of how strategies are compared or learned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiper_agents.llm.episode_memory import EpisodeMemory
from hiper_agents.llm.grammar import free_text
from hiper_agents.llm.prompts import PromptWriter
from hiper_agents.llm.responder import Responder
from hiper_agents.llm.responses import FreeText, ResponseState
from hiper_agents.llm.sampling import Streams
from hiper_agents.llm.turns import TokenSpans, TurnTokens
from hiper_agents.llm.vocabulary import Vocabulary
from hiper_base.errors import HiperError

__all__ = ["Strategist", "StrategyResponse", "sentence_of"]

_OPENING, _CLOSING = "<strategy>", "</strategy>"
_QUESTION = (
    "Before you act, say in one sentence how you will go about the whole task, as "
    f"{_OPENING}the sentence{_CLOSING}.\n"
)

First = tuple[Mapping[str, Any], str]
"""The first info of an episode, and its first observation."""


class StrategyResponse(ResponseState):
    """A strategy that is being written. All of it counts as a subgoal block.

    Args:
        vocabulary: What the tokens stand for.
        opening: Tokens of the opening tag.
        sentence: What may follow, with the closing tag.
    """

    def __init__(self, vocabulary: Vocabulary, opening: Sequence[int], sentence: FreeText) -> None:
        super().__init__(vocabulary)
        self._sentence = sentence
        self._filled = 0
        self._pending += opening

    def allowed(self) -> NDArray[np.int32]:
        """The sorted ids to choose among."""
        return self._sentence.later if self._filled else self._sentence.first

    @property
    def spans(self) -> TokenSpans:
        """Where the block lies."""
        return TokenSpans(subgoal=(0, len(self.tokens)))

    @property
    def text(self) -> str:
        """What the tokens stand for."""
        return self._vocabulary.decode(self.tokens)

    def _go_on(self, token: int) -> None:
        close = self._sentence.close
        if token == close[0]:
            self._pending += close[1:]
            self._ended = True
            return
        self._filled += 1
        if self._filled == self._sentence.budget:
            self._pending += close
            self._ended = True


class Strategist:
    """Asks a policy for strategies.

    Args:
        writer: Writes the prompts.
        generator: Writes the answers.
        max_tokens: Longest sentence.

    Raises:
        HiperError: If that is less than 1, or the tokenizer cannot write the tags.
    """

    def __init__(self, writer: PromptWriter, generator: Responder, max_tokens: int) -> None:
        if max_tokens < 1:
            raise HiperError(f"a strategy needs at least 1 token, not {max_tokens}")
        self._writer, self._generator = writer, generator
        self._vocabulary = Vocabulary(generator.policy.tokenizer)
        self._opening = self._vocabulary.encode(_OPENING)
        self._sentence = free_text(self._vocabulary, "<", _CLOSING, max_tokens)

    def propose(self, firsts: Sequence[First], rng: Streams, *, each: int = 1) -> list[TurnTokens]:
        """Has strategies written for episodes that begin.

        Args:
            firsts: How they begin.
            rng: The only source of randomness, or one for every strategy.
            each: Strategies for each of them.

        Returns:
            Those of the first episode, then those of the second, and so on; see `sentence_of`.

        Raises:
            HiperError: A prompt or an answer cannot be written.
        """
        views = [EpisodeMemory(0).view(observation, info) for info, observation in firsts]
        prompts = [self._writer.write(view, question=_QUESTION) for view in views]
        repeated = [prompt for prompt in prompts for _ in range(each)]
        states = [
            StrategyResponse(self._vocabulary, self._opening, self._sentence) for _ in repeated
        ]
        return self._generator.respond(repeated, states, rng)


def sentence_of(strategy: TurnTokens) -> str:
    """What a strategy says, without its tags."""
    return strategy.text.removeprefix(_OPENING).removesuffix(_CLOSING).strip()
