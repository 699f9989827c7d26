"""What shoppers are asked to buy: synthetic, human and generated goals, in the published order.

A goal is made when it is asked for. What is kept is where each comes from: a product, one of its
combinations of option values, a price limit, and the order in which the goals were shuffled. So
the millions of goals of the full catalogue cost a few bytes each.

The order is upstream's with its seeds made explicit (Yao et al., 2022, arXiv 2207.01206,
`goal.py`): one generator with seed 0 draws the prices of products and then the price limits, both
in the order of the file; another with seed 233 shuffles. This module does not know how a purchase
is scored.
"""

from __future__ import annotations

import hashlib
import random
import re
from array import array
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from hiper_base.errors import DataNotFoundError, UnknownSplitError, UnknownTaskError
from webshop_server.catalog import Catalog
from webshop_server.generated import GeneratedCatalog
from webshop_server.listing import RECORD_VERSION, Listing
from webshop_server.prices import draw_limit, limit_text
from webshop_server.product import Goal
from webshop_server.storage import ContainerWriter, cached
from webshop_server.stored import PRICE_SEED, StoredCatalog

__all__ = [
    "MAX_COMBINATIONS",
    "PUBLISHED_COUNT",
    "PUBLISHED_SHA256",
    "TEST_GOALS",
    "Goals",
    "generated_goals",
    "human_goals",
    "synthetic_goals",
]

TEST_GOALS = 500
"""The first so many goals are the test split."""
PUBLISHED_COUNT = 6910
"""Synthetic goals of the 1,000 products of the published agent results."""
PUBLISHED_SHA256 = "80245889"
"""How their `Goals.sha256` starts."""
MAX_COMBINATIONS = 100_000
"""Of a product's combinations of option values, at most so many become goals. The 1,000 products
have 558 at most; in a larger catalogue one product could otherwise outnumber all others."""

_SHUFFLE_SEED = 233
_MAX_GOALS_IN_MEMORY = 8192
_GOAL_ID = re.compile(r"([a-z]+)/(0|[1-9][0-9]{0,17})")
_KINDS = ("synthetic", "human", "generated")


class Goals:
    """Goals of one kind, by position in the published order. Several threads may read them.

    Args:
        kind: `synthetic`, `human` or `generated`.
        count: How many there are.
        make: Makes the goal of a position.

    Attributes:
        kind: As given.
    """

    def __init__(self, kind: str, count: int, make: Callable[[int], Goal]) -> None:
        self.kind = kind
        self._count = count
        self._make = make
        self._remembered = lru_cache(maxsize=_MAX_GOALS_IN_MEMORY)(make)

    def __len__(self) -> int:
        """Number of goals, of all splits."""
        return self._count

    def __getitem__(self, position: int) -> Goal:
        """A goal.

        Raises:
            IndexError: If there is no such position; negative ones do not count from the end.
        """
        if not 0 <= position < self._count:
            raise IndexError(f"no {self.kind} goal {position}: there are {self._count}")
        return self._remembered(position)

    def __iter__(self) -> Iterator[Goal]:
        """All goals in order, without remembering them."""
        return map(self._make, range(self._count))

    def index(self, goal_id: str) -> int:
        """Position of a goal.

        Raises:
            UnknownTaskError: If there is no such goal.
        """
        match = _GOAL_ID.fullmatch(goal_id)
        if match is None or match[1] not in _KINDS:
            raise UnknownTaskError(
                f"{goal_id!r} is no goal id; {self.kind} goals are called {self.kind}/<number>"
            )
        if match[1] != self.kind or int(match[2]) >= self._count:
            raise UnknownTaskError(
                f"there is no goal {goal_id!r} among the {self._count:,} {self.kind} goals"
            )
        return int(match[2])

    def split_range(self, split: str) -> range:
        """Positions of a split: the first 500 are the test goals, the others are for training.

        Args:
            split: `test` or `train`; `generated` is all generated goals.

        Raises:
            UnknownSplitError: If there is no such split.
        """
        tests = min(TEST_GOALS, self._count)
        ranges = {"test": range(tests), "train": range(tests, self._count)}
        if self.kind == "generated":
            ranges["generated"] = range(self._count)
        if split not in ranges:
            raise UnknownSplitError(
                f"unknown split {split!r} of {self.kind} goals; there are: {', '.join(ranges)}"
            )
        return ranges[split]

    @cached_property
    def sha256(self) -> str:
        """Digest of the instructions in order, joined by line breaks. Makes every goal once."""
        digest = hashlib.sha256()
        for position, goal in enumerate(self):
            digest.update(f"{chr(10) if position else ''}{goal.instruction}".encode())
        return digest.hexdigest()


def synthetic_goals(catalog: Catalog) -> Goals:
    """One goal for every combination of option values of every product with an instruction.

    Raises:
        DataNotFoundError: If the catalogue has none.
    """
    if not isinstance(catalog, StoredCatalog) or not np.any(catalog.combinations):
        raise _missing("synthetic", catalog)
    products = np.flatnonzero(catalog.combinations)
    counts = np.minimum(catalog.combinations[products], MAX_COMBINATIONS)
    plan = _Plan("synthetic", catalog, products, counts)

    def make(position: int) -> Goal:
        source, number = plan.source(position)
        product, limit = int(products[source]), plan.limit(source)
        listing = catalog.listing(product)
        return _goal(plan.kind, position, product, listing, number, limit, _split(position))

    return Goals(plan.kind, len(plan), make)


