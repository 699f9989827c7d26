"""Serves the site: one process, some threads, and an orderly end.

Uses waitress, but runs its loop itself, so that on SIGTERM or SIGINT every request that has
arrived is answered: the server stops to accept connections, tells clients to close theirs, and ends
when all are closed. A second signal ends it at once.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import waitress.channel  # type: ignore[import-untyped]
import waitress.server  # type: ignore[import-untyped]
import waitress.task  # type: ignore[import-untyped]
from waitress import wasyncore

from hiper_base.errors import HiperError
from hiper_base.files import write_text
from webshop_server.site.app import create_app
from webshop_server.site.config import SiteConfig
from webshop_server.site.services import EXTENSION

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["AddressError", "Server", "serve"]

_POLL_SECONDS = 0.5
_LINGER_SECONDS = 0.5
_GRACE_SECONDS = 10.0
_BACKLOG = 1024
_MAX_CONNECTIONS = 1_000
# Above this a body is refused before the application sees it (which has its own, lower limit and
# says so in JSON), so that nobody can fill memory or disk.
_MAX_RAW_BODY = 2**20
_MAX_HEADERS = 64 * 1024


class AddressError(HiperError, OSError):
    """The server cannot listen where it should."""


def serve(
    config: SiteConfig,
    *,
    ready_file: Path | None = None,
    on_ready: Callable[[str, Flask], None] | None = None,
) -> None:
    """Serves the site until SIGTERM or SIGINT.

    Args:
        config: The settings.
        ready_file: Is written when the server answers: JSON with `url`, `host`, `port`, `pid` and
            `database`. Deleted in the end.
        on_ready: Called then, with the address and the application.

    Raises:
        AddressError: If the port is taken or the address is not this machine's.
        DataError: If the catalogue, the database or the log cannot be used.
    """
    # The socket first: a taken port should not cost the time to load a catalogue.
    with _listening(config) as listener:
        app = create_app(config)
        try:
            server = Server(app, listener, threads=config.threads)
            with _until_signal(server):
                if ready_file is not None:
                    _write_ready(ready_file, server, app)
                if on_ready is not None:
                    on_ready(server.url, app)
                server.run()
        finally:
            app.extensions[EXTENSION].close()
            if ready_file is not None:
                ready_file.unlink(missing_ok=True)


class Server:
    """A WSGI application on a listening socket.

    Args:
        app: The application.
        listener: A bound socket; closed in the end.
        threads: Requests that are worked on at the same time.

    Attributes:
        host: Address that it listens on.
        port: Port that it listens on.
    """

    def __init__(self, app: Flask, listener: socket.socket, *, threads: int) -> None:
        self.host, self.port = listener.getsockname()[:2]
        self._map: dict[int, Any] = {}
        self._stopping = threading.Event()
        self._server = waitress.server.create_server(
            app,
            map=self._map,
            sockets=[listener],
            threads=threads,
            backlog=_BACKLOG,
            connection_limit=_MAX_CONNECTIONS,
            max_request_body_size=_MAX_RAW_BODY,
            max_request_header_size=_MAX_HEADERS,
            channel_timeout=60,
            ident=None,
        )
        self._server.is_draining = False
        self._server.channel_class = _Channel
        # A queue is what a busy server has; a warning per request would only make it slower.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)

    @property
    def url(self) -> str:
        """Address of the site, as this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}/" if ":" in host else f"http://{host}:{self.port}/"

    def stop(self) -> None:
        """Makes :meth:`run` end; callable from other threads and from signal handlers."""
        if self._stopping.is_set():
            return
        # In this order: the loop may end, and close the trigger, as soon as the event is set.
        self._server.pull_trigger()
        self._stopping.set()

    def run(self) -> None:
        """Serves until :meth:`stop`, then answers what has arrived and returns."""
        try:
            while not self._stopping.is_set():
                self._turn(_POLL_SECONDS)
            self._drain()
        finally:
            self._server.task_dispatcher.shutdown()
            wasyncore.close_all(self._map, ignore_all=True)

    def _turn(self, timeout: float) -> None:
        wasyncore.loop(timeout=timeout, use_poll=True, map=self._map, count=1)

    def _drain(self) -> None:
        server = self._server
        server.is_draining = True
        self._accept_waiting()
        wasyncore.dispatcher.close(server)
        now = time.monotonic()
        linger, deadline = now + _LINGER_SECONDS, now + _GRACE_SECONDS
        while server.active_channels and now < deadline:
            self._turn(0.05)
            now = time.monotonic()
            for channel in list(server.active_channels.values()):
                # Idle clients get a moment to send what is on its way; the answer closes.
                if now >= linger and channel.is_idle:
                    channel.will_close = True

    def _accept_waiting(self) -> None:
        """Takes the connections that the operating system has already confirmed."""
        for _ in range(_BACKLOG):
            connected = len(self._server.active_channels)
            self._server.handle_accept()
            if len(self._server.active_channels) == connected:
                return


class _Task(waitress.task.WSGITask):  # type: ignore[misc]
    def build_response_header(self) -> bytes:
        if self.channel.server.is_draining:
            self.set_close_on_finish()
        return super().build_response_header()  # type: ignore[no-any-return]


class _Channel(waitress.channel.HTTPChannel):  # type: ignore[misc]
    task_class = _Task

    @property
    def is_idle(self) -> bool:
        """Whether nothing has arrived that is not answered."""
        return not (self.requests or self.request or self.total_outbufs_len)


@contextmanager
def _listening(config: SiteConfig) -> Iterator[socket.socket]:
    where = f"port {config.port} of {config.host}"
    try:
        found = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressError(f"{config.host!r} is not an address of this machine: {error}") from error
    # A name such as localhost may have both; IPv4 is what everybody can reach.
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            # Now, so that a second server finds the port taken at once.
            listener.listen(_BACKLOG)
        except OSError as error:
            raise AddressError(_why(error, where)) from error
        yield listener
    finally:
        listener.close()


def _why(error: OSError, where: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{where} is taken by another program; choose another with --port, or --port 0"
    if error.errno == errno.EACCES:
        return f"{where} needs more rights than this user has; choose a port from 1024 on"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine does not have that address"
    return f"cannot listen on {where}: {error.strerror or error}"


@contextmanager
def _until_signal(server: Server) -> Iterator[None]:
    """Lets the first SIGTERM or SIGINT stop the server, and the second do what it always does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}

    def stop(number: int, frame: FrameType | None) -> None:
        restore()
        server.stop()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()


def _write_ready(path: Path, server: Server, app: Flask) -> None:
    values = {
        "url": server.url,
        "host": server.host,
        "port": server.port,
        "pid": os.getpid(),
        "database": str(app.extensions[EXTENSION].database.path),
    }
    write_text(path, json.dumps(values) + "\n")
