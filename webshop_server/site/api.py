"""The JSON API: sessions, actions, goals.

A program opens a session, keeps its token, and acts in it; every answer holds all that a shopper
may see. The module knows nothing of how a shop works; see :mod:`webshop_server.site.sessions`.
"""

from __future__ import annotations

from typing import TypeVar

from flask import Blueprint, Response, request, url_for
from pydantic import BaseModel, TypeAdapter, ValidationError
from werkzeug.exceptions import UnsupportedMediaType

from webshop_server.site.errors import InvalidInputError
from webshop_server.site.openapi import openapi_document
from webshop_server.site.operator import Overview, overview
from webshop_server.site.schemas import (
    ActionRequest,
    CreateRequest,
    GoalsQuery,
    Health,
    goal_page,
    opened_state,
    state_of,
)
from webshop_server.site.security import bearer_token, require_operator
from webshop_server.site.services import services

__all__ = ["api", "site_wide"]

api = Blueprint("api", __name__, url_prefix="/api/v1")
site_wide = Blueprint("site_wide", __name__)

_OVERVIEW = TypeAdapter(Overview)
_Model = TypeVar("_Model", bound=BaseModel)


@api.post("/sessions")
def create_session() -> Response:
    """Opens a session; the only answer that holds its token."""
    wanted = _body(CreateRequest, default=b"{}")
    opened = services().sessions.create(
        goals=wanted.goals,
        goal_id=wanted.goal_id,
        show_attributes=wanted.show_attributes,
        client="api",
    )
    response = _json(opened_state(opened).model_dump_json(), 201)
    response.headers["Location"] = url_for("api.get_session", session_id=opened.session.session_id)
    return response


@api.get("/sessions/<session_id>")
def get_session(session_id: str) -> Response:
    """A session as it is now."""
    session = services().sessions.get(session_id, bearer_token())
    return _json(state_of(session).model_dump_json())


@api.post("/sessions/<session_id>/actions")
def act(session_id: str) -> Response:
    """Executes one action."""
    token = bearer_token()
    wanted = _body(ActionRequest)
    session = services().sessions.act(session_id, token, wanted.action, revision=wanted.revision)
    return _json(state_of(session).model_dump_json())


@api.get("/goals")
def list_goals() -> Response:
    """Ids and instructions of goals, in the published order."""
    given = request.args.to_dict()
    try:
        query = GoalsQuery.model_validate(given)
    except ValidationError as error:
        raise _invalid(error) from error
    sessions = services().sessions
    goals = sessions.goals(query.kind)
    last = min(query.offset + query.limit, len(goals))
    listed = [goals[n] for n in range(query.offset, last)]
    page = goal_page(
        query.kind or sessions.default_goals,
        len(goals),
        query.offset,
        [(goal.goal_id, goal.instruction) for goal in listed],
    )
    return _json(page.model_dump_json())


@api.get("/statistics")
def statistics() -> Response:
    """The operator's figures."""
    require_operator()
    return _json(_OVERVIEW.dump_json(overview(services())))


@site_wide.get("/healthz")
def health() -> Response:
    """Whether the shop can read its database."""
    services().database.load("")
    return _json(Health(products=len(services().store.catalog)).model_dump_json())


@site_wide.get("/openapi.json")
def openapi() -> Response:
    """The API's description."""
    return _json(openapi_document())


def _body(model: type[_Model], *, default: bytes | None = None) -> _Model:
    """The request's JSON body.

    Args:
        model: What it has to be.
        default: Taken for an empty body; None to refuse one.

    Raises:
        InvalidInputError: If it is not.
    """
    written = request.get_data(cache=False)
    if not written and default is not None:
        written = default
    elif request.mimetype != "application/json":
        raise UnsupportedMediaType("The body has to be application/json.")
    try:
        return model.model_validate_json(written)
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> InvalidInputError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # A name in the location is the client's own text where there is no such field.
    where = ".".join(str(part) for part in first["loc"])[:50]
    where = where.encode("ascii", "backslashreplace").decode()
    return InvalidInputError(f"{where}: {first['msg']}" if where else first["msg"])


def _json(written: str | bytes, status: int = 200) -> Response:
    return Response(written, status, mimetype="application/json")
