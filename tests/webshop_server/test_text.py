from __future__ import annotations

from typing import Any

import pytest

from webshop_server.product import Goal
from webshop_server.shop import Shop
from webshop_server.text import observe, text, text_rich

TOP = "Instruction: [SEP] Find me a shirt with color: black [SEP] Back to Search [SEP] "


@pytest.fixture
def shop(shelf: Any, goal: Goal) -> Shop:
    return Shop(shelf, goal, show_attributes=True)


def after(shop: Shop, *actions: str) -> Shop:
    for action in actions:
        assert shop.act(action)
    return shop


def test_search_page(shop: Shop) -> None:
    assert text(shop) == (
        "WebShop [SEP] Instruction: [SEP] Find me a shirt with color: black [SEP] Search"
    )
    assert text_rich(shop) == (
        "WebShop\nInstruction: \nFind me a shirt with color: black\n[button] Search [button_]\n"
    )


def test_results_mark_the_products_that_were_opened(shop: Shop) -> None:
    after(shop, "search[hat]", "click[b0lowercas]", "click[< prev]")
    assert text(shop) == (
        TOP + "Page 1 (Total results: 1) [SEP] Next > [SEP] B0LOWERcas [SEP] Odd Hat [SEP] $10.5"
    )
    assert text_rich(shop).endswith(
        "[button] Next > [button_]\n\n[clicked button] B0LOWERcas [clicked button_]\n"
        "Odd Hat\n$10.5\n"
    )


def test_choosing_an_option_changes_only_the_rich_text(shop: Shop) -> None:
    after(shop, "search[shirt]", "click[b000000003]")
    plain = text(shop)
    assert plain == TOP + (
        "< Prev [SEP] color [SEP] black [SEP] red [SEP] size [SEP] small [SEP] black [SEP] "
        "Plain Shirt 3 [SEP] Price: $10.5 [SEP] Rating: N.A. [SEP] Description [SEP] Features "
        "[SEP] Reviews [SEP] Attributes [SEP] Buy Now"
    )
    after(shop, "click[small]", "click[red]")
    assert text(shop) == plain
    rich = text_rich(shop)
    assert rich.startswith("You have clicked small.\nYou have clicked red.\nInstruction:\n")
    assert "  [button] black [button_]\n  [clicked button] red [clicked button_]\nsize\n" in rich


@pytest.mark.parametrize(
    ("name", "plain", "rich"),
    [
        ("description", "< Prev [SEP] Soft cloth.", "[button] < Prev [button_]\nSoft cloth.\n"),
        ("features", "< Prev [SEP] Machine wash [SEP] ", "\n Machine wash \n \n"),
        ("reviews", "< Prev", "[button] < Prev [button_]\n"),
        (
            "attributes",
            "< Prev [SEP] machine wash [SEP] fashion [SEP] shirts [SEP] Clothing",
            "\n machine wash\nfashion\nshirts\nClothing\n",
        ),
    ],
)
def test_sub_pages(shop: Shop, name: str, plain: str, rich: str) -> None:
    after(shop, "search[shirt]", "click[b000000003]", f"click[{name}]")
    assert text(shop) == TOP + plain
    assert text_rich(shop).endswith(rich)


def test_the_last_page_has_the_options_in_order_and_the_score(shop: Shop) -> None:
    after(shop, "search[shirt]", "click[b000000003]", "click[small]", "click[red]")
    after(shop, "click[buy now]")
    last = text(shop, 0.75)
    assert "asin [SEP] B000000003 [SEP] options [SEP]" in last
    assert '{"color": "red", "size": "small"}' in last
    assert "Your score (min 0.0, max 1.0) [SEP] 0.75 [SEP] Reward Details" in last


def test_what_html_knows_is_escaped_on_the_last_page(shop: Shop) -> None:
    after(shop, "search[hat]", "click[b0lowercas]", "click[</script>]", "click[buy now]")
    assert '{"kind": "\\u003c/script\\u003e"}' in text(shop, 0.0)


def test_an_unknown_mode_is_refused(shop: Shop) -> None:
    with pytest.raises(ValueError, match="text, text_rich"):
        observe(shop, "html")
