"""Game files where they lie: upstream's folder tree, or any zip archive that contains the tree.

A source lists its games and reads one as bytes; `decode_game` turns bytes into the JSON object.
Archives are read in place and never unpacked. Nothing here knows what a game means: `game.py`
parses it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from hiper_base.errors import DataError, GameFormatError

__all__ = [
    "ARCHIVE_BYTES",
    "ARCHIVE_NAME",
    "ARCHIVE_SHA256",
    "ARCHIVE_URL",
    "DATA_SPLITS",
    "MAX_GAME_BYTES",
    "OFFICIAL_COUNTS",
    "FolderSource",
    "GameFile",
    "Source",
    "ZipSource",
    "by_hand",
    "decode_game",
    "find_sources",
    "how_to_get",
]

ARCHIVE_NAME = "json_2.1.3_tw-pddl.zip"
ARCHIVE_URL = f"https://github.com/alfworld/alfworld/releases/download/0.4.2/{ARCHIVE_NAME}"
# Second-hand: the release publishes no digest, and this one was not computed from the asset here.
# Several public projects record it, with this size, for this URL (build scripts, data audits).
ARCHIVE_SHA256 = "5df77ea759f2211a4106082839ddbbb790f1ba4e7d097ed732cf453f72aa36cf"
ARCHIVE_BYTES = 36_507_267

OFFICIAL_COUNTS = {"train": 3553, "valid_seen": 140, "valid_unseen": 134}
"""Games per split of the official release."""
DATA_SPLITS = tuple(OFFICIAL_COUNTS)

MAX_GAME_BYTES = 16 << 20
"""A game is about 100 KB; anything above this bound is refused before it is read."""

_TREE = "json_2.1.1"
_GAME_FILE = "game.tw-pddl"
_MEMBER = re.compile(rf"(?:.*/)?{re.escape(_TREE)}/([^/]+)/([^/]+)/([^/]+)/{re.escape(_GAME_FILE)}")
# Upstream leaves these out: trajectories with movable receptacles and with slicing.
_EXCLUDED = ("movable", "Sliced")
_ENCRYPTED = 0x1


class GameFile(NamedTuple):
    """One game of a source."""

    task_id: str
    """`<split>/<game>/<trial>`."""
    member: str
    """The path inside the source, with forward slashes."""


class Source(Protocol):
    """A place with game files."""

    @property
    def path(self) -> Path:
        """The archive, or the folder that holds the tree."""
        ...

    def fingerprint(self) -> str:
        """Changes when the content may have changed; cheap, so it looks at sizes and times only."""
        ...

    def files(self) -> list[GameFile]:
        """The games of the benchmark in here, sorted by task id; their content is not looked at."""
        ...

    def read(self, member: str) -> bytes:
        """The content of one game file.

        Raises:
            DataError: If it is missing, damaged, encrypted or larger than `MAX_GAME_BYTES`.
        """
        ...


class FolderSource:
    """The unpacked tree `<path>/json_2.1.1/<split>/<game>/<trial>/game.tw-pddl`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"FolderSource({str(self.path)!r})"

    def fingerprint(self) -> str:
        """A digest of the listing: every game's path, size and modification time."""
        digest = hashlib.sha256(f"folder {self.path.resolve()}\n".encode())
        for file, stat in self._listing():
            digest.update(f"{file.member} {stat.st_size} {stat.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def files(self) -> list[GameFile]:
        """The games of the benchmark in here, sorted by task id."""
        return [file for file, _ in self._listing()]

    def _listing(self) -> list[tuple[GameFile, os.stat_result]]:
        found = []
        for split in DATA_SPLITS:
            for game in _folders(self.path / _TREE / split):
                for trial in _folders(game.path):
                    parts = (split, game.name, trial.name)
                    file = _game_file(*parts, "/".join((_TREE, *parts, _GAME_FILE)))
                    if file is None:
                        continue
                    try:
                        found.append((file, os.stat(f"{trial.path}/{_GAME_FILE}")))
                    except FileNotFoundError:
                        continue
                    except OSError as error:
                        raise DataError(
                            f"{trial.path}: cannot be read: {error.strerror}"
                        ) from error
        return sorted(found, key=lambda pair: pair[0])

    def read(self, member: str) -> bytes:
        """The content of one game file."""
        where = self.path / member
        try:
            with where.open("rb") as file:
                return _read_bounded(file, str(where))
        except OSError as error:
            raise DataError(f"{where}: cannot be read: {error.strerror}") from error


class ZipSource:
    """A zip archive that contains the tree, at any depth."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Reading the table of contents takes longer than reading a game, so it is kept, together
        # with the process that opened it: a forked one would share, and move, the file position.
        self._archive: tuple[int, str, zipfile.ZipFile] | None = None

    def __repr__(self) -> str:
        return f"ZipSource({str(self.path)!r})"

    def __reduce__(self) -> tuple[type[ZipSource], tuple[Path]]:
        return type(self), (self.path,)

    def fingerprint(self) -> str:
        """A digest of the archive's path, size and modification time."""
        stat = _stat(self.path)
        text = f"zip {self.path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
        return hashlib.sha256(text.encode()).hexdigest()

    def files(self) -> list[GameFile]:
        """The games of the benchmark in here, sorted by task id."""
        names = self._open().namelist()
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            raise DataError(f"{self.path}: holds {repeated[0]} more than once. {_REPLACE}")
        matches = filter(None, map(_MEMBER.fullmatch, names))
        found = [_game_file(m[1], m[2], m[3], m[0]) for m in matches if m[1] in DATA_SPLITS]
        return sorted(filter(None, found))

    def read(self, member: str) -> bytes:
        """The content of one game file; its checksum is verified by the zip module."""
        where = f"{self.path}: {member}"
        archive = self._open()
        try:
            info = archive.getinfo(member)
            if info.flag_bits & _ENCRYPTED:
                raise DataError(f"{where}: is encrypted")
            if info.file_size > MAX_GAME_BYTES:
                raise DataError(f"{where}: {info.file_size} bytes are too many for a game")
            with archive.open(info) as file:
                return _read_bounded(file, where)
        except KeyError as error:
            raise DataError(f"{where}: is not in the archive") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise DataError(f"{where}: is damaged: {error}. {_REPLACE}") from error

    def _open(self) -> zipfile.ZipFile:
        key = (os.getpid(), self.fingerprint())
        if self._archive is None or self._archive[:2] != key:
            try:
                self._archive = (*key, zipfile.ZipFile(self.path))
            except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
                message = f"{self.path}: not a complete zip archive: {error}. {_REPLACE}"
                raise DataError(message) from error
        return self._archive[2]


_REPLACE = "Delete it and get it again (hiper data download)."


def find_sources(folder: Path) -> list[Source]:
    """The sources in `folder`: its unpacked tree, if it has one, then its archives by name.

    Raises:
        DataError: If `folder` exists and cannot be listed.
    """
    sources: list[Source] = [FolderSource(folder)] if (folder / _TREE).is_dir() else []
    try:
        archives = sorted(folder.glob("*.zip")) if folder.is_dir() else []
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed: {error.strerror}") from error
    return sources + [ZipSource(path) for path in archives if path.is_file()]


def decode_game(raw: bytes, where: str) -> dict[str, Any]:
    """Decodes the JSON of a game file and checks the keys that the loader itself relies on.

    Args:
        raw: The file's bytes.
        where: The file's name, for error messages.

    Raises:
        GameFormatError: If it is not a JSON object with upstream's keys.
    """
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise GameFormatError(f"{where}: not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise GameFormatError(f"{where}: expected a JSON object, found {type(data).__name__}")
    expected = {"pddl_domain": str, "grammar": str, "pddl_problem": str, "walkthrough": list}
    for key, kind in expected.items():
        if not isinstance(data.get(key), kind):
            raise GameFormatError(f"{where}: no {kind.__name__} under the key {key!r}")
    return data


def how_to_get(folder: Path) -> str:
    """The ways to put the official games into `folder`, for error messages."""
    return f"Get them with `hiper data download`. {by_hand(folder)}"


def by_hand(folder: Path) -> str:
    """The steps of a manual download into `folder`, for error messages."""
    return (
        f"Without a network: fetch {ARCHIVE_URL} on another machine, copy the file to {folder} "
        "as it is, not unpacked, and run `hiper data verify`."
    )


def _game_file(split: str, game: str, trial: str, member: str) -> GameFile | None:
    parts = (split, game, trial)
    if any(part in (".", "..") for part in parts):
        return None
    if any(word in part for word in _EXCLUDED for part in (game, trial)):
        return None
    return GameFile("/".join(parts), member)


def _folders(parent: Path | str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(parent) as entries:
            yield from (entry for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataError(f"{parent}: cannot be listed: {error.strerror}") from error


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error


def _read_bounded(file: IO[bytes], where: str) -> bytes:
    raw = file.read(MAX_GAME_BYTES + 1)
    if len(raw) > MAX_GAME_BYTES:
        raise DataError(f"{where}: more than {MAX_GAME_BYTES} bytes are too many for a game")
    return raw
