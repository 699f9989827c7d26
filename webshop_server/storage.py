"""One file of named arrays, memory-mapped, for what is derived from data.

Layout: a magic line, the sections (each from a multiple of 64 bytes), a header in JSON, and a
footer with the header's length and checksum. A file that was cut or altered is not read:
the footer, the checksum of the header, and the checksums of all sections up to 256 MiB are verified
when a file is opened. Nothing is unpickled. This module does not know what the arrays mean.
"""

from __future__ import annotations

import io
import json
import logging
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hiper_base.errors import HiperError
from hiper_base.files import replacing
from hiper_base.paths import is_writable

__all__ = ["Container", "ContainerWriter", "cached"]

logger = logging.getLogger(__name__)

_MAGIC = b"hiper-arrays 1\n\0"
_FOOTER = struct.Struct("<QI16s")
_ALIGNMENT = 64
_VERIFIED_BYTES = 1 << 28
# Numbers and fixed-width bytes, least significant byte first: the same file on every machine.
_DTYPE = re.compile(r"(<[iuf][248]|\|[iu]1|\|S[1-9]\d{0,3})")


class ContainerWriter:
    """Writes sections one after another, then the header.

    Args:
        file: Where to; only ever appended to.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at = 0
        self._sections: dict[str, tuple[str, int, int, int]] = {}
        self._put(_MAGIC)

    def array(self, name: str, values: NDArray[Any]) -> None:
        """Writes a section that is in memory.

        Args:
            name: How it is called.
            values: One axis; numbers or fixed-width bytes.
        """
        values = np.ascontiguousarray(values)
        little = values.astype(values.dtype.newbyteorder("<"), copy=False)
        self.stream(name, little.dtype.str, [little.tobytes()])

    def stream(self, name: str, dtype: str, parts: Iterable[bytes]) -> None:
        """Writes a section piece by piece.

        Args:
            name: How it is called.
            dtype: Of its elements, as numpy writes it: `|u1`.
            parts: Its bytes in order.
        """
        self._put(bytes(-self._at % _ALIGNMENT))
        start, checksum = self._at, 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
            self._put(part)
        self._sections[name] = (dtype, start, self._at - start, checksum)

    def finish(self, header: Mapping[str, Any]) -> None:
        """Writes the header; nothing may follow.

        Args:
            header: JSON-able facts about the content.
        """
        packed = json.dumps({**header, "sections": self._sections}).encode()
        self._put(packed)
        self._put(_FOOTER.pack(len(packed), zlib.crc32(packed), _MAGIC))

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._at += len(data)


class Container:
    """A file of arrays, open for reading.

    Args:
        content: The bytes of the file, `|u1`; usually memory-mapped.
        path: Where they come from, for messages; None for memory.

    Attributes:
        header: What the writer noted.
        path: As given.

    Raises:
        ValueError: If the content is damaged or of another format.
    """

    def __init__(self, content: NDArray[np.uint8], path: Path | None = None) -> None:
        self.path = path
        self._content = content
        self.header = self._read_header()
        sections = self.header.get("sections")
        if not isinstance(sections, dict):
            raise ValueError("no list of sections")
        self._arrays = {name: self._section(name, *place) for name, place in sections.items()}

    @classmethod
    def open(cls, path: Path) -> Container:
        """Opens a file, memory-mapped.

        Raises:
            OSError: If it cannot be read.
            ValueError: If it is damaged or of another format.
        """
        return cls(np.memmap(path, dtype=np.uint8, mode="r"), path)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A section; read-only.

        Raises:
            KeyError: If there is none of this name.
        """
        return self._arrays[name]

    def _read_header(self) -> dict[str, Any]:
        content, end = self._content, len(self._content) - _FOOTER.size
        if end < len(_MAGIC) or content[: len(_MAGIC)].tobytes() != _MAGIC:
            raise ValueError("not a file of this format")
        length, checksum, magic = _FOOTER.unpack(content[end:].tobytes())
        if magic != _MAGIC or length > end:
            raise ValueError("cut off")
        packed = content[end - length : end].tobytes()
        if zlib.crc32(packed) != checksum:
            raise ValueError("damaged header")
        header: dict[str, Any] = json.loads(packed)
        return header

    def _section(self, name: str, dtype: str, start: int, size: int, checksum: int) -> NDArray[Any]:
        if not _DTYPE.fullmatch(dtype):
            raise ValueError(f"section {name} is of the unknown type {dtype}")
        section = self._content[start : start + size]
        if len(section) != size or (
            size <= _VERIFIED_BYTES and zlib.crc32(section.data if size else b"") != checksum
        ):
            raise ValueError(f"damaged section {name}")
        array = np.frombuffer(section.data if size else b"", dtype=dtype)
        array.flags.writeable = False
        return array


def cached(
    name: str,
    key: str,
    folders: Sequence[Path],
    build: Callable[[ContainerWriter], Mapping[str, Any]],
) -> Container:
    """What `build` writes: from a cache file, else built and then cached.

    A file that is missing, damaged, or has another key is built anew. Several processes may do so
    at once: each writes a file of its own, and the last rename wins. Where no folder can be written
    to, the content stays in memory.

    Args:
        name: Of the file.
        key: What the content was made from; must change when the content would.
        folders: Where the file may lie, best first.
        build: Writes the sections and returns the header.
    """
    for folder in folders:
        container = _open(folder / name, key)
        if container is not None:
            return container
    logger.info("making %s", name)
    for folder in filter(is_writable, folders):
        path = folder / name
        try:
            with replacing(path) as temporary:
                with temporary.open("xb") as file:
                    _build(file, key, build)
                # Opened before the rename: another process may replace it at any time.
                container = Container.open(temporary)
        except HiperError:
            raise
        except OSError as error:
            logger.info("cannot write %s (%s)", path, error)
        else:
            logger.info("written: %s", path)
            container.path = path
            return container
    logger.warning("%s is not cached: cannot write to %s", name, " or ".join(map(str, folders)))
    memory = io.BytesIO()
    _build(memory, key, build)
    return Container(np.frombuffer(memory.getbuffer(), dtype=np.uint8))


def _build(file: BinaryIO, key: str, build: Callable[[ContainerWriter], Mapping[str, Any]]) -> None:
    writer = ContainerWriter(file)
    writer.finish({**build(writer), "key": key})


def _open(path: Path, key: str) -> Container | None:
    try:
        container = Container.open(path)
        if container.header.get("key") != key:
            raise ValueError("made from something else")
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.info("cache %s cannot be read (%s)", path, error)
    except (ValueError, TypeError) as error:
        logger.info("cache %s is not used (%s) and made again", path, error)
    else:
        return container
    return None
