from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from benchmarks.webshop_clients import HtmlShopper, Shopper, UnexpectedAnswerError, check_kept
from benchmarks.webshop_fuzz import fuzz_described, fuzz_strange
from benchmarks.webshop_load import LoadArgs, make_shoppers, shopping
from webshop_server.reward import Scorer
from webshop_server.site.app import create_app
from webshop_server.site.config import SiteConfig
from webshop_server.site.database import Database
from webshop_server.site.server import Server
from webshop_server.store import open_store

Address = tuple[str, int]


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    config = SiteConfig(database=tmp_path / "shop.sqlite3")
    return create_app(config, store=open_store(generated=40), scorer=Scorer(str.split))


@pytest.fixture
def address(app: Flask) -> Iterator[Address]:
    server = Server(app, socket.create_server(("127.0.0.1", 0)), threads=4)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server.host, server.port
    server.stop()
    thread.join(20)
    app.extensions["hiper_webshop"].close()


def shopped(address: Address, turns: int = 40) -> list[Shopper]:
    """One shopper of each kind after some turns."""
    shoppers = make_shoppers(address, 2, 0)
    for shopper in shoppers:
        for _ in range(turns):
            shopper.turn()
    return shoppers


def test_shoppers_find_no_fault_where_there_is_none(address: Address) -> None:
    shoppers = shopped(address, 120)
    for shopper in shoppers:
        assert shopper.faults == []
        assert shopper.purchases > 0
        assert len(shopper.seconds) > 100
    kept = check_kept(address, shoppers)
    assert (kept["lost"], kept["changed"], kept["faults"]) == (0, 0, [])
    assert kept["purchases"] >= sum(shopper.purchases for shopper in shoppers)
    for shopper in shoppers:
        shopper.close()


def test_what_is_lost_or_changed_is_found(address: Address, app: Flask) -> None:
    shoppers = shopped(address)
    database: Database = app.extensions["hiper_webshop"].database
    first, second = shoppers[0].kept, shoppers[1].kept
    gone, behind = list(first)[:2]
    changed = next(iter(second))
    execute = database._connection.execute
    execute("DELETE FROM sessions WHERE session_id = ?", (gone,))
    execute("UPDATE sessions SET revision = revision - 1 WHERE session_id = ?", (behind,))
    second[changed] = replace(second[changed], instruction="another one")
    kept = check_kept(address, shoppers)
    assert (kept["lost"], kept["changed"], len(kept["faults"])) == (2, 1, 3)


def test_an_action_on_its_way_may_be_kept_or_not(address: Address) -> None:
    shoppers = shopped(address)
    shopper = shoppers[0]
    session_id, seen = next(iter(shopper.kept.items()))
    shopper.kept[session_id] = replace(seen, revision=seen.revision - 1)
    assert check_kept(address, shoppers)["changed"] == 1
    shopper.in_flight = session_id
    kept = check_kept(address, shoppers)
    assert (kept["changed"], kept["unanswered"]) == (0, 1)


def test_mixed_up_sessions_are_found(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (0, 1):
        mine, other = make_shoppers(address, 4, 10)[kind::2]
        mine.turn()
        other.turn()
        foreign = mine.act(mine._seen, "search[x]")  # type: ignore[arg-type]
        monkeypatch.setattr(other, "act", lambda seen, action, foreign=foreign: foreign)
        while not other.faults:
            other.turn()
        assert any("another session" in fault for fault in other.faults)
        assert any("another query" in fault for fault in other.faults)


def test_lost_and_doubled_actions_are_found(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shopper,) = make_shoppers(address, 1, 0)
    shopper.turn()
    act: Callable[..., Any] = shopper.act

    def twice(seen: Any, action: str) -> Any:
        return act(act(seen, action), action)

    monkeypatch.setattr(shopper, "act", twice)
    for _ in range(5):
        shopper.turn()
    assert any("lost or doubled" in fault for fault in shopper.faults)


def test_answers_that_make_no_sense_are_faults(address: Address) -> None:
    shopper = HtmlShopper(address, "x", 0)
    with pytest.raises(UnexpectedAnswerError):
        shopper._request("GET", "/nothing", None, {}, 200)
    assert "404 instead of 200" in shopper.faults[0]
    with shopping([shopper]):
        time.sleep(0.3)
    assert len(shopper.faults) == 1
    gone = HtmlShopper(("127.0.0.1", 1), "x", 0)
    with shopping([gone]):
        time.sleep(0.1)
    assert "no answer" in gone.faults[0]


def test_fuzzing_finds_a_shop_that_breaks(
    address: Address, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **more: object) -> None:
        raise RuntimeError("broken")

    # Described requests open sessions; strange ones ask for the home page, too.
    monkeypatch.setattr(app.extensions["hiper_webshop"].database, "load", broken)
    monkeypatch.setitem(app.view_functions, "pages.home", broken)
    monkeypatch.setattr(app.logger, "error", lambda *args, **more: None)
    described = fuzz_described("http://{}:{}".format(*address), 40)
    assert described.statuses.get(500, 0) > 0
    assert described.failures
    strange = fuzz_strange(address, 200)
    assert strange.statuses.get(500, 0) > 0
    assert any("500" in failure for failure in strange.failures)


def test_quick_measures_little() -> None:
    quick, full = LoadArgs(quick=True).effective(), LoadArgs()
    assert full.effective() == full
    assert quick.seconds < full.seconds
    assert quick.fuzz < full.fuzz
    assert LoadArgs(generated=5).server == ["--threads", "8", "--generated", "5"]
