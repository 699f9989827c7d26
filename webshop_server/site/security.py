"""Who may do what: response headers, cookies, forms, host names, the operator.

A session belongs to whoever holds its token. A browser holds it in a cookie that scripts cannot
read and that is sent to the pages of that session only; a program sends it as a bearer token. The
module knows nothing about shopping and keeps nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, request

from webshop_server.site.errors import (
    ForbiddenError,
    InvalidInputError,
    OperatorRequiredError,
    UnknownSessionError,
)

__all__ = [
    "FORM_FIELD",
    "bearer_token",
    "check_form",
    "content_security_policy",
    "cookie_token",
    "form_token",
    "register_security",
    "require_operator",
    "set_token_cookie",
]

FORM_FIELD = "form_token"
"""Name of the hidden field that every form which changes a session carries."""

_COOKIE = "hiper_token"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def register_security(app: Flask) -> None:
    """Checks every request's host and origin, and sets the headers of every response."""
    app.before_request(_check_host)
    app.before_request(_check_origin)
    app.after_request(_set_headers)


def content_security_policy(picture_hosts: Iterable[str] = ()) -> str:
    """What a page may load: this site's files, and pictures from the given hosts over https.

    Args:
        picture_hosts: Plain host names; nothing else may be among them.
    """
    pictures = "".join(f" https://{host}" for host in sorted(set(picture_hosts)))
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self'{pictures}",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )


def form_token(session_id: str, token: str) -> str:
    """What a form of a session has to carry in FORM_FIELD: derived from its secret token."""
    return hmac.new(token.encode(), b"form:" + session_id.encode(), hashlib.sha256).hexdigest()


def check_form(session_id: str, token: str) -> None:
    """Checks that the posted form comes from a page of the session.

    Raises:
        ForbiddenError: If it does not.
    """
    given = request.form.get(FORM_FIELD, "")
    if not _same(given, form_token(session_id, token)):
        raise ForbiddenError("This form does not belong to your session; reload the page.")


def cookie_token() -> str:
    """The session token of a browser.

    Raises:
        UnknownSessionError: If the request carries none.
    """
    return _plausible(request.cookies.get(_COOKIE, ""))


def bearer_token() -> str:
    """The session token of a program.

    Raises:
        UnknownSessionError: If the request carries none.
    """
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return _plausible(token.strip() if kind.lower() == "bearer" else "")


def set_token_cookie(response: Response, session_id: str, token: str) -> None:
    """Gives a session's token to the browser, for the pages of that session only."""
    response.set_cookie(
        _COOKIE,
        token,
        path=f"/shop/{session_id}",
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
    )


def require_operator() -> None:
    """Lets the operator pass, who signs in as `operator` with the configured password.

    Raises:
        OperatorRequiredError: For everybody else.
    """
    password = current_app.extensions["hiper_webshop"].config.operator_password
    if password is None:
        raise OperatorRequiredError("The operator's pages are closed: no password is set.")
    given = request.authorization
    if given is None or given.type != "basic":
        raise OperatorRequiredError("These pages are the operator's.")
    name, word = given.get("username") or "", given.get("password") or ""
    # Both are always compared, so that the time tells nothing.
    if not (_same(name, "operator") & _same(word, password)):
        raise OperatorRequiredError("Wrong name or password.")


def _plausible(token: str) -> str:
    if not token or len(token) > 100 or not token.isascii():
        raise UnknownSessionError("There is no such session, or it is not yours.")
    return token


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(errors="replace"), right.encode(errors="replace"))


def _check_host() -> None:
    allowed = current_app.extensions["hiper_webshop"].config.allowed_hosts
    if allowed and _host_name(f"//{request.environ.get('HTTP_HOST', '')}") not in allowed:
        raise InvalidInputError("This site is not known under the host name of the request.")


def _check_origin() -> None:
    """Refuses what a page of another site makes a browser send."""
    if request.method in _SAFE_METHODS:
        return
    origin = request.headers.get("Origin")
    if origin is not None:
        if _authority(origin) != request.environ.get("HTTP_HOST"):
            raise ForbiddenError("The request comes from another site.")
    elif request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise ForbiddenError("The request comes from another site.")


@lru_cache(maxsize=256)
def _authority(address: str) -> str | None:
    """Host and port of an address, None if it is not one."""
    try:
        return urlsplit(address).netloc or None
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _host_name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _set_headers(response: Response) -> Response:
    headers = response.headers
    # What a view has set itself stays.
    names = {name.lower() for name, _ in headers}
    for name, value in _HEADERS:
        if name.lower() not in names:
            headers.add(name, value)
    if "cache-control" not in names and request.endpoint != "static":
        headers.add("Cache-Control", "no-store")
    return response


_HEADERS = (
    ("Content-Security-Policy", content_security_policy()),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # With `no-referrer` browsers send `Origin: null` with the site's own forms.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()"),
)
