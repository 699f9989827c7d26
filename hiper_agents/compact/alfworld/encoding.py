"""Turns memories, subgoals and actions into the arrays that the network reads.

Everything here is derived from texts that the agent was shown. Knows nothing about the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from hiper_agents.compact.alfworld.memory import (
    DESTINATION,
    LAMPS,
    MAX_RECEPTACLES,
    RECEPTACLE_FEATURES,
    Memory,
)
from hiper_agents.compact.alfworld.options import TRANSFORMS, Permitted
from hiper_agents.compact.alfworld.vocabulary import Vocabulary
from hiper_agents.compact.domain import OUTCOMES, Running
from hiper_agents.compact.rows import Rows, one_hot
from hiper_envs.alfworld.game import TASK_TYPES
from hiper_envs.alfworld.subgoals import KINDS, Subgoal, type_of

STATE_SIZE = len(TASK_TYPES) + 17 + len(OUTCOMES)
SUBGOAL_SIZE = len(KINDS) + 4
CANDIDATE_SIZE = 9
ACHIEVES = len(RECEPTACLE_FEATURES) + 2
"""Column of an action's row: it does what the subgoal names."""
OBJECT_SIZE = 1 + len(TRANSFORMS)
MOVE_SIZE = ACHIEVES + 1 + OBJECT_SIZE

M = TypeVar("M", bound=Memory)


def encode_state(memory: Memory, running: Running) -> list[float]:
    """[STATE_SIZE] numbers about the episode as a whole."""
    spec, total, held = memory.spec, max(len(memory.receptacles), 1), memory.held
    done = memory.states.get(held, ())
    holds_target = bool(held) and type_of(held) == spec.object_type
    at_lamp = at_destination = False
    if memory.here >= 0:
        row = memory.table[memory.here]
        at_lamp, at_destination = bool(row[LAMPS]), bool(row[DESTINATION])
    return [
        *one_hot(spec.task_type, TASK_TYPES),
        *one_hot(running.outcome, OUTCOMES),
        bool(held),
        holds_target,
        "clean" in done,
        "heat" in done,
        "cool" in done,
        holds_target and (not spec.transform or spec.transform in done),
        len(memory.placed) / 2.0,
        memory.lamp_used,
        at_lamp,
        at_destination,
        memory.here < 0,
        total / 30.0,
        memory.explored / total,
        memory.has_explored_all,
        min(memory.available(spec.object_type), 2) / 2.0,
        memory.turn / 50.0,
        min(running.age, 20) / 10.0,
    ]


def encode_subgoal(memory: Memory, subgoal: Subgoal | None) -> list[float]:
    """[SUBGOAL_SIZE] numbers about one subgoal and how it matches the task."""
    if subgoal is None:
        return [0.0] * SUBGOAL_SIZE
    spec = memory.spec
    return [
        *one_hot(subgoal.kind, KINDS),
        float(subgoal.object_type == spec.object_type),
        float(bool(subgoal.receptacle_type) and subgoal.receptacle_type == spec.receptacle_type),
        float(subgoal.kind == spec.transform),
        float(subgoal.kind == "use" and subgoal.object_type == spec.tool_type),
    ]


def encode_candidate(memory: Memory, running: Running, subgoal: Subgoal) -> list[float]:
    """[SUBGOAL_SIZE + CANDIDATE_SIZE] numbers about a subgoal that could be chosen now."""
    spec = memory.spec
    done = memory.states.get(memory.held, ())
    values = encode_subgoal(memory, subgoal)
    values += [
        float(subgoal == running.subgoal),
        float(subgoal == running.subgoal and running.outcome == "achieved"),
        float(subgoal == running.subgoal and running.outcome == "impossible"),
        min(memory.available(subgoal.object_type), 2) / 2.0,
        float(subgoal.kind in done),
        float(bool(spec.transform) and spec.transform in done),
        float(not spec.transform),
        float(memory.lamp_used),
        len(memory.placed) / 2.0,
    ]
    return values


def describe(memory: Memory, name: str) -> list[float]:
    """[OBJECT_SIZE] numbers about an object that an action does something to."""
    done = memory.states.get(name, ())
    return [name in memory.placed, *(kind in done for kind in TRANSFORMS)]


def encode_moves(
    memories: Sequence[M],
    vocabulary: Vocabulary,
    moves: Sequence[Permitted],
    describe_object: Callable[[M, str], Sequence[float]] = describe,
    object_size: int = OBJECT_SIZE,
) -> Rows:
    """The permitted actions of a batch of turns as rows.

    A row is its receptacle's row of the memory's table, whether the action goes, opens or does what
    the subgoal names, and what is known of the object that it does it to.

    Args:
        memories: The episodes.
        vocabulary: Numbers of type words.
        moves: What each of them permits.
        describe_object: Numbers about an object.
        object_size: How many these are.
    """
    counts = np.array([len(allowed.commands) for allowed in moves])
    receptacles = np.array([r for allowed in moves for r in allowed.receptacles])
    owner = np.repeat(np.arange(len(moves)), counts)
    known = memories[0].table.shape[1]
    features = np.zeros((len(owner), known + 3 + object_size), np.float32)
    features[:, :known] = np.stack([memory.table for memory in memories])[owner, receptacles]
    features[:, known] = 1.0
    types = np.stack(
        [vocabulary.padded(tuple(memory.types), MAX_RECEPTACLES) for memory in memories]
    )
    first = 0
    for memory, allowed, count in zip(memories, moves, counts, strict=True):
        opening = first + allowed.num_go
        achieving = opening + allowed.num_open
        features[opening:achieving, known : known + 2] = (0.0, 1.0)
        for row, name in zip(features[achieving:], allowed.objects, strict=False):
            row[known] = 0.0
            row[known + 2] = 1.0
            row[known + 3 :] = describe_object(memory, name)
        first += count
    return Rows.stack(features, types[owner, receptacles][:, None], counts)


def subgoal_types(vocabulary: Vocabulary, subgoal: Subgoal | None) -> list[int]:
    """Vocabulary numbers of a subgoal's object type and receptacle type."""
    if subgoal is None:
        return [0, 0]
    return [vocabulary[subgoal.object_type], vocabulary[subgoal.receptacle_type]]


def state_types(vocabulary: Vocabulary, memory: Memory) -> list[int]:
    """Vocabulary numbers of the wanted type, its destination, the held type and the place."""
    spec = memory.spec
    place = memory.types[memory.here] if memory.here >= 0 else ""
    return [
        vocabulary[spec.object_type],
        vocabulary[spec.receptacle_type],
        vocabulary[type_of(memory.held)],
        vocabulary[place],
    ]
