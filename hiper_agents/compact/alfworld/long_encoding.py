"""Turns memories of chains, subgoals and actions into the arrays that the network reads.

Like `encoding`, and with its rows for actions. Numbers of subtasks and items are shares, and
subgoals are described by how they match what is still to be done, so that one network reads chains
of any length. That is a strong prior: which object is meant and what it still lacks need not be
learned. Everything is derived from texts that the agent was shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from hiper_agents.compact.alfworld import encoding
from hiper_agents.compact.alfworld.long_memory import (
    ANCHOR,
    LONG_RECEPTACLE_FEATURES,
    LongMemory,
)
from hiper_agents.compact.alfworld.memory import DESTINATION, LAMP_TYPES, LAMPS
from hiper_agents.compact.alfworld.options import TRANSFORMS, Permitted
from hiper_agents.compact.alfworld.vocabulary import Vocabulary
from hiper_agents.compact.domain import OUTCOMES, Running
from hiper_agents.compact.rows import Rows, one_hot
from hiper_envs.alfworld.chains import MAX_SUBTASKS, NO_PLACE, VERBS
from hiper_envs.alfworld.subgoals import KINDS, Subgoal, type_of

STATE_SIZE = len(OUTCOMES) + len(VERBS) + 2 * len(TRANSFORMS) + 22
STATE_TYPES = 6
SUBGOAL_SIZE = len(KINDS) + 6
CANDIDATE_SIZE = 13
ACHIEVES = len(LONG_RECEPTACLE_FEATURES) + 2
"""Column of an action's row: it does what the subgoal names."""
OBJECT_SIZE = encoding.OBJECT_SIZE + 1
MOVE_SIZE = ACHIEVES + 1 + OBJECT_SIZE
_EXCLUSIVE = {"heat": "cool", "cool": "heat"}


def encode_state(memory: LongMemory, running: Running) -> list[float]:
    """[STATE_SIZE] numbers about the episode as a whole."""
    chain, held = memory.chain, memory.held
    total, length = max(len(memory.receptacles), 1), len(chain.subtasks)
    done, missing = memory.states.get(held, ()), memory.missing
    undone = len(memory.undone)
    verbs = {s.verb for s in memory.undone} | {s.transform for s in memory.undone}
    places = [False] * 3
    if memory.here >= 0:
        row = memory.table[memory.here]
        places = [bool(row[LAMPS]), bool(row[DESTINATION]), bool(row[ANCHOR])]
    first = memory.pending[0] if memory.pending else None
    return [
        *one_hot(running.outcome, OUTCOMES),
        *(verb in verbs for verb in VERBS),
        *(transform in missing for transform in TRANSFORMS),
        *(transform in done for transform in TRANSFORMS),
        length / MAX_SUBTASKS,
        undone / length,
        undone / MAX_SUBTASKS,
        len(memory.pending) / len(chain.items),
        only_the_lamp_is_left(memory),
        bool(held),
        memory.meant is not None,
        memory.meant is not None and not missing,
        memory.meant is not None and memory.meant == chain.looked_at,
        memory.home != NO_PLACE and bool(memory.binding.places[memory.home]),
        *places,
        memory.here < 0,
        total / 30.0,
        memory.explored / total,
        memory.has_explored_all,
        0.0 if first is None else min(memory.available(chain.items[first].type), 2) / 2.0,
        first is not None and bool(memory.binding.items[first]),
        any(memory.available(lamp) for lamp in LAMP_TYPES),
        memory.turn / (50.0 * length),
        min(running.age, 20) / 10.0,
    ]


def state_types(vocabulary: Vocabulary, memory: LongMemory) -> list[int]:
    """[STATE_TYPES] vocabulary numbers.

    The types of the next two items, the next one's home, what is held, where it belongs, and where
    the agent is.
    """
    chain, pending = memory.chain, memory.pending
    words = [chain.items[item].type for item in pending[:2]]
    homes = [home_type(memory, item) for item in pending[:1]]
    place = memory.types[memory.here] if memory.here >= 0 else ""
    own = "" if memory.meant is None else home_type(memory, memory.meant)
    named = [*words, *[""] * (2 - len(words)), *homes, *[""] * (1 - len(homes))]
    return [vocabulary[word] for word in (*named, type_of(memory.held), own, place)]


def home_type(memory: LongMemory, item: int) -> str:
    """Type of the receptacle where an item belongs, or ""."""
    home = memory.chain.homes[item]
    return "" if home == NO_PLACE else memory.chain.places[home]


def only_the_lamp_is_left(memory: LongMemory) -> bool:
    """Whether nothing but the item for the lamp is pending."""
    return len(memory.pending) == 1 and memory.pending[0] == memory.chain.looked_at


def encode_subgoal(memory: LongMemory, subgoal: Subgoal | None) -> list[float]:
    """[SUBGOAL_SIZE] numbers about one subgoal and how it matches what is still to be done."""
    if subgoal is None:
        return [0.0] * SUBGOAL_SIZE
    chain, kind = memory.chain, subgoal.kind
    types = [chain.items[item].type for item in memory.pending]
    needs = () if memory.meant is None else chain.needs[memory.meant]
    own = "" if memory.meant is None else home_type(memory, memory.meant)
    return [
        *one_hot(kind, KINDS),
        float(subgoal.object_type in types),
        float(subgoal.object_type in types[:1]),
        float(bool(own) and subgoal.receptacle_type == own),
        float(kind in memory.missing),
        float(_EXCLUSIVE.get(kind) in needs),
        float(kind == "use" and subgoal.object_type == chain.lamp),
    ]


def encode_candidate(memory: LongMemory, running: Running, subgoal: Subgoal) -> list[float]:
    """[SUBGOAL_SIZE + CANDIDATE_SIZE] numbers about a subgoal that could be chosen now."""
    chain, pending = memory.chain, memory.pending
    same = [item for item in pending if chain.items[item].type == subgoal.object_type]
    is_again = subgoal == running.subgoal
    is_ready = memory.meant is not None and not memory.missing
    return [
        *encode_subgoal(memory, subgoal),
        float(is_again),
        float(is_again and running.outcome == "achieved"),
        float(is_again and running.outcome == "impossible"),
        min(memory.available(subgoal.object_type), 2) / 2.0,
        float(subgoal.kind in memory.states.get(memory.held, ())),
        float(is_ready),
        float(is_ready and only_the_lamp_is_left(memory)),
        float(only_the_lamp_is_left(memory)),
        len(same) / 2.0,
        pending.index(same[0]) / MAX_SUBTASKS if same else 0.0,
        float(bool(same) and same[0] == chain.looked_at),
        float(any(memory.binding.items[item] for item in same)),
        float(memory.home != NO_PLACE and bool(memory.binding.places[memory.home])),
    ]


def encode_moves(
    memories: Sequence[LongMemory], vocabulary: Vocabulary, moves: Sequence[Permitted]
) -> Rows:
    """The permitted actions of a batch of turns as rows; see `encoding.encode_moves`."""
    return encoding.encode_moves(memories, vocabulary, moves, _describe, OBJECT_SIZE)


def _describe(memory: LongMemory, name: str) -> list[float]:
    """[OBJECT_SIZE] numbers about an object: also whether it stands for an item already."""
    return [*encoding.describe(memory, name), name in memory.binding.items]
