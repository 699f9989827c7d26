"""The official catalogue: what becomes of a record, its cache, and the published 1,000 products."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from hiper_base.errors import DataError, DataNotFoundError
from webshop_server import records
from webshop_server.catalog import Catalog, indexed_text, load_catalog
from webshop_server.listing import HumanTask, from_record, to_record
from webshop_server.product import Review
from webshop_server.stored import StoredCatalog


def test_what_becomes_of_a_record(official: Any) -> None:
    catalog = load_catalog()
    assert len(catalog) == 5
    assert catalog.name == "items_shuffle_1000.json"
    first, second, third, fourth, fifth = catalog
    assert first.title == "Plain Shirt 0"
    assert first.query == "shirts"
    assert first.bullet_points == ("Machine wash ", "")
    assert dict(first.options) == {"size": ("s", "m | l"), "color": ("red", "blue")}
    assert dict(first.option_images) == {"red": "https://example.org/red.jpg"}
    assert first.attributes == ("soft", "machine wash")
    assert (first.price_tag, first.price) == ("$10.5", 10.5)
    assert (first.rating, first.reviews) == ("N.A.", ())
    assert second.price == 1985.0
    assert third.bullet_points == ("One bullet",)
    assert third.attributes == ()
    assert (third.price_tag, third.price) == ("$100.0", 100.0)
    assert fourth.price_tag == "$5.0 to $15.99"
    # The first draw of the generator that upstream's order is made with.
    assert fourth.price == 5.0 + (15.99 - 5.0) * 0.8444218515250481
    assert fifth.attributes == ("DUMMY_ATTR",)
    assert (fifth.description, fifth.bullet_points, fifth.images) == ("", ("",), ())


def test_tasks_lie_beside_their_product(official: Any) -> None:
    catalog = load_catalog()
    assert catalog.listing(0).instruction == "Find me soft shirts"
    assert catalog.listing(0).attributes == ("soft",)
    assert catalog.listing(2).instruction is None
    # The task without attributes is left out, as upstream does.
    assert catalog.listing(3).human_tasks == (
        HumanTask("i want a soft shirt.", ("soft",), ("red",)),
    )


def test_places_and_ids(official: Any) -> None:
    catalog = load_catalog()
    assert [catalog.position(asin) for asin in catalog.asins] == list(range(5))
    assert list(catalog.asins[1:3]) == ["B000000001", "B000000002"]
    for asin in ("", "B00000000", "b000000000", "B000000000\0", "é", "B0000000000000"):
        with pytest.raises(KeyError):
            catalog.position(asin)
    for position in (-1, 5):
        with pytest.raises(IndexError, match="has 5"):
            catalog[position]


def test_the_text_that_search_reads(official: Any) -> None:
    catalog = load_catalog()
    text = "plain shirt 0 soft cloth. machine wash  size: s, m | l, and color: red, blue"
    assert catalog.indexed_text(0) == indexed_text(catalog[0]) == text


def test_reviews_are_read_where_they_are(official: Any) -> None:
    old = {"title": "Good", "stars": "4.0 out of 5", "review": "It fits."}
    new = {"title": "", "score": 2.0}
    entry = {"asin": "B000000001", "average_rating": 4.5, "reviews": [old, new]}
    (official.folder / "reviews.json").write_text(json.dumps([entry]))
    product = load_catalog()[1]
    assert product.rating == "4.5"
    assert product.reviews == (Review("Good", "4.0 out of 5", "It fits."), Review("", "2.0", ""))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pricing": "$"}, "product B000000001: pricing: no price"),
        ({"customization_options": "red"}, "product B000000001: customization_options: neither"),
        ({"images": 1}, "product B000000001: images: "),
    ],
)
def test_an_error_names_file_product_and_field(
    official: Any, changes: dict[str, object], said: str
) -> None:
    official.products[1].update(changes)
    official.write()
    with pytest.raises(DataError, match=rf"items_shuffle_1000\.json: {said}"):
        load_catalog()
    assert not list(Path(os.environ["HIPER_CACHE"]).glob("**/*"))


def test_an_instruction_that_asks_for_nothing(official: Any) -> None:
    official.attributes["B000000000"]["instruction_attributes"] = []
    official.write()
    with pytest.raises(
        DataError, match=r"items_ins_v2_1000\.json: product B000000000: instruction_a"
    ):
        load_catalog()


def test_no_products(official: Any) -> None:
    official.products = []
    official.write()
    with pytest.raises(DataError, match="holds no products"):
        load_catalog()


def test_records_are_read_once(official: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_catalog()
    monkeypatch.setattr(records, "read_products", None)
    second = load_catalog()
    assert list(second) == list(first)
    assert second.sha256 == first.sha256


def test_the_cache_follows_the_files(official: Any) -> None:
    before = load_catalog()
    title = before[1].title
    official.products[1]["name"] = "Another Shirt"
    official.write()
    after = load_catalog()
    assert after[1].title == "Another Shirt"
    assert after.sha256 != before.sha256
    # A catalogue that is open goes on with what it was opened with.
    assert before._listing(1).product.title == title


def test_the_digest_is_of_the_content(official: Any) -> None:
    before = load_catalog().sha256
    official.products[1]["product_information"] = "not looked at"
    for place in ("items_shuffle_1000.json", "items_ins_v2_1000.json"):
        os.utime(official.folder / place, ns=(1, 1))
    official.write()
    assert load_catalog().sha256 == before


def test_a_damaged_cache_is_made_again(official: Any) -> None:
    expected = list(load_catalog())
    (path,) = Path(os.environ["HIPER_CACHE"]).iterdir()
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert list(load_catalog()) == expected


def test_damage_in_a_file_too_large_to_be_verified(
    official: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_catalog()
    (path,) = Path(os.environ["HIPER_CACHE"]).iterdir()
    content = bytearray(path.read_bytes())
    content[content.index(b"Plain Shirt 1")] ^= 1
    path.write_bytes(content)
    monkeypatch.setattr("webshop_server.storage._VERIFIED_BYTES", 100)
    catalog = load_catalog()
    assert catalog[0].title == "Plain Shirt 0"
    with pytest.raises(DataError, match=r"catalogue: is damaged; delete it"):
        catalog[1]


def test_files_that_change_while_they_are_read(
    official: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = records.read_products

    def slow(files: Any) -> Any:
        yield from read(files)
        os.utime(files.products, ns=(1, 1))

    monkeypatch.setattr(records, "read_products", slow)
    with pytest.raises(DataError, match="changed while it was being read"):
        load_catalog()


def test_read_only_folders_are_left_alone(official: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HIPER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(official.root / "user"))
    official.folder.chmod(0o555)
    try:
        assert load_catalog()[0].title == "Plain Shirt 0"
        assert not (official.folder / ".hiper-cache").exists()
        assert list((official.root / "user").rglob("*.catalogue"))
    finally:
        official.folder.chmod(0o755)


def test_another_catalogue_of_the_folder(official: Any) -> None:
    official.products[0]["name"] = "From the Other File"
    official.write("")
    assert load_catalog()[0].title == "Plain Shirt 0"
    assert load_catalog(suffix="")[0].title == "From the Other File"
    with pytest.raises(DataNotFoundError):
        load_catalog(suffix="_7")


def test_threads_see_the_same_products(official: Any) -> None:
    catalog = load_catalog()
    expected = [product.title for product in catalog]
    seen: list[list[str]] = []

    def look() -> None:
        seen.append([catalog[i % 5].title for i in range(500)])

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [expected * 100] * 4


@pytest.fixture(scope="module")
def published(webshop_data: Path) -> Catalog:
    return load_catalog(webshop_data.parent)


def test_published_prices(published: Catalog, webshop_data: Path) -> None:
    expected = json.loads((webshop_data / "upstream" / "product_prices.json").read_text())
    assert {product.asin: product.price for product in published} == expected
    assert list(published.asins) == list(expected)


def test_published_products(published: Catalog) -> None:
    assert len(published) == 1000
    assert isinstance(published, StoredCatalog)
    assert published.combinations.sum() == 6910
    assert published.human_tasks.sum() == 13
    assert [published.position(asin) for asin in published.asins] == list(range(1000))
    for position in range(1000):
        listing = published.listing(position)
        assert from_record(json.loads(json.dumps(to_record(listing)))) == listing
