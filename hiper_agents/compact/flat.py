"""A domain without hierarchy: the same benchmark, read as one long option.

There is one subgoal, to solve the task. It lasts for the whole episode, so that the planner and the
switch head have nothing to decide, and the executor chooses among all actions that any subgoal of
the domain would permit. What the planner would have known of a subgoal is added to the row of the
action that does what the subgoal names: the flat agent sees everything that the hierarchical one
does. Nothing here knows which benchmark it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from hiper_agents.compact.domain import Domain, Memory, Moves, Running
from hiper_agents.compact.rows import BoolArray, IntArray, Rows
from hiper_agents.compact.slot import OptionRules
from hiper_envs.contract import Reference


@dataclass(frozen=True)
class Task:
    """The only subgoal."""

    text: str = "solve the task"


TASK = Task()


class FlatMoves(NamedTuple):
    """All actions that some subgoal permits."""

    commands: list[str]


class FlatMemory:
    """A memory of the domain that is never told about subgoals.

    Args:
        inner: The domain's own.
    """

    def __init__(self, inner: Memory) -> None:
        self.inner = inner

    def observe(self, observation: str, info: Mapping[str, Any]) -> None:
        """Takes in what an action led to."""
        self.inner.observe(observation, info)

    def want(self, subgoal: Any) -> None:
        """Does nothing: the subgoal says nothing."""

    def is_achieved(self, subgoal: Any, action: str) -> bool:
        """False: the episode ends before the option does."""
        return False

    def is_impossible(self, subgoal: Any) -> bool:
        """False: likewise."""
        return False


def domain_under(rules: OptionRules, domain: Domain[Any]) -> Domain[Any]:
    """A domain as it is read under the given rules: flat, if they leave no options."""
    return FlatDomain(domain) if rules.kind == "none" else domain


class FlatDomain:
    """Makes a domain flat.

    Args:
        inner: The domain.
    """

    def __init__(self, inner: Domain[Any]) -> None:
        self.inner = inner
        self.name = inner.name
        self.template = inner.template
        self.settings = inner.settings
        sizes = inner.sizes
        self.sizes = replace(
            sizes,
            move=sizes.move + sizes.candidate,
            move_types=sizes.move_types + sizes.subgoal_types,
        )

    @property
    def vocabulary(self) -> Any:
        """That of the domain."""
        return self.inner.vocabulary

    def remember(self, info: Mapping[str, Any], observation: str) -> FlatMemory:
        """The memory of an episode that begins.

        Raises:
            DomainError: If its task cannot be read.
        """
        return FlatMemory(self.inner.remember(info, observation))

    def encode_state(self, memory: FlatMemory, running: Running) -> Sequence[float]:
        """[Sizes.state] numbers about the episode as a whole."""
        return self.inner.encode_state(memory.inner, running._replace(subgoal=None))

    def state_types(self, memory: FlatMemory) -> Sequence[int]:
        """[Sizes.state_types] vocabulary numbers."""
        return self.inner.state_types(memory.inner)

    def encode_subgoal(self, memory: FlatMemory, subgoal: Any) -> Sequence[float]:
        """[Sizes.subgoal] numbers about no subgoal."""
        return self.inner.encode_subgoal(memory.inner, None)

    def subgoal_types(self, subgoal: Any) -> Sequence[int]:
        """[Sizes.subgoal_types] vocabulary numbers of no subgoal."""
        return self.inner.subgoal_types(None)

    def candidates(self, memory: FlatMemory) -> list[Any]:
        """The only subgoal."""
        return [TASK]

    def encode_candidate(
        self, memory: FlatMemory, running: Running, subgoal: Any
    ) -> Sequence[float]:
        """[Sizes.candidate] zeros: there is nothing to choose."""
        return [0.0] * self.sizes.candidate

    def moves(
        self,
        memories: Sequence[FlatMemory],
        subgoals: Sequence[Any],
        infos: Sequence[Mapping[str, Any]],
    ) -> tuple[Rows, list[FlatMoves]]:
        """Every action that some candidate subgoal permits, once.

        Its row is the one that it has under the first candidate whose subgoal it does, followed by
        what the planner would read about that candidate; else that of the first that permits it,
        followed by zeros.
        """
        inner = self.inner
        offered = [inner.candidates(memory.inner) for memory in memories]
        counts = [len(subgoals) for subgoals in offered]
        flat = [subgoal for subgoals in offered for subgoal in subgoals]
        turn = np.repeat(np.arange(len(memories)), counts)
        rows, permitted = inner.moves(
            [memories[t].inner for t in turn.tolist()], flat, [infos[t] for t in turn.tolist()]
        )
        does = rows.features[:, inner.sizes.achieves] > 0.0
        kept = _first_rows(permitted, turn, does)
        candidate = rows.owner[kept]
        own = np.zeros((len(kept), inner.sizes.candidate), np.float32)
        types = np.tile(np.array(inner.subgoal_types(None), np.int64), (len(kept), 1))
        for row in np.flatnonzero(does[kept]).tolist():
            subgoal, memory = flat[candidate[row]], memories[turn[candidate[row]]].inner
            own[row] = inner.encode_candidate(memory, _NOT_RUNNING, subgoal)
            types[row] = inner.subgoal_types(subgoal)
        commands = [command for moves in permitted for command in moves.commands]
        sizes = np.bincount(turn[candidate], minlength=len(memories))
        ends = np.cumsum(sizes)
        moves = [
            FlatMoves([commands[row] for row in kept[end - size : end].tolist()])
            for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)
        ]
        features = np.concatenate([rows.features[kept], own], 1)
        return Rows.stack(features, np.concatenate([rows.types[kept], types], 1), sizes), moves

    def words(self, memories: Sequence[FlatMemory]) -> Rows:
        """The words that an action can be composed of in each turn."""
        return self.inner.words([memory.inner for memory in memories])

    def compose(self, memory: FlatMemory, chosen: BoolArray) -> str:
        """The action made of the chosen words."""
        return self.inner.compose(memory.inner, chosen)

    def spell(self, memory: FlatMemory, action: str) -> BoolArray | None:
        """Which words an action is made of; None if it is not composed of words."""
        return self.inner.spell(memory.inner, action)

    def oracle(self, info: Mapping[str, Any]) -> Reference:
        """The searching expert."""
        return self.inner.oracle(info)

    def parse_subgoal(self, text: str) -> Task:
        """The only subgoal, which every subgoal of the expert serves."""
        return TASK


_NOT_RUNNING = Running(None, 0, "none")


def _first_rows(permitted: Sequence[Moves], turn: IntArray, does: BoolArray) -> IntArray:
    """One row for each command of each turn: the first that does what its subgoal names, if any.

    Args:
        permitted: Moves of every candidate.
        turn: [candidates] turn of each candidate.
        does: [rows] the row's action does what the candidate names.

    Returns:
        Rows, ascending within a turn by where the command was first met, int64.
    """
    kept: list[dict[str, int]] = [{} for _ in range(int(turn[-1]) + 1)]
    row = 0
    for number, moves in zip(turn.tolist(), permitted, strict=True):
        chosen = kept[number]
        for command in moves.commands:
            first = chosen.setdefault(command, row)
            if does[row] and not does[first]:
                chosen[command] = row
            row += 1
    return np.array([row for chosen in kept for row in chosen.values()], np.int64)
