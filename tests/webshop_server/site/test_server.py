from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from flask import Flask

from benchmarks.webshop_clients import HtmlShopper, ServerProcess, check_kept
from benchmarks.webshop_load import make_shoppers, shopping
from webshop_server.site.config import SiteConfig
from webshop_server.site.database import Database
from webshop_server.site.server import AddressError, Server, serve

CLIENTS = 8
FEW_PRODUCTS = ("--generated", "60")


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


def exchange(address: tuple[str, int], request: bytes) -> tuple[int, bytes]:
    with socket.create_connection(address, 10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def get(address: tuple[str, int], target: str, *headers: str) -> tuple[int, bytes]:
    lines = [f"GET {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
    return exchange(address, "\r\n".join(lines).encode("utf-8", "surrogatepass"))


def test_kills_and_orderly_ends_under_load_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite3"
    with ServerProcess(path, FEW_PRODUCTS) as server:
        first = make_shoppers(server.address, CLIENTS, 0)
        with shopping(first, may_break=True):
            time.sleep(1.0)
            server.kill()
    with ServerProcess(path, FEW_PRODUCTS) as server:
        kept = check_kept(server.address, first)
        assert kept["faults"] == []
        assert kept["sessions"] >= CLIENTS
        ready = json.loads(server.ready_file.read_text(encoding="utf-8"))
        assert (ready["pid"], ready["database"]) == (server.pid, str(path))
        assert ready["url"] == "http://{}:{}/".format(*server.address)
        second = make_shoppers(server.address, CLIENTS, 1000)
        with shopping(second, may_break=True):
            time.sleep(1.0)
            assert server.stop() == 0
        assert server.errors == ""
        assert not server.ready_file.exists()
    database = Database(path)
    for shopper in second:
        for seen in shopper.kept.values():
            # Not one more either: what was executed was also answered.
            row = database.load(seen.session_id)
            assert row is not None
            assert row.revision == seen.revision
    database.close()
    for shopper in (*first, *second):
        assert shopper.faults == []
        assert len(shopper.seconds) > 3


def test_a_slow_request_is_still_answered(make_app: Callable[..., Flask]) -> None:
    app, begun = make_app(), threading.Event()

    @app.get("/slow")
    def slow() -> str:
        begun.set()
        time.sleep(1.0)
        return "done" * 100_000

    server = Server(app, socket.create_server(("127.0.0.1", 0)), threads=2)
    thread = threading.Thread(target=server.run)
    thread.start()
    connections = [http.client.HTTPConnection(server.host, server.port) for _ in range(4)]
    for connection in connections:
        connection.request("GET", "/slow")
    assert begun.wait(10)
    server.stop()
    for connection in connections:
        response = connection.getresponse()
        assert response.read() == b"done" * 100_000
        # Tells the client not to send another one.
        assert response.headers["Connection"] == "close"
    thread.join(20)
    assert not thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), 5)


def test_a_stop_may_come_while_the_server_ends(make_app: Callable[..., Flask]) -> None:
    server = Server(make_app(), socket.create_server(("127.0.0.1", 0)), threads=2)
    thread = threading.Thread(target=server.run)

    class EndsAtOnce(threading.Event):
        def set(self) -> None:
            super().set()
            thread.join(20)

    server._stopping = EndsAtOnce()
    thread.start()
    server.stop()
    assert not thread.is_alive()
    server.stop()


def test_an_idle_client_does_not_delay_the_end(make_app: Callable[..., Flask]) -> None:
    server = Server(make_app(), socket.create_server(("127.0.0.1", 0)), threads=2)
    thread = threading.Thread(target=server.run)
    thread.start()
    idle = [socket.create_connection((server.host, server.port), 10) for _ in range(3)]
    server.stop()
    for connection in idle:
        assert connection.recv(10) == b""
        connection.close()
    thread.join(9)
    assert not thread.is_alive()


def test_a_taken_port_is_named(config: SiteConfig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressError, match=rf"port {port} of 127.0.0.1 is taken.*--port"):
            serve(SiteConfig(**{**vars(config), "port": port}))
    assert not config.database.exists()


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host.invalid", "a" * 300, "\ud800"])
def test_an_address_that_is_not_ours_is_named(config: SiteConfig, host: str) -> None:
    with pytest.raises(AddressError, match="address"):
        serve(SiteConfig(**{**vars(config), "port": 0, "host": host}))


