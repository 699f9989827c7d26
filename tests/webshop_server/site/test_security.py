from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from webshop_server.site.config import ConfigError, SiteConfig
from webshop_server.site.security import form_token, set_token_cookie

ADDRESSES = [
    "/",
    "/play",
    "/nothing",
    "/api/v1/goals",
    "/api/nothing",
    "/static/shop.css",
    "/healthz",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_has_the_headers(client: FlaskClient, address: str) -> None:
    headers = client.get(address).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    # Forms of pages without a referrer would be sent with `Origin: null`.
    assert headers["Referrer-Policy"] == "same-origin"
    assert len(headers.getlist("Content-Security-Policy")) == 1
    assert ("no-store" in headers.get("Cache-Control", "")) == (address != "/static/shop.css")


@pytest.mark.parametrize("address", ["/play", "/nothing"])
def test_pages_need_nothing_that_the_policy_forbids(client: FlaskClient, address: str) -> None:
    page = client.get(address).get_data(as_text=True)
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", page)


def test_only_known_host_names_are_answered(make_app: Callable[..., Flask]) -> None:
    local = make_app().test_client()
    for host in ("127.0.0.1:3000", "localhost", "LOCALHOST:5", "[::1]:3000"):
        assert local.get("/healthz", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "evil.example:3000", "127.0.0.1.evil.example", "", "[", "a@b:c"):
        response = local.get("/healthz", headers={"Host": host, "Accept": "application/json"})
        assert response.status_code == 400
    public = make_app(host="0.0.0.0").test_client()
    assert public.get("/healthz", headers={"Host": "shop.example"}).status_code == 200
    named = make_app(host="0.0.0.0", trusted_hosts=("shop.example",)).test_client()
    assert named.get("/healthz", headers={"Host": "shop.example:80"}).status_code == 200
    assert named.get("/healthz", headers={"Host": "other.example"}).status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Origin": "http://localhost"}, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:81"}, 403),
        ({"Origin": "http://localhost@evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_other_sites_cannot_send_anything(
    client: FlaskClient, headers: dict[str, str], status: int
) -> None:
    assert client.post("/api/v1/sessions", headers=headers).status_code == status
    # Reading is no business of the check.
    assert client.get("/healthz", headers=headers).status_code == 200


def test_the_cookie_is_for_its_session_alone(app: Flask) -> None:
    for scheme in ("http", "https"):
        with app.test_request_context("/", base_url=f"{scheme}://localhost"):
            response = Response()
            set_token_cookie(response, "the-session", "the-token")
        written = response.headers["Set-Cookie"]
        assert written.startswith("hiper_token=the-token;")
        assert {"HttpOnly", "SameSite=Lax", "Path=/shop/the-session"} <= set(written.split("; "))
        assert ("Secure" in written) == (scheme == "https")


def test_form_secrets_belong_to_session_and_token() -> None:
    made = {form_token(session, token) for session in ("a", "b") for token in ("x", "y")}
    assert len(made) == 4
    assert form_token("a", "x") in made
    assert not [secret for secret in made if secret == "x"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": -1},
        {"port": 70_000},
        {"host": ""},
        {"threads": 0},
        {"max_body": 0},
        {"session_lifetime": 0.0},
        {"generated": 0},
        {"operator_password": ""},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SiteConfig(**wrong)  # type: ignore[arg-type]


def test_a_password_is_not_shown() -> None:
    assert "open sesame" not in repr(SiteConfig(operator_password="open sesame"))
