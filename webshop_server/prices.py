"""Prices: how a price reads, what scoring compares, and the limits that goals set.

Upstream draws the price of a range and the limit of a goal with one generator, in the order of the
file (Yao et al., 2022, arXiv 2207.01206, `engine.py` and `goal.py`), so that both depend on every
product before. This module knows the arithmetic; who draws in which order is told elsewhere.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from random import Random

from webshop_server.product import NO_PRICE_LIMIT

__all__ = [
    "DEFAULT_PRICE",
    "draw_limit",
    "limit_candidates",
    "limit_text",
    "parse_price",
    "price_tag",
]

DEFAULT_PRICE = 100.0
"""What a product without a price costs."""

_NOT_A_NUMBER = re.compile(r"[^\d.]")
_LIMITS = tuple(10.0 * tens for tens in range(1, 100))
_CANDIDATES = 4


def parse_price(pricing: str | None) -> tuple[float, ...]:
    """The numbers of a published price: one, or the two ends of a range.

    Args:
        pricing: Such as `$1,017.99` or `$9.98 - $16.98`; more than two numbers are cut to two.

    Raises:
        ValueError: If no number follows a `$`.

    Example:
        >>> parse_price("$9.98 - $1,016.98"), parse_price("")
        ((9.98, 1016.98), (100.0,))
    """
    if not pricing:
        return (DEFAULT_PRICE,)
    numbers = []
    for part in pricing.split("$")[1:3]:
        try:
            numbers.append(float(Decimal(_NOT_A_NUMBER.sub("", part))))
        except InvalidOperation as error:
            raise ValueError(f"no price can be read from {pricing!r}") from error
    return tuple(numbers) or (DEFAULT_PRICE,)


def price_tag(numbers: tuple[float, ...]) -> str:
    """A price as the shop shows it.

    Example:
        >>> price_tag((17.99,)), price_tag((9.98, 16.0))
        ('$17.99', '$9.98 to $16.0')
    """
    return " to ".join([f"${number}" for number in numbers])


def limit_candidates(price: float) -> list[float]:
    """The limits that a goal may set: the first four multiples of 10 above a price, up to 990."""
    first = max(0, int(price // 10) - 1)
    return [limit for limit in _LIMITS[first : first + _CANDIDATES + 2] if limit > price][
        :_CANDIDATES
    ]


def draw_limit(price: float, generator: Random) -> float:
    """The highest price that a goal accepts for a product of this price.

    Two of the candidates are drawn, and the larger one is taken.

    Returns:
        The limit, or NO_PRICE_LIMIT where there are fewer than two; then nothing is drawn.
    """
    candidates = limit_candidates(price)
    if len(candidates) < 2:
        return NO_PRICE_LIMIT
    return max(generator.sample(candidates, 2))


def limit_text(limit: float) -> str:
    """How an instruction ends that sets a price limit; "" without one."""
    return "" if limit >= NO_PRICE_LIMIT else f", and price lower than {limit:.2f} dollars"
