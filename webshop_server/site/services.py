"""What the views of the site share. Declarations only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import current_app

if TYPE_CHECKING:
    from webshop_server.reward import Scorer
    from webshop_server.site.config import SiteConfig
    from webshop_server.site.database import Database
    from webshop_server.site.logs import EventLog
    from webshop_server.site.metrics import Metrics
    from webshop_server.site.sessions import Sessions
    from webshop_server.store import Store

__all__ = ["EXTENSION", "Services", "services"]

EXTENSION = "hiper_webshop"
"""Key of the services in `app.extensions`."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that outlives a request.

    Attributes:
        config: The settings.
        store: What is sold.
        scorer: Scores purchases.
        database: Where sessions are kept.
        sessions: The sessions.
        metrics: Speed of the requests so far.
        log: Where requests and actions are written.
    """

    config: SiteConfig
    store: Store
    scorer: Scorer
    database: Database
    sessions: Sessions
    metrics: Metrics
    log: EventLog

    def close(self) -> None:
        """Closes the database and the log."""
        self.database.close()
        self.log.close()


def services() -> Services:
    """The services of the application that answers the current request."""
    return cast(Services, current_app.extensions[EXTENSION])
