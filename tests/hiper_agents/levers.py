"""A toy benchmark: unlock the door, then pull the lever of the colour that the task names.

A network learns it in a second. A random one plays it badly: it may pursue a lever before the door
is open, and pull one of the wrong colour, which ends the episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hiper_agents.compact.domain import OUTCOMES, DomainError, Running, Sizes
from hiper_agents.compact.rows import BoolArray, Rows, one_hot
from hiper_envs.core import HierarchicalTextEnv, OpenTask, TaskInfo, WorldState

COLOURS = ("red", "green", "blue")
LOCKED, OPEN = "A locked door.", "A room with a red, a green and a blue lever."


class World:
    def __init__(self, colour: str) -> None:
        self.colour = colour

    def reset(self) -> WorldState:
        self.open = False
        return WorldState(LOCKED, ("unlock", "wait"), 0.0, False, False, 0.0)

    def step(self, action: str) -> WorldState:
        pulled = self.open and action.startswith("pull ")
        won = pulled and action == f"pull {self.colour}"
        self.open = self.open or action == "unlock"
        actions = (*(f"pull {colour}" for colour in COLOURS), "wait")
        if not self.open:
            return self.reset()
        return WorldState(OPEN, actions, float(won), pulled, won, float(won))


class Source:
    task_types = tuple(COLOURS[number % 3] for number in range(12))

    def __init__(self, reference: bool = False) -> None:
        self.reference = reference

    def __len__(self) -> int:
        return len(self.task_types)

    def index(self, task_id: str) -> int:
        return int(task_id)

    def open(self, index: int) -> OpenTask:
        colour = self.task_types[index]
        info = TaskInfo(str(index), f"pull {colour}", colour, "levers")
        return OpenTask(info, World(colour), Expert(info.task) if self.reference else None)


def make_levers(
    max_turns: int = 5, split: str = "levers", reference: bool = False
) -> HierarchicalTextEnv:
    return HierarchicalTextEnv(Source(reference), max_turns=max_turns)


@dataclass(frozen=True)
class Subgoal:
    text: str


UNLOCK = Subgoal("unlock")
SUBGOALS = (UNLOCK, *(Subgoal(f"pull {colour}") for colour in COLOURS))


class Memory:
    def __init__(self, task: str, observation: str) -> None:
        self.task, self.open = task, observation == OPEN
        self.wanted: Subgoal | None = None

    def observe(self, observation: str, info: Mapping[str, Any]) -> None:
        self.open = observation == OPEN

    def want(self, subgoal: Subgoal | None) -> None:
        self.wanted = subgoal

    def is_achieved(self, subgoal: Subgoal, action: str) -> bool:
        return action == subgoal.text

    def is_impossible(self, subgoal: Subgoal) -> bool:
        return subgoal == UNLOCK and self.open


class Moves(NamedTuple):
    commands: list[str]


class Expert:
    """Unlocks, then pulls; what it is asked before the door is open is to unlock."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.subgoal = self.expert_action = ""
        self.boundary = False

    def observe(self, observation: str, action: str = "", admissible: Sequence[str] = ()) -> None:
        before, self.subgoal = self.subgoal, self.task if observation == OPEN else UNLOCK.text
        self.expert_action, self.boundary = self.subgoal, self.subgoal != before


class LeverDomain:
    name = "levers"
    template = ""
    settings: Mapping[str, Any] = {}
    vocabulary = "levers"
    sizes = Sizes(
        vocabulary=1,
        state=len(OUTCOMES) + 5,
        state_types=0,
        subgoal=2,
        subgoal_types=0,
        candidate=3,
        move=2,
        move_types=0,
        achieves=0,
    )

    def __init__(self, vocabulary: str = "levers") -> None:
        if vocabulary != "levers":
            raise DomainError("no levers")

    def remember(self, info: Mapping[str, Any], observation: str) -> Memory:
        return Memory(info["task"], observation)

    def encode_state(self, memory: Memory, running: Running) -> list[float]:
        colour = one_hot(memory.task.removeprefix("pull "), COLOURS)
        return [*one_hot(running.outcome, OUTCOMES), memory.open, running.age / 5.0, *colour]

    def state_types(self, memory: Memory) -> list[int]:
        return []

    def encode_subgoal(self, memory: Memory, subgoal: Subgoal | None) -> list[float]:
        if subgoal is None:
            return [0.0, 0.0]
        return [subgoal == UNLOCK, subgoal.text == memory.task]

    def subgoal_types(self, subgoal: Subgoal | None) -> list[int]:
        return []

    def candidates(self, memory: Memory) -> list[Subgoal]:
        return [subgoal for subgoal in SUBGOALS if not memory.is_impossible(subgoal)]

    def encode_candidate(self, memory: Memory, running: Running, subgoal: Subgoal) -> list[float]:
        return [*self.encode_subgoal(memory, subgoal), subgoal == running.subgoal]

    def moves(
        self,
        memories: Sequence[Memory],
        subgoals: Sequence[Subgoal],
        infos: Sequence[Mapping[str, Any]],
    ) -> tuple[Rows, list[Moves]]:
        moves = [
            Moves([a for a in info["admissible_actions"] if a in (subgoal.text, "wait")])
            for subgoal, info in zip(subgoals, infos, strict=True)
        ]
        features = [(a != "wait", a == "wait") for allowed in moves for a in allowed.commands]
        types = np.zeros((len(features), 0), np.int64)
        counts = [len(allowed.commands) for allowed in moves]
        return Rows.stack(np.array(features, np.float32), types, counts), moves

    def words(self, memories: Sequence[Memory]) -> Rows:
        return Rows.empty(0, 0)

    def compose(self, memory: Memory, chosen: BoolArray) -> str:
        raise NotImplementedError

    def spell(self, memory: Memory, action: str) -> BoolArray | None:
        return None

    def oracle(self, info: Mapping[str, Any]) -> Expert:
        return Expert(info["task"])

    def parse_subgoal(self, text: str) -> Subgoal | None:
        return next((subgoal for subgoal in SUBGOALS if subgoal.text == text), None)
