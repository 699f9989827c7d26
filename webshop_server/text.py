"""How the pages of the shop read: upstream's `text` and `text_rich`, to the byte.

Upstream renders HTML and strips it again at every step (Yao et al., 2022, arXiv 2207.01206,
`web_agent_text_env.py`); here the same texts are joined from the parts of a page. `text` joins the
stripped parts with ` [SEP] `; `text_rich` writes one part a line and marks what can be clicked and
what has been. The module knows nothing about actions, sessions or HTML.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

from webshop_server.product import Product
from webshop_server.shop import BACK_TO_SEARCH, BUY_NOW, NEXT_PAGE, PREVIOUS, Shop

__all__ = ["OBSERVATION_MODES", "observe", "text", "text_rich"]

OBSERVATION_MODES = ("text", "text_rich")
SEPARATOR = " [SEP] "

# What upstream's page after a purchase says besides the id, the options and the score.
_BEFORE_ASIN = (
    "Thank you for shopping with us!",
    "Your code: ",
    "None",
    " (Paste it in your MTurk interface.)",
    "Purchased",
    "asin",
)
_BEFORE_SCORE = (
    *("attrs", "None", "category", "None", "query", "None", "product category", "None"),
    *("Target", "asin", "options", "attrs", "price upper", "instuction text", "category"),
    *("product category", "query", "Goal ", "None", "Reward"),
    "Your score (min 0.0, max 1.0)",
)
_AFTER_SCORE = ("Reward Details ", "None")


class _Part(NamedTuple):
    """A piece of text on a page; `kind` is text, button, value (of an option) or product."""

    text: str
    kind: str = "text"
    is_clicked: bool = False


def observe(shop: Shop, mode: str, score: float | None = None) -> str:
    """The current page in one of OBSERVATION_MODES.

    Args:
        shop: The shopper in the shop.
        mode: `text` or `text_rich`.
        score: What the purchase scored; needed once something was bought.

    Raises:
        ValueError: If there is no such mode.
    """
    if mode == "text":
        return text(shop, score)
    if mode == "text_rich":
        return text_rich(shop, score)
    raise ValueError(
        f"unknown observation mode {mode!r}; there are: {', '.join(OBSERVATION_MODES)}"
    )


def text(shop: Shop, score: float | None = None) -> str:
    """The current page in one line, its parts separated by ` [SEP] `."""
    return SEPARATOR.join([part.text.strip() for part in _parts(shop, score)])


def text_rich(shop: Shop, score: float | None = None) -> str:
    """The current page, one part a line, with marks around what can be clicked."""
    notices: list[str] = []
    lines: list[str] = []
    for part in _parts(shop, score):
        mark = "clicked button" if part.is_clicked else "button"
        if part.kind == "text":
            lines.append(part.text)
        elif part.kind == "button":
            lines.append(f"[button] {part.text} [button_]")
        elif part.kind == "value":
            lines.append(f"  [{mark}] {part.text} [{mark}_]")
            if part.is_clicked:
                notices.append(f"You have clicked {part.text}.")
        else:
            lines.append(f"\n[{mark}] {part.text} [{mark}_]")
    return "\n".join([*reversed(notices), *lines, ""])


def _parts(shop: Shop, score: float | None) -> Iterator[_Part]:
    """The parts of the current page, without those that are empty in upstream's HTML."""
    page = shop.state.page
    if page == "done":
        return _done(shop, 0.0 if score is None else score)
    if page == "search":
        return _search(shop)
    if page == "results":
        return _results(shop)
    product = shop.product
    assert product is not None
    return _item(shop, product) if page == "item" else _sub_page(shop, product)


def _search(shop: Shop) -> Iterator[_Part]:
    yield _Part("WebShop")
    yield _Part("Instruction: ")
    yield _Part(shop.goal.instruction)
    yield _Part("Search", "button")


def _top(shop: Shop) -> Iterator[_Part]:
    yield _Part("Instruction:")
    yield _Part(shop.goal.instruction)
    yield _Part(BACK_TO_SEARCH, "button")


def _results(shop: Shop) -> Iterator[_Part]:
    state = shop.state
    yield from _top(shop)
    yield _Part(f"Page {state.number} (Total results: {len(state.results)})")
    if state.number > 1:
        yield _Part(PREVIOUS, "button")
    yield _Part(NEXT_PAGE, "button")
    for product in shop.listed:
        yield _Part(product.asin, "product", product.asin in state.visited)
        yield from _optional(product.title)
        yield _Part(product.price_tag)


def _item(shop: Shop, product: Product) -> Iterator[_Part]:
    yield from _top(shop)
    yield _Part(PREVIOUS, "button")
    chosen = shop.state.options
    for name, values in product.options.items():
        yield from _optional(name)
        for value in values:
            if value:
                yield _Part(value, "value", chosen.get(name) == value)
    yield from _optional(product.title)
    yield _Part(f"Price: {product.price_tag}")
    yield _Part(f"Rating: {product.rating}")
    for name in (*shop.sub_pages, BUY_NOW):
        yield _Part(name, "button")


def _sub_page(shop: Shop, product: Product) -> Iterator[_Part]:
    yield from _top(shop)
    yield _Part(PREVIOUS, "button")
    name = shop.state.sub_page
    if name == "Description":
        yield from _optional(product.description)
    elif name == "Features":
        for bullet in product.bullet_points:
            yield _Part(f" {bullet}")
    elif name == "Reviews":
        for review in product.reviews:
            yield _Part(f'"{review.title}"')
            yield from _optional(review.score)
            yield from _optional(review.body)
    else:
        for attribute in product.attributes:
            yield _Part(f" {attribute}")
        for hidden in (product.category, product.query, product.product_category):
            yield from _optional(hidden)


def _done(shop: Shop, score: float) -> Iterator[_Part]:
    for words in _BEFORE_ASIN:
        yield _Part(words)
    yield _Part(shop.state.asin)
    yield _Part("options")
    yield _Part(_json_in_html(shop.state.options))
    for words in (*_BEFORE_SCORE, str(score), *_AFTER_SCORE):
        yield _Part(words)


def _json_in_html(options: dict[str, str]) -> str:
    """JSON as Flask's `tojson` filter writes it: keys sorted, no character that HTML knows."""
    written = json.dumps(options, sort_keys=True)
    for character in "<>&'":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written


def _optional(words: str) -> Iterator[_Part]:
    # An empty element has no text node, and upstream leaves out nodes of one line break.
    if words and words != "\n":
        yield _Part(words)
