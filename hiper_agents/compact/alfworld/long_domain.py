"""Chains of ALFWorld's subtasks as a domain of the compact agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hiper_agents.compact.alfworld import long_encoding as encoding
from hiper_agents.compact.alfworld.domain import AlfworldReader
from hiper_agents.compact.alfworld.long_memory import LongMemory
from hiper_agents.compact.alfworld.options import Permitted, permitted
from hiper_agents.compact.alfworld.vocabulary import ALFRED_TYPES
from hiper_agents.compact.domain import DomainError, Running, Sizes
from hiper_agents.compact.rows import Rows
from hiper_envs.alfworld.chain_oracle import ChainOracle
from hiper_envs.alfworld.chains import parse_chain
from hiper_envs.alfworld.subgoals import Subgoal


class AlfworldLongDomain(AlfworldReader[LongMemory]):
    """Reads the texts of `HiPER-ALFWorldLong-v0`; its options are ALFWorld's.

    Args:
        vocabulary: The type words to know, in any order.

    Raises:
        DomainError: If they are not words.
    """

    name = "alfworld_long"

    def __init__(self, vocabulary: Sequence[str] = ALFRED_TYPES) -> None:
        super().__init__(vocabulary)
        self.sizes = Sizes(
            vocabulary=len(self.words_known),
            state=encoding.STATE_SIZE,
            state_types=encoding.STATE_TYPES,
            subgoal=encoding.SUBGOAL_SIZE,
            subgoal_types=2,
            candidate=encoding.SUBGOAL_SIZE + encoding.CANDIDATE_SIZE,
            move=encoding.MOVE_SIZE,
            move_types=1,
            achieves=encoding.ACHIEVES,
        )

    def remember(self, info: Mapping[str, Any], observation: str) -> LongMemory:
        """The memory of an episode that begins.

        Raises:
            DomainError: If its task sentence is not that of a chain.
        """
        chain = parse_chain(info["task"])
        if chain is None:
            raise DomainError(
                f"this agent reads the task sentences of HiPER-ALFWorldLong-v0, not "
                f"{info['task']!r}"
            )
        return LongMemory(info["task"], chain, observation)

    def encode_state(self, memory: LongMemory, running: Running) -> list[float]:
        """See `long_encoding.encode_state`."""
        return encoding.encode_state(memory, running)

    def state_types(self, memory: LongMemory) -> list[int]:
        """See `long_encoding.state_types`."""
        return encoding.state_types(self.words_known, memory)

    def encode_subgoal(self, memory: LongMemory, subgoal: Subgoal | None) -> list[float]:
        """See `long_encoding.encode_subgoal`."""
        return encoding.encode_subgoal(memory, subgoal)

    def encode_candidate(
        self, memory: LongMemory, running: Running, subgoal: Subgoal
    ) -> list[float]:
        """See `long_encoding.encode_candidate`."""
        return encoding.encode_candidate(memory, running, subgoal)

    def moves(
        self,
        memories: Sequence[LongMemory],
        subgoals: Sequence[Subgoal],
        infos: Sequence[Mapping[str, Any]],
    ) -> tuple[Rows, list[Permitted]]:
        """The permitted actions of a batch of turns and their rows."""
        moves = [
            permitted(memory, subgoal, info["admissible_actions"])
            for memory, subgoal, info in zip(memories, subgoals, infos, strict=True)
        ]
        return encoding.encode_moves(memories, self.words_known, moves), moves

    def oracle(self, info: Mapping[str, Any]) -> ChainOracle:
        """The searching expert."""
        return ChainOracle(info["task"])
