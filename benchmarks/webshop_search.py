"""Measures the shop's search: does it rank as Lucene did, and how far does it scale?

    python -m benchmarks.webshop_search --part recorded   # seconds; needs the recordings
    python -m benchmarks.webshop_search --part scale      # minutes; generates 1,000,000 products

`recorded` compares rankings and shown scores with those that were recorded from upstream's Lucene,
and the pages of results in recorded episodes. `scale` generates products in a process of its own,
indexes them in an empty cache folder, opens that again in another process, and searches for what
the generated goals ask for; no query occurs twice. Each part writes its own record. The targets
are the project's own.
"""

from __future__ import annotations

import gzip
import json
import logging
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import tyro

from benchmarks.measuring import in_fresh_process, rss_mib, target
from benchmarks.recording import record
from hiper_base.errors import DataNotFoundError
from hiper_base.paths import webshop_folder
from webshop_server.search import SearchIndex
from webshop_server.shop import RESULTS_PER_PAGE, parse_action
from webshop_server.store import Store, open_store

__all__ = ["WebshopSearchArgs", "as_shown", "main", "measure_recorded", "measure_scale"]

_LOG = logging.getLogger(__name__)
_RESULTS = re.compile(r"Page (\d+) \(Total results: (\d+)\)")


@dataclass(frozen=True)
class WebshopSearchArgs:
    """Measures the shop's search."""

    part: Literal["recorded", "scale"] = "recorded"
    """Compare with recorded rankings, or measure a large generated catalogue."""
    products: int = 1_000_000
    """Size of the generated catalogue."""
    queries: int = 500
    """Queries of each kind whose time is measured."""
    repeats: int = 5
    """Repeats of the timings of recorded queries."""
    seed: int = 0
    """Draws the goals that queries are made from."""
    out: Path | None = None
    """Result file; by default benchmarks/results/webshop_search_<part>.json."""


class RecordedSearch(NamedTuple):
    """A query that upstream's Lucene answered, with the ids in order and the shown scores."""

    query: str
    asins: list[str]
    scores: list[float]


class RecordedPage(NamedTuple):
    """A page of results in a recorded episode: its number, the number of results, and its ids."""

    query: str
    number: int
    total: int
    asins: list[str]


def measure_recorded(repeats: int, root: Path | None = None) -> dict[str, Any]:
    """Compares search over the published products with what was recorded from upstream.

    Args:
        repeats: Repeats of the timings.
        root: The data root, whose folder `webshop/upstream` holds the recordings.

    Raises:
        DataNotFoundError: If there are no published products or no recordings.
    """
    folder = webshop_folder(root) / "upstream"
    if not folder.is_dir():
        raise DataNotFoundError(f"no recordings of upstream in {folder}")
    store = open_store(root)
    searches = [RecordedSearch(**search) for search in _read_searches(folder)]
    asins = store.catalog.asins
    same_order = same_scores = 0
    overlaps = []
    for search in searches:
        found = store.index.search_with_scores(search.query)
        ids = [asins[position] for position, _ in found]
        same_order += ids == search.asins
        same_scores += as_shown([score for _, score in found]) == search.scores
        overlaps.append(_overlap(ids[:10], search.asins[:10]))
    pages = list(_read_pages(folder, frozenset(asins)))
    queries = [search.query for search in searches]
    return {
        "searches": len(searches),
        "identical_order": same_order,
        "identical_scores": same_scores,
        "overlap_at_10": float(np.mean(overlaps)),
        "pages": len(pages),
        "identical_pages": sum(_shows(store, page) for page in pages),
        "products": len(asins),
        "microseconds": _microseconds(store.index, queries, repeats),
    }


