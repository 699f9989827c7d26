"""What the operator of a shop wants to know: its sessions, its speed, its stock.

Figures only; the page is a template, and who may see it is :mod:`webshop_server.site.security`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from webshop_server.site.metrics import Speed
from webshop_server.site.sessions import Session, Statistics

if TYPE_CHECKING:
    from webshop_server.site.services import Services

__all__ = ["FinishedLine", "Overview", "Stock", "overview"]


@dataclass(frozen=True, slots=True)
class Stock:
    """What the shop sells and where it keeps its books.

    Attributes:
        catalog: Name of the catalogue.
        products: How many products.
        sha256: Digest of the catalogue.
        goals: Number of goals by kind.
        noun_tagger: What finds the nouns of titles for the score.
        database: File of the sessions.
    """

    catalog: str
    products: int
    sha256: str
    goals: dict[str, int]
    noun_tagger: str
    database: str


@dataclass(frozen=True, slots=True)
class FinishedLine:
    """A finished session in one line.

    Attributes:
        session_id: Its public id.
        goal_id: Its goal.
        client: `browser` or `api`.
        score: Of the purchase.
        asin: What was bought.
        actions: How many actions that took.
        seconds: How long that took.
        finished: When, in seconds since 1970.
    """

    session_id: str
    goal_id: str
    client: str
    score: float
    asin: str
    actions: int
    seconds: float
    finished: float


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the operator's page.

    Attributes:
        stock: What is sold.
        sessions: Counts and means over all sessions.
        speed: Of requests, in the last minute.
        latest: The sessions that ended last, latest first.
    """

    stock: Stock
    sessions: Statistics
    speed: Speed
    latest: tuple[FinishedLine, ...]


def overview(services: Services, *, latest: int = 50) -> Overview:
    """The figures now.

    Args:
        services: The shop.
        latest: How many finished sessions are listed.
    """
    sessions, store = services.sessions, services.store
    return Overview(
        stock=Stock(
            catalog=store.catalog.name,
            products=len(store.catalog),
            sha256=store.catalog.sha256,
            goals={kind: len(sessions.goals(kind)) for kind in sessions.goal_kinds},
            noun_tagger=services.scorer.noun_tagger,
            database=str(services.database.path),
        ),
        sessions=sessions.statistics(),
        speed=services.metrics.speed(),
        latest=tuple(_line(session) for session in sessions.finished(latest)),
    )


def _line(session: Session) -> FinishedLine:
    assert session.score is not None
    assert session.finished is not None
    return FinishedLine(
        session_id=session.session_id,
        goal_id=session.goal.goal_id,
        client=session.client,
        score=session.score.score,
        asin=session.shop.state.asin,
        actions=session.actions,
        seconds=session.finished - session.created,
        finished=session.finished,
    )