@pytest.mark.parametrize(
    "target",
    [
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/static/%2e%2e%2fserver.py",
        "/static/..%5cserver.py",
        "/static/....//server.py",
        "/static//etc/passwd",
        "/static/%2fetc/passwd",
        "/static/C:/windows/win.ini",
        "/static/%00",
        "/static/shop.css%00.txt",
        "/static/",
        "/static",
        "/templates/base.html",
        "/../../../etc/passwd",
        "//evil.example/%2e%2e",
        "/picture/../static/shop.css",
        "/picture/%00.svg",
        "/picture/%ff.svg",
        "/picture/..%2f..%2fserver.py.svg",
        "/shop/%2e%2e/play",
        "/%",
        "/%zz",
        "/%ed%a0%80",
        "/\ud800",
        "/" + "a" * 10_000,
        "/api/v1/sessions/%2e%2e%2f",
    ],
)
def test_no_path_leads_to_other_files(address: tuple[str, int], target: str) -> None:
    status, body = get(address, target)
    assert status in (302, 308, 400, 404)
    assert b"import" not in body
    assert b"root:" not in body


def test_no_redirect_leaves_the_site(address: tuple[str, int]) -> None:
    for target in ("//evil.example/", "//evil.example/play/", "/\\evil.example", "/play//", "/"):
        connection = http.client.HTTPConnection(*address)
        connection.putrequest("GET", target, skip_host=False)
        connection.endheaders()
        location = connection.getresponse().headers.get("Location", "/")
        assert re.match(r"/(?![/\\])|http://127\.0\.0\.1", location), location
        connection.close()


def test_bodies_that_are_too_long_or_cut_off(address: tuple[str, int]) -> None:
    head = b"POST /api/v1/sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += b"Content-Type: application/json\r\n"
    for declared, sent, expected in (
        (70_000, 70_000, 413),
        (2_000_000, 0, 413),
        (10**30, 0, 413),
        (2, 2, 201),
    ):
        body = b"{}" + b" " * (sent - 2)
        request = head + b"Content-Length: %d\r\n\r\n" % declared + body[:sent]
        assert exchange(address, request)[0] == expected
    chunked = b"Transfer-Encoding: chunked\r\n\r\n"
    assert exchange(address, head + chunked + b"2\r\n{}\r\n0\r\n\r\n")[0] == 201
    long = b"ffff\r\n" + b" " * 0xFFFF + b"\r\n"
    assert exchange(address, head + chunked + long * 2 + b"0\r\n\r\n")[0] == 413
    assert exchange(address, head + b"Content-Length: -1\r\n\r\n")[0] == 400
    long_header = b"X-Long: " + b"a" * 66_000 + b"\r\n\r\n"
    # It may close the connection before it has read everything, which can overtake the answer.
    with suppress(ConnectionResetError):
        assert exchange(address, head + long_header)[0] == 431
    assert get(address, "/healthz")[0] == 200


def test_pages_of_others_are_not_served(address: tuple[str, int]) -> None:
    mine, other = HtmlShopper(address, "mine", 0), HtmlShopper(address, "other", 1)
    own, foreign = mine.open(), other.open()
    page = f"/shop/{own.session_id}"
    cookies = (foreign.token, own.token[:-1], "", "x" * 50, "%00", "\u00e9")
    unknown = get(address, "/shop/AAAAAAAAAAAAAAAA", f"Cookie: hiper_token={own.token}")
    assert unknown[0] == 404
    for token in cookies:
        status, body = get(address, page, f"Cookie: hiper_token={token}")
        assert status == 404
        assert own.instruction.encode() not in body
        # Not even whether there is such a session can be learnt.
        assert body == unknown[1]
    assert get(address, page, f"Cookie: hiper_token={own.token}")[0] == 200


@pytest.mark.parametrize(
    ("form_token", "origin", "status"),
    [
        ("right", "own", 303),
        ("right", "none", 303),
        ("right", "http://evil.example", 403),
        ("right", "null", 403),
        ("wrong", "own", 403),
        ("missing", "own", 403),
        ("other's", "own", 403),
    ],
)
def test_forged_forms_are_refused(
    address: tuple[str, int], form_token: str, origin: str, status: int
) -> None:
    mine, other = HtmlShopper(address, "mine", 0), HtmlShopper(address, "other", 1)
    own = mine.open()
    other.open()
    tokens = {"right": mine._form_token, "wrong": "0" * 64, "other's": other._form_token}
    form = f"query=shirt&revision=0&form_token={tokens.get(form_token, '')}"
    origins = {"own": "http://{}:{}".format(*address), "none": None}
    headers = {
        "Cookie": f"hiper_token={own.token}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": origins.get(origin, origin),
    }
    connection = http.client.HTTPConnection(*address)
    sent = {name: value for name, value in headers.items() if value is not None}
    connection.request("POST", f"/shop/{own.session_id}/act", form, sent)
    assert connection.getresponse().status == status
    connection.close()
    assert mine.look(own).revision == (1 if status == 303 else 0)