def as_shown(scores: Sequence[float]) -> list[float]:
    """Scores as Anserini shows them: four decimals, and each tie lowered by a millionth.

    Example:
        >>> [round(score, 6) for score in as_shown([2.00004, 2.00001, 1.0])]
        [2.0, 1.999999, 1.0]
    """
    shown: list[np.float32] = []
    ties = 0
    for score in scores:
        rounded = np.float32(math.floor(score * 1e4 + 0.5) / 1e4)
        is_tie = bool(shown) and not shown[-1] - rounded > np.float32(1e-4)
        ties = ties + 1 if is_tie else 0
        shown.append(rounded - np.float32(1e-6) * np.float32(ties))
    return [float(score) for score in shown]


def _read_searches(folder: Path) -> Iterator[dict[str, Any]]:
    for search in _read(folder / "searches.jsonl.gz"):
        yield {name: search[name] for name in RecordedSearch._fields}


def _read_pages(folder: Path, known: frozenset[str]) -> Iterator[RecordedPage]:
    """The pages of results of recorded episodes."""
    for episode in _read(folder / "episodes.jsonl.gz"):
        query = ""
        for step in episode["steps"]:
            action = parse_action(step["action"])
            if action is not None and action[0] == "search":
                query = action[1]
            page = _RESULTS.search(step["obs"])
            if page is not None and query:
                shown = [name.upper() for name in step["available"]["clickables"]]
                asins = [name for name in shown if name in known]
                yield RecordedPage(query, int(page[1]), int(page[2]), asins)


