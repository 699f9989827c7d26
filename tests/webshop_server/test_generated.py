"""The generated catalogue: the same everywhere, plausible, and fit for search and reward."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webshop_server.catalog import Catalog, generate_catalog
from webshop_server.generated import GENERATOR_VERSION, make_listing
from webshop_server.generated_kinds import KINDS
from webshop_server.generated_words import VALUES
from webshop_server.goals import generated_goals
from webshop_server.listing import to_record
from webshop_server.product import Goal
from webshop_server.reward import Scorer
from webshop_server.shop import BACK_TO_SEARCH, BUY_NOW, NEXT_PAGE, PREVIOUS, SUB_PAGES

BUTTONS = {name.lower() for name in (BACK_TO_SEARCH, BUY_NOW, NEXT_PAGE, PREVIOUS, *SUB_PAGES)}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return generate_catalog(1000)


def test_the_content_belongs_to_the_version(catalog: Catalog) -> None:
    # Whoever changes what is generated has to change the version: caches and results depend on it.
    records = [to_record(catalog.listing(position)) for position in range(len(catalog))]
    digest = hashlib.sha256(json.dumps(records).encode())
    digest.update(generated_goals(catalog).sha256.encode())
    assert (GENERATOR_VERSION, digest.hexdigest()[:16]) == (1, "3cfb8ea8b21bdb07")


@given(st.integers(0, 2**30 - 1), st.integers(0, 2**64 - 1))
def test_a_product_is_made_of_its_number_and_the_seed(position: int, seed: int) -> None:
    small = generate_catalog(position + 1, seed)
    large = generate_catalog(2**30, seed)
    listing = make_listing(position, seed)
    assert small.listing(position) == large.listing(position) == listing
    assert small.position(listing.product.asin) == large.position(listing.product.asin) == position
    assert small.asins[position] == listing.product.asin
    assert generated_goals(small)[position] == generated_goals(large)[position]
    assert re.fullmatch(r"[A-Z0-9]{10}", listing.product.asin)


def test_seeds_and_sizes_are_told_apart() -> None:
    catalogs = [generate_catalog(10), generate_catalog(11), generate_catalog(10, seed=1)]
    assert len({catalog.sha256 for catalog in catalogs}) == 3
    assert len({catalog.name for catalog in catalogs}) == 3
    assert not set(catalogs[0].asins) & set(catalogs[2].asins)
    assert list(catalogs[0]) == list(catalogs[1])[:10]


def test_ids(catalog: Catalog) -> None:
    assert len(set(catalog.asins)) == 1000
    assert [catalog.position(asin) for asin in catalog.asins] == list(range(1000))
    assert list(catalog.asins[10:12]) == [catalog[10].asin, catalog[11].asin]
    beyond = generate_catalog(1001)[1000].asin
    for asin in ("", "B000000000", "G00000000", catalog[0].asin.lower(), beyond):
        with pytest.raises(KeyError):
            catalog.position(asin)


@pytest.mark.parametrize(("size", "seed"), [(0, 0), (-1, 0), (2**30 + 1, 0), (1, -1), (1, 2**64)])
def test_sizes_and_seeds_out_of_range(size: int, seed: int) -> None:
    with pytest.raises(ValueError, match="can be generated"):
        generate_catalog(size, seed)


def test_every_attribute_can_be_read(catalog: Catalog) -> None:
    for position in range(len(catalog)):
        product, _, wanted, _ = catalog.listing(position)
        text = " ".join((product.title, product.description, *product.bullet_points)).lower()
        assert all(attribute in text for attribute in product.attributes)
        assert wanted
        assert set(wanted) <= set(product.attributes)
        assert len(set(wanted)) == len(wanted)


def test_no_value_is_mistaken_for_another_or_for_a_button(catalog: Catalog) -> None:
    for product in catalog:
        values = [value for group in product.options.values() for value in group]
        assert len(set(values)) == len(values)
        assert not BUTTONS & set(values)
        assert all(value == value.strip().lower() for value in values)


def test_vocabularies() -> None:
    assert len(KINDS) >= 40
    assert len({kind.query for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert {key for _, key in kind.options} <= set(VALUES)
        attributes = (*kind.is_a, *kind.comes_with, *kind.made_for)
        assert len(set(attributes)) == len(attributes)
        assert kind.path.count(" \u203a ") >= 2
        assert 0 < kind.price[0] < kind.price[1]
    for values in VALUES.values():
        assert len(set(values)) == len(values) >= 4


def test_products_of_a_kind_have_to_be_told_apart(catalog: Catalog) -> None:
    # Search alone does not settle a goal: others share query and attributes, but not all options.
    products = list(catalog)
    rivals = [
        sum(
            other.query == products[goal.product].query
            and set(goal.attributes) <= set(other.attributes)
            for other in products
        )
        for goal in generated_goals(catalog)
    ]
    assert sum(count > 1 for count in rivals) > len(rivals) / 3


def test_prices(catalog: Catalog) -> None:
    ranges = 0
    for product, goal in zip(catalog, generated_goals(catalog), strict=True):
        numbers = [float(part) for part in product.price_tag.replace("$", "").split(" to ")]
        assert numbers[0] <= product.price <= numbers[-1]
        assert product.price < goal.price_limit
        ranges += len(numbers) == 2
    assert 100 < ranges < 200


def test_every_value_can_be_reached(catalog: Catalog) -> None:
    # The reward reduces a value to a colour that is found inside it, so that some never match.
    scorer = Scorer()
    product = catalog[0]
    for name, key in sorted({option for kind in KINDS for option in kind.options}):
        for value in VALUES[key]:
            goal = Goal(
                "generated/0", "", 0, product.attributes[:1], ((name, value),), 1000.0, "generated"
            )
            assert scorer.is_reachable(goal, replace(product, options={name: VALUES[key]})), value


def test_every_goal_can_be_reached(catalog: Catalog) -> None:
    scorer = Scorer()
    assert all(
        scorer.is_reachable(goal, catalog[goal.product]) for goal in generated_goals(catalog)
    )
