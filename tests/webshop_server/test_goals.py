"""Goals: the published ones in their order, and how any goals are numbered and split."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from hiper_base.errors import DataNotFoundError, UnknownSplitError, UnknownTaskError
from webshop_server import goals as goals_module
from webshop_server.catalog import Catalog, generate_catalog, load_catalog
from webshop_server.goals import (
    PUBLISHED_COUNT,
    PUBLISHED_SHA256,
    Goals,
    generated_goals,
    human_goals,
    synthetic_goals,
)
from webshop_server.product import NO_PRICE_LIMIT


@pytest.fixture(scope="module")
def catalog(webshop_data: Path) -> Catalog:
    return load_catalog(webshop_data.parent)


@pytest.fixture(scope="module")
def published(catalog: Catalog) -> Goals:
    return synthetic_goals(catalog)


def test_all_published_goals(published: Goals) -> None:
    assert len(published) == PUBLISHED_COUNT
    assert published.sha256.startswith(PUBLISHED_SHA256)
    texts = "\n".join([goal.instruction for goal in published])
    assert published.sha256 == hashlib.sha256(texts.encode()).hexdigest()


def test_the_first_published_goals(published: Goals, catalog: Catalog, webshop_data: Path) -> None:
    with gzip.open(webshop_data / "upstream" / "goals_first_100.jsonl.gz", "rt") as file:
        recorded = [json.loads(line) for line in file]
    assert len(recorded) == 100
    for position, expected in enumerate(recorded):
        goal = published[position]
        product = catalog[goal.product]
        assert goal.instruction == expected["instruction_text"]
        assert product.asin == expected["asin"]
        assert goal.attributes == tuple(expected["attributes"])
        assert goal.options == tuple(expected["goal_options"].items())
        assert goal.price_limit == expected["price_upper"]
        assert product.title == expected["name"]


def test_published_options_can_be_chosen(published: Goals, catalog: Catalog) -> None:
    for goal in published:
        options = catalog[goal.product].options
        assert all(value in options[name] for name, value in goal.options)


def test_published_human_goals(catalog: Catalog) -> None:
    goals = human_goals(catalog)
    assert len(goals) == 13
    assert goals.split_range("test") == range(13)
    assert goals.split_range("train") == range(13, 13)
    for position, goal in enumerate(goals):
        assert goal == goals[goals.index(f"human/{position}")]
        task, _, limit = goal.instruction.rpartition(", and price lower than ")
        assert limit == f"{goal.price_limit:.2f} dollars"
        assert not task.endswith(".")
        assert goal.price_limit > catalog[goal.product].price


def test_ids_and_splits(published: Goals) -> None:
    assert published.index("synthetic/0") == 0
    assert published[499].split == "test"
    assert published[500].split == "train"
    assert published.split_range("test") == range(500)
    assert published.split_range("train") == range(500, 6910)
    with pytest.raises(UnknownSplitError, match="there are: test, train"):
        published.split_range("generated")
    for position in (-1, 6910):
        with pytest.raises(IndexError):
            published[position]


@pytest.mark.parametrize(
    "goal_id",
    ["", "synthetic", "synthetic/", "synthetic/00", "synthetic/-1", "synthetic/1.0", "human/0",
     "synthetic/6910", "synthetic/0 ", "other/0", "synthetic/9" + "9" * 30],
)  # fmt: skip
def test_ids_that_there_are_not(published: Goals, goal_id: str) -> None:
    with pytest.raises(UnknownTaskError, match="synthetic"):
        published.index(goal_id)


def test_made_up_synthetic_goals(official: Any) -> None:
    goals = synthetic_goals(load_catalog())
    assert sorted(
        (goal.product, goal.instruction.split(", and price")[0], goal.options) for goal in goals
    ) == [
        (0, f"Find me soft shirts with color: {color}, and size: {size}",
         (("color", color), ("size", size)))
        for color in ("blue", "red")
        for size in ("m | l", "s")
    ] + [(1, "Find me soft shirts", ())]  # fmt: skip
    limits = {goal.product: goal.price_limit for goal in goals}
    # The goals of a product share a limit; nothing is above the dear one.
    assert {goal.price_limit for goal in goals if goal.product == 0} == {limits[0]}
    assert limits[0] in (30.0, 40.0, 50.0)
    assert limits[1] == NO_PRICE_LIMIT
    assert all(goal.attributes == ("soft",) for goal in goals)


def test_made_up_human_goals(official: Any) -> None:
    (goal,) = human_goals(load_catalog())
    assert goal.goal_id == "human/0"
    assert (
        goal.instruction
        == f"i want a soft shirt, and price lower than {goal.price_limit:.2f} dollars"
    )
    assert goal.options == ("red",)


def test_several_human_goals_of_a_product(official: Any) -> None:
    task = {"instruction_attributes": ["soft"], "instruction_options": []}
    texts = {3: ["one...", "two"], 1: ["three"]}
    official.human = {
        f"B00000000{number}": [{"instruction": text, **task} for text in instructions]
        for number, instructions in texts.items()
    }
    official.write()
    found = [(goal.product, goal.instruction.split(",")[0]) for goal in human_goals(load_catalog())]
    assert sorted(found) == [(1, "three"), (3, "one"), (3, "two")]


def test_goals_that_there_are_not(official: Any) -> None:
    official.human = {}
    official.attributes = {}
    official.write()
    catalog = load_catalog()
    for make in (human_goals, synthetic_goals, generated_goals):
        with pytest.raises(DataNotFoundError, match=r"items_shuffle_1000\.json"):
            make(catalog)
    for make in (human_goals, synthetic_goals):
        with pytest.raises(DataNotFoundError, match="generated-3"):
            make(generate_catalog(3))


def test_goals_are_drawn_and_shuffled_once(official: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = load_catalog()
    before = synthetic_goals(catalog).sha256
    with monkeypatch.context() as context:
        context.setattr(goals_module, "_shuffled", None)
        assert synthetic_goals(load_catalog()).sha256 == before
    (path,) = Path(os.environ["HIPER_CACHE"]).glob("*.goals")
    path.write_bytes(b"damaged")
    assert synthetic_goals(catalog).sha256 == before


def test_a_product_with_very_many_combinations(
    official: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(goals_module, "MAX_COMBINATIONS", 3)
    goals = synthetic_goals(load_catalog())
    assert len(goals) == 4
    assert len({goal.instruction for goal in goals}) == 4


def test_generated_goals() -> None:
    catalog = generate_catalog(600)
    goals = generated_goals(catalog)
    assert len(goals) == 600
    assert goals.split_range("generated") == range(600)
    assert goals.split_range("test") == range(500)
    assert goals.split_range("train") == range(500, 600)
    for position, goal in enumerate(goals):
        listing = catalog.listing(position)
        assert goal.goal_id == f"generated/{position}"
        assert goal.product == position
        assert goal.split == "generated"
        assert goal.instruction.startswith(str(listing.instruction))
        assert [name for name, _ in goal.options] == sorted(listing.product.options)
        assert all(value in listing.product.options[name] for name, value in goal.options)