def human_goals(catalog: Catalog) -> Goals:
    """The goals that people wrote for products of this catalogue.

    Raises:
        DataNotFoundError: If the catalogue has none.
    """
    if not isinstance(catalog, StoredCatalog) or not np.any(catalog.human_tasks):
        raise _missing("human", catalog)
    # Each has a limit of its own, unlike the synthetic goals of a product.
    products = np.repeat(np.arange(len(catalog)), catalog.human_tasks)
    plan = _Plan("human", catalog, products, np.ones(len(products), dtype=np.int64))
    firsts = np.searchsorted(products, products)

    def make(position: int) -> Goal:
        source, _ = plan.source(position)
        product, limit = int(products[source]), plan.limit(source)
        task = catalog.listing(product).human_tasks[source - int(firsts[source])]
        return Goal(
            goal_id=f"human/{position}",
            instruction=task.instruction.strip(".") + limit_text(limit),
            product=product,
            attributes=task.attributes,
            options=task.options,
            price_limit=limit,
            split=_split(position),
        )

    return Goals(plan.kind, len(plan), make)


def generated_goals(catalog: Catalog) -> Goals:
    """One goal for every generated product, in the order of the products.

    Raises:
        DataNotFoundError: If the catalogue is not a generated one.
    """
    if not isinstance(catalog, GeneratedCatalog):
        raise _missing("generated", catalog)

    def make(position: int) -> Goal:
        number, limit = catalog.draw_goal(position)
        listing = catalog.listing(position)
        return _goal("generated", position, position, listing, number, limit, "generated")

    return Goals("generated", len(catalog), make)


class _Plan:
    """Where the goals of a catalogue come from, and in which order they are.

    Args:
        kind: Of the goals.
        catalog: The official products.
        products: Position of the product of every source of goals, ascending, int64.
        counts: Number of goals of every source, int64; they share a price limit.

    Attributes:
        kind: As given.
    """

    def __init__(
        self,
        kind: str,
        catalog: StoredCatalog,
        products: NDArray[np.int64],
        counts: NDArray[np.int64],
    ) -> None:
        self.kind = kind
        self._ends = np.cumsum(counts)
        path = catalog.container.path
        key = f"goals {RECORD_VERSION} {kind} {catalog.sha256}"

        def build(writer: ContainerWriter) -> dict[str, int]:
            writer.array("limits", _draw_limits(catalog, products))
            writer.array("order", _shuffled(int(self._ends[-1])))
            return {}

        # Without a file of the products there is no place for one of the goals.
        folders = () if path is None else (path.parent,)
        name = "" if path is None else f"{path.stem}-{kind}.goals"
        container = cached(name, key, folders, build)
        self._limits: NDArray[np.float64] = container["limits"]
        self._order: NDArray[np.int32] = container["order"]

    def __len__(self) -> int:
        return len(self._order)

    def source(self, position: int) -> tuple[int, int]:
        """Number of a goal's source, and number of the goal among those of its source."""
        raw = int(self._order[position])
        source = int(np.searchsorted(self._ends, raw, side="right"))
        return source, raw - (int(self._ends[source - 1]) if source else 0)

    def limit(self, source: int) -> float:
        """Price limit of a source."""
        return float(self._limits[source])


def _draw_limits(catalog: StoredCatalog, products: NDArray[np.int64]) -> NDArray[np.float64]:
    """One price limit for each product, drawn after the prices by the same generator."""
    generator = random.Random(PRICE_SEED)
    for _ in range(catalog.price_draws):
        generator.random()
    drawn = [draw_limit(price, generator) for price in catalog.prices[products].tolist()]
    return np.array(drawn, dtype=np.float64)


def _shuffled(count: int) -> NDArray[np.int32]:
    """The numbers below `count` in the published order."""
    order = array("i", range(count))
    random.Random(_SHUFFLE_SEED).shuffle(order)
    return np.array(order, dtype=np.int32)


def _goal(
    kind: str, position: int, product: int, listing: Listing, number: int, limit: float, split: str
) -> Goal:
    """A goal from one combination of option values.

    Args:
        kind: Of the goal.
        position: In the published order.
        product: Position of the product in the catalogue.
        listing: The product and its instruction.
        number: Of the combination.
        limit: Highest acceptable price.
        split: Of the goal.
    """
    options = _combination(listing, number)
    wanted = ", and ".join([f"{name}: {value}" for name, value in options])
    instruction = f"{listing.instruction}{' with ' if wanted else ''}{wanted}{limit_text(limit)}"
    return Goal(
        f"{kind}/{position}", instruction, product, listing.attributes, options, limit, split
    )


def _combination(listing: Listing, number: int) -> tuple[tuple[str, str], ...]:
    """Option values by number: names sorted, the last one changes fastest."""
    options = listing.product.options
    chosen = []
    for name in sorted(options, reverse=True):
        number, digit = divmod(number, len(options[name]))
        chosen.append((name, options[name][digit]))
    return tuple(reversed(chosen))


def _split(position: int) -> str:
    return "test" if position < TEST_GOALS else "train"


def _missing(kind: str, catalog: Catalog) -> DataNotFoundError:
    return DataNotFoundError(f"there are no {kind} goals for the products of {catalog.name}")
