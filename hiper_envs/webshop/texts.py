"""Reading WebShop's texts: pages here, instructions in :mod:`hiper_envs.webshop.instructions`.

Pure functions from strings to immutable records, shared by everything that has to understand what
the shop said: the searching oracle, structured agents, play-back tools. Both text modes are read.
In mode `text` nothing tells the values of product options from their names, so that the admissible
actions are needed to be sure; `text_rich` marks what can be clicked.

This module keeps no state between texts, and knows nothing about catalogues, scores or plans.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from hiper_envs.webshop.instructions import Wanted, parse_instruction
from webshop_server.shop import BACK_TO_SEARCH, BUY_NOW, NEXT_PAGE, PREVIOUS

__all__ = ["Listed", "OptionGroup", "Page", "Wanted", "parse_instruction", "parse_page"]

_SEPARATOR = " [SEP] "
_INSTRUCTION = "Instruction:"
_THANKS = "Thank you for shopping with us!"
_SCORE = "Your score (min 0.0, max 1.0)"
_RESULTS = re.compile(r"Page (\d{1,9}) \(Total results: (\d{1,9})\)")
_ASIN = re.compile(r"[A-Za-z0-9]{1,10}")
_AMOUNT = r"\$(\d[\d,]*(?:\.\d*)?(?:e\+\d\d?)?)"
_PRICE = re.compile(rf"{_AMOUNT}(?: to {_AMOUNT})?")
_MARKS = (("[button] ", " [button_]"), ("[clicked button] ", " [clicked button_]"))
# Names of product options as shops use them, for pages of mode `text` without admissible actions.
_OPTION_NAMES = frozenset(
    ["color", "size", "style", "scent", "flavor", "pattern", "material", "shape", "finish"]
)
_OPTION_NAME_ENDS = (" name", " type", " quantity", " shape", " of items", " packaging")


class Listed(NamedTuple):
    """A product on a page of results.

    Attributes:
        asin: Its id.
        title: Its name, white space made single.
        price_text: Its price as shown, such as `$9.98 to $16.98`.
        low: Lowest price in dollars.
        high: Highest price in dollars; the same unless a range is shown.
    """

    asin: str
    title: str
    price_text: str
    low: float
    high: float


class OptionGroup(NamedTuple):
    """A product option and its values, as the page shows them.

    Attributes:
        name: Such as `color`; "" if the page gives none.
        values: In the page's order.
    """

    name: str
    values: tuple[str, ...]


class Page(NamedTuple):
    """What one observation says. Fields that it does not mention keep their defaults.

    Attributes:
        kind: "search", "results", "item", "sub", "done", or "other" for any other text.
        instruction: The task in words; the page after a purchase does not repeat it.
        number: Page of the results, from 1.
        total: Number of results.
        listed: Products of a page of results, in order.
        groups: Product options of an item page.
        chosen: Values marked as chosen on an item page, in the page's order; only `text_rich`
            tells.
        title: Name of the product on an item page, white space made single.
        price_text: Its price as shown.
        low: Its lowest price in dollars.
        high: Its highest price in dollars.
        rating: Its rating as shown.
        body: Text of a sub page, its parts joined by line breaks.
        asin: What was bought, on the page after a purchase.
        bought: The product options it was bought with, as (name, value).
        score: What that scored.
    """

    kind: str
    instruction: str = ""
    number: int = 0
    total: int = 0
    listed: tuple[Listed, ...] = ()
    groups: tuple[OptionGroup, ...] = ()
    chosen: tuple[str, ...] = ()
    title: str = ""
    price_text: str = ""
    low: float = 0.0
    high: float = 0.0
    rating: str = ""
    body: str = ""
    asin: str = ""
    bought: tuple[tuple[str, str], ...] = ()
    score: float = 0.0

    @property
    def options(self) -> dict[str, tuple[str, ...]]:
        """Values by name of the product option; a copy."""
        return dict(self.groups)


class _Parts(NamedTuple):
    """A page in pieces.

    Attributes:
        texts: Its pieces of text in order, without marks.
        values: Whether a piece is the value of a product option; None if that is not known.
        chosen: Values marked as chosen.
    """

    texts: list[str]
    values: list[bool] | None = None
    chosen: tuple[str, ...] = ()


def parse_page(observation: str, admissible: Sequence[str] = ()) -> Page:
    """Read one observation of either text mode. Never raises.

    Args:
        observation: The world's text.
        admissible: The admissible actions on that page. Without them the product options of a page
            in mode `text` are told from their values by guessing at usual names.

    Example:
        >>> page = parse_page(
        ...     "Instruction: [SEP] Find me mugs [SEP] Back to Search [SEP] "
        ...     "Page 1 (Total results: 1) [SEP] Next > [SEP] B012345678 [SEP] A mug [SEP] $7.5"
        ... )
        >>> page.kind, page.listed[0].title, page.listed[0].high
        ('results', 'A mug', 7.5)
    """
    return _parse_page(observation, tuple(admissible))


# Oracle and agent read the same page in a turn; pages repeat little beyond that.
@lru_cache(maxsize=512)
def _parse_page(observation: str, admissible: tuple[str, ...]) -> Page:
    if _SEPARATOR in observation:
        parts = _Parts(observation.split(_SEPARATOR))
    else:
        parts = _rich_parts(observation)
    texts = parts.texts
    if texts[0] == _THANKS:
        return _done(texts)
    if texts[0] == "WebShop" and texts[-1] == "Search":
        instruction = [text for text in texts[1:-1] if text.strip() != _INSTRUCTION]
        return Page("search", " ".join(instruction).strip())
    if texts[0].strip() != _INSTRUCTION or BACK_TO_SEARCH not in texts:
        return Page("other")
    top = texts.index(BACK_TO_SEARCH)
    instruction_text = " ".join(texts[1:top]).strip()
    below = texts[top + 1 :]
    if below and (match := _RESULTS.fullmatch(below[0])):
        number, total = int(match[1]), int(match[2])
        return Page("results", instruction_text, number, total, _listed(below))
    if not below or below[0] != PREVIOUS:
        return Page("other", instruction_text)
    if below[-1] == BUY_NOW:
        values = None if parts.values is None else parts.values[top + 1 :]
        return _item(instruction_text, _Parts(below, values, parts.chosen), admissible)
    return Page("sub", instruction_text, body="\n".join(text.strip() for text in below[1:]))


def _rich_parts(observation: str) -> _Parts:
    """The pieces of a page in mode `text_rich`."""
    texts: list[str] = []
    values: list[bool] = []
    chosen: list[str] = []
    lines = observation.split("\n")
    start = 0
    while start < len(lines) and lines[start].startswith("You have clicked "):
        start += 1
    for line in lines[start:]:
        is_value = False
        if line.endswith("button_]"):
            is_value = line.startswith("  [")
            line, is_clicked = _without_marks(line)
            if is_value and is_clicked:
                chosen.append(line)
        elif not line or line.isspace():
            continue
        texts.append(line)
        values.append(is_value)
    return _Parts(texts or [""], values or [False], tuple(chosen))


def _without_marks(line: str) -> tuple[str, bool]:
    """The text of a button of mode `text_rich`, and whether it has been clicked."""
    bare = line.lstrip(" ")
    for before, after in _MARKS:
        if bare.startswith(before) and bare.endswith(after):
            return bare[len(before) : -len(after)], before != _MARKS[0][0]
    return line, False


def _listed(texts: list[str]) -> tuple[Listed, ...]:
    """The products of a page of results, from its pieces below the search button."""
    found: list[Listed] = []
    start = texts.index(NEXT_PAGE) + 1 if NEXT_PAGE in texts else 1
    asin, title = "", ""
    for text in texts[start:]:
        if not asin:
            asin = text if _ASIN.fullmatch(text) else ""
        elif text[:1] == "$" and (match := _PRICE.fullmatch(text)):
            found.append(Listed(asin, " ".join(title.split()), text, *_range(match)))
            asin = title = ""
        else:
            title = f"{title} {text}" if title else text
    return tuple(found)


def _range(match: re.Match[str]) -> tuple[float, float]:
    low = float(match[1].replace(",", ""))
    return low, low if match[2] is None else float(match[2].replace(",", ""))


def _item(instruction: str, parts: _Parts, admissible: Sequence[str]) -> Page:
    """An item page, from its pieces below the search button."""
    texts = parts.texts
    # From behind: a product option may be called anything, the buttons come last.
    last = len(texts) - 1
    rating = next((i for i in range(last, 0, -1) if texts[i].startswith("Rating:")), last)
    price = rating - 1 if texts[rating - 1].startswith("Price:") else rating
    names = texts[1:price]
    if parts.values is not None:
        is_value = parts.values[1:price]
    elif admissible:
        clicks = frozenset(admissible)
        is_value = [f"click[{text}]" in clicks for text in names]
    else:
        is_value = _guess_values(names)
    groups, title = _groups(names, is_value)
    price_text = texts[price].removeprefix("Price:").strip() if price < rating else ""
    match = _PRICE.fullmatch(price_text)
    low, high = (0.0, 0.0) if match is None else _range(match)
    return Page(
        "item",
        instruction,
        groups=groups,
        chosen=parts.chosen,
        title=title,
        price_text=price_text,
        low=low,
        high=high,
        rating=texts[rating].removeprefix("Rating:").strip() if rating < last else "",
    )


def _groups(texts: list[str], is_value: list[bool]) -> tuple[tuple[OptionGroup, ...], str]:
    """The product options, and the title that stands below them."""
    groups: dict[str, list[str]] = {}
    name = ""
    pending: list[str] = []
    for text, value in zip(texts, is_value, strict=True):
        if not value:
            pending.append(text)
            continue
        if pending:
            name, pending = " ".join(pending), []
        groups.setdefault(name, []).append(text)
    found = tuple(OptionGroup(name, tuple(values)) for name, values in groups.items())
    return found, " ".join(" ".join(pending).split())


def _guess_values(texts: list[str]) -> list[bool]:
    """Which pieces above the price are values, if nothing but the text is known."""
    last = len(texts) - 1
    return [0 < i < last and not _reads_as_name(text) for i, text in enumerate(texts)]


def _reads_as_name(text: str) -> bool:
    return text in _OPTION_NAMES or text.endswith(_OPTION_NAME_ENDS)


def _done(texts: list[str]) -> Page:
    """The page after a purchase."""

    def after(name: str) -> str:
        return texts[texts.index(name) + 1].strip() if name in texts[:-1] else ""

    try:
        options = json.loads(after("options"))
        score = float(after(_SCORE))
    except (ValueError, RecursionError):
        options, score = {}, 0.0
    if not isinstance(options, dict):
        options = {}
    bought = tuple((str(name), str(value)) for name, value in options.items())
    return Page("done", asin=after("asin"), bought=bought, score=score)
