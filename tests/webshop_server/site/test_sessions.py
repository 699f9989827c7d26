from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hiper_base.errors import DataError, DataNotFoundError
from webshop_server.product import Goal
from webshop_server.reward import Scorer
from webshop_server.shop import Shop
from webshop_server.site.config import MAX_ACTION
from webshop_server.site.database import Database
from webshop_server.site.errors import (
    InvalidInputError,
    StaleRevisionError,
    UnknownGoalError,
    UnknownSessionError,
)
from webshop_server.site.sessions import Session, Sessions

BUY = ("search[shirt]", "click[b000000003]", "click[black]", "click[buy now]")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.sqlite3"


@pytest.fixture
def open_sessions(store: Any, scorer: Scorer, path: Path, clock: Clock) -> Callable[..., Sessions]:
    def make(**changes: Any) -> Sessions:
        values = {"lifetime": 600.0, "clock": clock, **changes}
        return Sessions(values.pop("store", store), scorer, Database(path), **values)

    return make


@pytest.fixture
def sessions(open_sessions: Callable[..., Sessions]) -> Sessions:
    return open_sessions()


def test_a_purchase_from_the_first_page_to_the_score(
    sessions: Sessions, clock: Clock, scorer: Scorer
) -> None:
    opened = sessions.create(goal_id="synthetic/3", client="api")
    session = opened.session
    assert (session.revision, session.actions, session.action_valid) == (0, 0, True)
    assert session.score is None
    assert session.shop.state.page == "search"
    for number, action in enumerate(BUY, start=1):
        clock.now += 1
        session = sessions.act(session.session_id, opened.token, action, revision=number - 1)
        assert (session.revision, session.actions, session.action_valid) == (number, number, True)
    assert session.is_done
    assert session.score is not None
    assert session.score.score == 1.0
    assert session.noun_tagger == scorer.noun_tagger
    assert (session.created, session.finished) == (1000.0, 1004.0)
    assert sessions.get(session.session_id, opened.token).score == session.score


def test_nothing_happens_after_the_purchase(sessions: Sessions) -> None:
    opened = sessions.create(goal_id="synthetic/3")
    for action in BUY:
        done = sessions.act(opened.session.session_id, opened.token, action)
    after = sessions.act(opened.session.session_id, opened.token, "search[hat]")
    assert not after.action_valid
    assert (after.revision, after.score, after.finished) == (4, done.score, done.finished)
    assert sessions.get(opened.session.session_id, opened.token).action_valid


def test_everything_is_there_after_a_restart(
    sessions: Sessions, open_sessions: Callable[..., Sessions]
) -> None:
    opened = sessions.create(goal_id="synthetic/2", show_attributes=True)
    for action in ("search[shirt]", "click[next >]", "click[b000000010]", "click[red]", "nonsense"):
        last = sessions.act(opened.session.session_id, opened.token, action)
    again = open_sessions().get(opened.session.session_id, opened.token)
    assert again.shop.state == last.shop.state
    assert again.shop.admissible_actions == last.shop.admissible_actions
    assert "click[attributes]" in again.shop.admissible_actions
    assert (again.revision, again.action_valid) == (5, False)
    assert again.goal == last.goal


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choices=st.lists(st.integers(0, 10**6), max_size=15))
def test_a_kept_session_walks_like_a_shop_in_memory(
    sessions: Sessions, store: Any, goals: list[Goal], choices: list[int]
) -> None:
    shop = Shop(store, goals[0])
    opened = sessions.create(goal_id="synthetic/0")
    for choice in choices:
        actions = ["search[shirt 3]", "click[gone]", "", *shop.admissible_actions]
        action = actions[choice % len(actions)]
        was_search, had_search_bar = action.startswith("search"), shop.has_search_bar
        understood = shop.act(action)
        session = sessions.act(opened.session.session_id, opened.token, action)
        assert session.shop.state == shop.state
        assert session.shop.clickables == shop.clickables
        assert session.action_valid == (understood and not (was_search and not had_search_bar))


def test_a_search_where_there_is_no_search_bar_works_and_is_not_admissible(
    sessions: Sessions,
) -> None:
    opened = sessions.create(goal_id="synthetic/0")
    valid = []
    for action in ("search[shirt]", "search[hat]"):
        session = sessions.act(opened.session.session_id, opened.token, action)
        valid.append(session.action_valid)
    assert valid == [True, False]
    assert session.shop.state.query == "hat"


