"""Search against what was recorded from Lucene on the published products."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.webshop_search import as_shown
from webshop_server import search as module
from webshop_server.catalog import Catalog, load_catalog
from webshop_server.search import SearchIndex
from webshop_server.shop import RESULTS_PER_PAGE, parse_action


def read(path: Path) -> Iterator[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


@pytest.fixture(scope="module")
def catalog(webshop_data: Path) -> Catalog:
    return load_catalog(webshop_data.parent)


@pytest.fixture(scope="module")
def index(catalog: Catalog) -> SearchIndex:
    texts = map(catalog.indexed_text, range(len(catalog)))
    return SearchIndex.build(texts, catalog.asins)


def test_recorded_searches(index: SearchIndex, catalog: Catalog, webshop_recordings: Path) -> None:
    recorded = list(read(webshop_recordings / "searches.jsonl.gz"))
    assert len(recorded) == 60
    for search in recorded:
        found = index.search_with_scores(search["query"])
        assert [catalog.asins[place] for place, _ in found] == search["asins"], search["query"]
        assert as_shown([score for _, score in found]) == search["scores"], search["query"]


def test_recorded_searches_as_in_a_large_collection(
    catalog: Catalog, webshop_recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SMALL", -1)
    texts = map(catalog.indexed_text, range(len(catalog)))
    index = SearchIndex.build(texts, catalog.asins)
    for search in read(webshop_recordings / "searches.jsonl.gz"):
        found = [catalog.asins[place] for place in index.search(search["query"])]
        assert found == search["asins"]
        assert [catalog.asins[place] for place in index.search(search["query"], 3)] == found[:3]


def test_recorded_result_pages(
    index: SearchIndex, catalog: Catalog, webshop_recordings: Path
) -> None:
    known = {asin.lower() for asin in catalog.asins}
    pages = 0
    for episode in read(webshop_recordings / "episodes.jsonl.gz"):
        query = ""
        for step in episode["steps"]:
            action = parse_action(step["action"])
            if action is not None and action[0] == "search":
                query = action[1]
            page = re.search(r"Page (\d+) \(Total results: (\d+)\)", step["obs"])
            if page is None or not query:
                continue
            first = (int(page[1]) - 1) * RESULTS_PER_PAGE
            found = [catalog.asins[place].lower() for place in index.search(query)]
            shown = [name for name in step["available"]["clickables"] if name in known]
            assert found[first : first + RESULTS_PER_PAGE] == shown
            assert len(found) == int(page[2])
            pages += 1
    assert pages > 60
