"""What the site answers when a request cannot be answered.

Programs (paths under `/api`, or a client that prefers JSON) get a problem document (RFC 9457),
people a page. An unforeseen error is logged with its traceback and answered with a bare 500: a
client never sees paths, code or values of this process.
"""

from __future__ import annotations

import sqlite3
from http import HTTPStatus

from flask import Flask, Response, current_app, jsonify, make_response, render_template, request
from jinja2 import TemplateError
from werkzeug.exceptions import HTTPException

from hiper_base.errors import HiperError

__all__ = [
    "ForbiddenError",
    "InvalidInputError",
    "OperatorRequiredError",
    "SiteError",
    "StaleRevisionError",
    "UnknownGoalError",
    "UnknownSessionError",
    "register_error_handlers",
    "wants_json",
]

PROBLEM = "application/problem+json"

_FOR_PROGRAMS = ("/api", "/healthz", "/openapi.json")


class SiteError(HiperError):
    """A request that cannot be answered; `status` is the HTTP status and the text is shown."""

    status = 400


class InvalidInputError(SiteError):
    """The request says something that cannot be meant."""


class OperatorRequiredError(SiteError):
    """The page is the operator's and the request carries no or a wrong password."""

    status = 401


class ForbiddenError(SiteError):
    """A form that this site's own pages did not send."""

    status = 403


class UnknownSessionError(SiteError):
    """There is no such session, or it belongs to somebody else, or it has expired."""

    status = 404


class UnknownGoalError(SiteError):
    """There is no goal of this id or kind."""

    status = 404


class StaleRevisionError(SiteError):
    """The session has moved on since the client last saw it."""

    status = 409


def wants_json() -> bool:
    """Whether the client of the current request reads JSON rather than pages."""
    if request.path.startswith("/api/") or request.path in _FOR_PROGRAMS:
        return True
    accepted = request.accept_mimetypes
    best = accepted.best_match(["text/html", "application/json", PROBLEM])
    return best is not None and best != "text/html" and accepted[best] > accepted["text/html"]


def register_error_handlers(app: Flask) -> None:
    """Makes every error of the application a JSON document or a page."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(SiteError, _site_error)
    app.register_error_handler(sqlite3.OperationalError, _database_error)
    app.register_error_handler(Exception, _unforeseen_error)


def problem(status: int, detail: str) -> Response:
    """A response that says what was wrong, in the form that the client reads.

    Args:
        status: HTTP status, 400 to 599.
        detail: One or two sentences for the client; nothing secret.
    """
    title = HTTPStatus(status).phrase
    if wants_json():
        response = jsonify(type="about:blank", title=title, status=status, detail=detail)
        response.mimetype = PROBLEM
    else:
        try:
            page = render_template("error.html", status=status, title=title, detail=detail)
            response = make_response(page)
        except TemplateError:
            # An error in the page about an error must not hide the first one.
            response = make_response(f"{status} {title}\n\n{detail}\n")
            response.mimetype = "text/plain"
    response.status_code = status
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Basic realm="operator", charset="UTF-8"'
    return response


def _http_error(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < 400:
        return error  # a redirect
    response = problem(error.code, error.description or "")
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def _site_error(error: SiteError) -> Response:
    return problem(error.status, str(error))


def _database_error(error: sqlite3.OperationalError) -> Response:
    current_app.logger.error("database: %s", error)
    response = problem(503, "The shop cannot write its database now; nothing was changed.")
    response.headers["Retry-After"] = "1"
    return response


def _unforeseen_error(error: Exception) -> Response:
    current_app.logger.error("%s %s", request.method, request.path, exc_info=error)
    return problem(500, "The shop made a mistake. It has been logged.")
