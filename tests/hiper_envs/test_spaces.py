from __future__ import annotations

import copy

import numpy as np
import pytest
from gymnasium.spaces import Text
from gymnasium.spaces.utils import flatten, flatten_space, unflatten
from gymnasium.vector.utils import (
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)
from hypothesis import given
from hypothesis import strategies as st

from hiper_envs.spaces import UnicodeText


@given(st.text(max_size=30))
def test_any_text_is_contained_and_survives_flattening(text: str) -> None:
    space = UnicodeText(30)
    assert text in space
    flat = flatten(space, text)
    assert isinstance(flat, np.ndarray)
    assert flat in flatten_space(space)
    assert unflatten(space, flat) == text


@given(st.lists(st.text(max_size=6), min_size=1, max_size=3), st.text(max_size=6))
def test_any_text_survives_shared_memory(texts: list[str], last: str) -> None:
    space = UnicodeText(6)
    memory = create_shared_memory(space, n=len(texts))
    view = read_from_shared_memory(space, memory, n=len(texts))
    assert list(view) == [""] * len(texts)
    for index, text in enumerate(texts):
        write_to_shared_memory(space, index, text, memory)
    snapshot = copy.deepcopy(view)
    assert snapshot == tuple(texts)
    write_to_shared_memory(space, 0, last, memory)
    assert (view[0], view[:1], snapshot[0]) == (last, (last,), texts[0])


@pytest.mark.parametrize(("value", "contained"), [("ab", True), ("a", False), ("abcd", False)])
def test_length_bounds(value: str, contained: bool) -> None:
    assert (value in UnicodeText(3, min_length=2)) == contained


@pytest.mark.parametrize("value", [3, None, ["a", "b"], b"ab"])
def test_only_strings_are_contained(value: object) -> None:
    assert value not in UnicodeText(10)


@pytest.mark.parametrize(("shortest", "longest"), [(0, 3), (1, 1), (40, 50), (0, 10_000)])
def test_samples_are_legal_and_reproducible(shortest: int, longest: int) -> None:
    space = UnicodeText(longest, min_length=shortest, seed=1)
    twin = UnicodeText(longest, min_length=shortest, seed=1)
    samples = [space.sample() for _ in range(50)]
    assert all(sample in space for sample in samples)
    assert samples == [twin.sample() for _ in range(50)]


def test_masks_are_refused() -> None:
    with pytest.raises(ValueError, match="neither a mask"):
        UnicodeText(3).sample(mask=(1, None))


def test_equality_and_copies() -> None:
    space = UnicodeText(5, min_length=1)
    assert space == copy.deepcopy(space)
    assert space != UnicodeText(5)
    assert space != Text(5)
    assert repr(space) == "UnicodeText(1, 5)"
