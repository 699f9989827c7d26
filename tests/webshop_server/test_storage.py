"""Files of arrays: what goes in comes out, and damage is noticed."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hiper_base.errors import DataNotFoundError
from webshop_server.storage import Container, ContainerWriter, cached


def write(writer: ContainerWriter) -> Mapping[str, Any]:
    writer.stream("blob", "|u1", [b"abc", b"", b"defg"])
    writer.array("numbers", np.arange(5, dtype=">i8"))
    writer.array("none", np.array([], dtype=np.float64))
    writer.array("names", np.array([b"B01", b"B0"], dtype="S10"))
    return {"about": "a test"}


def as_bytes() -> bytes:
    file = io.BytesIO()
    writer = ContainerWriter(file)
    writer.finish(write(writer))
    return file.getvalue()


def read(content: bytes) -> Container:
    return Container(np.frombuffer(content, dtype=np.uint8))


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    path = tmp_path / "arrays"
    path.write_bytes(as_bytes())
    for container in (Container.open(path), read(as_bytes())):
        assert container.header["about"] == "a test"
        assert container["blob"].tobytes() == b"abcdefg"
        assert container["numbers"].tolist() == [0, 1, 2, 3, 4]
        assert container["numbers"].dtype == "<i8"
        assert len(container["none"]) == 0
        assert container["names"].tolist() == [b"B01", b"B0"]
        with pytest.raises(ValueError, match="read-only"):
            container["numbers"][0] = 1
        with pytest.raises(KeyError):
            container["missing"]


@given(hnp.arrays(hnp.integer_dtypes() | hnp.floating_dtypes(), st.integers(0, 50)))
def test_any_numbers(values: np.ndarray[Any, Any]) -> None:
    file = io.BytesIO()
    writer = ContainerWriter(file)
    writer.array("values", values)
    writer.finish({})
    np.testing.assert_array_equal(read(file.getvalue())["values"], values)


@given(st.data())
def test_every_altered_or_missing_byte_is_noticed(data: st.DataObject) -> None:
    content = bytearray(as_bytes())
    with pytest.raises(ValueError, match=r"."):
        read(bytes(content[: data.draw(st.integers(0, len(content) - 1))]))
    # Padding between sections carries nothing.
    carrying = [place for place, byte in enumerate(content) if byte or place < 16]
    place = data.draw(st.sampled_from(carrying))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match=r"."):
        read(bytes(content))


def test_objects_are_not_read() -> None:
    file = io.BytesIO()
    writer = ContainerWriter(file)
    writer.stream("evil", "|O", [b"12345678"])
    writer.finish({})
    with pytest.raises(ValueError, match=r"unknown type \|O"):
        read(file.getvalue())


def test_a_cache_is_made_once_and_again_when_it_has_to_be(tmp_path: Path) -> None:
    built = []

    def build(writer: ContainerWriter) -> Mapping[str, Any]:
        built.append(1)
        return write(writer)

    folders = (tmp_path / "a" / "b",)
    path = folders[0] / "file"
    assert cached("file", "1", folders, build).path == path
    assert cached("file", "1", folders, build).path == path
    assert len(built) == 1
    cached("file", "2", folders, build)
    assert len(built) == 2
    path.write_bytes(path.read_bytes()[:-1])
    assert cached("file", "2", folders, build)["blob"].tobytes() == b"abcdefg"
    assert len(built) == 3
    assert [entry.name for entry in folders[0].iterdir()] == ["file"]


def test_where_nothing_can_be_written_it_stays_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    with caplog.at_level(logging.WARNING):
        container = cached("file", "1", (closed, Path("/proc/nowhere")), write)
    assert container.path is None
    assert container["numbers"].tolist() == [0, 1, 2, 3, 4]
    assert "cannot write to" in caplog.text
    assert not list(closed.iterdir())


def test_what_goes_wrong_in_building_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    def build(writer: ContainerWriter) -> Mapping[str, Any]:
        raise DataNotFoundError("no data")

    with pytest.raises(DataNotFoundError):
        cached("file", "1", (tmp_path,), build)
    assert not list(tmp_path.iterdir())
