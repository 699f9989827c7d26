"""WebShop as a domain of the compact agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from hiper_agents.compact.domain import DomainError, Running, Sizes
from hiper_agents.compact.rows import BoolArray, Rows
from hiper_agents.compact.webshop import encoding
from hiper_agents.compact.webshop.memory import MOST_WORDS, Memory, tokens
from hiper_agents.compact.webshop.options import Permitted, candidates, permitted
from hiper_envs.webshop.oracle import Oracle
from hiper_envs.webshop.subgoals import Subgoal, parse
from webshop_server.shop import SEARCH_TEMPLATE, parse_action

BUCKETS = 1024
"""Embeddings for words. A word's is chosen by its hash: products name more things than a list."""


SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        # Episodes are short, and what is nearly right already scores.
        "max_turns": 30,
        "success_bonus": 1.0,
        # The departments differ little in how they are shopped in.
        "natural_share": 0.75,
        "ppo": {
            "critic_learning_rate": 3e-3,
            "epochs": 4,
            "minibatch": 256,
            "entropy_switch": 0.003,
            "entropy_subgoal": 0.02,
            "entropy_action": 0.02,
        },
    }
)


class WebshopDomain:
    """Reads WebShop's texts; see the modules beside this one.

    Args:
        vocabulary: Number of embeddings that words share.

    Raises:
        DomainError: If it is not a number from 2 on.
    """

    name = "webshop"
    template = SEARCH_TEMPLATE
    settings = SETTINGS

    def __init__(self, vocabulary: int = BUCKETS) -> None:
        if not isinstance(vocabulary, int) or vocabulary < 2:
            raise DomainError("a vocabulary of WebShop is a number of embeddings, at least 2")
        self.vocabulary = vocabulary
        self.sizes = Sizes(
            vocabulary=1,
            state=encoding.STATE_SIZE,
            state_types=0,
            subgoal=encoding.SUBGOAL_SIZE,
            subgoal_types=0,
            candidate=encoding.CANDIDATE_SIZE,
            move=encoding.MOVE_SIZE,
            move_types=0,
            achieves=encoding.ACHIEVES,
            word=encoding.WORD_SIZE,
            word_types=1,
            word_vocabulary=vocabulary,
            most_words=MOST_WORDS,
        )

    def remember(self, info: Mapping[str, Any], observation: str) -> Memory:
        """The memory of an episode that begins.

        Raises:
            DomainError: If its first page is none of this shop's.
        """
        memory = Memory(info["task"], observation, info["admissible_actions"])
        if memory.page.kind == "other":
            raise DomainError(f"this agent reads WebShop's pages, not {observation[:80]!r}")
        return memory

    def encode_state(self, memory: Memory, running: Running) -> list[float]:
        """See `encoding.encode_state`."""
        return encoding.encode_state(memory, running)

    def state_types(self, memory: Memory) -> list[int]:
        """None."""
        return []

    def encode_subgoal(self, memory: Memory, subgoal: Subgoal | None) -> list[float]:
        """See `encoding.encode_subgoal`."""
        return encoding.encode_subgoal(subgoal)

    def subgoal_types(self, subgoal: Subgoal | None) -> list[int]:
        """None."""
        return []

    def candidates(self, memory: Memory) -> list[Subgoal]:
        """See `options.candidates`."""
        return candidates(memory)

    def encode_candidate(
        self, memory: Memory, running: Running, subgoal: Subgoal
    ) -> tuple[float, ...]:
        """See `encoding.encode_candidate`."""
        return encoding.encode_candidate(memory, running, subgoal)

    def moves(
        self,
        memories: Sequence[Memory],
        subgoals: Sequence[Subgoal],
        infos: Sequence[Mapping[str, Any]],
    ) -> tuple[Rows, list[Permitted]]:
        """The permitted actions of a batch of turns and their rows."""
        moves = [
            permitted(memory, subgoal, info["admissible_actions"])
            for memory, subgoal, info in zip(memories, subgoals, infos, strict=True)
        ]
        return encoding.encode_moves(memories, moves), moves

    def words(self, memories: Sequence[Memory]) -> Rows:
        """See `encoding.encode_words`."""
        return encoding.encode_words(memories, self.vocabulary)

    def compose(self, memory: Memory, chosen: BoolArray) -> str:
        """The search for the chosen words of the instruction, in its order."""
        words = [memory.words[index].word for index in np.flatnonzero(chosen).tolist()]
        return f"search[{' '.join(words)}]"

    def spell(self, memory: Memory, action: str) -> BoolArray | None:
        """Which words of the instruction a search contains; None for a click."""
        verb, query = parse_action(action) or ("", "")
        if verb != "search":
            return None
        keys = set(tokens(query))
        return np.array([word.key in keys for word in memory.words], np.bool_)

    def oracle(self, info: Mapping[str, Any]) -> Oracle:
        """The searching expert."""
        return Oracle(info["task"])

    def parse_subgoal(self, text: str) -> Subgoal | None:
        """The subgoal with these words, if they are of the vocabulary."""
        return parse(text)
