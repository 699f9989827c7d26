"""The search index: against scores by hand, `bm25s`, plain sorting, and what it promises."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiper_base.errors import DataError, DataNotFoundError
from webshop_server import search as module
from webshop_server.analysis import analyse
from webshop_server.search import INDEX_FILE, MAX_QUERY_WORDS, SearchIndex
from webshop_server.storage import ContainerWriter

WORDS = ["red", "blue", "green", "hat", "shoe", "shirt", "cotton", "silk", "wool", "x"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=20), min_size=1, max_size=30)


@pytest.fixture(params=["small", "large"])
def any_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a test with both ways to add up scores, of small and of large collections."""
    if request.param == "large":
        monkeypatch.setattr(module, "_SMALL", -1)


def build(texts: list[str], *, large: bool = False) -> SearchIndex:
    """An index whose ids are in the reverse order of the positions."""
    with pytest.MonkeyPatch.context() as patch:
        if large:
            patch.setattr(module, "_SMALL", -1)
        return SearchIndex.build(texts, [f"B{9999 - place:04}" for place in range(len(texts))])


@pytest.mark.usefixtures("any_size")
def test_scores_by_hand() -> None:
    index = SearchIndex.build(["red shoes", "blue shoes shoes"], ["a", "b"])
    # Mean length 2.5; n = 0.9 (0.6 + 0.4 l / 2.5) is 0.828 for a and 0.972 for b.
    # idf is log(1 + 1.5 / 1.5) for red and log(1 + 0.5 / 2.5) for shoes.
    assert index.search_with_scores("red") == [(0, pytest.approx(0.6931472 / 1.828))]
    assert index.search_with_scores("shoe") == [
        (1, pytest.approx(0.1823216 * 2 / 2.972)),
        (0, pytest.approx(0.1823216 * 1 / 1.828)),
    ]
    assert index.search_with_scores("red red red shoe", 1) == [
        (0, pytest.approx((3 * 0.6931472 + 0.1823216) / 1.828))
    ]
    assert len(index) == 2


@pytest.mark.usefixtures("any_size")
def test_equal_scores_are_ordered_by_id() -> None:
    index = SearchIndex.build(["hat"] * 5, ["B2", "B10", "a", "B1", "B"])
    assert index.search("hat") == [4, 3, 1, 0, 2]
    assert index.search("hat", 2) == [4, 3]


def test_long_lengths_are_rounded() -> None:
    texts = ["hat " + "x " * 55, "hat " + "x " * 57, "hat " + "x " * 83, "hat " + "x " * 84]
    scores = dict(SearchIndex.build(texts, list("abcd")).search_with_scores("hat"))
    assert scores[0] == scores[1] > scores[2] == scores[3]


@pytest.mark.usefixtures("any_size")
def test_nothing_to_find() -> None:
    index = build(["red hat", "the !!!", ""])
    for query in ("", "  ", "the", "!!!", "unknown", "日本語"):
        assert index.search(query) == []
        assert index.search_with_scores(query) == []
    assert index.search("hat") == [0]
    assert index.search("hat", 0) == index.search("hat", -1) == []
    for texts in ([], [""]):
        assert build(texts).search("hat") == []


def test_ids_have_to_fit() -> None:
    with pytest.raises(ValueError, match="2 texts, but 1 ids"):
        SearchIndex.build(["a hat", "a shoe"], ["a"])


def test_words_beyond_the_limit_are_ignored() -> None:
    words = [f"w{number}" for number in range(MAX_QUERY_WORDS + 1)]
    index = SearchIndex.build(words, words)
    assert len(index.search(" ".join(words), 5000)) == MAX_QUERY_WORDS
    assert index.search(f"{' '.join(words)} w0", 1) == [0]


@given(TEXTS, st.lists(st.sampled_from(WORDS), min_size=1, max_size=12, unique=True))
def test_agrees_with_bm25s(texts: list[list[str]], query: list[str]) -> None:
    """Lengths below 40 are exact, so that the textbook's formula applies."""
    terms = [analyse(" ".join(words)) for words in texts]
    other = bm25s.BM25(method="lucene", k1=0.9, b=0.4)
    other.index(terms, show_progress=False)
    known = [term for word in query for term in analyse(word) if any(term in t for t in terms)]
    index = build([" ".join(words) for words in texts])
    found = dict(index.search_with_scores(" ".join(query), len(texts)))
    if not known:
        assert found == {}
        return
    expected = other.get_scores(known)
    assert set(found) == set(np.flatnonzero(expected).tolist())
    assert [found[place] for place in found] == pytest.approx(
        [expected[place] for place in found], rel=1e-4
    )


