"""Inverted texts against counting by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webshop_server import postings as module
from webshop_server.analysis import analyse
from webshop_server.postings import Postings, invert

WORDS = ["red", "blue", "shoe", "the", "Ärger", "☆", "★", "hat"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS)).map(" ".join))


def as_dictionary(postings: Postings) -> dict[str, dict[int, int]]:
    ends = zip(postings.starts[:-1], postings.starts[1:], strict=True)
    return {
        term: dict(
            zip(
                postings.documents[start:end].tolist(),
                postings.frequencies[start:end].tolist(),
                strict=True,
            )
        )
        for term, (start, end) in zip(postings.terms, ends, strict=True)
    }


def test_by_hand() -> None:
    postings = invert(iter(["Red shoes, red hat", "", "the hat"]))
    assert postings.terms == ["hat", "red", "shoe"]
    assert as_dictionary(postings) == {"hat": {0: 1, 2: 1}, "red": {0: 2}, "shoe": {0: 1}}
    assert postings.lengths.tolist() == [4, 0, 1]
    assert postings.frequencies.dtype == np.uint8


def test_nothing() -> None:
    postings = invert([])
    assert (postings.terms, postings.starts.tolist(), len(postings.lengths)) == ([], [0], 0)


@pytest.mark.parametrize(
    ("count", "dtype"), [(255, np.uint8), (256, np.uint16), (70_000, np.uint32)]
)
def test_many_repetitions(count: int, dtype: type) -> None:
    postings = invert(["a hat", "hat " * count])
    assert as_dictionary(postings) == {"hat": {0: 1, 1: count}}
    assert postings.frequencies.dtype == dtype


@given(TEXTS)
def test_batches_do_not_matter(texts: list[str]) -> None:
    counted: dict[str, dict[int, int]] = {}
    for document, text in enumerate(texts):
        for term, count in Counter(analyse(text)).items():
            counted.setdefault(term, {})[document] = count
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BATCH_TERMS", 5)
        patch.setattr(module, "_CACHED_CHUNKS", 2)
        in_batches = invert(texts)
    for postings in (in_batches, invert(texts)):
        assert as_dictionary(postings) == counted
        assert postings.terms == sorted(counted)
        assert postings.lengths.tolist() == [len(analyse(text)) for text in texts]
        for documents in as_dictionary(postings).values():
            assert list(documents) == sorted(documents)
