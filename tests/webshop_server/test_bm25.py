"""Lucene's lengths and scores, worked out by hand or by its documentation."""

from __future__ import annotations

import numpy as np
import pytest

from webshop_server.bm25 import (
    contribution,
    inverse_document_frequency,
    inverse_norms,
    length_table,
    weigh,
)
from webshop_server.postings import invert


def test_lengths() -> None:
    table = length_table()
    assert table[:42].tolist() == [*range(41), 42]
    assert table[[41, 47, 48, 55, 56]].tolist() == [42, 54, 56, 84, 88]
    assert len(table) == 256
    assert (np.diff(table) > 0).all()
    assert table[255] <= 2**31 - 1 < 2 * table[255]


def test_idf() -> None:
    assert inverse_document_frequency(1, 2) == np.float32(np.log(2))
    several = inverse_document_frequency(np.array([1, 2]), 2)
    assert several.dtype == np.float32
    assert several == pytest.approx([0.6931472, 0.1823216])


def test_contribution_is_float32() -> None:
    inverse = inverse_norms(2.5)[[2, 3]]
    assert inverse == pytest.approx([1 / 0.828, 1 / 0.972])
    added = contribution(np.float32(0.1823216), np.array([1, 2], np.uint8), inverse)
    assert added.dtype == np.float32
    assert added == pytest.approx([0.1823216 * 1 / 1.828, 0.1823216 * 2 / 2.972])


def test_contributions_do_not_depend_on_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["red hat", "blue hat red", "hat hat", "shoe"]
    whole = weigh(invert(texts), list("abcd"), 2.0, 4)
    monkeypatch.setattr("webshop_server.bm25._STEP", 2)
    parts = weigh(invert(texts), list("abcd"), 2.0, 4)
    assert whole.contributions.tolist() == parts.contributions.tolist()
    assert (whole.contributions > 0).all()


def test_arrays() -> None:
    texts = ["hat é", *["shoe"] * 8]
    weighed = weigh(invert(texts), list("ihgfedcba"), 1.0, 9)
    assert bytes(weighed.vocabulary).decode() == "hatshoeé"
    assert weighed.offsets.tolist() == [0, 3, 7, 9]
    assert weighed.order.tolist() == list(range(8, -1, -1))
    assert weighed.frequent.tolist() == [1]
    assert np.count_nonzero(weighed.rows) == 8
    assert weighed.rows[0] == 0
