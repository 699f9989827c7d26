"""Full-text search with Lucene's BM25: the same documents in the same order with the same scores.

What a word adds to a document's score (:mod:`webshop_server.bm25`) is computed once and kept by
word, as the package `bm25s` does it (Lù, arXiv 2407.03618). That package itself is not used: with
its exact lengths and float32 sums most rankings differ from Lucene's somewhere among the first 50,
it leaves equal scores in any order, and adding up word by word takes three times as long as one
`bincount` over all words of a query. Of a large collection, words that are in more than an eighth
of the documents are also kept as whole rows: adding a row is several times faster than adding as
many scattered numbers.

The index knows texts and ids. It knows nothing of products, nor where it is cached.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiper_base.errors import DataError, DataNotFoundError
from hiper_base.files import replacing
from webshop_server.analysis import MAX_WORD_LENGTH, analyse_chunk
from webshop_server.bm25 import (
    WeightedPostings,
    contribution,
    inverse_document_frequency,
    inverse_norms,
    weigh,
)
from webshop_server.postings import invert
from webshop_server.storage import Container, ContainerWriter

__all__ = ["FORMAT", "INDEX_FILE", "MAX_QUERY_WORDS", "SearchIndex"]

FORMAT = "webshop search index 1"
"""Kind and version of a saved index; changes whenever an index would."""
INDEX_FILE = "index.arrays"
"""The file of a saved index in its folder."""
MAX_QUERY_WORDS = 1024
"""Different words of a query that count. Lucene refuses a query that has more."""

_SMALL = 1 << 20  # with at most so many postings all is copied into memory, in the widest types
_BLOCK = 256  # documents of which only the best score is looked at, at first
_CACHED_RESULTS, _CACHED_QUERY_LENGTH = 1 << 10, 1 << 10
_CACHED_CHUNKS, _CACHED_WORDS = 1 << 15, 1 << 12

_Documents = NDArray[np.signedinteger[Any]]
_Scores = NDArray[np.floating[Any]]
_Ranking = tuple[tuple[int, ...], tuple[float, ...]]


class SearchIndex:
    """An index of texts, made by :meth:`build` or :meth:`load`; several threads may search at once.

    A few recent results, words and texts are remembered.

    Args:
        postings: Of the documents.
        mean_length: Mean number of terms of those that have any, a float32 value.
        documents: Number of those.

    Example:
        >>> texts = ["red shoes", "blue shoes and a red hat", "a blue hat"]
        >>> SearchIndex.build(texts, ids=["a", "b", "c"]).search("the red SHOE")
        [0, 1]
    """

    def __init__(self, postings: WeightedPostings, mean_length: float, documents: int) -> None:
        size = len(postings.lengths)
        self._postings = postings
        self._mean_length, self._filled = mean_length, documents
        self._is_small = len(postings.documents) <= _SMALL
        self._documents: _Documents = postings.documents
        self._contributions: _Scores = postings.contributions
        self._rows: _Scores = postings.rows.reshape(-1, size) if size else postings.rows
        self._words: dict[bytes, int] = {}
        if self._is_small:  # adding up is faster where nothing has to be converted
            self._documents = self._documents.astype(np.intp)
            self._contributions = self._contributions.astype(np.float64)
            self._rows = self._rows.astype(np.float64)
            words = len(postings.starts) - 1
            self._words = {self._spelling(word): word for word in range(words)}
        self._row_of = {word: row for row, word in enumerate(postings.frequent.tolist())}
        # The lower half of a sort key; that of the smallest id is the largest.
        self._ties = np.empty(size, dtype=np.int64)
        self._ties[postings.order] = np.arange(size - 1, -1, -1)
        self._known_chunk = lru_cache(_CACHED_CHUNKS)(self._find_words)
        self._known_word = lru_cache(_CACHED_WORDS)(self._find_postings)
        self._known_query = lru_cache(_CACHED_RESULTS)(self._rank)

    def __len__(self) -> int:
        """Number of documents."""
        return len(self._postings.lengths)

    @classmethod
    def build(cls, texts: Iterable[str], ids: Sequence[str]) -> SearchIndex:
        """Indexes texts.

        Args:
            texts: One a document; read once, in order, and not kept.
            ids: The documents' ids, which order documents of equal score.

        Raises:
            ValueError: If there are not as many texts as ids.
        """
        postings = invert(texts)
        if len(postings.lengths) != len(ids):
            raise ValueError(f"{len(postings.lengths)} texts, but {len(ids)} ids")
        documents = max(int(np.count_nonzero(postings.lengths)), 1)
        mean_length = max(float(np.float32(postings.lengths.sum() / documents)), 1.0)
        return cls(weigh(postings, ids, mean_length, documents), mean_length, documents)

    def save(self, folder: Path) -> None:
        """Writes the index as one file of a folder, whole or not at all.

        Args:
            folder: Made where it is missing; an index in it is replaced.
        """
        with replacing(folder / INDEX_FILE) as temporary, temporary.open("xb") as file:
            writer = ContainerWriter(file)
            for name, values in vars(self._postings).items():
                writer.array(name, values)
            writer.finish(
                {
                    "format": FORMAT,
                    "mean_length": self._mean_length,
                    "documents": self._filled,
                }
            )

    @classmethod
    def load(cls, folder: Path) -> SearchIndex:
        """Opens a saved index in place (memory-mapped).

        Checksums are compared, but for arrays of more than 256 MiB.

        Raises:
            DataNotFoundError: If the folder holds none.
            DataError: If it is damaged or of another version.
        """
        path = folder / INDEX_FILE
        try:
            container = Container.open(path)
            if container.header["format"] != FORMAT:
                raise DataError(f"{path} is of the format {container.header['format']!r}")
            names = WeightedPostings.__dataclass_fields__
            postings = WeightedPostings(**{name: container[name] for name in names})
            _check(postings)
            header = container.header
            return cls(postings, float(header["mean_length"]), int(header["documents"]))
        except FileNotFoundError as error:
            raise DataNotFoundError(f"{folder} holds no search index") from error
        except (OSError, ValueError, TypeError, LookupError) as error:
            raise DataError(f"{path} is damaged: {error}") from error

    def search(self, query: str, limit: int = 50) -> list[int]:
        """The best documents for a query.

        Args:
            query: Any text. A document that contains one of its words matches.
            limit: Number of documents at most.

        Returns:
            Positions of documents that match, best first.
        """
        return list(self._results(query, limit)[0])

    def search_with_scores(self, query: str, limit: int = 50) -> list[tuple[int, float]]:
        """As :meth:`search`, each position with its score, a float32 value above 0."""
        return list(zip(*self._results(query, limit), strict=True))

    def forget(self) -> None:
        """Drops what is remembered of earlier searches."""
        self._known_chunk.cache_clear()
        self._known_word.cache_clear()
        self._known_query.cache_clear()

    def _results(self, query: str, limit: int) -> _Ranking:
        rank = self._known_query if len(query) <= _CACHED_QUERY_LENGTH else self._rank
        return rank(query, limit)

    def _rank(self, query: str, limit: int) -> _Ranking:
        counts: dict[int, int] = {}
        for chunk in query.split(" "):
            is_long = len(chunk) > MAX_WORD_LENGTH
            for word in self._find_words(chunk) if is_long else self._known_chunk(chunk):
                if word in counts or len(counts) < MAX_QUERY_WORDS:
                    counts[word] = counts.get(word, 0) + 1
        if not counts or limit <= 0:
            return (), ()
        return self._best(self._score(counts).astype(np.float32), limit)

    def _find_words(self, chunk: str) -> tuple[int, ...]:
        """Numbers of a chunk's words, without those that no document contains."""
        found = (self._find_word(term) for term in analyse_chunk(chunk))
        return tuple(word for word in found if word is not None)

    def _find_word(self, term: str) -> int | None:
        wanted = term.encode("utf-8", "surrogatepass")
        if self._is_small:
            return self._words.get(wanted)
        count = len(self._postings.starts) - 1
        word = bisect_left(range(count), wanted, key=self._spelling)
        return word if word < count and self._spelling(word) == wanted else None

    def _spelling(self, word: int) -> bytes:
        start, end = self._postings.offsets[word : word + 2]
        return self._postings.vocabulary[start:end].tobytes()

    def _find_postings(self, word: int) -> tuple[_Documents, _Scores]:
        """The documents that contain a word, and what one mention of it adds to their scores."""
        start, end = self._postings.starts[word : word + 2]
        return self._documents[start:end], self._contributions[start:end]

    def _repeated(self, word: int, count: int) -> tuple[_Documents, _Scores]:
        """As :meth:`_find_postings` for several mentions, which may be rounded differently."""
        documents, added = self._known_word(word)
        if _is_power_of_two(count):
            return documents, added * added.dtype.type(count)
        start, end = self._postings.starts[word : word + 2]
        weight = np.float32(count) * inverse_document_frequency(len(documents), self._filled)
        norms = inverse_norms(self._mean_length)[self._postings.lengths[documents]]
        return documents, contribution(weight, self._postings.frequencies[start:end], norms)

    def _score(self, counts: Mapping[int, int]) -> NDArray[np.float64]:
        """Scores of all documents.

        Args:
            counts: How often each word, by its number, is in the query; at least one.
        """
        scattered, rows = [], []
        for word, count in counts.items():
            if word in self._row_of and _is_power_of_two(count):
                rows.append((self._rows[self._row_of[word]], count))
            else:
                once = count == 1
                scattered.append(self._known_word(word) if once else self._repeated(word, count))
        scores: NDArray[np.float64]
        if scattered and self._is_small:
            documents = np.concatenate([found for found, _ in scattered])
            added = np.concatenate([values for _, values in scattered])
            scores = np.bincount(documents, added, len(self)).astype(np.float64, copy=False)
        else:
            scores = np.zeros(len(self))
            for found, values in scattered:
                np.add.at(scores, found, values.astype(np.float64))
        for row, count in rows:
            scores += row if count == 1 else row * row.dtype.type(count)
        return scores

    def _best(self, scores: NDArray[np.float32], limit: int) -> _Ranking:
        """The best documents by score and then by id.

        Both become one integer, for the bits of positive floats are ordered as the floats are.
        """
        ties = self._ties
        if len(scores) > limit * _BLOCK:
            candidates = _candidates(scores, limit)
            scores, ties = scores[candidates], ties[candidates]
        keys = (scores.view(np.int32).astype(np.int64) << 32) | ties
        if limit < len(keys):
            keys = np.partition(keys, len(keys) - limit)[-limit:]
        keys = np.sort(keys[keys >= 1 << 32])[::-1]  # a score of 0 is no match
        by_id = len(self) - 1 - (keys & 0xFFFFFFFF)
        found = (keys >> 32).astype(np.int32).view(np.float32)
        return tuple(self._postings.order[by_id].tolist()), tuple(found.tolist())


def _candidates(scores: NDArray[np.float32], limit: int) -> NDArray[np.intp]:
    """Documents among which the best are: of enough blocks, the best score is not lower."""
    blocks = scores[: len(scores) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).max(axis=1)
    lowest = np.partition(blocks, len(blocks) - limit)[len(blocks) - limit]
    return np.flatnonzero(scores >= lowest) if lowest > 0 else np.flatnonzero(scores)


def _is_power_of_two(count: int) -> bool:
    """Whether multiplying by a number changes no digit of a float."""
    return count & (count - 1) == 0


def _check(postings: WeightedPostings) -> None:
    """Raises ValueError unless the arrays fit together."""
    size, count = len(postings.lengths), len(postings.documents)
    sound = (
        len(postings.offsets) == len(postings.starts) > 0
        and postings.offsets[-1] == len(postings.vocabulary)
        and postings.starts[-1] == count
        and len(postings.contributions) == len(postings.frequencies) == count
        and len(postings.order) == size
        and len(postings.rows) == len(postings.frequent) * size
    )
    if not sound:
        raise ValueError("its arrays do not fit together")