def test_a_session_cannot_be_told_from_none_without_its_token(sessions: Sessions) -> None:
    mine, other = sessions.create(), sessions.create()
    messages = set()
    for session_id, token in (
        (mine.session.session_id, other.token),
        (mine.session.session_id, ""),
        (mine.session.session_id, mine.token[:-1]),
        (mine.session.session_id, "\ud800"),
        ("unknown", mine.token),
        ("", ""),
        ("\ud800", mine.token),
    ):
        for attempt in (
            lambda s, t: sessions.get(s, t),
            lambda s, t: sessions.act(s, t, "search[x]"),
            lambda s, t: sessions.act(s, t, "search[x]", revision=7),
        ):
            with pytest.raises(UnknownSessionError) as caught:
                attempt(session_id, token)
            messages.add(str(caught.value))
    assert len(messages) == 1
    assert sessions.get(mine.session.session_id, mine.token).revision == 0


def test_only_the_digest_of_a_token_is_kept(sessions: Sessions, path: Path) -> None:
    opened = sessions.create()
    kept = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert opened.token.encode() not in kept
    assert hashlib.sha256(opened.token.encode()).digest() in kept


def test_ids_and_tokens_do_not_repeat(sessions: Sessions) -> None:
    opened = [sessions.create() for _ in range(200)]
    assert len({one.session.session_id for one in opened}) == 200
    assert len({one.token for one in opened}) == 200


def test_an_old_revision_is_refused(sessions: Sessions) -> None:
    opened = sessions.create()
    session_id = opened.session.session_id
    sessions.act(session_id, opened.token, "search[shirt]", revision=0)
    for revision in (0, 2, -1, 10**30):
        with pytest.raises(StaleRevisionError):
            sessions.act(session_id, opened.token, "search[hat]", revision=revision)
    assert sessions.get(session_id, opened.token).shop.state.query == "shirt"


@pytest.mark.parametrize("action", ["a" * (MAX_ACTION + 1), "search[\0]", "search[\ud800]"])
def test_what_is_no_text_is_refused(sessions: Sessions, action: str) -> None:
    opened = sessions.create()
    with pytest.raises(InvalidInputError):
        sessions.act(opened.session.session_id, opened.token, action)
    assert sessions.get(opened.session.session_id, opened.token).revision == 0


def test_goals_are_drawn_chosen_or_unknown(sessions: Sessions) -> None:
    assert sessions.goal_kinds == ("synthetic",)
    drawn = {sessions.create().session.goal.goal_id for _ in range(100)}
    assert drawn == {f"synthetic/{n}" for n in range(5)}
    for wrong in ({"goals": "human"}, {"goal_id": "synthetic/5"}, {"goal_id": "human/0"}):
        with pytest.raises(UnknownGoalError):
            sessions.create(**wrong)  # type: ignore[arg-type]
    for wrong in ({"goals": "nonsense"}, {"goal_id": ""}, {"goal_id": "\0"}):
        with pytest.raises(UnknownGoalError):
            sessions.create(**wrong)  # type: ignore[arg-type]


def test_a_shop_without_goals_does_not_open(store: Any, scorer: Scorer, path: Path) -> None:
    def none(kind: str) -> None:
        raise DataNotFoundError(kind)

    store.goals = none
    database = Database(path)
    with pytest.raises(DataError, match="no goals"):
        Sessions(store, scorer, database)
    database.close()


def test_a_session_ends_and_is_forgotten(sessions: Sessions, clock: Clock) -> None:
    left, used, done = (sessions.create(goal_id="synthetic/3") for _ in range(3))
    for action in BUY:
        sessions.act(done.session.session_id, done.token, action)
    clock.now += 400
    sessions.act(used.session.session_id, used.token, "search[shirt]")
    clock.now += 400
    with pytest.raises(UnknownSessionError):
        sessions.get(left.session.session_id, left.token)
    assert sessions.get(used.session.session_id, used.token).revision == 1
    sessions.create()  # cleans
    figures = sessions.statistics()
    assert (figures.open, figures.finished, figures.expired) == (2, 1, 1)
    with pytest.raises(UnknownSessionError):
        sessions.get(done.session.session_id, done.token)
    assert [one.session_id for one in sessions.finished(10)] == [done.session.session_id]


