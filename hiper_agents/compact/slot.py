"""One episode as the compact agent plays it: its memory, its running option, and when that ends.

How options begin and end is a matter of `OptionRules`. Nothing here knows the network: which
subgoal is chosen is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from hiper_agents.compact.domain import Domain, DomainError, Running, Subgoal
from hiper_base.errors import HiperError
from hiper_envs.contract import Reference

OptionKind = Literal["learned", "none", "fixed", "oracle"]


@dataclass(frozen=True)
class OptionRules:
    """How options begin and end; all but the defaults take something away from the agent.

    Raises:
        HiperError: If there is no such kind, or a fixed option would have no turn.
    """

    kind: OptionKind = "learned"
    """learned: the planner chooses subgoals; an option ends when its subgoal is achieved or
    impossible, or when the switch head says so. none: no hierarchy, one option an episode
    (`compact.flat`). fixed: an option ends after `length` turns, whatever has become of it.
    oracle: options begin when the searching expert's subgoal changes, and have that subgoal."""
    length: int = 5
    """Turns of a fixed option."""
    switch_head: bool = True
    """Whether a learned option can end because the switch head says so."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(OptionKind):
            known = ", ".join(get_args(OptionKind))
            raise HiperError(f"there are no options called {self.kind!r}; there are {known}")
        if self.length < 1:
            raise HiperError(f"an option lasts at least one turn, not {self.length}")

    @property
    def asks_switch(self) -> bool:
        """Whether the switch head is ever asked."""
        return self.kind == "learned" and self.switch_head


class Slot:
    """One episode being played.

    Args:
        domain: How the episode is read.
        info: Its first info.
        observation: Its first observation.
        rules: How options begin and end.
        with_expert: Whether the searching expert follows the episode; it does in any case where the
            rules need it.

    Raises:
        DomainError: If its task is not one that the domain reads.
    """

    __slots__ = (
        "_achieved",
        "age",
        "code",
        "domain",
        "expert",
        "memory",
        "outcome",
        "rules",
        "strategy",
        "subgoal",
        "types",
    )

    def __init__(
        self,
        domain: Domain[Any],
        info: Mapping[str, Any],
        observation: str,
        rules: OptionRules | None = None,
        *,
        with_expert: bool = False,
    ) -> None:
        self.domain = domain
        self.rules = rules or OptionRules()
        self.memory = domain.remember(info, observation)
        self.subgoal: Subgoal | None = None
        self.age = 0
        self.outcome = "none"
        # Where the network knows strategies: the episode's, from its first turn on.
        self.strategy: int | None = None
        # The subgoal as the network reads it.
        self.code = domain.encode_subgoal(self.memory, None)
        self.types = domain.subgoal_types(None)
        self._achieved = False
        self.expert: Reference | None = None
        if with_expert or self.rules.kind == "oracle":
            self.expert = domain.oracle(info)
            self.expert.observe(observation, admissible=info["admissible_actions"])

    def begin(self, subgoal: Subgoal) -> None:
        """Begins an option."""
        self.subgoal, self.age, self.outcome = subgoal, 0, "running"
        self._achieved = False
        self.code = self.domain.encode_subgoal(self.memory, subgoal)
        self.types = self.domain.subgoal_types(subgoal)
        self.memory.want(subgoal)

    def observe(self, observation: str, info: Mapping[str, Any]) -> None:
        """Takes in what the last action led to and ends the option if there is reason to."""
        self.memory.observe(observation, info)
        if self.expert is not None:
            self.expert.observe(observation, info["action"], info["admissible_actions"])
        self.age += 1
        assert self.subgoal is not None
        achieved = info["action_valid"] and self.memory.is_achieved(self.subgoal, info["action"])
        self._achieved = self._achieved or achieved
        if self.rules.kind != "fixed":
            self.outcome = self._became(achieved)
            if self.rules.kind == "oracle" and self.outcome == "running" and self._is_overruled:
                self.outcome = "dropped"
        elif self.age >= self.rules.length:
            ended = self._became(self._achieved)
            self.outcome = "dropped" if ended == "running" else ended

    def choices(self) -> list[Subgoal]:
        """The subgoals that a new option can have.

        To switch means to want something else: going on with the same subgoal is KEEP. So there may
        be none while an option is running.
        """
        if self.rules.kind == "oracle":
            return [reference_subgoal(self)]
        return [
            subgoal
            for subgoal in self.domain.candidates(self.memory)
            if self.outcome != "running" or subgoal != self.subgoal
        ]

    @property
    def running(self) -> Running:
        """The option as the network is told about it."""
        return Running(self.subgoal, self.age, self.outcome)

    @property
    def _is_overruled(self) -> bool:
        assert self.expert is not None
        return self.expert.boundary or reference_subgoal(self) != self.subgoal

    def _became(self, achieved: bool) -> str:
        if achieved:
            return "achieved"
        return "impossible" if self.memory.is_impossible(self.subgoal) else "running"


def reference_subgoal(slot: Slot) -> Subgoal:
    """The subgoal that the searching expert pursues now in an episode that it follows.

    Raises:
        DomainError: If it is not of the domain's vocabulary.
    """
    assert slot.expert is not None, "no expert follows this episode"
    return parsed_subgoal(slot.domain, slot.expert)


def parsed_subgoal(domain: Domain[Any], expert: Reference) -> Subgoal:
    """The expert's present subgoal.

    Raises:
        DomainError: If it is not of the domain's vocabulary.
    """
    subgoal: Subgoal | None = domain.parse_subgoal(expert.subgoal)
    if subgoal is None:
        raise DomainError(f"the expert's subgoal {expert.subgoal!r} is not of the vocabulary")
    return subgoal
