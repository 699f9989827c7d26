"""Prices as they are published, shown, and limited."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webshop_server.prices import (
    DEFAULT_PRICE,
    draw_limit,
    limit_candidates,
    limit_text,
    parse_price,
    price_tag,
)
from webshop_server.product import NO_PRICE_LIMIT


@pytest.mark.parametrize(
    ("pricing", "numbers", "tag"),
    [
        ("$17.99", (17.99,), "$17.99"),
        ("$16.98 - $9.9", (16.98, 9.9), "$16.98 to $9.9"),
        ("$1 $2 $3", (1.0, 2.0), "$1.0 to $2.0"),
        ("from $1,299 each", (1299.0,), "$1299.0"),
        ("", (DEFAULT_PRICE,), "$100.0"),
        (None, (DEFAULT_PRICE,), "$100.0"),
        ("not for sale", (DEFAULT_PRICE,), "$100.0"),
    ],
)
def test_prices(pricing: str | None, numbers: tuple[float, ...], tag: str) -> None:
    assert parse_price(pricing) == numbers
    assert price_tag(numbers) == tag


@pytest.mark.parametrize("pricing", ["$", "$free", "$1.2.3", "$5 - $"])
def test_a_price_without_a_number(pricing: str) -> None:
    with pytest.raises(ValueError, match="no price can be read"):
        parse_price(pricing)


@given(st.floats(0, 2000) | st.sampled_from([10.0 * tens for tens in range(102)]))
def test_candidates_are_the_next_tens(price: float) -> None:
    expected = [10.0 * tens for tens in range(1, 100) if 10.0 * tens > price][:4]
    assert limit_candidates(price) == expected


@given(st.floats(0, 1200), st.integers(0, 99))
def test_a_limit_is_the_larger_of_two_candidates(price: float, seed: int) -> None:
    candidates = limit_candidates(price)
    limit = draw_limit(price, random.Random(seed))
    if len(candidates) < 2:
        assert limit == NO_PRICE_LIMIT
    else:
        assert limit in candidates[1:]


def test_nothing_is_drawn_where_there_is_no_choice() -> None:
    generator = random.Random(1)
    before = generator.getstate()
    assert draw_limit(980.0, generator) == NO_PRICE_LIMIT
    assert generator.getstate() == before


def test_limits_in_words() -> None:
    assert limit_text(40.0) == ", and price lower than 40.00 dollars"
    assert limit_text(NO_PRICE_LIMIT) == ""
