"""The files of a study folder: written whole or not at all, read as data of strangers.

Knows the format, and nothing of agents, environments or figures.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from isal import isal_zlib
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from benchmarks.leaderboard.schema import Costs, Panel, Result, Sitting, Study, Trajectory
from hiper_base.errors import HiperError
from hiper_base.files import replacing, write_text

__all__ = ["StudyError", "StudyFolder", "TrajectoryLog", "parse", "unpacked"]

MAX_FILE = 2**28
"""Bytes of a file, unpacked, that are read at most; a real one has less than a hundredth."""

MAX_LOG = 2**31
"""Bytes of a log that are read at most; every episode in it is held to `MAX_FILE`."""

_LEVEL = 1
"""Of packing: a third of the time that zlib's takes for as many bytes (ISA-L)."""

_GZIP = 31
"""A gzip file, whose header has no time: equal episodes are equal bytes."""

_PIECE = 2**16
"""Bytes that are unpacked at a time: zlib copies what follows the end of a member."""

_Model = TypeVar("_Model", bound=BaseModel)


class StudyError(HiperError):
    """A study folder is missing, damaged, of another version, or not what was asked for."""


class StudyFolder:
    """Reads and writes a study folder, see :mod:`benchmarks.leaderboard.schema`.

    Args:
        path: The folder. It need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._logs: dict[int, tuple[tuple[int, int], TrajectoryLog]] = {}

    def __repr__(self) -> str:
        return f"StudyFolder({str(self.path)!r})"

    @property
    def exists(self) -> bool:
        """Whether there is a study in it."""
        return (self.path / "study.json").is_file()

    @property
    def is_finished(self) -> bool:
        """Whether it has a result."""
        return (self.path / "result.json").is_file()

    def study(self) -> Study:
        """What is played.

        Raises:
            StudyError: The file is missing or damaged; the same holds for every reader here.
        """
        return self._read("study.json", Study)

    def panel(self) -> Panel:
        """On which tasks."""
        return self._read("panel.json", Panel)

    def result(self) -> Result:
        """The result of a finished study."""
        return self._read("result.json", Result)

    def costs(self) -> Costs:
        """What it took."""
        return self._read("costs.json", Costs)

    def sittings(self) -> tuple[Sitting, ...]:
        """The processes that have played so far, first to last."""
        path = self.path / "sittings.jsonl"
        if not path.exists():
            return ()
        return tuple(parse(line, Sitting, path) for line in _bytes(path).splitlines())

    def log_path(self, seed: int) -> Path:
        """Where the episodes of a seed lie, or will."""
        return self.path / "trajectories" / f"seed-{seed}.jsonl.gz"

    def log(self, seed: int) -> TrajectoryLog:
        """The episodes of a seed that are there, as they are now.

        Raises:
            StudyError: The file cannot be read. One that is not there has no episodes.
        """
        path = self.log_path(seed)
        try:
            state = path.stat()
        except FileNotFoundError:
            return TrajectoryLog(path, b"")
        except OSError as error:  # a seed with more digits than a file name may have
            raise StudyError(f"cannot read {path}: {error.strerror or error}") from error
        stamp = (state.st_size, state.st_mtime_ns)
        if seed not in self._logs or self._logs[seed][0] != stamp:
            self._logs[seed] = (stamp, TrajectoryLog(path, _bytes(path, MAX_LOG)))
        return self._logs[seed][1]

    def trajectory(self, seed: int, position: int) -> Trajectory:
        """An episode."""
        return self.log(seed).trajectory(position)

    def trajectories(self) -> Iterator[Trajectory]:
        """The episodes of the study that are there, by seed, then by position.

        Raises:
            StudyError: One of them is damaged.
        """
        for seed in self.study().seeds:
            log = self.log(seed)
            yield from (log.trajectory(position) for position in sorted(log.members))

    def readable(self) -> Iterator[Trajectory]:
        """The same without those that are damaged."""
        for seed in self.study().seeds:
            log = self.log(seed)
            for position in sorted(log.members):
                with suppress(StudyError):
                    yield log.trajectory(position)

    def write(self, name: str, model: BaseModel) -> None:
        """Replaces `study.json`, `panel.json`, `result.json` or `costs.json`."""
        write_text(self.path / name, model.model_dump_json(indent=2) + "\n")

    def add_trajectories(self, seed: int, texts: Iterable[bytes]) -> None:
        """Appends episodes, as JSON that is already written.

        It does not wait for the disk: an episode that a power cut damages is played again. Of
        several plays of an episode the last one counts.
        """
        path = self.log_path(seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            for text in texts:
                file.write(isal_zlib.compress(text + b"\n", _LEVEL, _GZIP))

    def tidy(self, seed: int, positions: Collection[int] | None = None) -> None:
        """Rewrites the episodes of a seed in the order of their positions, each once.

        What was cut short goes. To be done before anything is appended to a log that may end with
        a piece of an episode.

        Args:
            seed: Whose.
            positions: The only ones to keep; None for all.
        """
        log = self.log(seed)
        kept = [p for p in sorted(log.members) if positions is None or p in positions]
        content = b"".join(log.members[position] for position in kept)
        if content != log.content:
            with replacing(log.path) as temporary:
                temporary.write_bytes(content)

    def drop_result(self) -> None:
        """Removes the result and the costs, which are about to be wrong."""
        for name in ("result.json", "costs.json"):
            (self.path / name).unlink(missing_ok=True)

    def add_sitting(self, sitting: Sitting) -> None:
        """Appends a line to the sittings."""
        sittings = (*self.sittings(), sitting)
        lines = "".join(f"{each.model_dump_json()}\n" for each in sittings)
        write_text(self.path / "sittings.jsonl", lines)

    def _read(self, name: str, kind: type[_Model]) -> _Model:
        path = self.path / name
        return parse(_bytes(path), kind, path)


class TrajectoryLog:
    """The episodes of one seed: lines of JSON, each packed by itself, so that one can be appended.

    Attributes:
        path: Where they were read from.
        content: All of it.
        members: Packed episodes by position, of several plays the last one.
        problems: What is wrong with the log as a whole.
    """

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self.content = content
        self.members: dict[int, bytes] = {}
        self.problems: list[str] = []
        view = memoryview(content)
        start, last = 0, -1
        while start < len(content):
            try:
                text, end = _unpacked(view, start)
            except ValueError as error:
                self.problems.append(f"is damaged at byte {start}: {error}")
                return
            position = _position(text)
            if position is None:
                self.problems.append(f"has something at byte {start} that is no trajectory")
            else:
                if position <= last:
                    self.problems.append(f"has episode {position} twice, or out of its place")
                last = position
                self.members[position] = content[start:end]
            start = end

    def trajectory(self, position: int) -> Trajectory:
        """An episode.

        Raises:
            StudyError: It is not there, or damaged.
        """
        if position not in self.members:
            why = "".join(f"; it {problem}" for problem in self.problems[:1])
            raise StudyError(f"{self.path} has no episode {position}{why}")
        text, _ = _unpacked(memoryview(self.members[position]), 0)
        return parse(text, Trajectory, self.path)


def _unpacked(content: memoryview, start: int) -> tuple[bytes, int]:
    """What was packed at a place, and where the next begins.

    Raises:
        ValueError: It is no gzip, is cut short, or is larger than any file of a study.
    """
    unpacker = zlib.decompressobj(wbits=_GZIP)
    parts, size, at = [], 0, start
    while not unpacker.eof and at < len(content):
        piece = content[at : at + _PIECE]
        try:
            part = unpacker.decompress(piece, MAX_FILE - size)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if unpacker.unconsumed_tail:
            raise ValueError("it is larger than any file of a study")
        parts.append(part)
        size += len(part)
        at += len(piece) - len(unpacker.unused_data)
    if not unpacker.eof:
        raise ValueError("it is cut short")
    return b"".join(parts), at


def _position(text: bytes) -> int | None:
    try:
        value = from_json(text)
    except ValueError:
        return None
    position = value.get("position") if isinstance(value, dict) else None
    return position if type(position) is int and position >= 0 else None


def _bytes(path: Path, most: int = MAX_FILE) -> bytes:
    try:
        if path.stat().st_size > most:
            raise StudyError(f"{path} is larger than any file of a study")
        return path.read_bytes()
    except OSError as error:
        raise StudyError(f"cannot read {path}: {error.strerror or error}") from error


def unpacked(path: Path) -> bytes:
    """Content of a file that was packed by gzip.

    Raises:
        StudyError: It is missing, damaged, or larger than any file of a study.
    """
    packed = memoryview(_bytes(path))
    try:
        text, end = _unpacked(packed, 0)
    except ValueError as error:
        raise StudyError(f"{path} is damaged: {error}") from error
    if end != len(packed):
        raise StudyError(f"{path} is damaged: something follows its end")
    return text


def parse(text: bytes, kind: type[_Model], path: Path) -> _Model:
    """Reads JSON as a model.

    Raises:
        StudyError: It is none; `path` is named.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StudyError(
            f"{path} is not a {kind.__name__.lower()} file of this version: "
            f"{place or 'the file'}: {first['msg']} ({error.error_count()} problems)"
        ) from error
