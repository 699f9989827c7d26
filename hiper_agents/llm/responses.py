"""A response while it is being written: which token may come next, which must, where blocks lie.

A `StructuredResponse` follows trees of tokens and can only become a well-formed text. In an
`UnstructuredResponse` everything is free; its blocks are looked up in what was written. Both
record which tokens were chosen, and among which. The module knows nothing of models.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiper_agents.llm.token_tree import Node
from hiper_agents.llm.turns import TokenSpan, TokenSpans, TurnTokens
from hiper_agents.llm.vocabulary import Vocabulary
from hiper_envs.tags import parse

__all__ = ["FreeText", "ResponseState", "Rules", "StructuredResponse", "UnstructuredResponse"]

IntArray = NDArray[np.int32]

KEEP, SWITCH, ACTION, TEMPLATE = "KEEP", "SWITCH", "action", "template"
"""Labels of what ends at the leaves of the trees."""

_CLOSING = "</action>"
_LEADING_BLOCKS = tuple(
    re.compile(f"<{name}>.*?</{name}>", re.DOTALL) for name in ("switch", "subgoal")
)


class FreeText(NamedTuple):
    """A gap that is filled with free text.

    Attributes:
        first: Sorted ids of which one comes first.
        later: Sorted ids that come later, `close[0]` among them.
        close: The tokens that end the gap. The first of them is chosen, or forced when the budget
            is used up; the others are forced.
        budget: Tokens at most, those of `close` not counted; at least 1.
    """

    first: IntArray
    later: IntArray
    close: tuple[int, ...]
    budget: int


class Rules(NamedTuple):
    """What all structured responses have in common.

    Attributes:
        switch: Tree of the switch block.
        must_switch: The same, with KEEP left out.
        open_subgoal: Tokens of the tag.
        subgoal: What is between the tags of the subgoal.
        query: What is between the brackets of a template.
    """

    switch: Node
    must_switch: Node
    open_subgoal: tuple[int, ...]
    subgoal: FreeText
    query: FreeText


class ResponseState(ABC):
    """One response that is being written.

    Ask in this order until `finished`: `forced`, `allowed`, `advance`.

    Attributes:
        tokens: What has been written.
        sampled: For each of these tokens whether it was chosen, not forced.
        choices: For each chosen token the sorted ids that it was chosen among, None for all.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.tokens: list[int] = []
        self.sampled: list[bool] = []
        self.choices: list[IntArray | None] = []
        self._vocabulary = vocabulary
        self._pending: list[int] = []
        self._ended = False

    @property
    def finished(self) -> bool:
        """Whether nothing follows any more."""
        return self._ended and not self._pending

    def forced(self) -> list[int]:
        """Appends the tokens that come next whatever is wanted, and returns them."""
        tokens, self._pending = self._pending, []
        self.tokens += tokens
        self.sampled += [False] * len(tokens)
        return tokens

    def advance(self, token: int) -> None:
        """Appends a chosen token.

        Raises:
            ValueError: It is not allowed here, or nothing has to be chosen now.
        """
        if self._ended or self._pending:
            raise ValueError("nothing has to be chosen now: the response has ended or is forced on")
        allowed = self.allowed()
        if allowed is not None:
            place = int(np.searchsorted(allowed, token))
            if place == len(allowed) or allowed[place] != token:
                raise ValueError(f"token {token} is not allowed here")
        self.tokens.append(token)
        self.sampled.append(True)
        self.choices.append(allowed)
        self._go_on(token)

    def turn(
        self,
        prompt: Sequence[int],
        log_probs: Sequence[float] | None = None,
        values: NDArray[np.float32] | None = None,
    ) -> TurnTokens:
        """The finished response as a turn.

        Args:
            prompt: Tokens of its prompt.
            log_probs: Of the chosen tokens, in order; zeros by default.
            values: V_L, V_H and V_T, float32 [3]; zeros by default.
        """
        sampled = np.array(self.sampled, np.bool_)
        told = np.zeros(len(sampled), np.float32)
        if log_probs is not None:
            told[sampled] = log_probs
        return TurnTokens(
            prompt=np.array(prompt, np.int32),
            response=np.array(self.tokens, np.int32),
            sampled=sampled,
            log_probs=told,
            allowed=tuple(self.choices),
            spans=self.spans,
            values=np.zeros(3, np.float32) if values is None else values,
            text=self.text,
        )

    @abstractmethod
    def allowed(self) -> IntArray | None:
        """The sorted ids to choose among, int32 [n]; None for the whole vocabulary."""

    @abstractmethod
    def _go_on(self, token: int) -> None:
        """Finds out what follows a token that has been appended."""

    @property
    @abstractmethod
    def spans(self) -> TokenSpans:
        """Where the blocks lie, once the response is finished."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The response as the environment reads it."""


