"""Ragged rows and vocabulary numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hiper_agents.compact.alfworld import encoding
from hiper_agents.compact.alfworld.memory import Memory
from hiper_agents.compact.alfworld.vocabulary import Vocabulary
from hiper_agents.compact.domain import Running
from hiper_agents.compact.rows import Rows
from hiper_envs.alfworld.subgoals import Subgoal


def rows(counts: list[int], offset: int = 0) -> Rows:
    total = sum(counts)
    features = (np.arange(total, dtype=np.float32) + offset)[:, None]
    return Rows.stack(features, np.arange(total)[:, None] + offset, counts)


def test_rows_know_their_turn_and_their_place() -> None:
    ragged = rows([2, 0, 3])
    assert ragged.owner.tolist() == [0, 0, 2, 2, 2]
    assert ragged.position.tolist() == [0, 1, 0, 1, 2]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.data())
def test_taking_turns_takes_exactly_their_rows(counts: list[int], data: st.DataObject) -> None:
    ragged = rows(counts)
    turns = data.draw(st.lists(st.integers(0, len(counts) - 1), max_size=6))
    taken = ragged.take(np.array(turns, np.int64))
    expected = [r for turn in turns for r in np.flatnonzero(ragged.owner == turn).tolist()]
    assert taken.features[:, 0].astype(int).tolist() == expected
    assert taken.owner.tolist() == [
        place for place, turn in enumerate(turns) for _ in range(counts[turn])
    ]


def test_concatenating_shifts_the_owners() -> None:
    both = Rows.concatenate([rows([1, 2]), rows([2], offset=3)], [2, 1])
    assert both.owner.tolist() == [0, 1, 1, 2, 2]
    assert both.features[:, 0].tolist() == [0, 1, 2, 3, 4]


def test_unknown_words_are_zero() -> None:
    vocabulary = Vocabulary(["mug", "desk"])
    assert [vocabulary[word] for word in ("desk", "mug", "sofa", "")] == [1, 2, 0, 0]
    assert len(vocabulary) == 3
    assert vocabulary.padded(("mug", "sofa", "desk"), 4).tolist() == [2, 0, 1, 0]
    assert vocabulary.padded(("mug", "sofa", "desk"), 2).tolist() == [2, 0]


def test_sizes_are_those_declared() -> None:
    memory = Memory("heat some mug and put it in desk.", "")
    running = Running(Subgoal("find", "mug"), 3, "running")
    assert len(encoding.encode_state(memory, running)) == encoding.STATE_SIZE
    assert len(encoding.encode_subgoal(memory, None)) == encoding.SUBGOAL_SIZE
    subgoal = Subgoal("put", "mug", "desk")
    candidate = encoding.encode_candidate(memory, running, subgoal)
    assert len(candidate) == encoding.SUBGOAL_SIZE + encoding.CANDIDATE_SIZE
    # It is about the wanted object and the wanted destination.
    assert encoding.encode_subgoal(memory, subgoal)[6:] == [1.0, 1.0, 0.0, 0.0]
