"""What happened, as JSON lines: one object per request and per change of a session.

Secrets (tokens, passwords, addresses of clients) never get here. A line break in a text is
escaped by JSON, so that nobody can forge a line. The module does not decide what is logged.
"""

from __future__ import annotations

import datetime
import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from hiper_base.errors import DataError

__all__ = ["EventLog"]

_MAX_BYTES = 64 * 2**20


class EventLog:
    """A log file; when it grows large it is renamed, and replaces the old one. Thread-safe.

    A log that can no longer be written (a full disk) loses lines and stops nobody from shopping.

    Args:
        path: The file; it and its folder are made where they are missing. None logs nothing.
        max_bytes: Size from which on it is renamed to `<name>.1`.

    Attributes:
        lost: Lines that could not be written.

    Raises:
        DataError: If the file cannot be written.
    """

    def __init__(self, path: Path | None, *, max_bytes: int = _MAX_BYTES) -> None:
        self.lost = 0
        self._path = path
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open(path)
        except OSError as error:
            raise DataError(f"cannot write the log {path}: {error.strerror or error}") from error

    def write(self, event: str, **values: Any) -> None:
        """Adds a line.

        Args:
            event: What happened, such as `request`.
            values: What is known about it; JSON-able.
        """
        if self._path is None:
            return
        now = datetime.datetime.now(datetime.timezone.utc)
        line = {"time": now.isoformat(timespec="milliseconds"), "event": event, **values}
        written = json.dumps(line).encode() + b"\n"
        with self._lock:
            try:
                self._write(self._path, written)
            except (OSError, ValueError):
                self.lost += 1

    def close(self) -> None:
        """Closes the file; what is written later is lost."""
        with self._lock:
            if self._file is not None:
                self._file.close()

    def _write(self, path: Path, written: bytes) -> None:
        assert self._file is not None
        if self._size > self._max_bytes:
            with suppress(OSError):  # some systems rename no open file; then it grows
                os.replace(path, path.with_name(f"{path.name}.1"))
            self._file.close()
            self._file = self._open(path)
        self._file.write(written)
        self._size += len(written)

    def _open(self, path: Path) -> BinaryIO:
        # Unbuffered: a line is there as soon as it is written, and whole.
        file = path.open("ab", buffering=0)
        self._size = file.tell()
        return file
