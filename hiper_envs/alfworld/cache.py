"""Parsed games on disk and in memory, so that each is parsed once.

On disk there is one file per source (an archive or a folder): the list of its games with the
SHA-256 of each, and the games as JSON records, compressed one by one. It is valid for one
fingerprint of the source and one version of the parser; a file that is stale or damaged is built
anew. In memory a process keeps a bounded number of games, shared by all environments. Nothing here
knows splits, task sets or the rules of the game.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from hiper_base.errors import DataError, GameFormatError
from hiper_base.files import replacing
from hiper_base.paths import cache_folders, is_writable
from hiper_envs.alfworld import game as game_module
from hiper_envs.alfworld import goals, pddl
from hiper_envs.alfworld.game import RECORD_VERSION, Game, parse_game
from hiper_envs.alfworld.sources import Source, decode_game

__all__ = ["Entry", "GameStore", "Progress", "build_store", "forget", "open_store", "remember"]

logger = logging.getLogger(__name__)

Progress = Callable[[Path, int, int], None]
"""Called while a source is parsed: its path, games done, games in all."""

_MAGIC = b"hiper-games 1\n"
_CRC_BYTES = 4
_LENGTH_BYTES = 8

# All 3,827 official games fit; a parsed game takes 15 to 30 KB.
_MAX_GAMES_IN_MEMORY = 4096


class Entry(NamedTuple):
    """One game file of a source, as the cache knows it."""

    task_id: str
    member: str
    sha256: str
    """Of the file's content; empty where it could not be read."""
    solvable: bool
    problem: str
    """Why the file cannot be used; empty if it can."""
    offset: int
    """Of its record in the store."""
    length: int
    """Of its record in the store; 0 for a game that is not played."""


class GameStore:
    """The games of one source.

    Attributes:
        source: Where the files lie.
        entries: All game files of the source, sorted by task id.
    """

    def __init__(self, source: Source, entries: tuple[Entry, ...], records: bytes) -> None:
        self.source = source
        self.entries = entries
        self._records = records

    def game(self, entry: Entry) -> Game:
        """The parsed game of an entry; the same object as long as the process remembers it."""
        return remember(entry.sha256, lambda: self._decode(entry))

    def raw(self, entry: Entry) -> bytes:
        """The game file itself, read from the source.

        Raises:
            DataError: If it cannot be read, or is not what it was when the store was opened.
        """
        content = self.source.read(entry.member)
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise DataError(f"{self.source.path}: {entry.member} has changed since it was listed")
        return content

    def to_bytes(self, fingerprint: str) -> bytes:
        """The content of the cache file; `from_bytes` is its inverse."""
        index = json.dumps({"fingerprint": fingerprint, "entries": self.entries}).encode()
        packed = zlib.compress(index, level=1)
        body = len(packed).to_bytes(_LENGTH_BYTES, "big") + packed + self._records
        return _MAGIC + zlib.crc32(body).to_bytes(_CRC_BYTES, "big") + body

    @classmethod
    def from_bytes(cls, raw: bytes, source: Source, fingerprint: str) -> GameStore:
        """Reads the content of a cache file.

        Raises:
            ValueError: If it is damaged, of another format, or made from something else.
        """
        start = len(_MAGIC) + _CRC_BYTES
        if not raw.startswith(_MAGIC) or len(raw) < start + _LENGTH_BYTES:
            raise ValueError("not a cache file of this format")
        body = memoryview(raw)[start:]
        if zlib.crc32(body) != int.from_bytes(raw[len(_MAGIC) : start], "big"):
            raise ValueError("damaged")
        end = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "big")
        index = json.loads(zlib.decompress(body[_LENGTH_BYTES:end]))
        if index["fingerprint"] != fingerprint:
            raise ValueError("stale")
        return cls(source, tuple(Entry(*entry) for entry in index["entries"]), bytes(body[end:]))

    def _decode(self, entry: Entry) -> Game:
        record = self._records[entry.offset : entry.offset + entry.length]
        return Game.from_record(json.loads(zlib.decompress(record)))


def open_store(source: Source, progress: Progress | None = None) -> GameStore:
    """The games of a source: from memory, else from a cache file, else parsed and then cached.

    Args:
        source: An archive or a folder.
        progress: Called while games are parsed.

    Raises:
        DataError: If the source cannot be read. Games that cannot be used do not raise; their
            entries say why.
    """
    fingerprint = _fingerprint(source)
    remembered = _stores.get(source.path)
    if remembered is not None and remembered[0] == fingerprint:
        return remembered[1]
    name = _file_name(source)
    folders = cache_folders(source.path if source.path.is_dir() else source.path.parent)
    store = _load([folder / name for folder in folders], source, fingerprint)
    if store is None:
        store = build_store(source, progress)
        if _fingerprint(source) != fingerprint:
            raise DataError(f"{source.path}: changed while it was being read; try again")
        if not all(entry.sha256 for entry in store.entries):
            # Not remembered: what could not be read now may be readable the next time.
            return store
        _save(store.to_bytes(fingerprint), name, folders)
    _stores[source.path] = (fingerprint, store)
    return store


