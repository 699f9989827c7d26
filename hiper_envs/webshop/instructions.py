"""Reading WebShop's instructions: what is wanted, in which variant, for how much at most.

Two kinds of text are read: the benchmark's own sentences, of which everything is told apart, and
free text by people, of which only the price limit and the words that may say something are.

This module knows nothing about pages, catalogues or scores.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

__all__ = ["Wanted", "parse_instruction"]

_LIMIT = re.compile(
    r"(?:,? and )?(?:with )?(?:an? )?(?:price )?"
    r"\b(?:lower than|less than|cheaper than|under|below|up to|at most)"
    r" \$?(?P<amount>\d[\d,]*(?:\.\d+)?) ?(?:dollars?|usd|bucks)\b"
    r"|(?:,? and )?(?:price )?\b(?:lower than|less than|cheaper than|under|below|up to|at most)"
    r" \$(?P<sign>\d[\d,]*(?:\.\d+)?)"
)
_NEXT_OPTION = re.compile(r", and (?=[^:,]{1,40}: )")
_FIND_ME = "Find me "
_WORD = re.compile(r"[^\s,;!?]+")
_ANDS = ("& ", "and ")
_WORDS_OF_ASKING = """
a about ah also am an and any are as at be been being but buy can choose could do does find
for from get give good go have hello help hey hi i id if im in interested is it its just kind
like looking made make may me must my need needs of on one ones or order pick please prefer
preferably purchase search searching select should show so some something that thats the them
there these they this those to trying type up use used using want wanted we which will with
would you your
"""
_ASKING = frozenset(_WORDS_OF_ASKING.split())


class Wanted(NamedTuple):
    """What an instruction asks for.

    Attributes:
        text: The instruction without its price limit.
        product: Words for the kind of product; for free text all words but those of asking.
        phrases: Properties that the product should have, such as `long sleeve`; none are told
            apart in free text.
        options: Wanted product options as (name, value); none are told apart in free text.
        price_limit: Price in dollars that is to be undercut, None without one.
        is_free_text: Whether a person wrote the instruction, not the benchmark.
    """

    text: str
    product: str
    phrases: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    price_limit: float | None = None
    is_free_text: bool = False


@lru_cache(maxsize=1 << 14)
def parse_instruction(text: str) -> Wanted:
    """Read an instruction. Never raises.

    The benchmark's own instructions name properties of two words each, before and behind the
    words for the product; people write as they like.

    >>> wanted = parse_instruction(
    ...     "Find me machine wash men's shirts with slim fit for daily wear with color: red, and "
    ...     "size: large, and price lower than 30.00 dollars"
    ... )
    >>> wanted.product, wanted.phrases
    ("men's shirts", ('machine wash', 'slim fit', 'daily wear'))
    >>> wanted.options, wanted.price_limit
    ((('color', 'red'), ('size', 'large')), 30.0)
    """
    text, price_limit = _without_limit(text.strip())
    if not text.startswith(_FIND_ME):
        words = [word.strip(".'\"") for word in _WORD.findall(text.lower())]
        product = " ".join([word for word in words if word and word not in _ASKING])
        return Wanted(text, product, price_limit=price_limit, is_free_text=True)
    head, options = _without_options(text.removeprefix(_FIND_ME))
    product, phrases = _product_and_phrases(head)
    return Wanted(text, product, phrases, options, price_limit)


def _without_limit(text: str) -> tuple[str, float | None]:
    """The text and the price limit at its end, or elsewhere in it."""
    match = None
    for match in _LIMIT.finditer(text):  # noqa: B007 - the last one counts
        pass
    if match is None:
        return text, None
    amount = float((match["amount"] or match["sign"]).replace(",", ""))
    return text[: match.start()].rstrip() + text[match.end() :], amount


def _without_options(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The text before ` with name: value, and name: value`, and the pairs."""
    before, colon, _ = text.partition(": ")
    start = before.rfind(" with ")
    if not colon or start < 0:
        return text, ()
    pairs = _NEXT_OPTION.split(text[start + len(" with ") :])
    named = [pair.partition(": ") for pair in pairs]
    return text[:start], tuple((name, value) for name, _, value in named)


def _product_and_phrases(text: str) -> tuple[str, tuple[str, ...]]:
    """Product words, and properties in order, from `<properties> <product> with ... for ...`."""
    behind: tuple[str, ...] = ()
    for link in (" for ", " with "):
        before, found, after = text.rpartition(link)
        phrases = tuple(after.split(", "))
        if found and all(phrase.count(" ") == 1 for phrase in phrases):
            text, behind = before, phrases + behind
    pieces = text.split(", ")
    in_front: list[str] = []
    while len(pieces) > 1 and _opens_with_property(pieces[0]) and pieces[0].count(" ") == 1:
        in_front.append(pieces.pop(0))
    words = pieces[0].split(" ")
    if len(words) > 2 and _opens_with_property(pieces[0]) and " ".join(words[:2]) not in behind:
        in_front.append(" ".join(words[:2]))
        pieces[0] = " ".join(words[2:])
    return ", ".join(pieces), tuple(dict.fromkeys((*in_front, *behind)))


def _opens_with_property(words: str) -> bool:
    """Whether words can begin with a property of two words rather than with a product."""
    first, _, rest = words.partition(" ")
    # Properties in front say how something is; those that say what for come behind.
    return not first.endswith("'s") and first not in ("hair", "home") and not rest.startswith(_ANDS)
