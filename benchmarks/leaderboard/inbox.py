"""Messages between a study's process and the one that plays for it.

Whoever plays must never wait for whoever writes: what it says is read as it comes and kept until
there is time for it.
"""

from __future__ import annotations

import pickle
import threading
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any

__all__ = ["Inbox", "send"]


def send(connection: Connection, message: Any) -> None:
    """Sends a message, of which no part may be of a type that the other process does not know.

    Raises:
        OSError: Nobody listens any more.
    """
    # Not `connection.send`, whose pickling also knows sockets and locks, and is slower.
    connection.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


class Inbox:
    """Reads messages in a thread of its own, which ends with the connection.

    Args:
        connection: Where they come from: a process that this one has started itself.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._messages: SimpleQueue[bytes | None] = SimpleQueue()
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
        return pickle.loads(message)  # noqa: S301 (of our own process)

    def _read(self) -> None:
        try:
            while True:
                self._messages.put(self._connection.recv_bytes())
        except (EOFError, OSError):
            self._messages.put(None)
            self._connection.close()
