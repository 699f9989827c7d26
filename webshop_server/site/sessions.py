"""Shoppers: who may act in which session, and what an action does to it.

A session has a public id and a secret token, of which only the SHA-256 is kept; without the token
a session cannot be told from one that never was. Every change is in the database before the method
returns (see :mod:`webshop_server.site.database`), and nothing is kept in memory between calls. The
module knows nothing of HTTP or of how pages look.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from hiper_base.errors import DataError, DataNotFoundError
from webshop_server.product import Goal
from webshop_server.reward import Score, Scorer
from webshop_server.shop import Shop, ShopState, parse_action
from webshop_server.site.config import MAX_ACTION
from webshop_server.site.database import Database, Row, Totals
from webshop_server.site.errors import (
    InvalidInputError,
    StaleRevisionError,
    UnknownGoalError,
    UnknownSessionError,
)

if TYPE_CHECKING:
    from webshop_server.goals import Goals
    from webshop_server.store import Store

__all__ = ["GOAL_KINDS", "Opened", "Session", "Sessions", "Statistics"]

GOAL_KINDS = ("synthetic", "human", "generated")
CLIENTS = ("browser", "api")

OnEvent = Callable[[str, "Session", str], None]

_CLEANING_SECONDS = 60.0
_UNKNOWN = "There is no such session, or it is not yours."


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it was at one moment; acting gives another one.

    Attributes:
        session_id: Its public id.
        goal: What the shopper was asked to buy.
        shop: Where the shopper is. A copy of its own: acting in it changes nothing else.
        revision: How often the session has changed, from 0.
        actions: How many actions it has had, valid or not.
        score: What the purchase scored; None as long as nothing was bought.
        created: When it was opened, seconds since 1970.
        finished: When something was bought, else None.
        client: Who opened it, `browser` or `api`.
        action_valid: Whether the last action was admissible; True before the first.
        noun_tagger: What found the nouns of the titles for the score; "" without one.
    """

    session_id: str
    goal: Goal
    shop: Shop
    revision: int
    actions: int
    score: Score | None
    created: float
    finished: float | None
    client: str
    action_valid: bool = True
    noun_tagger: str = ""

    @property
    def is_done(self) -> bool:
        """Whether something was bought."""
        return self.shop.is_done


@dataclass(frozen=True, slots=True)
class Opened:
    """A new session and its secret, which nobody else ever gets to see.

    Attributes:
        session: The session.
        token: Its token.
    """

    session: Session
    token: str


@dataclass(frozen=True, slots=True)
class Statistics:
    """What has happened in all sessions of the catalogue on sale.

    Attributes:
        by_client: Counts and sums for each kind of client.
        open: Sessions that go on.
        finished: Sessions that ended with a purchase.
        expired: Sessions that were left and are forgotten.
        success_rate: Share of finished sessions with the score 1; None without any.
        mean_score: Mean score of finished sessions; None without any.
        mean_actions: Mean number of actions of finished sessions; None without any.
        mean_seconds: Mean duration of finished sessions; None without any.
    """

    by_client: tuple[Totals, ...]
    open: int
    finished: int
    expired: int
    success_rate: float | None
    mean_score: float | None
    mean_actions: float | None
    mean_seconds: float | None