@given(
    TEXTS, st.lists(st.sampled_from([*WORDS, "the", "unknown"]), max_size=40), st.integers(1, 40)
)
def test_large_collections_are_searched_alike(
    texts: list[list[str]], query: list[str], limit: int
) -> None:
    joined = [" ".join(words) for words in texts]
    small, large = build(joined), build(joined, large=True)
    found = small.search_with_scores(" ".join(query), limit)
    assert found == large.search_with_scores(" ".join(query), limit)
    assert found == sorted(found, key=lambda entry: (-entry[1], -entry[0]))
    wanted = set(analyse(" ".join(query)))
    matching = [
        place for place, words in enumerate(texts) if wanted & set(analyse(" ".join(words)))
    ]
    assert len(found) == min(limit, len(matching))
    assert {place for place, _ in found} <= set(matching)
    everything = small.search_with_scores(" ".join(query), len(texts))
    assert found == everything[:limit]


def test_best_of_many_documents() -> None:
    """Enough documents that most are never sorted, with ties among the best."""
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(WORDS, size)) for size in draw.integers(1, 4, 3000)]
    index = build(texts, large=True)
    for query in ("red", "red hat", "silk silk x blue", " ".join(WORDS)):
        whole = index.search_with_scores(query, len(texts))
        assert whole == sorted(whole, key=lambda entry: (-entry[1], -entry[0]))
        assert index.search_with_scores(query, 7) == whole[:7]
    rare = build([*["hat"] * 2999, "shoe"], large=True)
    assert rare.search("shoe", 7) == [2999]


@pytest.fixture(scope="module")
def shared() -> SearchIndex:
    return build(["red hat with silk", "Größe ★ 日本 shoe™", "x", "men's shirt"])


@settings(max_examples=300)
@given(
    query=st.text() | st.text(st.sampled_from("redhat ★™'sx日_👍\ud800\u0301")),
    limit=st.integers(-1, 5),
)
def test_any_text_is_a_query(shared: SearchIndex, query: str, limit: int) -> None:
    found = shared.search_with_scores(query, limit)
    shared.forget()
    assert shared.search_with_scores(query, limit) == found
    assert len(found) <= max(limit, 0)
    assert len({place for place, _ in found}) == len(found)
    assert all(score > 0 for _, score in found)


def test_results_can_be_changed_by_the_caller() -> None:
    index = build(["hat", "hat"])
    index.search("hat").clear()
    assert index.search("hat") == [1, 0]


def test_threads_find_the_same() -> None:
    texts = [" ".join(WORDS[start : start + 4]) for start in range(len(WORDS))]
    index = build(texts)
    queries = [f"{one} {two}" for one in WORDS for two in WORDS]
    expected = [index.search(query) for query in queries]
    index.forget()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(index.search, queries)) == expected


@pytest.mark.usefixtures("any_size")
def test_saved_and_opened(tmp_path: Path) -> None:
    texts = ["red hat", "Größe ★ shoe shoe shoe", "", "red shoe"]
    index = build(texts)
    index.save(tmp_path / "new" / "index")
    opened = SearchIndex.load(tmp_path / "new" / "index")
    assert len(opened) == 4
    for query in ("red", "shoe shoe shoe red", "größe", "★", "unknown", "zzz", "!"):
        assert opened.search_with_scores(query) == index.search_with_scores(query)
    build(["hat"]).save(tmp_path / "new" / "index")
    assert len(SearchIndex.load(tmp_path / "new" / "index")) == 1
    assert len(opened.search("red")) == 2
    assert [path.name for path in (tmp_path / "new" / "index").iterdir()] == [INDEX_FILE]


def test_empty_index_can_be_saved(tmp_path: Path) -> None:
    build([]).save(tmp_path)
    assert SearchIndex.load(tmp_path).search("hat") == []


def test_damage_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError):
        SearchIndex.load(tmp_path)
    build(["red hat", "blue shoe"]).save(tmp_path)
    path = tmp_path / INDEX_FILE
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            opened = SearchIndex.load(tmp_path)
        except DataError:
            continue
        assert opened.search("red") == [0], "only the padding between arrays may change unnoticed"
    for size in (0, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(DataError):
            SearchIndex.load(tmp_path)


@pytest.mark.parametrize("change", ["format", "missing", "misfit"])
def test_other_contents_are_refused(tmp_path: Path, change: str) -> None:
    index = build(["red hat", "blue shoe"])
    arrays = dict(vars(index._postings))
    header = {"format": module.FORMAT, "mean_length": 2.0, "documents": 2}
    if change == "format":
        header["format"] = "webshop search index 0"
    elif change == "missing":
        del arrays["starts"]
    else:
        arrays["order"] = arrays["order"][:1]
    with (tmp_path / INDEX_FILE).open("wb") as file:
        writer = ContainerWriter(file)
        for name, values in arrays.items():
            writer.array(name, values)
        writer.finish(json.loads(json.dumps(header)))
    with pytest.raises(DataError):
        SearchIndex.load(tmp_path)
