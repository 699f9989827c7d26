"""The on-disk cache of parsed games: one file a source, opened in milliseconds.

Parsing a game file takes two milliseconds, all training games eight seconds. What comes out is kept
as JSON records, one a line, behind an index with every game's place; a game is decoded when it is
first asked for. A cache that is stale, damaged or of another version is rebuilt. The module knows
what a source and a record are, not what a game means.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hiper_envs.alfworld.game import RECORD_VERSION, Game, parse_game
from hiper_envs.alfworld.sources import Source, decode_game
from hiper_envs.errors import GameFormatError
from hiper_envs.paths import cache_folders, is_writable

__all__ = ["OnGame", "ParsedSource", "open_source"]

LOG = logging.getLogger(__name__)
_FORMAT = 1

OnGame = Callable[[int, int], None]
"""Called while games are parsed, with how many are done and how many there are."""


class Entry(NamedTuple):
    """One game in the index."""

    task_id: str
    member: str
    sha256: str
    """Digest of the game file."""
    solvable: bool
    start: int
    stop: int
    """Where the record lies in the body."""


class ParsedSource:
    """The games of one source, parsed.

    Args:
        source: Where the files are.
        entries: The games.
        body: The records, one after the other.
    """

    def __init__(self, source: Source, entries: list[Entry], body: bytes) -> None:
        self.source = source
        self.entries = entries
        self._body = body

    def game(self, entry: Entry) -> Game:
        """Decodes one game.

        Raises:
            GameFormatError: If the record is damaged.
        """
        try:
            record = json.loads(self._body[entry.start : entry.stop])
        except ValueError as error:
            raise GameFormatError(f"{entry.task_id}: damaged cache record: {error}") from error
        return Game.from_record(record)


def open_source(source: Source, on_game: OnGame | None = None) -> ParsedSource:
    """Opens a source through its cache; parses all of it where there is none yet.

    Args:
        source: Where the game files are.
        on_game: Told about the progress of parsing.

    Raises:
        DataError: If the source, or a game in it, cannot be read.
    """
    fingerprint = source.fingerprint()
    name = f"alfworld-{fingerprint[:20]}.games"
    folders = cache_folders(source.path if source.path.is_dir() else source.path.parent)
    for folder in folders:
        parsed = _read(folder / name, source, fingerprint)
        if parsed is not None:
            return parsed
    entries, body = _parse_all(source, on_game)
    for folder in folders:
        if is_writable(folder) and _write(folder / name, fingerprint, entries, body):
            break
    return ParsedSource(source, entries, body)


def _parse_all(source: Source, on_game: OnGame | None) -> tuple[list[Entry], bytes]:
    files = source.files()
    entries: list[Entry] = []
    records: list[bytes] = []
    position = 0
    for done, file in enumerate(files, start=1):
        where = f"{source.path}: {file.member}"
        raw = source.read(file.member)
        data = decode_game(raw, where)
        record = json.dumps(parse_game(data, where).to_record(), separators=(",", ":")).encode()
        stop = position + len(record)
        digest = hashlib.sha256(raw).hexdigest()
        solvable = data.get("solvable") is True
        entries.append(Entry(file.task_id, file.member, digest, solvable, position, stop))
        records.append(record)
        position = stop
        if on_game is not None:
            on_game(done, len(files))
    return entries, b"".join(records)


def _header(fingerprint: str) -> dict[str, Any]:
    return {"format": _FORMAT, "record": RECORD_VERSION, "fingerprint": fingerprint}


def _read(path: Path, source: Source, fingerprint: str) -> ParsedSource | None:
    """The cache in a file; None if there is none, or none that can be used."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        head, index, body = content.split(b"\n", 2)
        header = json.loads(head)
        digest = header.pop("body")
        if header != _header(fingerprint) or hashlib.sha256(body).hexdigest() != digest:
            raise ValueError("it is stale or damaged")
        return ParsedSource(source, [Entry(*row) for row in json.loads(index)], body)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        LOG.info("building %s anew: %s", path, error)
        return None


def _write(path: Path, fingerprint: str, entries: list[Entry], body: bytes) -> bool:
    """Writes a cache in one step; whether it could be written."""
    header = _header(fingerprint) | {"body": hashlib.sha256(body).hexdigest()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".games-")
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps(header).encode() + b"\n" + json.dumps(entries).encode() + b"\n")
            file.write(body)
        os.replace(temporary, path)
    except OSError as error:
        LOG.info("cannot write the cache %s: %s", path, error)
        return False
    return True
