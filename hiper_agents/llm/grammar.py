"""What a language model may write in a turn, token by token.

Structured responses are

    <switch>KEEP</switch><action>open drawer 1</action>
    <switch>SWITCH</switch><subgoal>find a mug</subgoal><action>go to desk 1</action>

where the tags are forced, KEEP or SWITCH is chosen, the subgoal is free text on one line, and the
action is one of those admissible, chosen along a prefix tree of their tokens. In a template, such
as `search[<your query>]`, the gap is free text. Each block is encoded by itself, so that blocks
begin and end between tokens. Unstructured responses are free; see `responses`.

The module knows nothing of models or prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from transformers import PreTrainedTokenizerBase

from hiper_agents.llm.responses import (
    ACTION,
    KEEP,
    SWITCH,
    TEMPLATE,
    FreeText,
    ResponseState,
    Rules,
    StructuredResponse,
    UnstructuredResponse,
)
from hiper_agents.llm.token_tree import Node, build
from hiper_agents.llm.turns import TurnTokens
from hiper_agents.llm.vocabulary import TokenizerError, Vocabulary
from hiper_agents.templates import hole
from hiper_base.errors import HiperError
from hiper_envs.tags import parse, render

__all__ = ["GrammarError", "ResponseGrammar", "ResponseState", "free_text"]

_CACHED_ACTIONS = 65_536
_CACHED_TREES = 1024


class GrammarError(HiperError, ValueError):
    """No response can say what is asked for."""


class ResponseGrammar:
    """Begins responses.

    Args:
        tokenizer: The model's.
        structured: Whether responses are held to the format, and actions to the admissible ones.
        max_subgoal_tokens: Longest subgoal of a structured response.
        max_action_tokens: Longest text in the gap of a template; other actions are as long as they
            are.
        max_response_tokens: Longest unstructured response.

    Raises:
        HiperError: A length is less than 1.
        TokenizerError: The tokenizer cannot write the tags.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        *,
        structured: bool = True,
        max_subgoal_tokens: int = 16,
        max_action_tokens: int = 32,
        max_response_tokens: int = 96,
    ) -> None:
        if min(max_subgoal_tokens, max_action_tokens, max_response_tokens) < 1:
            raise HiperError("the parts of a response need at least 1 token each")
        self.structured = structured
        self.max_response_tokens = max_response_tokens
        self._vocabulary = Vocabulary(tokenizer)
        if structured:
            self._rules = _rules(self._vocabulary, max_subgoal_tokens, max_action_tokens)
            # On the instance, so that the caches go with it.
            self._tree = lru_cache(_CACHED_TREES)(self._build_tree)
            self._encode_action = lru_cache(_CACHED_ACTIONS)(self._encode_new_action)

    def begin(self, admissible: Sequence[str], *, must_switch: bool) -> ResponseState:
        """Begins a response.

        Args:
            admissible: The admissible actions. Those that the format or the tokenizer cannot carry
                unchanged are never written.
            must_switch: Whether no option is running, so that one has to begin. Means nothing to
                unstructured responses.

        Raises:
            GrammarError: No action can be written.
        """
        if not self.structured:
            return UnstructuredResponse(self._vocabulary, self.max_response_tokens)
        actions = self._tree(tuple(admissible))
        return StructuredResponse(self._vocabulary, self._rules, actions, must_switch=must_switch)

    def demonstrate(
        self,
        prompt: Sequence[int],
        admissible: Sequence[str],
        *,
        must_switch: bool,
        subgoal: str | None,
        action: str,
    ) -> TurnTokens:
        """A turn in which a given response is written, for supervised learning.

        Args:
            prompt: Tokens of the prompt.
            admissible: The admissible actions.
            must_switch: Whether no option is running.
            subgoal: The subgoal of an option that begins here; None to keep the running one.
            action: The action.

        Returns:
            The turn, with zeros for log-probabilities and values.

        Raises:
            GrammarError: The grammar does not permit this response.
            TokenizerError: The tokenizer cannot write it.
        """
        state = self.begin(admissible, must_switch=must_switch)
        wanted = self._tokens(admissible, subgoal, action)
        if problem := _write(state, wanted):
            response = render(action, switch=subgoal is not None, subgoal=subgoal)
            raise GrammarError(f"cannot write {response!r} here: {problem}")
        return state.turn(prompt)

    def _tokens(self, admissible: Sequence[str], subgoal: str | None, action: str) -> list[int]:
        """The tokens of a response."""
        encode = self._vocabulary.encode
        if subgoal is None:
            tokens = [*encode("<switch>KEEP</switch>")]
        else:
            tokens = [*encode("<switch>SWITCH</switch>"), *encode("<subgoal>")]
            tokens += [*encode(subgoal), *encode("</subgoal>")]
        if action in admissible or not self.structured:
            return [*tokens, *encode(f"<action>{action}</action>")]
        before, bracket, query = action.partition("[")
        opening = encode(f"<action>{before}{bracket}")
        return [*tokens, *opening, *encode(query.removesuffix("]")), *self._rules.query.close]

    def _build_tree(self, admissible: tuple[str, ...]) -> Node:
        entries = [entry for action in admissible if (entry := self._encode_action(action))]
        if not entries:
            raise GrammarError(f"none of {len(admissible)} admissible actions can be written")
        return build(entries)

    def _encode_new_action(self, action: str) -> tuple[tuple[int, ...], str] | None:
        """Tokens of the block with a label, up to the gap of a template; None if impossible."""
        block = f"<action>{action}</action>"
        try:
            if hole(action) is not None:
                return self._vocabulary.encode(block[: block.index("[") + 1]), TEMPLATE
            return (self._vocabulary.encode(block), ACTION) if _is_safe(action) else None
        except TokenizerError:
            return None


