"""Reading the official files: what is accepted, and what an error says."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_base.errors import DataError
from webshop_server import records
from webshop_server.official import find_files


def asins(official: Any) -> list[str]:
    return [product.asin for product in records.read_products(find_files(official.root))]


def test_products_that_upstream_skips(official: Any) -> None:
    first = official.products[0]
    official.products += [dict(first), {**first, "asin": "nan"}, {**first, "asin": "B0123456789"}]
    official.write()
    assert asins(official) == [f"B00000000{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"asin": None}, "product number 1: asin: "),
        ({"asin": "B0 '<b>"}, "product B0 '<b>: asin: "),
        ({"name": 5}, "product B000000001: name: "),
        ({"pricing": ["$1"]}, "product B000000001: pricing: "),
        ({"small_description": [["a"]]}, "product B000000001: small_description.0: "),
        ({"images": "a.jpg"}, "product B000000001: images: "),
        (
            {"customization_options": {"Color": [{"value": "red"}, {"value": None}]}},
            "product B000000001: customization_options.Color.1.value: ",
        ),
    ],
)
def test_an_error_names_file_product_and_field(
    official: Any, changes: dict[str, object], said: str
) -> None:
    official.products[1].update(changes)
    official.write()
    with pytest.raises(DataError) as caught:
        asins(official)
    assert f"items_shuffle_1000.json: {said}" in str(caught.value)


def test_a_product_that_is_none(official: Any) -> None:
    official.products[1] = 3
    official.write()
    with pytest.raises(DataError, match="product number 1: the record: "):
        asins(official)


def test_errors_in_the_other_files(official: Any) -> None:
    official.attributes["B000000002"] = {"attributes": "soft"}
    official.human["B000000003"][1]["instruction_options"] = None
    official.write()
    files = find_files(official.root)
    with pytest.raises(DataError, match=r"items_ins_v2_1000\.json: product B000000002: attributes"):
        records.read_attributes(files)
    with pytest.raises(DataError, match=r"product B000000003, task 1: instruction_options"):
        records.read_human_tasks(files)
    official.human["B000000003"] = {}
    official.write()
    with pytest.raises(DataError, match=r"human_ins\.json: product B000000003: is no list"):
        records.read_human_tasks(files)


def test_reviews(official: Any) -> None:
    assert records.read_reviews(find_files(official.root)) == {}
    path = official.folder / "reviews.json"
    old = {"title": "Good", "stars": 4.0, "review": "It fits."}
    path.write_text(json.dumps([{"asin": "A", "average_rating": 4.5, "reviews": [old]}]))
    found = records.read_reviews(find_files(official.root))
    assert found["A"].reviews[0].stars == 4.0
    path.write_text(json.dumps([{"asin": "A"}, {"reviews": []}]))
    with pytest.raises(DataError, match=r"reviews\.json: entry 1: asin"):
        records.read_reviews(find_files(official.root))


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{}", b"[", b'[{"asin": "A"', b"[1 2]", b"[,]", b"[1,]", b"[] []", b"\xff\xfe",
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_files_that_are_no_json(official: Any, text: bytes) -> None:
    (official.folder / "items_shuffle_1000.json").write_bytes(text)
    with pytest.raises(DataError, match=r"items_shuffle_1000\.json: "):
        asins(official)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(json_values) | st.dictionaries(st.text(), json_values), st.integers(1, 40))
def test_a_stream_reads_what_json_reads(value: Any, chunk: int) -> None:
    class Slow(io.StringIO):
        def read(self, size: int | None = -1, /) -> str:
            return super().read(chunk)

    text = json.dumps(value, ensure_ascii=False, indent=len(str(value)) % 3)
    opening = "[" if isinstance(value, list) else "{"
    entries = list(records.Stream(Slow(text), opening).entries())
    if isinstance(value, list):
        assert [entry.value for entry in entries] == value
    else:
        assert dict(entries) == value
