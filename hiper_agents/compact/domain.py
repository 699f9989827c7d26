"""What the compact agent has to be told about a benchmark: a *domain*.

A domain reads the texts of one benchmark: it remembers an episode, says which subgoals can be
chosen and which actions carry one out, and turns all that into rows of numbers. The network, the
player and all of training know this interface only. Domains are found by the id of an environment
and are named in every checkpoint; nothing here imports one before it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from hiper_agents.agent import AgentError
from hiper_agents.compact.rows import BoolArray, Rows
from hiper_envs.contract import Reference

OUTCOMES = ("none", "running", "achieved", "impossible", "dropped")
"""What became of the last option: none yet, still running, or how it ended."""

DECISION_DRAWS = 3
"""Random numbers that a turn takes: for the switch, the subgoal and the action."""


class DomainError(AgentError):
    """No domain reads an environment or a checkpoint, or a domain cannot read a task."""


@dataclass(frozen=True)
class Sizes:
    """Widths of everything that a domain shows the network.

    Each kind of row has so many numbers (`x`) and so many vocabulary numbers (`x_types`).
    """

    vocabulary: int
    """Vocabulary numbers are below this."""
    state: int
    state_types: int
    subgoal: int
    subgoal_types: int
    candidate: int
    """Of a subgoal that could be chosen; `subgoal_types` holds for it too."""
    move: int
    move_types: int
    achieves: int
    """Column of a move's row: it does what the subgoal names."""
    word: int = 0
    """Of a word that a composed action can be made of; 0 where no action is composed."""
    word_types: int = 0
    word_vocabulary: int = 0
    """Numbers in `word_types` are below this; they have embeddings of their own."""
    most_words: int = 0
    """Most words that one action can choose from."""

    @property
    def draws(self) -> int:
        """Random numbers that a turn takes, one for each word included."""
        return DECISION_DRAWS + self.most_words


class Subgoal(Protocol):
    """A subgoal of a benchmark's vocabulary; subgoals that read alike are equal."""

    @property
    def text(self) -> str:
        """Its words."""
        ...


class Running(NamedTuple):
    """The option of an episode, as far as the network is told about it."""

    subgoal: Any
    """A `Subgoal` of the domain, or None."""
    age: int
    """Turns since it began."""
    outcome: str
    """One of OUTCOMES."""


class Memory(Protocol):
    """One episode as its texts describe it."""

    def observe(self, observation: str, info: Mapping[str, Any]) -> None:
        """Takes in what an action led to."""
        ...

    def want(self, subgoal: Any) -> None:
        """Notes that an option with this subgoal begins."""
        ...

    def is_achieved(self, subgoal: Any, action: str) -> bool:
        """Whether an option has come to its end with the admissible action just executed."""
        ...

    def is_impossible(self, subgoal: Any) -> bool:
        """Whether, by what is known, the subgoal cannot be reached any more."""
        ...


class Moves(Protocol):
    """The actions that carry out the subgoal of a turn."""

    @property
    def commands(self) -> Sequence[str]:
        """At least one; `Domain.template` stands for those that are composed of words."""
        ...


M = TypeVar("M", bound=Memory)


