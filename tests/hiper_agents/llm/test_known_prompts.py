from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("transformers", reason="needs the extra agents")

from hiper_agents.llm.known_prompts import KnownPrompts, begin
from hiper_agents.llm.ragged_cache import RaggedCache
from hiper_agents.llm.stems import common

PROMPTS = st.lists(st.integers(0, 2), min_size=1, max_size=6)


@given(st.lists(PROMPTS, min_size=1, max_size=8), PROMPTS)
def test_none_is_known_better_than_the_nearest(known: list[list[int]], prompt: list[int]) -> None:
    shared, row = KnownPrompts(RaggedCache(len(known), 8), known, (0, 0)).nearest(prompt)
    own, all_known = np.array(prompt[:-1], np.int32), [np.array(each, np.int32) for each in known]
    assert shared == common(all_known[row], own)
    assert shared == max(common(each, own) for each in all_known)


def filled(values: list[float], length: int) -> RaggedCache:
    """A cache of one layer whose row i says `values[i]` and the position."""
    cache = RaggedCache(len(values), length)
    positions = torch.arange(length).expand(len(values), -1)
    cache.aim(slice(0, len(values)), positions, length)
    states = torch.tensor(values)[:, None] + positions / 100
    cache.update(states[:, None, :, None], -states[:, None, :, None], 0)
    return cache


def test_rows_begin_with_the_best_that_is_known() -> None:
    prefix = KnownPrompts(filled([1.0], 2), [[5, 6]], (0, 0))
    last = KnownPrompts(filled([2.0, 3.0], 4), [[7, 7, 7, 7], [5, 6, 8, 8]], (0, 0))
    cache = RaggedCache(4, 6)
    prompts = [[5, 6, 8, 9, 1], [5, 6, 1], [9, 9], [7, 7]]
    assert begin(cache, prompts, [prefix, last]) == [3, 2, 0, 1]
    cache.aim(slice(0, 4), torch.full((4, 1), 5), 6)
    keys, values = cache.update(torch.zeros(4, 1, 1, 1), torch.zeros(4, 1, 1, 1), 0)
    torch.testing.assert_close(keys[0, 0, :3, 0], torch.tensor([3.0, 3.01, 3.02]))
    torch.testing.assert_close(keys[1, 0, :2, 0], torch.tensor([1.0, 1.01]))
    torch.testing.assert_close(values[3, 0, :1, 0], torch.tensor([-2.0]))


def test_nothing_is_known_at_first() -> None:
    assert begin(RaggedCache(2, 4), [[1], [2, 3]], []) == [0, 0]
