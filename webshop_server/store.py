"""What a process needs of a shop, opened once: catalogue, search index and goals.

The three are shared by every environment and web session of the process, and may be read by
several threads. Caches lie where :mod:`hiper_base.paths` says. This module does not know which
goals an environment plays, and holds nothing of a shopper.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Lock, RLock
from typing import TYPE_CHECKING

from hiper_base.errors import DataError, DataNotFoundError
from hiper_base.paths import cache_folders, is_writable, webshop_folder
from webshop_server.catalog import TEXT_VERSION, Catalog, generate_catalog
from webshop_server.generated import GeneratedCatalog
from webshop_server.goals import Goals, generated_goals, human_goals, synthetic_goals
from webshop_server.official import find_files
from webshop_server.product import Product
from webshop_server.stored import open_stored

if TYPE_CHECKING:
    from webshop_server.search import SearchIndex

__all__ = ["DEFAULT_GENERATED", "Store", "open_store"]

logger = logging.getLogger(__name__)

DEFAULT_GENERATED = 1000
"""Size of the generated catalogue that stands in for missing data."""

_GOALS: dict[str, Callable[[Catalog], Goals]] = {
    "synthetic": synthetic_goals,
    "human": human_goals,
    "generated": generated_goals,
}


class Store:
    """A catalogue with its search index and goals; a `webshop_server.shop.Shelf`.

    Args:
        catalog: What is sold.
        folders: Where the search index may be kept, best first.

    Attributes:
        catalog: As given.
    """

    def __init__(self, catalog: Catalog, folders: tuple[Path, ...] = ()) -> None:
        self.catalog = catalog
        self._folders = folders
        self._goals: dict[str, Goals] = {}
        self._lock = RLock()
        self._index: SearchIndex | None = None

    @property
    def is_generated(self) -> bool:
        """Whether the products are made up."""
        return isinstance(self.catalog, GeneratedCatalog)

    @property
    def index(self) -> SearchIndex:
        """The search index; opened, or made and kept, when it is first needed."""
        if self._index is None:
            with self._lock:
                if self._index is None:
                    self._index = _open_index(self.catalog, self._folders)
        return self._index

    def __len__(self) -> int:
        """Number of products."""
        return len(self.catalog)

    def __getitem__(self, position: int, /) -> Product:
        """The product at a position of the catalogue."""
        return self.catalog[position]

    def position(self, asin: str) -> int:
        """Position of a product; KeyError if there is none with this id."""
        return self.catalog.position(asin)

    def search(self, query: str, limit: int) -> list[int]:
        """Positions of the best matches for a query, best first, at most `limit`."""
        return self.index.search(query, limit)

    def goals(self, kind: str) -> Goals:
        """The goals of a kind; made when they are first asked for.

        Args:
            kind: `synthetic`, `human` or `generated`.

        Raises:
            ValueError: If there is no such kind.
            DataNotFoundError: If this catalogue has no goals of the kind.
        """
        if kind not in _GOALS:
            raise ValueError(f"unknown kind of goals {kind!r}; there are: {', '.join(_GOALS)}")
        with self._lock:
            if kind not in self._goals:
                self._goals[kind] = _GOALS[kind](self.catalog)
            return self._goals[kind]


def open_store(
    root: Path | str | None = None, *, generated: int | None = None, suffix: str | None = None
) -> Store:
    """The store of a data set; the same object as long as the data does not change.

    Args:
        root: The data root; `$HIPER_DATA`, else the user's cache folder.
        generated: Number of products of a generated catalogue, whatever data there is. By default
            the official files, or 1,000 generated products where there are none: look at
            `Store.is_generated`.
        suffix: Which of several official catalogues; see `webshop_server.catalog.load_catalog`.

    Raises:
        DataError: If there are official files and they cannot be used.
        DataNotFoundError: If files are missing beside those that there are, or there are none with
            the suffix that was asked for.
        ValueError: If `generated` is below 1.
    """
    folder = webshop_folder(root)
    folders = cache_folders(folder)
    files = None
    if generated is None:
        try:
            files = find_files(root, suffix)
        except DataNotFoundError:
            if suffix is not None or any(folder.glob("items_shuffle*.json")):
                raise
            generated = DEFAULT_GENERATED
    if files is None:
        assert generated is not None
        size = generated
        return _remember(
            ("generated", size, folders), lambda: Store(generate_catalog(size), folders)
        )
    official = files
    key = (str(files.products), files.fingerprint(), folders)
    return _remember(key, lambda: Store(open_stored(official), folders))


# The stores of this process, the last one per data set: the first part of a key says where the data
# lies, the rest when it has to be read again.
_stores: dict[tuple[str, object, tuple[Path, ...]], Store] = {}
_lock = Lock()


def _remember(key: tuple[str, object, tuple[Path, ...]], make: Callable[[], Store]) -> Store:
    with _lock:
        if key not in _stores:
            store = make()
            if key[0] != "generated":
                for old in [old for old in _stores if old[0] == key[0] and old[2] == key[2]]:
                    del _stores[old]
            _stores[key] = store
        return _stores[key]


def _open_index(catalog: Catalog, folders: tuple[Path, ...]) -> SearchIndex:
    """The search index of a catalogue: from a cache folder, else built and kept in the first."""
    # Stemming and searching need packages that a list of products does not.
    from webshop_server.search import SearchIndex

    name = f"webshop-{catalog.sha256[:24]}-{TEXT_VERSION}.index"
    for folder in folders:
        try:
            return SearchIndex.load(folder / name)
        except DataNotFoundError:
            continue
        except (OSError, DataError) as error:
            logger.info("index %s is not used (%s) and made again", folder / name, error)
    logger.info("indexing %s: %d products", catalog.name, len(catalog))
    texts = (catalog.indexed_text(position) for position in range(len(catalog)))
    index = SearchIndex.build(texts, catalog.asins)
    for folder in filter(is_writable, folders):
        try:
            index.save(folder / name)
            # In place it takes less memory, and other processes share it.
            return SearchIndex.load(folder / name)
        except (OSError, DataError) as error:
            logger.info("cannot keep the index in %s (%s)", folder / name, error)
    if folders:
        where = " or ".join(map(str, folders))
        logger.warning("the search index is not kept: cannot write to %s", where)
    return index
