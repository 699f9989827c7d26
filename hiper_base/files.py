"""Files that appear whole or not at all, and files that one process holds at a time."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hiper_base.errors import BusyError

__all__ = ["holding", "replacing", "write_text"]


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Gives a temporary path beside `path`, and renames it to `path` when the block has succeeded.

    Whoever reads `path` sees the old file or the new one, also after a kill or a power cut; several
    processes may write at once, and the last one wins. After an error nothing is left behind.

    Args:
        path: The file to make or replace; its folder is made where it is missing.
        durable: Wait for the disk. Without it, a kill is still harmless, but a power cut may leave
            an empty file: for files that are many and can be made again.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "notes.txt"
        >>> with replacing(target) as temporary:
        ...     count = temporary.write_text("all of it")
        >>> target.read_text()
        'all of it'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        if durable:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Replaces a file by a text in UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Holds a file for this process; the system lets go of it when the process ends, however.

    On systems without such locks nothing is held: there, one process at a time has to be enough.

    Args:
        path: The file that stands for what is held; made where it is missing, and never deleted.

    Raises:
        BusyError: Another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BusyError(f"another process works in {path.parent}") from error
        yield
