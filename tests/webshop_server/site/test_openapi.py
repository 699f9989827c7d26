from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import schemathesis
from flask import Flask

from benchmarks.webshop_fuzz import FuzzReport, fuzz_described, fuzz_strange
from webshop_server.site.openapi import openapi_document
from webshop_server.site.server import Server

EXAMPLES = int(os.environ.get("HIPER_FUZZ_EXAMPLES", "1000"))
"""Strange requests in all; a fifth of them, the slow ones, are made from the description."""


@pytest.fixture
def address(make_app: Callable[..., Flask]) -> Iterator[tuple[str, int]]:
    """A real server over the made-up products."""
    server = Server(make_app(), socket.create_server(("127.0.0.1", 0)), threads=4)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server.host, server.port
    server.stop()
    thread.join(20)
    assert not thread.is_alive()


def test_the_description_is_a_valid_openapi_document(app: Flask) -> None:
    document = app.test_client().get("/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(document).validate()


def test_every_address_of_the_api_is_described(app: Flask) -> None:
    described = {
        (path, method.upper())
        for path, item in json.loads(openapi_document())["paths"].items()
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    }
    exist = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(("api.", "site_wide."))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert exist - {("/openapi.json", "GET")} == described


def test_nothing_is_named_that_is_not_there() -> None:
    document = json.loads(openapi_document())
    written = openapi_document().decode()
    for name in re.findall(r'"#/components/schemas/(\w+)"', written):
        assert name in document["components"]["schemas"]


def test_no_strange_request_breaks_the_site(address: tuple[str, int]) -> None:
    check(fuzz_strange(address, EXAMPLES - EXAMPLES // 5))


def test_no_request_of_the_description_breaks_the_site(address: tuple[str, int]) -> None:
    check(fuzz_described("http://{}:{}".format(*address), EXAMPLES // 5))


def check(report: FuzzReport) -> None:
    assert report.failures == []
    assert report.requests > 50
    # It got past the front door, and into it.
    assert {200, 400, 404} <= report.statuses.keys()