class Sessions:
    """All sessions of a shop. Thread-safe.

    Args:
        store: What is sold, and the goals.
        scorer: Scores purchases.
        database: Where sessions are kept.
        lifetime: Seconds after its last action at which a session ends.
        clock: Seconds since 1970; another one for tests.
        on_event: Is told of every change that was kept: `created`, `action` or `finished`, the
            session after it, and the action.
    """

    def __init__(
        self,
        store: Store,
        scorer: Scorer,
        database: Database,
        *,
        lifetime: float = 24 * 3600.0,
        clock: Callable[[], float] = time.time,
        on_event: OnEvent | None = None,
    ) -> None:
        self._store = store
        self._scorer = scorer
        self._database = database
        self._lifetime = lifetime
        self._clock = clock
        self._on_event = on_event or _ignore
        self._catalog = store.catalog.sha256
        self._cleaning = threading.Lock()
        self._cleaned = float("-inf")
        self._goals = dict(_all_goals(store))

    @property
    def default_goals(self) -> str:
        """The kind of goals that is used where none is asked for."""
        return self.goal_kinds[0]

    @property
    def goal_kinds(self) -> tuple[str, ...]:
        """The kinds of goals that this shop has; at least one."""
        return tuple(self._goals)

    def goals(self, kind: str | None = None) -> Goals:
        """All goals of a kind.

        Args:
            kind: One of :attr:`goal_kinds`; :attr:`default_goals` when None.

        Raises:
            UnknownGoalError: If this shop has none of that kind.
        """
        kind = kind or self.default_goals
        if kind not in self._goals:
            raise UnknownGoalError(
                f"This shop has no goals of that kind; it has: {', '.join(self.goal_kinds)}."
            )
        return self._goals[kind]

    def create(
        self,
        *,
        goals: str | None = None,
        goal_id: str | None = None,
        show_attributes: bool = False,
        client: str = "browser",
    ) -> Opened:
        """Opens a session.

        Args:
            goals: Kind of goals to draw from; see :meth:`goals`.
            goal_id: A particular goal; one is drawn when None.
            show_attributes: Whether items show their hidden attributes.
            client: One of `browser` and `api`.

        Raises:
            UnknownGoalError: If there is no such goal or kind.
            sqlite3.OperationalError: If the session could not be kept.
        """
        if goal_id is not None:
            goal = self._goal(goal_id)
            if goals is not None and not goal_id.startswith(f"{goals}/"):
                raise InvalidInputError("goal_id is not one of the wanted kind of goals.")
        else:
            chosen = self.goals(goals)
            goal = chosen[secrets.randbelow(len(chosen))]
        self.clean()
        token = secrets.token_urlsafe(24)
        now = self._clock()
        row = Row(
            session_id=secrets.token_urlsafe(12),
            token_sha256=_digest(token),
            catalog=self._catalog,
            goal_id=goal.goal_id,
            show_attributes=show_attributes,
            client=client,
            created=now,
            touched=now,
            revision=0,
            action_valid=True,
            state=_written(ShopState().to_dict()),
        )
        self._database.insert(row)
        session = self._session(row)
        self._on_event("created", session, "")
        return Opened(session, token)

    def get(self, session_id: str, token: str) -> Session:
        """The session as it is now.

        Raises:
            UnknownSessionError: If there is none, the token is not its token, or it has ended. All
                three look the same, and take the same time.
        """
        return self._session(self._row(session_id, token))

    def act(
        self, session_id: str, token: str, action: str, *, revision: int | None = None
    ) -> Session:
        """Executes one action.

        Args:
            session_id: The session.
            token: Its token.
            action: `search[...]` or `click[...]`; any other text counts as an action without
                effect. Once something was bought nothing happens any more, and nothing counts.
            revision: The revision that the client acts on, if it wants to be sure.

        Returns:
            The session after it.

        Raises:
            UnknownSessionError: As for :meth:`get`.
            InvalidInputError: If the action is too long or no text.
            StaleRevisionError: If the session is no longer at `revision`.
            sqlite3.OperationalError: If the change could not be kept; then nothing has changed.
        """
        _check_action(action)
        while True:
            row = self._row(session_id, token)
            if revision is not None and revision != row.revision:
                raise StaleRevisionError(
                    f"The session is at revision {row.revision} by now, not at {revision}."
                )
            session = self._session(row)
            if session.is_done:
                return replace(session, action_valid=False)
            row = self._after(row, session, action)
            # Whoever finds the row changed begins again; somebody else's action went through.
            if self._database.replace(row):
                session = self._session(row)
                self._on_event("finished" if session.is_done else "action", session, action)
                return session

    def finished(self, limit: int) -> list[Session]:
        """The sessions that ended last with a purchase, latest first, at most `limit`."""
        sessions = []
        for row in self._database.finished(self._catalog, limit):
            try:
                sessions.append(self._session(row))
            except UnknownSessionError:
                continue  # its goal is no longer installed
        return sessions

    def statistics(self) -> Statistics:
        """Counts and means over all sessions."""
        totals = tuple(self._database.totals(self._catalog))
        finished = sum(part.finished for part in totals)

        def mean(total: float) -> float | None:
            return total / finished if finished else None

        return Statistics(
            by_client=totals,
            open=sum(part.open for part in totals),
            finished=finished,
            expired=self._database.expired(self._catalog),
            success_rate=mean(sum(part.won for part in totals)),
            mean_score=mean(sum(part.score for part in totals)),
            mean_actions=mean(sum(part.actions for part in totals)),
            mean_seconds=mean(sum(part.seconds for part in totals)),
        )

    def clean(self) -> None:
        """Forgets open sessions that have ended; at most once a minute, else does nothing."""
        now = self._clock()
        with self._cleaning:
            if now - self._cleaned < _CLEANING_SECONDS:
                return
            self._cleaned = now
        self._database.forget_open(self._catalog, now - self._lifetime)

    def _goal(self, goal_id: str) -> Goal:
        goals = self.goals(goal_id.partition("/")[0])
        try:
            return goals[goals.index(goal_id)]
        except DataError as error:
            raise UnknownGoalError("There is no goal of that id.") from error

    def _row(self, session_id: str, token: str) -> Row:
        # Ids are ASCII; what is not may not even be a text that the database takes.
        row = self._database.load(session_id) if session_id.isascii() else None
        # An unknown session is compared with as well, so that both take the same time.
        expected = b"\0" * 32 if row is None else row.token_sha256
        is_own = hmac.compare_digest(_digest(token), expected)
        if row is None or not is_own or row.catalog != self._catalog:
            raise UnknownSessionError(_UNKNOWN)
        if self._clock() - row.touched > self._lifetime:
            raise UnknownSessionError(_UNKNOWN)
        return row

    def _session(self, row: Row) -> Session:
        try:
            goal = self._goal(row.goal_id)
        except UnknownGoalError as error:
            raise UnknownSessionError(_UNKNOWN) from error
        state = ShopState.from_dict(json.loads(row.state))
        score, noun_tagger = (None, "") if row.result is None else _read_result(row.result)
        return Session(
            session_id=row.session_id,
            goal=goal,
            shop=Shop(self._store, goal, show_attributes=row.show_attributes, state=state),
            revision=row.revision,
            actions=row.revision,
            score=score,
            created=row.created,
            finished=row.finished,
            client=row.client,
            action_valid=row.action_valid,
            noun_tagger=noun_tagger,
        )

    def _after(self, row: Row, session: Session, action: str) -> Row:
        """The row after an action; `session` is used up."""
        shop = session.shop
        parsed, has_search_bar = parse_action(action), shop.has_search_bar
        is_executed = shop.act(action)
        # A search works on every page, but only where there is a search bar is it admissible.
        valid = is_executed and parsed is not None and (parsed[0] == "click" or has_search_bar)
        now = self._clock()
        row = replace(
            row,
            touched=now,
            revision=row.revision + 1,
            action_valid=valid,
            state=_written(shop.state.to_dict()),
        )
        if not shop.is_done:
            return row
        bought = shop.product
        assert bought is not None
        target = self._store[session.goal.product]
        score = self._scorer.score(session.goal, target, bought, shop.state.options)
        result = _written({"noun_tagger": self._scorer.noun_tagger, "score": asdict(score)})
        return replace(row, finished=now, score=score.score, result=result)


def _all_goals(store: Store) -> Iterator[tuple[str, Goals]]:
    """The goals of a store by kind, only those that there are.

    Raises:
        DataError: If there are none at all.
    """
    found = False
    for kind in GOAL_KINDS[2:] if store.is_generated else GOAL_KINDS[:2]:
        with suppress(DataNotFoundError):
            goals = store.goals(kind)
            if len(goals):
                found = True
                yield kind, goals
    if not found:
        raise DataError(f"nothing to shop for: {store.catalog.name} has no goals")


def _check_action(action: str) -> None:
    if len(action) > MAX_ACTION:
        raise InvalidInputError(f"The action is longer than {MAX_ACTION} characters.")
    if "\0" in action:
        raise InvalidInputError("The action contains a NUL character.")
    try:
        action.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError("The action is not valid Unicode.") from error


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def _written(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _read_result(written: str) -> tuple[Score, str]:
    values = json.loads(written)
    parts: dict[str, Any] = {
        name: tuple(part) if isinstance(part, list) else part
        for name, part in values["score"].items()
    }
    return Score(**parts), values["noun_tagger"]


def _ignore(event: str, session: Session, action: str) -> None:
    """Nobody listens."""
