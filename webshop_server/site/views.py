"""The pages for people: start, shop, purchase, operator, and drawn pictures.

A session has one address. Whatever is clicked is posted and answered with a redirect back to it,
so that reloading repeats nothing; every form says which revision of the session it was made for,
so that an old page in another tab cannot act on a newer one. What the pages show is decided in
:mod:`webshop_server.site.pages`; this module knows requests and responses only.
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from flask import url_for as address_of
from werkzeug.wrappers import Response as AnyResponse

from webshop_server.site import pictures
from webshop_server.site.config import MAX_ACTION
from webshop_server.site.errors import (
    InvalidInputError,
    StaleRevisionError,
    UnknownGoalError,
)
from webshop_server.site.operator import overview
from webshop_server.site.pages import (
    Choice,
    Crumb,
    Image,
    ItemPage,
    ResultsPage,
    SubPage,
    crumbs,
    picture_hosts,
    search_action,
)
from webshop_server.site.security import (
    FORM_FIELD,
    check_form,
    content_security_policy,
    cookie_token,
    form_token,
    require_operator,
    set_token_cookie,
)
from webshop_server.site.services import services
from webshop_server.site.sessions import Session
from webshop_server.site.verdict import DonePage

__all__ = ["pages"]

pages = Blueprint("pages", __name__)

LONGEST_QUERY = MAX_ACTION - len("search[]")

_LONGEST_NUMBER = 20
_NOTICE_COOKIE = "hiper_notice"
_NOTICES = {
    "stale": "The page you used was out of date, so nothing was done. This is where you are now.",
    "nothing": "That cannot be done here, so nothing has changed.",
    "empty": "Type what you are looking for.",
}
_KINDS = {
    "synthetic": ("Synthetic goals", "Written from the attributes and options of a product."),
    "human": ("Human goals", "Written by people for a product."),
    "generated": ("Generated goals", "For the products that this shop made up itself."),
}
_DAY = 24 * 3600


@pages.get("/")
def home() -> AnyResponse:
    """Leads to the start page."""
    return redirect(address_of("pages.play"))


@pages.get("/play")
def play() -> str:
    """The start page; `goals`, `number` and `show_attributes` of the query fill in its form."""
    return _start_page(request.args.get("goals", ""), request.args.get("number", ""))


@pages.post("/play")
def start() -> AnyResponse:
    """Opens a session and leads to it."""
    form, sessions = request.form, services().sessions
    kind, number = form.get("goals") or sessions.default_goals, form.get("number", "").strip()
    try:
        opened = sessions.create(
            goals=kind,
            goal_id=f"{kind}/{number[:_LONGEST_NUMBER]}" if number else None,
            show_attributes="show_attributes" in form,
        )
    except UnknownGoalError:
        problem = "There is no such goal. Choose a set of goals and one of its numbers."
        page = _start_page(kind, number, problem)
        return make_response(page, 422)
    session_id = opened.session.session_id
    response = redirect(address_of("pages.shop", session_id=session_id), 303)
    assert isinstance(response, Response)
    set_token_cookie(response, session_id, opened.token)
    return response


@pages.get("/shop/<session_id>")
def shop(session_id: str) -> AnyResponse:
    """Where a shopper is."""
    token = cookie_token()
    session = services().sessions.get(session_id, token)
    notice = _NOTICES.get(request.cookies.get(_NOTICE_COOKIE, ""), "")
    content, shown = _content(session)
    page = _Page(session, form_token(session_id, token), notice, _title(session, content))
    template = f"{session.shop.state.page}.html"
    response = make_response(render_template(template, session=session, page=page, content=content))
    policy = content_security_policy(picture_hosts(shown))
    response.headers["Content-Security-Policy"] = policy
    if notice:
        response.delete_cookie(_NOTICE_COOKIE, path=f"/shop/{session_id}")
    return response


@pages.get("/shop/<session_id>/act")
def act_again(session_id: str) -> AnyResponse:
    """Leads to the session: somebody reloaded the address of a form."""
    return redirect(address_of("pages.shop", session_id=session_id))


@pages.post("/shop/<session_id>/act")
def act(session_id: str) -> AnyResponse:
    """Executes what was clicked or searched, and leads back to the session."""
    token = cookie_token()
    check_form(session_id, token)
    notice, is_search = "", "query" in request.form
    query = request.form.get("query", "")
    action = search_action(query) if is_search else request.form.get("action", "")
    if is_search and not query:
        notice = "empty"
    else:
        try:
            session = services().sessions.act(session_id, token, action, revision=_revision())
            if not session.action_valid and (session.is_done or not is_search):
                notice = "nothing"
        except StaleRevisionError:
            notice = "stale"
    response = redirect(address_of("pages.shop", session_id=session_id), 303)
    if notice:
        response.set_cookie(
            _NOTICE_COOKIE,
            notice,
            max_age=60,
            path=f"/shop/{session_id}",
            httponly=True,
            samesite="Lax",
            secure=request.is_secure,
        )
    return response


@pages.get("/operator")
def operator() -> str:
    """What the operator wants to know."""
    require_operator()
    figures = overview(services())
    uptime = datetime.timedelta(seconds=round(figures.speed.uptime_seconds))
    page = {"uptime": str(uptime), "when": _utc}
    return render_template("operator.html", overview=figures, page=page, session=None)


@pages.get("/picture/<asin>.svg")
def picture(asin: str) -> AnyResponse:
    """The drawing that stands in for a product's picture."""
    store = services().store
    try:
        product = store[store.position(asin)]
    except KeyError:
        abort(404)
    drawing = pictures.draw(product.title)
    response = make_response(drawing)
    response.mimetype = "image/svg+xml"
    response.cache_control.public = True
    response.cache_control.max_age = _DAY
    response.set_etag(hashlib.sha256(drawing.encode()).hexdigest()[:16])
    return response.make_conditional(request)


