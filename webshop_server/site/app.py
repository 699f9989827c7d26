"""The application: puts the shop, its sessions and the views together.

It listens on nothing; :mod:`webshop_server.site.server` serves it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request

from webshop_server.reward import Scorer
from webshop_server.site.api import api, site_wide
from webshop_server.site.config import SiteConfig
from webshop_server.site.database import Database
from webshop_server.site.errors import register_error_handlers
from webshop_server.site.logs import EventLog
from webshop_server.site.metrics import Metrics
from webshop_server.site.security import register_security
from webshop_server.site.services import EXTENSION, Services, services
from webshop_server.site.sessions import Session, Sessions
from webshop_server.site.views import pages
from webshop_server.store import open_store

if TYPE_CHECKING:
    from webshop_server.store import Store

__all__ = ["create_app"]

_LOGGED_PATH = 200


def create_app(
    config: SiteConfig | None = None, *, store: Store | None = None, scorer: Scorer | None = None
) -> Flask:
    """Makes the application; `app.extensions["hiper_webshop"]` are its services.

    Args:
        config: The settings.
        store: What is sold; that of `config` by default.
        scorer: Scores purchases; that of `config` by default.

    Raises:
        DataError: If the catalogue, the database or the log cannot be used.
    """
    config = config or SiteConfig()
    app = Flask("webshop_server.site")
    app.config.update(
        MAX_CONTENT_LENGTH=config.max_body,
        MAX_FORM_MEMORY_SIZE=config.max_body,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        TRAP_HTTP_EXCEPTIONS=False,
    )
    app.extensions[EXTENSION] = _open(config, store, scorer)
    app.before_request(_begin)
    register_security(app)
    # Runs before the headers are set: the last registered is called first.
    app.after_request(_observe)
    register_error_handlers(app)
    for blueprint in (api, site_wide, pages):
        app.register_blueprint(blueprint)
    return app


def _open(config: SiteConfig, store: Store | None, scorer: Scorer | None) -> Services:
    store = store if store is not None else open_store(config.data_root, generated=config.generated)
    scorer = scorer if scorer is not None else Scorer(config.noun_tagger)
    database = Database(config.database)
    try:
        log = EventLog(config.log_file)
    except BaseException:
        database.close()
        raise

    def on_event(event: str, session: Session, action: str) -> None:
        log.write(event, **_logged(session, action))

    sessions = Sessions(
        store, scorer, database, lifetime=config.session_lifetime, on_event=on_event
    )
    _warm_up(store, scorer, sessions)
    return Services(config, store, scorer, database, sessions, Metrics(), log)


def _warm_up(store: Store, scorer: Scorer, sessions: Sessions) -> None:
    """Uses everything once, so that no shopper waits for the index or the nouns."""
    goal = sessions.goals()[0]
    product = store[goal.product]
    store.search(product.title, 1)
    scorer.score(goal, product, product, {})


def _begin() -> None:
    g.began = time.perf_counter()


def _observe(response: Response) -> Response:
    seconds = time.perf_counter() - g.pop("began", time.perf_counter())
    shop = services()
    shop.metrics.observe(response.status_code, seconds)
    shop.log.write(
        "request",
        method=request.method[:20],
        path=request.path[:_LOGGED_PATH],
        status=response.status_code,
        ms=round(1000 * seconds, 3),
    )
    return response


def _logged(session: Session, action: str) -> dict[str, Any]:
    values: dict[str, Any] = {
        "session_id": session.session_id,
        "goal_id": session.goal.goal_id,
        "client": session.client,
        "revision": session.revision,
    }
    if action:
        state = session.shop.state
        values |= {"action": action, "valid": session.action_valid, "page": state.page}
        values |= {"asin": state.asin} if state.asin else {}
    if session.score is not None:
        values |= {"score": session.score.score}
    return values