class StructuredResponse(ResponseState):
    """A response that is well-formed by construction, its action one of those admissible.

    Args:
        vocabulary: What the tokens stand for.
        rules: Of all responses.
        actions: Tree of this turn's action blocks.
        must_switch: Whether no option is running, so that one has to begin.
    """

    def __init__(
        self, vocabulary: Vocabulary, rules: Rules, actions: Node, *, must_switch: bool
    ) -> None:
        super().__init__(vocabulary)
        self._rules, self._actions = rules, actions
        self._spans: dict[str, TokenSpan] = {}
        self._begun = 0  # where the block begins that is being written
        self._gap: FreeText | None = None
        self._filled = 0  # tokens in the gap
        self._enter(rules.must_switch if must_switch else rules.switch)

    def allowed(self) -> IntArray:
        """The sorted ids to choose among."""
        if self._gap is None:
            return self._node.allowed
        return self._gap.later if self._filled else self._gap.first

    @property
    def spans(self) -> TokenSpans:
        """Where the blocks lie that have been written."""
        return TokenSpans(**self._spans)

    @property
    def text(self) -> str:
        """What the tokens stand for."""
        return self._vocabulary.decode(self.tokens)

    def _go_on(self, token: int) -> None:
        if self._gap is None:
            self._enter(self._node.branches[token])
        elif token == self._gap.close[0]:
            self._close(self._gap.close[1:])
        else:
            self._filled += 1
            if self._filled == self._gap.budget:
                self._close(self._gap.close)

    def _enter(self, node: Node) -> None:
        self._node = node
        self._pending += node.forced
        if node.leaf == KEEP:
            self._end_block("switch")
            self._enter(self._actions)
        elif node.leaf == SWITCH:
            self._end_block("switch")
            self._pending += self._rules.open_subgoal
            self._gap, self._filled = self._rules.subgoal, 0
        elif node.leaf == TEMPLATE:
            self._gap, self._filled = self._rules.query, 0
        elif node.leaf:
            self._end_block("action")
            self._ended = True

    def _close(self, tokens: Sequence[int]) -> None:
        """Ends the gap."""
        self._pending += tokens
        self._gap = None
        if self._node.leaf == TEMPLATE:
            self._end_block("action")
            self._ended = True
        else:
            self._end_block("subgoal")
            self._enter(self._actions)

    def _end_block(self, name: str) -> None:
        end = len(self.tokens) + len(self._pending)
        self._spans[name] = (self._begun, end)
        self._begun = end


class UnstructuredResponse(ResponseState):
    """A response in which everything is free.

    It ends with the action block, with a special token (which the text leaves out), or when the
    budget is used up. The blocks of a malformed text are those that were closed before the action;
    all that follows them counts as the action block.

    Args:
        vocabulary: What the tokens stand for.
        budget: Tokens at most.
    """

    def __init__(self, vocabulary: Vocabulary, budget: int) -> None:
        super().__init__(vocabulary)
        self._budget = budget

    def allowed(self) -> None:
        """The whole vocabulary."""

    @property
    def text(self) -> str:
        """What the tokens stand for, without the special token that may end them."""
        return self._vocabulary.decode(self._words)

    @property
    def spans(self) -> TokenSpans:
        """Where the blocks lie."""
        text = self.text
        found = parse(text)
        places = _places(text) if not found.format_valid else found.spans._asdict()
        ends = _ends(self._vocabulary, self._words, text)
        spans: dict[str, TokenSpan] = {}
        free = 0  # a token that two blocks share belongs to the first of them
        for name, place in places.items():
            if place is not None:
                start = max(free, int(np.searchsorted(ends, place[0], side="right")))
                free = max(start, int(np.searchsorted(ends, place[1])) + 1)
                spans[name] = (start, free)
        if places["action"] is not None and places["action"][1] == len(text):
            spans["action"] = (spans["action"][0], len(self.tokens))
        return TokenSpans(**spans)

    @property
    def _words(self) -> list[int]:
        ended = bool(self.tokens) and self.tokens[-1] in self._vocabulary.special
        return self.tokens[:-1] if ended else self.tokens

    def _go_on(self, token: int) -> None:
        self._ended = (
            token in self._vocabulary.special
            or len(self.tokens) >= self._budget
            or self._has_acted()
        )

    def _has_acted(self) -> bool:
        """Whether an action block has just been closed, not one within thoughts."""
        # No token is shorter than a character of the tag.
        if _CLOSING not in self._vocabulary.decode(self.tokens[-len(_CLOSING) :]):
            return False
        text = self.text
        return text.rfind("<think>") <= text.rfind("</think>")


def _places(text: str) -> dict[str, tuple[int, int] | None]:
    """The blocks of a malformed text, in characters."""
    places: dict[str, tuple[int, int] | None] = {"switch": None, "subgoal": None}
    end = 0
    for name, block in zip(places, _LEADING_BLOCKS, strict=True):
        match = block.search(text, end)
        if match is not None:
            places[name] = match.span()
            end = match.end()
    return {**places, "action": (end, len(text))}


def _ends(vocabulary: Vocabulary, tokens: Sequence[int], text: str) -> NDArray[np.int64]:
    """For every token, how many characters of the text are complete after it."""
    ends: list[int] = []
    length = 0
    open_from = 0  # the first token of a character that takes several
    for position in range(len(tokens)):
        part = vocabulary.decode(tokens[open_from : position + 1])
        if not part.endswith("\ufffd"):
            length, open_from = length + len(part), position + 1
        ends.append(length)
    if tokens and ends[-1] != len(text):  # broken characters
        prefixes = (vocabulary.decode(tokens[: end + 1]) for end in range(len(tokens)))
        ends = [_agreement(prefix, text) for prefix in prefixes]
    return np.array(ends, np.int64)


def _agreement(prefix: str, text: str) -> int:
    """How many characters the two begin with alike."""
    for position, (mine, other) in enumerate(zip(prefix, text, strict=False)):
        if mine != other:
            return position
    return min(len(prefix), len(text))
