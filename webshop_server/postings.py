"""From texts to postings: which documents contain a term, and how often.

Terms are those of :mod:`webshop_server.analysis`. Nothing here knows of scores or queries.

Texts are read once, in order, and are not kept. They are split at spaces and each chunk's term
numbers are kept in a dictionary, because chunks repeat: 1,000,000 short texts take about as long as
their dictionary look-ups. Counts are then made by sorting in numpy, a batch of texts at a time.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from webshop_server.analysis import analyse_chunk

__all__ = ["Postings", "invert"]

_BATCH_TERMS = 1 << 22
_CACHED_CHUNKS = 1 << 20


@dataclass(frozen=True)
class Postings:
    """An inverted collection of N documents with V terms and P postings.

    Attributes:
        terms: The terms in order of their code points, V of them.
        starts: int64 [V + 1]; the postings of term t are those from `starts[t]` to
            `starts[t + 1]`.
        documents: int32 [P]; the document of a posting, rising within a term.
        frequencies: uint8, uint16 or uint32 [P]; how often the document contains the term.
        lengths: int64 [N]; number of terms of a document, with repetitions.
    """

    terms: list[str]
    starts: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int32]
    frequencies: npt.NDArray[np.unsignedinteger]
    lengths: npt.NDArray[np.int64]


class _Batch(NamedTuple):
    """Postings of some documents, by term number and then by document; arrays of one length."""

    terms: npt.NDArray[np.int32]
    documents: npt.NDArray[np.int32]
    frequencies: npt.NDArray[np.unsignedinteger]


def invert(texts: Iterable[str]) -> Postings:
    """Inverts texts.

    Args:
        texts: One text a document.

    Returns:
        The postings; document numbers are positions among the texts.
    """
    numbers: dict[str, int] = {}
    known: dict[str, tuple[int, ...]] = {}
    batches: list[_Batch] = []
    lengths = array("q")
    pending: list[int] = []
    first = 0
    for text in texts:
        before = len(pending)
        for chunk in text.split(" "):
            found = known.get(chunk)
            if found is None:
                terms = analyse_chunk(chunk)
                found = tuple([numbers.setdefault(term, len(numbers)) for term in terms])
                if len(known) >= _CACHED_CHUNKS:
                    known.clear()
                known[chunk] = found
            pending += found
        lengths.append(len(pending) - before)
        if len(pending) >= _BATCH_TERMS:
            batches.append(_count(pending, lengths[first:], first))
            first = len(lengths)
            pending.clear()
    batches.append(_count(pending, lengths[first:], first))
    return _merge(batches, numbers, np.array(lengths, dtype=np.int64))


def _count(terms: list[int], lengths: array[int], first: int) -> _Batch:
    """Counts the terms of some documents.

    Args:
        terms: Term numbers of all of them, one document after the other.
        lengths: Number of terms by document.
        first: Number of the first document.
    """
    documents = np.repeat(np.arange(len(lengths), dtype=np.int64), np.array(lengths, np.int64))
    keys = np.array(terms, dtype=np.int64) * max(len(lengths), 1) + documents
    keys.sort()
    is_first = np.ones(len(keys), dtype=bool)
    is_first[1:] = keys[1:] != keys[:-1]
    starts = np.flatnonzero(is_first)
    numbers, documents = np.divmod(keys[starts], max(len(lengths), 1))
    return _Batch(
        numbers.astype(np.int32),
        (documents + first).astype(np.int32),
        _compact(np.diff(starts, append=len(keys))),
    )


def _merge(
    batches: list[_Batch], numbers: dict[str, int], lengths: npt.NDArray[np.int64]
) -> Postings:
    """Joins batches, and numbers the terms in the order of their code points."""
    terms = sorted(numbers)
    renumbered = np.empty(len(terms), dtype=np.int64)
    renumbered[[numbers[term] for term in terms]] = np.arange(len(terms))
    starts = np.zeros(len(terms) + 1, dtype=np.int64)
    for batch in batches:
        starts[1:] += np.bincount(renumbered[batch.terms], minlength=len(terms))
    np.cumsum(starts, out=starts)
    documents = np.empty(starts[-1], dtype=np.int32)
    widest = np.result_type(np.uint8, *(batch.frequencies.dtype for batch in batches))
    frequencies = np.empty(starts[-1], dtype=widest)
    free = starts[:-1].copy()
    while batches:  # and free each one's memory
        batch = batches.pop(0)
        counts = np.bincount(batch.terms, minlength=len(terms))
        offset = free[renumbered] - (np.cumsum(counts) - counts)
        places = np.arange(len(batch.terms)) + np.repeat(offset, counts)
        documents[places] = batch.documents
        frequencies[places] = batch.frequencies
        free[renumbered] += counts
    return Postings(terms, starts, documents, frequencies, lengths)


def _compact(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.unsignedinteger]:
    """The counts in the narrowest unsigned type that holds them."""
    largest = int(counts.max(initial=0))
    return counts.astype(np.min_scalar_type(largest))
