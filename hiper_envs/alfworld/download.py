"""Downloads the official games: resumable, checked, and complete or not there at all.

The archive grows under the name `<archive>.part` and takes its own name only when its size and
SHA-256 are right, so that whatever carries that name can be used. Nothing here knows what is in the
archive.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from hiper_base.errors import DataError
from hiper_base.paths import alfworld_folders
from hiper_envs.alfworld.sources import ARCHIVE_NAME, ARCHIVE_SHA256, ARCHIVE_URL, by_hand

__all__ = ["OnBytes", "download_file", "download_games", "sha256_of"]

logger = logging.getLogger(__name__)

OnBytes = Callable[[int, int | None], None]
"""Called as bytes arrive: bytes so far, bytes in all (None where the server does not say)."""

_CHUNK = 1 << 18
_ATTEMPTS = 5
_SERVER_ERROR = 500
_RANGE_NOT_SATISFIABLE = 416
_PARTIAL_CONTENT = 206


class _InterruptedError(Exception):
    """The transfer broke off; what arrived is kept, and the next attempt goes on from there."""


def download_games(
    root: Path | str | None = None,
    *,
    url: str = ARCHIVE_URL,
    sha256: str | None = ARCHIVE_SHA256,
    on_bytes: OnBytes | None = None,
) -> Path:
    """Downloads the official ALFWorld games into the data root, unless they are already there.

    Args:
        root: The data root; see `hiper_base.paths.data_root`.
        url: Where the archive lies; a mirror may be given.
        sha256: The digest it must have; None accepts any.
        on_bytes: Told about the progress.

    Returns:
        The path of the archive.

    Raises:
        DataError: If it cannot be fetched or is not what was expected; says how to do it by hand.
    """
    folder = alfworld_folders(root)[0]
    target = folder / ARCHIVE_NAME
    if target.exists():
        if sha256 is not None and sha256_of(target) != sha256:
            raise DataError(
                f"{target} is there, but is not the official archive (its SHA-256 differs). It is "
                "left alone; move it away to download the official one."
            )
        return target
    try:
        return download_file(url, target, sha256=sha256, on_bytes=on_bytes)
    except DataError as error:
        raise DataError(f"{error}. {by_hand(folder)}") from error


def download_file(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    on_bytes: OnBytes | None = None,
    attempts: int = _ATTEMPTS,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Downloads one file.

    A transfer that breaks off is resumed, now and in a later call: what arrived stays beside
    `target` as `<target>.part`.

    Args:
        url: An `http` or `https` address.
        target: The file to write; its folder is made.
        sha256: The digest that the file must have; None accepts any.
        on_bytes: Told about the progress.
        attempts: How often to try before giving up.
        pause: Seconds before the second attempt; doubles with every further one.
        timeout: Seconds of silence after which a connection counts as broken.

    Returns:
        `target`.

    Raises:
        DataError: If the server cannot be reached, refuses, or sends something else.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise DataError(f"cannot download {url}: only http and https are supported")
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(attempts):
            try:
                _fetch(url, part, on_bytes, timeout)
                break
            except _InterruptedError as error:
                logger.info("attempt %d of %d at %s failed: %s", attempt + 1, attempts, url, error)
                if attempt + 1 == attempts:
                    kept = f"; {part} keeps what arrived" if part.exists() else ""
                    raise DataError(f"cannot download {url}: {error}{kept}") from error
                time.sleep(pause * 2**attempt)
        found = sha256_of(part)
        if sha256 is not None and found != sha256.lower():
            part.unlink()
            raise DataError(
                f"{url} sent a file with SHA-256 {found} instead of {sha256}; it was deleted"
            )
        os.replace(part, target)
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _fetch(url: str, part: Path, on_bytes: OnBytes | None, timeout: float) -> None:
    """Appends to `part` what is missing, in one connection.

    Raises:
        _InterruptedError: If another attempt may succeed.
        DataError: If it will not.
    """
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            _refused(url, part, have, error)
        return
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise _InterruptedError(str(reason)) from error
    with response:
        # A server that knows no ranges, or whose file has changed, sends everything.
        resumed = response.status == _PARTIAL_CONTENT and _range_start(response) == have
        if response.status == _PARTIAL_CONTENT and not resumed:
            part.unlink(missing_ok=True)
            raise _InterruptedError("the server sent another part than was asked for")
        start = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        with part.open("ab" if resumed else "wb") as file:
            done = _copy(response, file, start, total, on_bytes)
    if total is not None and done != total:
        raise _InterruptedError(f"the connection broke off after {done} of {total} bytes")


def _refused(url: str, part: Path, have: int, error: urllib.error.HTTPError) -> None:
    """Handles an error status; returns if the part turns out to be the whole file."""
    if error.code == _RANGE_NOT_SATISFIABLE:
        size = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range") or "")
        if size and int(size[1]) == have:
            return
        part.unlink()
        raise _InterruptedError("the part on disk does not fit the file on the server") from error
    message = f"the server answers {error.code} {error.reason}"
    if error.code >= _SERVER_ERROR:
        raise _InterruptedError(message) from error
    raise DataError(f"cannot download {url}: {message}") from error


def _range_start(response: Any) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range") or "")
    return int(match[1]) if match else None


def _copy(
    response: Any, file: IO[bytes], start: int, total: int | None, on_bytes: OnBytes | None
) -> int:
    """Copies the body; returns how many bytes the file then has."""
    done = start
    while True:
        if on_bytes is not None:
            on_bytes(done, total)
        try:
            chunk = response.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _InterruptedError(f"the connection broke off: {error}") from error
        if not chunk:
            return done
        file.write(chunk)
        done += len(chunk)