@dataclass(frozen=True, slots=True)
class _Page:
    """What all pages of a session need: `title` is the browser window's, `notice` may be ""."""

    session: Session
    form_token: str
    notice: str
    title: str

    form_field = FORM_FIELD
    longest_query = LONGEST_QUERY

    @property
    def act_url(self) -> str:
        return address_of("pages.act", session_id=self.session.session_id)

    @property
    def crumbs(self) -> tuple[Crumb, ...]:
        return crumbs(self.session.shop)

    @property
    def has_header_search(self) -> bool:
        return self.session.shop.state.page not in ("search", "done")


def _title(session: Session, content: Any) -> str:
    state = session.shop.state
    if state.page == "results":
        return f"{state.query.strip()} ({state.number})"
    if state.page == "sub":
        return f"{state.sub_page}: {content.product_title}"
    if state.page == "item":
        return str(content.heading)
    return "Search" if state.page == "search" else f"Score {content.verdict.score}"


def _content(session: Session) -> tuple[Any, list[Image | Choice]]:
    """What the page of a session says, and the pictures on it."""
    with_photos, at = services().config.pictures, session.shop
    page = at.state.page
    if page == "results":
        results = ResultsPage.of(at, with_photos=with_photos)
        return results, [card.image for card in results.cards]
    if page == "item":
        item = ItemPage.of(at, with_photos=with_photos)
        choices = [choice for group in item.groups for choice in group.choices]
        return item, [*item.images, *choices]
    if page == "sub":
        sub = SubPage.of(at, with_photos=with_photos)
        return sub, [sub.image]
    if page == "done":
        done = DonePage.of(session, with_photos=with_photos)
        return done, [side.image for side in done.sides]
    return None, []


def _start_page(kind: str, number: str, problem: str = "") -> str:
    sessions, store = services().sessions, services().store
    if kind not in sessions.goal_kinds:
        kind = sessions.default_goals
    counts = {name: len(sessions.goals(name)) for name in sessions.goal_kinds}
    kinds = [
        {
            "name": name,
            "label": _KINDS[name][0],
            "about": _KINDS[name][1],
            "count_text": f"{count:,} goals",
            "is_chosen": name == kind,
        }
        for name, count in counts.items()
    ]
    page = {
        "products": len(store.catalog),
        "kinds": kinds,
        "number": number if number.isascii() and number.isdigit() else "",
        "largest": max(counts.values()) - 1,
        "show_attributes": "show_attributes" in request.values,
        "problem": problem,
    }
    return render_template("play.html", page=page, session=None)


def _utc(seconds: float) -> str:
    """A moment, given in seconds since 1970, to read."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _revision() -> int:
    """The revision that the posted form was made for.

    Raises:
        InvalidInputError: If it names none.
    """
    written = request.form.get("revision", "")
    if not (written.isascii() and written.isdigit() and len(written) < 10):
        raise InvalidInputError("The form does not say which page it is from; reload the page.")
    return int(written)