def test_sessions_of_another_catalogue_are_not_mixed_in(
    sessions: Sessions, open_sessions: Callable[..., Sessions], store: Any
) -> None:
    opened = sessions.create(goal_id="synthetic/3")
    for action in BUY:
        sessions.act(opened.session.session_id, opened.token, action)
    store.catalog.sha256 = "cd" * 32
    other = open_sessions()
    with pytest.raises(UnknownSessionError):
        other.get(opened.session.session_id, opened.token)
    assert other.finished(10) == []
    assert other.statistics().finished == 0
    assert len(sessions.finished(10)) == 1


def test_statistics(sessions: Sessions, clock: Clock) -> None:
    empty = sessions.statistics()
    assert (empty.open, empty.finished, empty.success_rate, empty.mean_score) == (0, 0, None, None)
    for goal_id in ("synthetic/3", "synthetic/3", "synthetic/4"):
        opened = sessions.create(goal_id=goal_id, client="api")
        for action in BUY if goal_id == "synthetic/3" else (BUY[0], BUY[1], BUY[3]):
            clock.now += 1
            last = sessions.act(opened.session.session_id, opened.token, action)
    sessions.create()
    figures = sessions.statistics()
    assert [part.client for part in figures.by_client] == ["api", "browser"]
    assert (figures.open, figures.finished) == (1, 3)
    assert last.score is not None
    assert figures.success_rate == pytest.approx(2 / 3)
    assert figures.mean_score == pytest.approx((2 + last.score.score) / 3)
    assert figures.mean_actions == pytest.approx(11 / 3)
    assert figures.mean_seconds == pytest.approx(11 / 3)


def test_actions_at_the_same_time_all_count_once(
    sessions: Sessions, open_sessions: Callable[..., Sessions]
) -> None:
    # Half of the threads use a second object on the same file, like a second server process.
    opened = sessions.create(goal_id="synthetic/0")
    session_id, token = opened.session.session_id, opened.token
    second = open_sessions()
    seen: list[int] = []

    def shop(which: Sessions) -> None:
        for _ in range(20):
            seen.append(which.act(session_id, token, "search[shirt]").revision)

    threads = [
        threading.Thread(target=shop, args=(which,)) for which in (sessions, second) for _ in "1234"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 161))


def test_of_many_who_act_on_one_revision_one_wins(sessions: Sessions) -> None:
    opened = sessions.create(goal_id="synthetic/0")
    outcomes: list[str] = []
    barrier = threading.Barrier(8)

    def shop() -> None:
        barrier.wait()
        try:
            sessions.act(opened.session.session_id, opened.token, "search[shirt]", revision=0)
            outcomes.append("won")
        except StaleRevisionError:
            outcomes.append("stale")

    threads = [threading.Thread(target=shop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["stale"] * 7 + ["won"]


def test_an_action_that_cannot_be_kept_did_not_happen(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = sessions.create(goal_id="synthetic/0")
    session_id, token = opened.session.session_id, opened.token
    sessions.act(session_id, token, "search[shirt]")

    def full(*args: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(sessions._database, "replace", full)
        with pytest.raises(sqlite3.OperationalError):
            sessions.act(session_id, token, "search[hat]")
    assert sessions.get(session_id, token).shop.state.query == "shirt"


def test_listeners_hear_what_was_kept(open_sessions: Callable[..., Sessions]) -> None:
    heard: list[tuple[str, int, str]] = []

    def listen(event: str, session: Session, action: str) -> None:
        heard.append((event, session.revision, action))

    sessions = open_sessions(on_event=listen)
    opened = sessions.create(goal_id="synthetic/3")
    for action in BUY:
        sessions.act(opened.session.session_id, opened.token, action)
    with pytest.raises(StaleRevisionError):
        sessions.act(opened.session.session_id, opened.token, "x", revision=0)
    assert heard == [
        ("created", 0, ""),
        *[("action", n, action) for n, action in enumerate(BUY[:3], start=1)],
        ("finished", 4, BUY[3]),
    ]


def test_two_snapshots_of_a_session_do_not_share_a_shop(sessions: Sessions) -> None:
    opened = sessions.create(goal_id="synthetic/0")
    before = sessions.get(opened.session.session_id, opened.token)
    sessions.act(opened.session.session_id, opened.token, "search[shirt]")
    assert before.shop.state.page == "search"
