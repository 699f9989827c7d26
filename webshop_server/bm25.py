"""What a word adds to a document's score, as Lucene computes it: to the last bit.

A document scores the sum over the query's words of w - w / (1 + f / n). Here w = c * idf, c is how
often the word is in the query and f how often in the document, n = k1 (1 - b + b l / m), l is the
document's number of terms, rounded down to one of 256 lengths, and m the mean length. Everything is
float32, in this order of operations; the sum is double and rounded to float32 in the end.

Sources: Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009; the behaviour of
Lucene 8 (`BM25Similarity`, `SmallFloat`); k1 and b are Anserini's. Nothing here reads a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webshop_server.postings import Postings

__all__ = [
    "K1",
    "B",
    "WeightedPostings",
    "contribution",
    "inverse_document_frequency",
    "inverse_norms",
    "length_table",
    "weigh",
]

K1, B = np.float32(0.9), np.float32(0.4)
"""How soon repetitions in a document stop counting, and how much its length counts."""

_EXACT_LENGTHS = 24
_FREQUENT = 8  # a word is frequent if more than one of so many documents contain it
_STEP = 1 << 22


@dataclass(frozen=True)
class WeightedPostings:
    """Postings with what they add, for N documents, V words, P postings and F frequent words.

    Attributes:
        vocabulary: uint8; the words in UTF-8, sorted, with nothing between them.
        offsets: int64 [V + 1]; where a word begins in `vocabulary`.
        starts: int64 [V + 1]; where a word's postings begin.
        documents: int32 [P]; rising within a word.
        frequencies: unsigned [P]; how often the document contains the word.
        contributions: float32 [P]; what one mention of the word in a query adds.
        lengths: uint8 [N]; places of the documents' lengths in :func:`length_table`.
        order: int32 [N]; documents by id.
        frequent: int32 [F]; numbers of the words that more than an eighth of the documents contain.
        rows: float32 [F * N]; their contributions once more, 0 where a document has none.
    """

    vocabulary: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    starts: NDArray[np.int64]
    documents: NDArray[np.int32]
    frequencies: NDArray[np.unsignedinteger[Any]]
    contributions: NDArray[np.float32]
    lengths: NDArray[np.uint8]
    order: NDArray[np.int32]
    frequent: NDArray[np.int32]
    rows: NDArray[np.float32]


def length_table() -> NDArray[np.int64]:
    """The 256 lengths that are told apart, rising (`SmallFloat.byte4ToInt`).

    Up to 40 they are exact; a longer one keeps its four leading binary digits above 24.
    """

    def decode(code: int) -> int:
        exponent, mantissa = divmod(code, 8)
        return mantissa if exponent == 0 else (mantissa + 8) << (exponent - 1)

    exact = range(_EXACT_LENGTHS)
    rounded = [_EXACT_LENGTHS + decode(code) for code in range(256 - _EXACT_LENGTHS)]
    return np.array([*exact, *rounded], dtype=np.int64)


def inverse_norms(mean_length: float) -> NDArray[np.float32]:
    """1 / n for every length of :func:`length_table`, [256].

    Args:
        mean_length: A float32 value above 0.
    """
    one, lengths = np.float32(1), length_table().astype(np.float32)
    norms: NDArray[np.float32] = K1 * ((one - B) + B * lengths / np.float32(mean_length))
    return one / norms


def inverse_document_frequency(containing: Any, documents: int) -> Any:
    """log(1 + (N - d + 0.5) / (d + 0.5)) as float32.

    Args:
        containing: How many documents contain the word, d; a number or an array.
        documents: How many documents have words at all, N.
    """
    return np.log(1 + (documents - containing + 0.5) / (containing + 0.5)).astype(np.float32)


def contribution(
    weight: Any, frequencies: NDArray[Any], inverse: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What words add to documents.

    Args:
        weight: w, float32; a number or an array.
        frequencies: f, above 0.
        inverse: 1 / n of the documents.

    Returns:
        float32, of the shape of `frequencies`.
    """
    added: NDArray[np.float32] = weight - weight / (
        np.float32(1) + frequencies.astype(np.float32) * inverse
    )
    return added


def weigh(
    postings: Postings, ids: Sequence[str], mean_length: float, documents: int
) -> WeightedPostings:
    """Computes everything about a collection that no query changes.

    Args:
        postings: Of the documents.
        ids: Their ids.
        mean_length: Mean number of terms of those that have any, a float32 value.
        documents: Number of those.
    """
    weights = inverse_document_frequency(np.diff(postings.starts), documents)
    lengths = np.searchsorted(length_table(), postings.lengths, side="right") - 1
    inverse = inverse_norms(mean_length)[lengths]
    contributions = np.empty(len(postings.documents), dtype=np.float32)
    for start in range(0, len(contributions), _STEP):
        part = slice(start, min(start + _STEP, len(contributions)))
        contributions[part] = contribution(
            _by_posting(weights, postings.starts, part),
            postings.frequencies[part],
            inverse[postings.documents[part]],
        )
    frequent, rows = _frequent(postings, contributions)
    words = [term.encode("utf-8", "surrogatepass") for term in postings.terms]
    return WeightedPostings(
        vocabulary=np.frombuffer(b"".join(words), dtype=np.uint8),
        offsets=np.cumsum([0, *map(len, words)], dtype=np.int64),
        starts=postings.starts,
        documents=postings.documents,
        frequencies=postings.frequencies,
        contributions=contributions,
        lengths=lengths.astype(np.uint8),
        order=np.array(_sorted_places(ids), dtype=np.int32),
        frequent=frequent,
        rows=rows,
    )


def _by_posting(
    weights: NDArray[np.float32], starts: NDArray[np.int64], part: slice
) -> NDArray[np.float32]:
    """The weights of the words of some postings."""
    first, last = np.searchsorted(starts, [part.start, part.stop - 1], side="right") - 1
    begins = np.clip(starts[first : last + 2], part.start, part.stop)
    return np.repeat(weights[first : last + 1], np.diff(begins))


def _frequent(
    postings: Postings, contributions: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The frequent words and their rows; fields of :class:`WeightedPostings`."""
    size = len(postings.lengths)
    frequent = np.flatnonzero(np.diff(postings.starts) > size / _FREQUENT).astype(np.int32)
    rows = np.zeros((len(frequent), size), dtype=np.float32)
    for row, word in zip(rows, frequent, strict=True):
        part = slice(*postings.starts[word : word + 2])
        row[postings.documents[part]] = contributions[part]
    return frequent, rows.reshape(-1)


def _sorted_places(ids: Sequence[str]) -> list[int]:
    """Places of the ids in the order of their code points."""
    known = list(ids)
    return sorted(range(len(known)), key=known.__getitem__)