def _write(state: ResponseState, wanted: Sequence[int]) -> str:
    """Writes these tokens and no others; returns "" or what is wrong with them."""
    state.forced()
    while not state.finished:
        place = len(state.tokens)
        if place >= len(wanted):
            return "it ends too early"
        try:
            state.advance(wanted[place])
        except ValueError as error:
            return str(error)
        state.forced()
    return "" if state.tokens == wanted else "it is too long, or other tokens are forced"


def _is_safe(action: str) -> bool:
    """Whether the format carries this action unchanged."""
    parsed = parse(render(action))
    return parsed.format_valid and parsed.action == action


def _rules(vocabulary: Vocabulary, max_subgoal: int, max_query: int) -> Rules:
    keep = vocabulary.encode("<switch>KEEP</switch>"), KEEP
    switch = vocabulary.encode("<switch>SWITCH</switch>"), SWITCH
    return Rules(
        switch=build([keep, switch]),
        must_switch=build([switch]),
        open_subgoal=vocabulary.encode("<subgoal>"),
        subgoal=free_text(vocabulary, "<", "</subgoal>", max_subgoal),
        query=free_text(vocabulary, "<[]", "]</action>", max_query),
    )


def free_text(vocabulary: Vocabulary, forbidden: str, closing: str, budget: int) -> FreeText:
    """Free text on one line that begins with something visible.

    Args:
        vocabulary: What tokens stand for.
        forbidden: Characters that it does not have.
        closing: What ends it.
        budget: Tokens at most.

    Raises:
        TokenizerError: The tokenizer cannot write it.
    """
    words = vocabulary.ids(lambda t: t.isprintable() and not any(c in t for c in forbidden))
    close = vocabulary.encode(closing)
    texts = vocabulary.texts
    first = np.array([token for token in words.tolist() if not texts[token][0].isspace()], np.int32)
    if not len(first) or close[0] in words:
        raise TokenizerError(f"the tokenizer cannot write free text before {closing}")
    return FreeText(first, np.union1d(words, close[:1]).astype(np.int32), close, budget)
