"""Requests that nobody should send, and the check that none of them breaks the web site.

Two kinds. *Described* ones are made from the site's own OpenAPI document by schemathesis, fitting
it and violating it, and their answers have to fit it as well. *Strange* ones are bytes on a socket:
path tricks, broken escapes, wrong lengths, forms, cookies, deep or huge JSON; to those any answer
below 500 will do, or a closed connection, as long as the site goes on to answer.

Needs the extra `dev`. The module knows nothing of shopping.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

__all__ = ["FuzzReport", "fuzz_described", "fuzz_strange", "strange_requests"]

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
_TIMEOUT_SECONDS = 10.0
_QUIET = settings(
    # Where CI is set, hypothesis would draw the same whatever the seed.
    derandomize=False,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


@dataclass
class FuzzReport:
    """What came of many requests.

    Attributes:
        requests: How many were sent.
        statuses: How often each status came back; 0 is a closed connection, -1 silence.
        failures: What was wrong, at most a hundred.
    """

    requests: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def note(self, status: int) -> None:
        """Counts an answer."""
        self.requests += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def fail(self, message: str) -> None:
        """Keeps a failure."""
        if len(self.failures) < 100:
            self.failures.append(message)


def fuzz_described(url: str, count: int, *, seed: int = 0) -> FuzzReport:
    """Sends requests made from the OpenAPI document, half of them into a session of its own.

    Args:
        url: Address of the site, without a slash at the end.
        count: How many.
        seed: Of the choice.
    """
    report = FuzzReport()
    client = requests.Session()
    schema = schemathesis.openapi.from_dict(client.get(f"{url}/openapi.json").json())
    schema.config.update(base_url=url)
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    found: list[Any] = list(schema.get_all_operations())
    cases = [
        operation.ok().as_strategy(generation_mode=mode) for operation in found for mode in modes
    ]
    opened = client.post(f"{url}/api/v1/sessions").json()

    def send(case: Any, is_own: bool) -> None:
        if is_own:
            if "session_id" in (case.path_parameters or {}):
                case.path_parameters["session_id"] = opened["session_id"]
            case.headers["Authorization"] = f"Bearer {opened['token']}"
        try:
            response = case.call(session=client, timeout=_TIMEOUT_SECONDS)
        except (requests.RequestException, UnicodeError, ValueError):
            return  # nothing that can be sent
        report.note(response.status_code)
        try:
            case.validate_response(response, checks=_CHECKS)
        except (Exception, FailureGroup) as error:
            report.fail(f"{case.method} {case.formatted_path} {case.body!r}: {error!r}"[:2000])

    _run(given(st.one_of(cases), st.booleans())(send), count, seed)
    client.close()
    return report


def fuzz_strange(address: tuple[str, int], count: int, *, seed: int = 0) -> FuzzReport:
    """Sends strange bytes, each on a connection of its own.

    Args:
        address: Host and port of the site.
        count: How many requests.
        seed: Of the choice.
    """
    report = FuzzReport()
    sent = 0
    session = _open_session(address)

    def send(request: bytes) -> None:
        nonlocal sent
        sent += 1
        status, answer = _exchange(address, request)
        report.note(status)
        if status >= 500 or status < 0:
            report.fail(f"{request[:1000]!r}: {answer[:500]!r}")
        if sent % 100 == 0 and _exchange(address, _GET_HEALTH)[0] != 200:
            report.fail(f"not healthy after {request[:1000]!r}")

    _run(given(strange_requests(*session))(send), count, seed)
    if _exchange(address, _GET_HEALTH)[0] != 200:
        report.fail("not healthy in the end")
    return report


_GET_HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_ODD = st.sampled_from(
    [
        "%00",
        "%2e%2e/",
        "../",
        "..%2f",
        "%5c..%5c",
        "//",
        "%ff",
        "%ed%a0%80",
        "%0d%0aX: y",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "' OR 1=1 --",
        "%",
        "%zz",
        "\u202e",
        "é",
        "\U0001f600",
        "0" * 400,
        "-1",
        "1e999",
        "NaN",
        "\u0661",
    ]
)
_TEXTS = st.one_of(st.text(max_size=40), _ODD, st.lists(_ODD, max_size=4).map("".join))
_RARE = ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "get", "X-Y"]
_METHODS = st.sampled_from([*["GET", "POST"] * 5, *_RARE])


def strange_requests(session_id: str = "x", token: str = "y") -> st.SearchStrategy[bytes]:
    """Requests as bytes, from nearly right to hopeless; some concern the given session."""
    places = st.sampled_from(
        [
            "/",
            "/play",
            f"/shop/{session_id}",
            f"/shop/{session_id}/act",
            "/operator",
            "/picture/B000000000.svg",
            "/static/shop.css",
            "/static/",
            "/api/v1/goals",
            "/api/v1/sessions",
            f"/api/v1/sessions/{session_id}",
            f"/api/v1/sessions/{session_id}/actions",
            "/api/v1/statistics",
            "/healthz",
            "/openapi.json",
            "http://evil.example/",
            "*",
            "",
        ]
    )
    queries = st.one_of(st.just(""), _TEXTS.map("?kind={0}&limit={0}&goals={0}".format))
    targets = st.builds(
        lambda *parts: "".join(parts), places, st.one_of(st.just(""), st.just(""), _TEXTS), queries
    )
    secrets = st.sampled_from([token, token[:-1], token + "x", "", "\xff" * 3])
    headers = st.builds(_headers, secrets, st.sets(_SWITCHES, max_size=3), _TEXTS)
    return st.builds(
        _assemble, _METHODS, targets, headers, _bodies(), st.sampled_from([0, 0, 0, -1, 7])
    )


_SWITCHES = st.sampled_from(["json", "form", "accept", "origin", "basic", "odd", "chunked", "long"])


def _headers(token: str, switches: set[str], words: str) -> str:
    lines = [f"Authorization: Bearer {token}", f"Cookie: hiper_token={token}"]
    words = words.replace("\r", "").replace("\n", "")
    more = {
        "json": "Content-Type: application/json",
        "form": "Content-Type: application/x-www-form-urlencoded",
        "accept": "Accept: application/json;q=0.5, */*;q=x",
        "origin": f"Origin: {words}",
        "basic": "Authorization: Basic /w==",
        "odd": f"X-Odd: {words}\r\nIf-None-Match: {words}\r\nRange: bytes=0-{words}",
        "chunked": "Transfer-Encoding: chunked",
        "long": f"X-Long: {'a' * 5000}",
    }
    return "\r\n".join([*lines, *(more[name] for name in sorted(switches))])


def _bodies() -> st.SearchStrategy[bytes]:
    scalars = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        _TEXTS,
        st.sampled_from(["search[x]", "click[buy now]", "\ud800", "\0", "a" * 3000]),
    )
    documents = st.dictionaries(
        st.sampled_from(["action", "revision", "goals", "goal_id", "show_attributes", "x"]),
        st.one_of(scalars, st.lists(scalars, max_size=3)),
        max_size=4,
    )
    forms = documents.map(lambda d: "&".join(f"{name}={value}" for name, value in d.items()))
    return st.one_of(
        st.just(b""),
        st.binary(max_size=60),
        documents.map(lambda document: json.dumps(document).encode()),
        forms.map(lambda form: form.encode("utf-8", "surrogatepass")),
        st.sampled_from(
            [
                b"[" * 50_000,
                b'{"action":' * 5_000,
                b'{"action":"search[x]","revision":' + b"9" * 5_000 + b"}",
                b'{"action":"\\ud800"}',
                b'{"action":"search[\\u0000]"}',
                b"a" * 70_000,
                b"form_token=%ff&action=%ff&revision=1",
            ]
        ),
    )


def _assemble(method: str, target: str, headers: str, body: bytes, lie: int) -> bytes:
    # Line breaks would end the request; everything else stays as odd as it is.
    target = target.replace(" ", "%20").replace("\r", "").replace("\n", "")
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
    head += f"Content-Length: {max(0, len(body) + lie)}\r\n\r\n"
    return head.encode("utf-8", "surrogatepass") + body


def _exchange(address: tuple[str, int], request: bytes) -> tuple[int, bytes]:
    """Sends bytes and reads what comes back.

    Returns:
        The status and the answer; the status is 0 if the connection was closed without an HTTP
        answer, and -1 if nothing happened for too long.
    """
    answer = b""
    try:
        with socket.create_connection(address, _TIMEOUT_SECONDS) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                answer += part
    except TimeoutError:
        return -1, answer
    except OSError:
        pass  # closed half way; an answer may have come before
    first = answer.split(b"\r\n", 1)[0].split(b" ")
    is_http = len(first) > 1 and first[0].startswith(b"HTTP/") and first[1].isdigit()
    return (int(first[1]) if is_http else 0), answer


def _open_session(address: tuple[str, int]) -> tuple[str, str]:
    host, port = address
    opened = requests.post(f"http://{host}:{port}/api/v1/sessions", timeout=_TIMEOUT_SECONDS).json()
    return opened["session_id"], opened["token"]


def _run(test: Callable[[], None], count: int, seed: int) -> None:
    hypothesis.seed(seed)(settings(_QUIET, max_examples=count)(test))()