def build_store(source: Source, progress: Progress | None = None) -> GameStore:
    """Parses every game of a source, whatever a cache may hold.

    Raises:
        DataError: If the source as a whole cannot be read.
    """
    files = source.files()
    entries: list[Entry] = []
    records: list[bytes] = []
    offset = 0
    for done, file in enumerate(files):
        if progress is not None:
            progress(source.path, done, len(files))
        digest, solvable, problem, record = "", True, "", b""
        try:
            raw = source.read(file.member)
            digest = hashlib.sha256(raw).hexdigest()
            solvable, record = _parse(raw, f"{source.path}: {file.member}", file.task_id)
        except DataError as error:
            problem = str(error)
        entries.append(Entry(*file, digest, solvable, problem, offset, len(record)))
        records.append(record)
        offset += len(record)
    if progress is not None:
        progress(source.path, len(files), len(files))
    return GameStore(source, tuple(entries), b"".join(records))


def remember(key: str, make: Callable[[], Game]) -> Game:
    """A game from the process's memory, or from `make`, which is then remembered.

    Args:
        key: Names the content of the game, such as its SHA-256.
        make: Makes the game where it is not in memory.
    """
    with _lock:
        game = _games.get(key)
        if game is not None:
            _games.move_to_end(key)
            return game
    made = make()
    with _lock:
        game = _games.setdefault(key, made)
        _games.move_to_end(key)
        while len(_games) > _MAX_GAMES_IN_MEMORY:
            _games.popitem(last=False)
    return game


def forget() -> None:
    """Empties the process's memory; the files stay."""
    with _lock:
        _games.clear()
        _stores.clear()


# What this process remembers: games by content, the least recently used first, and the last store
# per path with its fingerprint. The lock is for threads; a forked process starts with a copy.
_games: OrderedDict[str, Game] = OrderedDict()
_stores: dict[Path, tuple[str, GameStore]] = {}
_lock = Lock()


def _parse(raw: bytes, where: str, task_id: str) -> tuple[bool, bytes]:
    """Whether the game is solvable, and its compressed record if it is."""
    data = decode_game(raw, where)
    # Upstream leaves out games that do not say so.
    if data.get("solvable") is not True:
        return False, b""
    game = parse_game(data, where)
    kind = task_id.split("/")[1].split("-", 1)[0]
    if game.task_type != kind:
        raise GameFormatError(f"{where}: the folder says {kind}, the goal {game.task_type}")
    record = json.dumps(game.to_record(), separators=(",", ":")).encode()
    return True, zlib.compress(record)


def _fingerprint(source: Source) -> str:
    return f"{source.fingerprint()} {_parser_fingerprint()}"


@lru_cache(maxsize=1)
def _parser_fingerprint() -> str:
    """Changes with the code that parses games: records of another version are not read."""
    digest = hashlib.sha256(f"{RECORD_VERSION}\n".encode())
    for module in (game_module, goals, pddl):
        # Without a source file (a frozen program) the version has to do.
        if module.__file__ is not None and os.path.exists(module.__file__):
            digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()


def _file_name(source: Source) -> str:
    """The cache file of a source; sources of one name in different folders do not collide."""
    path = source.path.resolve()
    return f"{path.name}-{hashlib.sha256(str(path).encode()).hexdigest()[:12]}.games"


def _load(candidates: Sequence[Path], source: Source, fingerprint: str) -> GameStore | None:
    for path in candidates:
        try:
            return GameStore.from_bytes(path.read_bytes(), source, fingerprint)
        except FileNotFoundError:
            continue
        except OSError as error:
            logger.info("cache %s cannot be read (%s)", path, error)
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            logger.info("cache %s is not used (%s); the games are parsed again", path, error)
    return None


def _save(content: bytes, name: str, folders: Sequence[Path]) -> None:
    """Writes the cache file into the first folder that takes it.

    Several processes may do so at once: each writes a file of its own, and the last rename wins.
    """
    for folder in filter(is_writable, folders):
        try:
            with replacing(folder / name) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            logger.info("cannot cache parsed games in %s (%s)", folder, error)
        else:
            logger.info("parsed games cached in %s", folder / name)
            return
    logger.warning(
        "parsed games are not cached: cannot write to %s", " or ".join(map(str, folders))
    )
