"""What a study's process is told by the one that plays for it.

Whoever plays must never wait for whoever writes: what it says is read as it comes and kept until
there is time for it.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any

__all__ = ["Inbox"]


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
