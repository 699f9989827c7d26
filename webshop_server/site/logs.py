"""What happened, as JSON lines: one object per request and per change of a session.

Secrets (tokens, passwords, addresses of clients) never get here. A line break in a text is
escaped by JSON, so that nobody can forge a line. The module does not decide what is logged.
"""

from __future__ import annotations

import datetime
import json
import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from hiper_base.errors import DataError

__all__ = ["EventLog"]

_MAX_BYTES = 64 * 2**20
_OLD_FILES = 3


class EventLog:
    """A log file that is renamed when it grows large; three old ones are kept. Thread-safe.

    Args:
        path: The file; it and its folder are made where they are missing. None logs nothing.

    Raises:
        DataError: If the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._handler: RotatingFileHandler | None = None
        # Not from `getLogger`: two shops in one process have two logs.
        self._logger = logging.Logger("hiper.webshop", logging.INFO)
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handler = RotatingFileHandler(
                path, maxBytes=_MAX_BYTES, backupCount=_OLD_FILES, encoding="utf-8"
            )
        except OSError as error:
            raise DataError(f"cannot write the log {path}: {error.strerror or error}") from error
        self._logger.addHandler(self._handler)

    def write(self, event: str, **values: Any) -> None:
        """Adds a line.

        Args:
            event: What happened, such as `request`.
            values: What is known about it; JSON-able.
        """
        if self._handler is None:
            return
        now = datetime.datetime.now(datetime.timezone.utc)
        line = {"time": now.isoformat(timespec="milliseconds"), "event": event, **values}
        self._logger.info("%s", json.dumps(line))

    def close(self) -> None:
        """Closes the file."""
        if self._handler is not None:
            self._handler.close()
