"""Which subgoals can be chosen in the shop, and what they permit."""

from __future__ import annotations

from types import SimpleNamespace

from hiper_agents.compact.webshop.options import candidates, make_subgoal, permitted


def texts(found: list[object]) -> list[str]:
    return [subgoal.text for subgoal in found]  # type: ignore[attr-defined]


def test_the_subgoals_are_those_that_make_sense_on_the_page(shop: SimpleNamespace) -> None:
    assert texts(candidates(shop.searched())) == [
        "find a product",
        "inspect B000000001",
        "inspect B000000002",
    ]
    memory = shop.opened()
    assert texts(candidates(memory)) == [
        "find a product",
        "inspect B000000002",
        "inspect B000000001",
        "choose the options",
        "buy B000000001",
    ]
    memory.observe(shop.item, shop.told("click[sea green]", *shop.clicks))
    memory.observe(shop.item, shop.told("click[8]", *shop.clicks))
    assert "choose the options" not in texts(candidates(memory))


def test_a_subgoal_permits_the_way_to_what_it_names(shop: SimpleNamespace) -> None:
    memory = shop.opened()
    admissible = [f"click[{name}]" for name in shop.clicks]

    def allowed(kind: str, asin: str = "") -> list[str]:
        return permitted(memory, make_subgoal(kind, asin), admissible).commands

    assert allowed("find") == ["click[< prev]", "click[back to search]"]
    assert allowed("inspect", "B000000002") == ["click[< prev]"]
    assert allowed("inspect", "B000000001") == ["click[features]", "click[description]"]
    values = ["click[sea green]", "click[green]", "click[8]", "click[9]"]
    assert allowed("choose") == values
    assert allowed("buy", "B000000001") == ["click[buy now]"]
    memory.observe(shop.item, shop.told("click[green]", *shop.clicks))
    # What has a value is not chosen again.
    assert allowed("choose") == values[2:]
    memory.observe(shop.sub, shop.told("click[features]", "back to search", "< prev"))
    admissible = ["click[back to search]", "click[< prev]"]
    assert allowed("buy", "B000000001") == allowed("choose") == ["click[< prev]"]


def test_on_the_results_products_are_opened_and_pages_turned(shop: SimpleNamespace) -> None:
    memory = shop.searched()
    names = ("back to search", "next >", "b000000001", "b000000002")
    admissible = [f"click[{name}]" for name in names]
    find = permitted(memory, make_subgoal("find"), admissible)
    assert find.commands == ["click[next >]", "click[back to search]"]
    assert find.kinds == ["next", "back"]
    inspect = permitted(memory, make_subgoal("inspect", "B000000002"), admissible)
    assert inspect.commands == ["click[b000000002]"]


def test_the_way_leads_over_pages_of_the_results(shop: SimpleNamespace) -> None:
    memory = shop.searched()
    memory.results["B000000003"] = 3
    inspect = permitted(memory, make_subgoal("inspect", "B000000003"), ["click[next >]"])
    assert inspect.commands == ["click[next >]"]


def test_on_an_unknown_page_something_is_permitted(shop: SimpleNamespace) -> None:
    memory = shop.searched()
    assert permitted(memory, make_subgoal("buy", "B000000001"), ["click[x]"]).commands == [
        "click[x]"
    ]
