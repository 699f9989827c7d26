"""Downloads, against a real server that may drop the connection, refuse, or send nonsense."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hiper_base.errors import DataError
from hiper_envs.alfworld.download import download_file, download_games, sha256_of
from hiper_envs.alfworld.sources import ARCHIVE_NAME, ARCHIVE_URL

BODY = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `body`; the attributes say how it misbehaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = BODY
        self.ranges = True
        self.says_length = True
        self.status = 200
        self.failures = 0
        """How many requests fail with `status`; all of them if it is not 200 and this is 0."""
        self.drop_after: list[int] = []
        """For each of the next requests, after how many bytes the connection breaks off."""
        self.range_offset = 0
        """Added to the start of every range: a server that sends something else."""
        self.requests: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/games.zip"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append(asked)
        if server.status != 200 and (
            server.failures == 0 or len(server.requests) <= server.failures
        ):
            self.send_error(server.status)
            return
        if self.path == "/moved.zip":
            self.send_response(302)
            self.send_header("Location", "/games.zip")
            self.end_headers()
            return
        start = 0
        match = re.fullmatch(r"bytes=(\d+)-", asked or "")
        if match and server.ranges:
            start = int(match[1]) + server.range_offset
            if start >= len(server.body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.body)}")
                self.end_headers()
                return
            self.send_response(206)
            last = len(server.body) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(server.body)}")
        else:
            self.send_response(200)
        rest = server.body[start:]
        if server.says_length:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: server.drop_after.pop(0)] if server.drop_after else rest)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test output quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def fetch(server: Server, tmp_path: Path) -> Callable[..., Path]:
    def fetch(sha256: str | None = SHA256, attempts: int = 3, **arguments: object) -> Path:
        target = tmp_path / "new" / "games.zip"
        return download_file(
            server.url, target, sha256=sha256, attempts=attempts, pause=0.0, **arguments
        )

    return fetch


def part(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "new" / "games.zip.part"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def contents(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "new").iterdir())


def test_a_whole_file(fetch: Callable[..., Path], server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = fetch(on_bytes=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == BODY
    assert contents(tmp_path) == ["games.zip"]
    assert server.requests == [None]
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_a_broken_connection_is_resumed(fetch: Callable[..., Path], server: Server) -> None:
    server.drop_after = [500_000, 300_000]
    assert fetch().read_bytes() == BODY
    assert server.requests == [None, "bytes=500000-", "bytes=800000-"]


def test_a_later_call_goes_on(fetch: Callable[..., Path], server: Server, tmp_path: Path) -> None:
    server.drop_after = [500_000]
    with pytest.raises(DataError, match=r"broke off after 500000 of 1280000 .*games\.zip\.part"):
        fetch(attempts=1)
    assert contents(tmp_path) == ["games.zip.part"]
    assert fetch(attempts=1).read_bytes() == BODY
    assert server.requests == [None, "bytes=500000-"]
    assert contents(tmp_path) == ["games.zip"]


def test_a_part_that_is_already_whole(
    fetch: Callable[..., Path], server: Server, tmp_path: Path
) -> None:
    part(tmp_path, BODY)
    assert fetch(attempts=1).read_bytes() == BODY
    assert server.requests == [f"bytes={len(BODY)}-"]


def test_a_part_that_is_too_long(
    fetch: Callable[..., Path], server: Server, tmp_path: Path
) -> None:
    part(tmp_path, BODY + b"more")
    assert fetch().read_bytes() == BODY
    assert server.requests == [f"bytes={len(BODY) + 4}-", None]


def test_a_server_without_ranges(
    fetch: Callable[..., Path], server: Server, tmp_path: Path
) -> None:
    server.ranges = False
    part(tmp_path, b"something else")
    assert fetch(attempts=1).read_bytes() == BODY


def test_a_server_that_sends_another_range(
    fetch: Callable[..., Path], server: Server, tmp_path: Path
) -> None:
    server.range_offset = 7
    part(tmp_path, BODY[:1000])
    assert fetch().read_bytes() == BODY
    assert server.requests == ["bytes=1000-", None]


def test_a_redirected_part(server: Server, tmp_path: Path) -> None:
    # Release assets are served through a redirect.
    part(tmp_path, BODY[:1000])
    url = server.url.replace("games.zip", "moved.zip")
    target = tmp_path / "new" / "games.zip"
    assert download_file(url, target, sha256=SHA256).read_bytes() == BODY
    assert server.requests == ["bytes=1000-", "bytes=1000-"]


def test_a_server_that_says_no_length(fetch: Callable[..., Path], server: Server) -> None:
    server.says_length = False
    assert fetch().read_bytes() == BODY


def test_a_part_of_another_file_is_found_out(fetch: Callable[..., Path], tmp_path: Path) -> None:
    part(tmp_path, b"x" * 1000)
    with pytest.raises(DataError, match="it was deleted"):
        fetch()
    assert contents(tmp_path) == []
    assert fetch().read_bytes() == BODY


def test_a_wrong_checksum(fetch: Callable[..., Path], server: Server, tmp_path: Path) -> None:
    server.body = b"a page that says: log in first"
    found = hashlib.sha256(server.body).hexdigest()
    with pytest.raises(DataError, match=f"{found} instead of {SHA256}"):
        fetch()
    assert contents(tmp_path) == []
    assert fetch(sha256=None).read_bytes() == server.body


def test_a_file_in_place_is_replaced_only_by_a_good_one(
    fetch: Callable[..., Path], server: Server, tmp_path: Path
) -> None:
    part(tmp_path, b"").with_suffix("").write_bytes(b"old")
    server.body = b"wrong"
    with pytest.raises(DataError):
        fetch()
    assert (tmp_path / "new" / "games.zip").read_bytes() == b"old"


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_final(fetch: Callable[..., Path], server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(DataError, match=f"answers {status}"):
        fetch()
    assert len(server.requests) == 1


def test_a_busy_server_is_asked_again(fetch: Callable[..., Path], server: Server) -> None:
    server.status, server.failures = 503, 2
    assert fetch().read_bytes() == BODY
    assert len(server.requests) == 3
    server.failures = 0
    with pytest.raises(DataError, match="answers 503"):
        fetch()
    assert len(server.requests) == 6


def test_nobody_answers(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        url = f"http://127.0.0.1:{closed.server_port}/games.zip"
    with pytest.raises(DataError, match="cannot download http://127"):
        download_file(url, tmp_path / "games.zip", attempts=2, pause=0.0)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/file", "games.zip"])
def test_only_the_web(url: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="only http and https"):
        download_file(url, tmp_path / "games.zip")


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        download_file(server.url, tmp_path / "file" / "games.zip")


class TestGames:
    def test_they_come_into_the_data_root(self, server: Server, tmp_path: Path) -> None:
        path = download_games(tmp_path, url=server.url, sha256=SHA256)
        assert path == tmp_path / "alfworld" / ARCHIVE_NAME
        assert sha256_of(path) == SHA256
        assert download_games(tmp_path, url=server.url, sha256=SHA256) == path
        assert len(server.requests) == 1

    def test_another_archive_of_that_name_is_left_alone(
        self, server: Server, tmp_path: Path
    ) -> None:
        path = tmp_path / "alfworld" / ARCHIVE_NAME
        path.parent.mkdir()
        path.write_bytes(b"mine")
        with pytest.raises(DataError, match="left alone"):
            download_games(tmp_path, url=server.url, sha256=SHA256)
        assert path.read_bytes() == b"mine"
        assert server.requests == []

    def test_a_failure_says_how_to_do_it_by_hand(self, server: Server, tmp_path: Path) -> None:
        server.status = 404
        with pytest.raises(DataError) as caught:
            download_games(tmp_path, url=server.url)
        for words in (server.url, "404", ARCHIVE_URL, str(tmp_path / "alfworld"), "data verify"):
            assert words in str(caught.value)