def _read(path: Path) -> Iterator[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _shows(store: Store, page: RecordedPage) -> bool:
    found = store.index.search(page.query)
    first = (page.number - 1) * RESULTS_PER_PAGE
    listed = [store.catalog.asins[place] for place in found[first : first + RESULTS_PER_PAGE]]
    return listed == page.asins and len(found) == page.total


def _overlap(found: Sequence[str], wanted: Sequence[str]) -> float:
    """Share of the wanted that was found; 1 if nothing was wanted and nothing found."""
    if not wanted:
        return float(not found)
    return len(set(found) & set(wanted)) / len(wanted)


def _microseconds(index: SearchIndex, queries: Sequence[str], repeats: int) -> dict[str, float]:
    """Processor time of a search: with known words but no known result, and with neither."""
    known, unknown = [], []
    for _ in range(repeats):
        index.forget()
        unknown += [_seconds(index, query, time.process_time) for query in queries]
        # The same words in another query, so that its result is not remembered.
        known += [_seconds(index, f"{query} ", time.process_time) for query in queries]
    return {
        "known_words_median": 1e6 * float(np.median(known)),
        "known_words_mean": 1e6 * float(np.mean(known)),
        "first_time_median": 1e6 * float(np.median(unknown)),
    }


def _seconds(
    index: SearchIndex, query: str, clock: Callable[[], float] = time.perf_counter
) -> float:
    start = clock()
    index.search(query)
    return clock() - start


def measure_scale(products: int, queries: int, seed: int) -> dict[str, Any]:
    """Generates, indexes and searches a catalogue, in processes of their own.

    Args:
        products: Number of products.
        queries: Number of queries of each kind.
        seed: Draws the goals that they are made from.
    """
    with tempfile.TemporaryDirectory(prefix="hiper-search-") as folder:
        _LOG.info("generating and indexing %d products", products)
        built = in_fresh_process(_build, products, folder)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        _LOG.info("opening and searching")
        opened = in_fresh_process(_search, products, queries, seed, folder)
    return {"products": products, "build": built, "index_mib": size / 2**20, **opened}


def _build(products: int, folder: str) -> dict[str, float]:
    os.environ["HIPER_CACHE"] = folder
    imported = _peak_mib()
    start = time.perf_counter()
    store = open_store(generated=products)
    assert len(store.index) == products
    seconds = time.perf_counter() - start
    peak = _peak_mib()
    # How much of it was making the products; the time of a part stands for the whole.
    part = range(0, products, max(products // 10_000, 1))
    start = time.perf_counter()
    for position in part:
        store.catalog.indexed_text(position)
    generating = (time.perf_counter() - start) * products / len(part)
    return {
        "seconds": seconds,
        "of_these_generating": generating,
        "imported_mib": imported,
        "peak_mib": peak,
    }


def _search(products: int, queries: int, seed: int, folder: str) -> dict[str, Any]:
    os.environ["HIPER_CACHE"] = folder
    start = time.perf_counter()
    store = open_store(generated=products)
    index = store.index
    results: dict[str, Any] = {"open_seconds": time.perf_counter() - start}
    results["opened_mib"] = rss_mib()
    results["searches"] = {
        kind: _milliseconds(index, texts) for kind, texts in _queries(store, queries, seed).items()
    }
    results["searched_mib"] = rss_mib()
    return results


def _queries(store: Store, count: int, seed: int) -> dict[str, list[str]]:
    """Different queries by kind: whole instructions, and what is wanted in a few words."""
    goals = store.goals("generated")
    drawn = np.random.default_rng(seed).permutation(len(goals))[: 4 * count].tolist()
    kinds: dict[str, dict[str, None]] = {"instruction": {}, "words": {}}
    for number in drawn:
        goal = goals[number]
        product = store[goal.product]
        kinds["instruction"][goal.instruction] = None
        kinds["words"][f"{' '.join(goal.attributes)} {product.query}"] = None
    return {kind: list(texts)[:count] for kind, texts in kinds.items()}


def _milliseconds(index: SearchIndex, queries: Sequence[str]) -> dict[str, float]:
    times = [1000 * _seconds(index, query) for query in queries]
    return {
        "queries": len(times),
        "first": times[0],
        "mean": float(np.mean(times)),
        "p50": float(np.percentile(times, 50)),
        "p99": float(np.percentile(times, 99)),
        "words": float(np.mean([len(query.split()) for query in queries])),
    }


def _peak_mib() -> float:
    """Peak of the resident memory of this process, mapped files included, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        if peak is not None:
            return int(peak[1]) / 2**10
    import resource

    peak_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak_rss / (2**20 if sys.platform == "darwin" else 2**10)


def _recorded_targets(results: dict[str, Any]) -> dict[str, Any]:
    return {
        "overlap at 10": target(results["overlap_at_10"], at_least=1.0),
        "different orders": target(results["searches"] - results["identical_order"], at_most=0),
        "different pages": target(results["pages"] - results["identical_pages"], at_most=0),
        "microseconds a search": target(results["microseconds"]["known_words_mean"], at_most=100),
    }


def _scale_targets(results: dict[str, Any]) -> dict[str, Any]:
    slowest = max(kind["p99"] for kind in results["searches"].values())
    return {
        "seconds to generate and index": target(results["build"]["seconds"], at_most=600),
        "GiB to generate and index": target(results["build"]["peak_mib"] / 2**10, at_most=24),
        "seconds to open": target(results["open_seconds"], at_most=5),
        "milliseconds a search, p99": target(slowest, at_most=50),
    }


def main(args: WebshopSearchArgs) -> int:
    """Measures one part and records it.

    Returns:
        0 if its targets are met, 1 otherwise.
    """
    begin = time.perf_counter()
    if args.part == "recorded":
        results = measure_recorded(args.repeats)
        targets = _recorded_targets(results)
        units = results["searches"]
    else:
        results = measure_scale(args.products, args.queries, args.seed)
        targets = _scale_targets(results)
        units = args.queries
    results["targets"] = targets
    for name, entry in targets.items():
        _LOG.info("%s %-32s %s", "met   " if entry["met"] else "MISSED", name, entry)
    path = record(
        f"webshop_search_{args.part}",
        results,
        seeds=[args.seed],
        n=units,
        seconds=time.perf_counter() - begin,
        path=args.out,
    )
    _LOG.info("recorded in %s", path)
    return int(not all(entry["met"] for entry in targets.values()))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main(tyro.cli(WebshopSearchArgs)))
