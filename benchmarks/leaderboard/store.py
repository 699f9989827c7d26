"""The files of a study folder: written whole or not at all, read as data of strangers.

Knows the format, and nothing of agents, environments or figures.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from benchmarks.leaderboard.schema import Costs, Panel, Result, Sitting, Study, Trajectory
from hiper_base.errors import HiperError
from hiper_base.files import replacing, write_text

__all__ = ["StudyError", "StudyFolder", "parse", "unpacked"]

MAX_FILE = 2**28
"""Bytes of a file, unpacked, that are read at most; a real one has less than a hundredth."""

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

    def trajectory_path(self, seed: int, position: int) -> Path:
        """Where an episode lies, or will."""
        return self.path / "trajectories" / f"seed-{seed}" / f"{position:05d}.json.gz"

    def trajectory(self, seed: int, position: int) -> Trajectory:
        """An episode."""
        path = self.trajectory_path(seed, position)
        return parse(unpacked(path), Trajectory, path)

    def readable(self) -> Iterator[Trajectory]:
        """The episodes that are there and not damaged, by seed, then by position."""
        for seed, position in self._places():
            with suppress(StudyError):
                yield self.trajectory(seed, position)

    def trajectories(self) -> Iterator[Trajectory]:
        """The episodes of the study that are there, by seed, then by position.

        Raises:
            StudyError: One of them is damaged.
        """
        return (self.trajectory(seed, position) for seed, position in self._places())

    def write(self, name: str, model: BaseModel) -> None:
        """Replaces `study.json`, `panel.json`, `result.json` or `costs.json`."""
        write_text(self.path / name, model.model_dump_json(indent=2) + "\n")

    def write_trajectory(self, seed: int, position: int, text: bytes) -> None:
        """Replaces an episode by JSON that is already written.

        It does not wait for the disk: an episode that a power cut damages is played again.
        """
        with replacing(self.trajectory_path(seed, position), durable=False) as temporary:
            # Without a time, so that equal episodes are equal files.
            temporary.write_bytes(gzip.compress(text, compresslevel=1, mtime=0))

    def drop_result(self) -> None:
        """Removes the result and the costs, which are about to be wrong."""
        for name in ("result.json", "costs.json"):
            (self.path / name).unlink(missing_ok=True)

    def add_sitting(self, sitting: Sitting) -> None:
        """Appends a line to the sittings."""
        sittings = (*self.sittings(), sitting)
        lines = "".join(f"{each.model_dump_json()}\n" for each in sittings)
        write_text(self.path / "sittings.jsonl", lines)

    def _places(self) -> Iterator[tuple[int, int]]:
        """Seeds and positions of the episodes that are there."""
        size = len(self.panel().tasks)
        for seed in self.study().seeds:
            for position in range(size):
                if self.trajectory_path(seed, position).exists():
                    yield seed, position

    def _read(self, name: str, kind: type[_Model]) -> _Model:
        path = self.path / name
        return parse(_bytes(path), kind, path)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE:
            raise StudyError(f"{path} is larger than any file of a study")
        return path.read_bytes()
    except OSError as error:
        raise StudyError(f"cannot read {path}: {error.strerror or error}") from error


def unpacked(path: Path) -> bytes:
    """Content of a file that was packed by gzip.

    Raises:
        StudyError: It is missing, damaged, or larger than any file of a study.
    """
    packed = _bytes(path)
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(packed, MAX_FILE)
    except zlib.error as error:
        raise StudyError(f"{path} is damaged: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise StudyError(f"{path} is damaged: it is cut short, or something follows it")
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