class Domain(Protocol[M]):
    """How one benchmark is read. `M` is the type of its memories."""

    @property
    def name(self) -> str:
        """Its name in DOMAINS and in checkpoints."""
        ...

    @property
    def sizes(self) -> Sizes:
        """What the network's inputs measure."""
        ...

    @property
    def vocabulary(self) -> Any:
        """JSON-able: all that is needed to read the same numbers out of the same texts again."""
        ...

    @property
    def template(self) -> str:
        """The command that stands for actions composed of words; "" where there are none."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of training that suit it, where they differ from those of `TrainConfig`.

        Settings of a part, such as `ppo`, are a mapping of their own.
        """
        ...

    def remember(self, info: Mapping[str, Any], observation: str) -> M:
        """The memory of an episode that begins.

        Raises:
            DomainError: If its task cannot be read.
        """
        ...

    def encode_state(self, memory: M, running: Running) -> Sequence[float]:
        """[Sizes.state] numbers about the episode as a whole."""
        ...

    def state_types(self, memory: M) -> Sequence[int]:
        """[Sizes.state_types] vocabulary numbers."""
        ...

    def encode_subgoal(self, memory: M, subgoal: Any) -> Sequence[float]:
        """[Sizes.subgoal] numbers about a subgoal and how it matches the task."""
        ...

    def subgoal_types(self, subgoal: Any) -> Sequence[int]:
        """[Sizes.subgoal_types] vocabulary numbers."""
        ...

    def candidates(self, memory: M) -> list[Any]:
        """The subgoals that make sense now; at least one."""
        ...

    def encode_candidate(self, memory: M, running: Running, subgoal: Any) -> Sequence[float]:
        """[Sizes.candidate] numbers about a subgoal that could be chosen now."""
        ...

    def moves(
        self, memories: Sequence[M], subgoals: Sequence[Any], infos: Sequence[Mapping[str, Any]]
    ) -> tuple[Rows, Sequence[Moves]]:
        """The actions that carry out the subgoals of a batch of turns, and their rows."""
        ...

    def words(self, memories: Sequence[M]) -> Rows:
        """The words that an action can be composed of in each turn; at least one a turn."""
        ...

    def compose(self, memory: M, chosen: BoolArray) -> str:
        """The action made of the chosen words, [words of the turn]; at least one is chosen."""
        ...

    def spell(self, memory: M, action: str) -> BoolArray | None:
        """Which words an action is made of; None if it is not composed of words."""
        ...

    def oracle(self, info: Mapping[str, Any]) -> Reference:
        """The searching expert for an episode; it is shown what the agent is shown."""
        ...

    def parse_subgoal(self, text: str) -> Any:
        """The subgoal with these words; None if it is none of the vocabulary."""
        ...


DOMAINS: dict[str, str] = {
    "alfworld": "hiper_agents.compact.alfworld.domain:AlfworldDomain",
    "alfworld_long": "hiper_agents.compact.alfworld.long_domain:AlfworldLongDomain",
    "webshop": "hiper_agents.compact.webshop.domain:WebshopDomain",
}
"""Where the class of each domain is; it is called with a vocabulary, or with none for its own."""

_DOMAIN_OF_ENVIRONMENT = {
    "HiPER-ALFWorld": "alfworld",
    "HiPER-ALFWorldLong": "alfworld_long",
    "HiPER-WebShop": "webshop",
}


def domain_of(env_id: str) -> str:
    """Name of the domain that reads an environment; versions of an id are read alike.

    Raises:
        DomainError: If there is none.

    Example:
        >>> domain_of("HiPER-WebShop-v0")
        'webshop'
    """
    name = _DOMAIN_OF_ENVIRONMENT.get(env_id.rpartition("-v")[0])
    if name is None:
        known = ", ".join(f"{known}-v0" for known in _DOMAIN_OF_ENVIRONMENT)
        raise DomainError(f"the compact agent cannot read {env_id!r}; it reads {known}")
    return name


def make_domain(name: str, vocabulary: Any = None) -> Domain[Any]:
    """Makes a domain.

    Args:
        name: One of DOMAINS.
        vocabulary: `Domain.vocabulary` of the domain to make again; None for that of this version.

    Raises:
        DomainError: If there is no such domain, or the vocabulary is none of its own.
    """
    if name not in DOMAINS:
        raise DomainError(f"unknown domain {name!r}; known: {', '.join(DOMAINS)}")
    module, _, attribute = DOMAINS[name].partition(":")
    make = cast("Callable[..., Domain[Any]]", getattr(import_module(module), attribute))
    return make() if vocabulary is None else make(vocabulary)
