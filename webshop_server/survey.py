"""What there is of a catalogue and its goals, and whether it is what was published.

Nothing is printed here, and nothing is known of the search index.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from hiper_base.errors import DataNotFoundError
from webshop_server.goals import (
    PUBLISHED_COUNT,
    PUBLISHED_SHA256,
    Goals,
    human_goals,
    synthetic_goals,
)
from webshop_server.official import BENCHMARK_SUFFIX, OfficialFiles
from webshop_server.stored import StoredCatalog, open_stored

__all__ = ["GoalsSurvey", "Survey", "survey"]


@dataclass(frozen=True)
class GoalsSurvey:
    """The goals of one kind.

    Attributes:
        kind: `synthetic` or `human`.
        test: How many are in the test split.
        train: How many are in the training split.
        sha256: Digest of the instructions in order.
    """

    kind: str
    test: int
    train: int
    sha256: str


@dataclass(frozen=True)
class Survey:
    """What there is of a catalogue.

    Attributes:
        files: Where it was read from.
        products: How many there are.
        sha256: Digest of the products and their tasks.
        goals: Kinds of which there are any.
    """

    files: OfficialFiles
    products: int
    sha256: str
    goals: tuple[GoalsSurvey, ...]

    @property
    def is_published(self) -> bool:
        """Whether goals of these products were published: of the 1,000 only."""
        return self.files.suffix == BENCHMARK_SUFFIX

    @property
    def difference(self) -> str:
        """How the synthetic goals differ from the published ones; "" if there is nothing to say."""
        if not self.is_published:
            return ""
        found = next((goals for goals in self.goals if goals.kind == "synthetic"), None)
        count = 0 if found is None else found.test + found.train
        where = self.files.products.name
        if count != PUBLISHED_COUNT:
            return f"{where} gives {count:,} synthetic goals; {PUBLISHED_COUNT:,} were published"
        if found is not None and not found.sha256.startswith(PUBLISHED_SHA256):
            return f"{where} gives other goals than the published ones, {PUBLISHED_SHA256}..."
        return ""


def survey(files: OfficialFiles, *, is_cached: bool = True) -> Survey:
    """Looks at the products and all goals of a catalogue.

    Args:
        files: Of the catalogue.
        is_cached: Whether caches are used and made. Without, all files are read and validated.

    Raises:
        DataError: If the files cannot be used.
    """
    if is_cached:
        return _survey(files, open_stored(files))
    with tempfile.TemporaryDirectory(prefix="hiper-verify-") as folder:
        return _survey(files, open_stored(files, (Path(folder),)))


def _survey(files: OfficialFiles, catalog: StoredCatalog) -> Survey:
    found = []
    for make in (synthetic_goals, human_goals):
        try:
            found.append(_count(make(catalog)))
        except DataNotFoundError:
            continue
    return Survey(files, len(catalog), catalog.sha256, tuple(found))


def _count(goals: Goals) -> GoalsSurvey:
    test, train = (len(goals.split_range(split)) for split in ("test", "train"))
    return GoalsSurvey(goals.kind, test, train, goals.sha256)
