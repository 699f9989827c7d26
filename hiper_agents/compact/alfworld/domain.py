"""ALFWorld as a domain of the compact agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from hiper_agents.compact.alfworld import encoding
from hiper_agents.compact.alfworld.memory import Memory
from hiper_agents.compact.alfworld.options import Permitted, candidates, permitted
from hiper_agents.compact.alfworld.vocabulary import ALFRED_TYPES, Vocabulary
from hiper_agents.compact.domain import DomainError, Running, Sizes
from hiper_agents.compact.rows import BoolArray, Rows
from hiper_envs.alfworld.oracle import Oracle
from hiper_envs.alfworld.subgoals import Subgoal, parse

M = TypeVar("M", bound=Memory)


class AlfworldReader(Generic[M]):
    """What all domains with ALFWorld's texts have in common: words and options.

    Args:
        vocabulary: The type words to know, in any order.

    Raises:
        DomainError: If they are not words.
    """

    template = ""
    settings: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, vocabulary: Sequence[str]) -> None:
        if not isinstance(vocabulary, (list, tuple)) or not all(
            isinstance(word, str) for word in vocabulary
        ):
            raise DomainError("a vocabulary of ALFWorld is a list of words")
        self.words_known = Vocabulary(vocabulary)

    @property
    def vocabulary(self) -> list[str]:
        """The known type words in alphabetical order."""
        return list(self.words_known.words)

    def subgoal_types(self, subgoal: Subgoal | None) -> list[int]:
        """See `encoding.subgoal_types`."""
        return encoding.subgoal_types(self.words_known, subgoal)

    def candidates(self, memory: M) -> list[Subgoal]:
        """See `options.candidates`."""
        return candidates(memory)

    def words(self, memories: Sequence[M]) -> Rows:
        """None: ALFWorld's actions are all listed."""
        return Rows.empty(0, 0)

    def compose(self, memory: M, chosen: BoolArray) -> str:
        """Never called: no action is composed."""
        raise NotImplementedError("ALFWorld has no actions that are composed of words")

    def spell(self, memory: M, action: str) -> BoolArray | None:
        """None: no action is composed."""
        return None

    def parse_subgoal(self, text: str) -> Subgoal | None:
        """The subgoal with these words, if they are of the vocabulary."""
        return parse(text)


class AlfworldDomain(AlfworldReader[Memory]):
    """Reads ALFWorld's texts; see the modules beside this one.

    Args:
        vocabulary: The type words to know, in any order.

    Raises:
        DomainError: If they are not words.
    """

    name = "alfworld"

    def __init__(self, vocabulary: Sequence[str] = ALFRED_TYPES) -> None:
        super().__init__(vocabulary)
        self.sizes = Sizes(
            vocabulary=len(self.words_known),
            state=encoding.STATE_SIZE,
            state_types=4,
            subgoal=encoding.SUBGOAL_SIZE,
            subgoal_types=2,
            candidate=encoding.SUBGOAL_SIZE + encoding.CANDIDATE_SIZE,
            move=encoding.MOVE_SIZE,
            move_types=1,
            achieves=encoding.ACHIEVES,
        )

    def remember(self, info: Mapping[str, Any], observation: str) -> Memory:
        """The memory of an episode that begins.

        Raises:
            DomainError: If its task sentence cannot be read.
        """
        memory = Memory(info["task"], observation)
        if not memory.spec.task_type:
            raise DomainError(f"this agent reads ALFWorld's task sentences, not {info['task']!r}")
        return memory

    def encode_state(self, memory: Memory, running: Running) -> list[float]:
        """See `encoding.encode_state`."""
        return encoding.encode_state(memory, running)

    def state_types(self, memory: Memory) -> list[int]:
        """See `encoding.state_types`."""
        return encoding.state_types(self.words_known, memory)

    def encode_subgoal(self, memory: Memory, subgoal: Subgoal | None) -> list[float]:
        """See `encoding.encode_subgoal`."""
        return encoding.encode_subgoal(memory, subgoal)

    def encode_candidate(self, memory: Memory, running: Running, subgoal: Subgoal) -> list[float]:
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
        return encoding.encode_moves(memories, self.words_known, moves), moves

    def oracle(self, info: Mapping[str, Any]) -> Oracle:
        """The searching expert."""
        return Oracle(info["task"])
