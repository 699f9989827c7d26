"""The store: what is opened, that it is opened once, and by several processes at a time."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path
from typing import Any

import pytest

from hiper_base.errors import DataError, DataNotFoundError
from webshop_server.store import DEFAULT_GENERATED, Store, open_store


def test_official_files(official: Any) -> None:
    store = open_store()
    assert store is open_store() is open_store(official.root)
    assert not store.is_generated
    assert len(store) == 5
    assert store[store.position("B000000003")].title == "Plain Shirt 3"
    assert store.search("shirt 3", 2)[0] == 3
    assert len(store.search("shirt", 2)) == 2
    assert store.search("nothing of the kind", 50) == []
    assert len(store.goals("synthetic")) == 5
    assert store.goals("human") is store.goals("human")
    with pytest.raises(DataNotFoundError):
        store.goals("generated")
    with pytest.raises(ValueError, match="synthetic, human, generated"):
        store.goals("other")


def test_files_that_change_are_read_again(official: Any) -> None:
    before = open_store()
    official.products.pop()
    official.write()
    after = open_store()
    assert (len(before), len(after)) == (5, 4)
    assert open_store() is after


def test_without_files(no_data: Path) -> None:
    store = open_store()
    assert store is open_store(generated=DEFAULT_GENERATED)
    assert store.is_generated
    assert len(store) == len(store.goals("generated")) == DEFAULT_GENERATED
    goal = store.goals("generated")[3]
    assert goal.product in store.search(goal.instruction, 50)
    with pytest.raises(DataNotFoundError):
        store.goals("synthetic")
    with pytest.raises(DataNotFoundError):
        open_store(suffix="_1000")


def test_files_that_are_not_complete_are_not_passed_over(official: Any) -> None:
    (official.folder / "items_ins_v2_1000.json").unlink()
    with pytest.raises(DataNotFoundError, match="items_ins_v2_1000"):
        open_store()
    assert open_store(generated=7).is_generated
    with pytest.raises(ValueError, match="0 products"):
        open_store(generated=0)


def test_damaged_files(official: Any) -> None:
    (official.folder / "items_shuffle_1000.json").write_text("[{}]")
    with pytest.raises(DataError, match="product number 0: asin"):
        open_store()


def test_threads_share_a_store(official: Any) -> None:
    found: list[tuple[Store, Any]] = []

    def use() -> None:
        store = open_store()
        found.append((store, store.index))

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({id(store) for store, _ in found}) == len({id(index) for _, index in found}) == 1


def answer(root: str, queue: Any) -> None:
    store = open_store(root)
    queue.put((store.catalog.sha256, store.search("shirt", 5), store.goals("synthetic").sha256))


def test_processes_open_a_store_at_once(official: Any) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=answer, args=(str(official.root), queue)) for _ in range(3)]
    for process in processes:
        process.start()
    answers = [queue.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    store = open_store()
    expected = (
        store.catalog.sha256,
        store.search("shirt", 5),
        store.goals("synthetic").sha256,
    )
    assert answers == [expected] * 3


def test_an_index_that_is_damaged_is_made_again(official: Any) -> None:
    expected = open_store().search("shirt 3", 5)
    for path in Path(official.root.parent / "cache").rglob("manifest.json"):
        path.write_text("{}")
    store = Store(open_store().catalog, (official.root.parent / "cache",))
    assert store.search("shirt 3", 5) == expected


def test_a_store_without_a_cache(official: Any) -> None:
    store = Store(open_store().catalog)
    assert store.search("shirt 3", 1) == [3]
