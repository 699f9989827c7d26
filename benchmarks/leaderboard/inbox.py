"""What a study's process is told by the one that plays for it.

Whoever plays must never wait for whoever writes: what it says is read as it comes and kept until
there is time for it.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from queue import Empty, SimpleQueue
from typing import Any

__all__ = ["Inbox", "report_pipe"]

_PIPE_BYTES = 2**20
"""As much as Linux gives to anyone: episodes that end together fit as a rule."""


def report_pipe(context: SpawnContext) -> tuple[Connection, Connection]:
    """A pipe for messages, to read from and to write to, with room for many of them."""
    ours, theirs = context.Pipe(duplex=False)
    try:
        from fcntl import F_SETPIPE_SZ, fcntl
    except ImportError:  # no Linux: pipes stay as they are
        return ours, theirs
    with suppress(OSError):  # the user's pipes have taken all the room that there is
        fcntl(theirs.fileno(), F_SETPIPE_SZ, _PIPE_BYTES)
    return ours, theirs


class Inbox:
    """Reads messages in a thread of its own, which ends with the connection.

    Args:
        connection: Where they come from: a process that this one has started itself.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._messages: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def receive(self, timeout: float | None = None) -> Any:
        """The next message, or None if there is none within so many seconds.

        Raises:
            EOFError: There will be no more.
        """
        try:
            message = self._messages.get(timeout=timeout)
        except Empty:
            return None
        if message is None:
            self._messages.put(None)
            raise EOFError
        return message

    def _read(self) -> None:
        try:
            with suppress(EOFError, OSError):
                while True:
                    self._messages.put(self._connection.recv())
        finally:
            # Also after what cannot be read: nobody must wait for what follows it.
            self._messages.put(None)
            self._connection.close()
