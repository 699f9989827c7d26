"""A shop of made-up products with a web site."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from hiper_base.errors import DataNotFoundError, UnknownTaskError
from webshop_server.product import Goal
from webshop_server.reward import Scorer
from webshop_server.site.app import create_app
from webshop_server.site.config import SiteConfig
from webshop_server.site.services import Services

PASSWORD = "open sesame"


class FewGoals:
    """Goals like `webshop_server.goals.Goals`."""

    def __init__(self, goals: Sequence[Goal]) -> None:
        self._goals = goals

    def __len__(self) -> int:
        return len(self._goals)

    def __getitem__(self, position: int) -> Goal:
        return self._goals[position]

    def index(self, goal_id: str) -> int:
        for position, goal in enumerate(self._goals):
            if goal.goal_id == goal_id:
                return position
        raise UnknownTaskError(goal_id)


class SmallStore:
    """A store like `webshop_server.store.Store` over a shelf."""

    is_generated = False

    def __init__(self, shelf: Any, goals: Sequence[Goal]) -> None:
        self._shelf = shelf
        self._goals = FewGoals(goals)
        self.catalog = CountedName("small.json", "ab" * 32, len(shelf.products))
        self.search = shelf.search

    def __len__(self) -> int:
        return len(self.catalog)

    def __getitem__(self, position: int) -> Any:
        return self._shelf[position]

    def position(self, asin: str) -> int:
        try:
            return int(self._shelf.position(asin))
        except ValueError:
            raise KeyError(asin) from None

    def goals(self, kind: str) -> FewGoals:
        if kind != "synthetic":
            raise DataNotFoundError(kind)
        return self._goals


class CountedName(SimpleNamespace):
    """What the site asks a catalogue."""

    def __init__(self, name: str, sha256: str, count: int) -> None:
        super().__init__(name=name, sha256=sha256, count=count)

    def __len__(self) -> int:
        return int(self.count)


@pytest.fixture
def goals(goal: Goal) -> list[Goal]:
    """Five goals; that of the shared fixture is number 3."""
    texts = ["a hat", "a <b>bold</b> shirt", "two shirts", goal.instruction, "a plain shirt"]
    return [
        Goal(f"synthetic/{n}", text, n, goal.attributes, goal.options, 20.0, "test")
        for n, text in enumerate(texts)
    ]


@pytest.fixture
def store(shelf: Any, goals: list[Goal]) -> SmallStore:
    return SmallStore(shelf, goals)


@pytest.fixture(scope="session")
def scorer() -> Scorer:
    return Scorer(str.split)


@pytest.fixture
def config(tmp_path: Path) -> SiteConfig:
    return SiteConfig(
        database=tmp_path / "shop.sqlite3",
        log_file=tmp_path / "shop.jsonl",
        operator_password=PASSWORD,
    )


@pytest.fixture
def make_app(
    store: SmallStore, scorer: Scorer, config: SiteConfig
) -> Iterator[Callable[..., Flask]]:
    """Makes applications over the same products; `make_app(**changes of the config)`."""
    made: list[Flask] = []

    def make(*, store: Any = store, **changes: Any) -> Flask:
        app = create_app(SiteConfig(**{**vars(config), **changes}), store=store, scorer=scorer)
        app.testing = False
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions["hiper_webshop"].close()


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def shop(app: Flask) -> Services:
    services: Services = app.extensions["hiper_webshop"]
    return services


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client(use_cookies=False)
