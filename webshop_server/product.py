"""What a product and a goal are. Declarations only: nothing here reads files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["NO_PRICE_LIMIT", "Goal", "Product", "Review"]

NO_PRICE_LIMIT = 1_000_000.0
"""`Goal.price_limit` of a goal without one."""


class Review(NamedTuple):
    """A customer's review.

    Attributes:
        title: Its heading.
        score: Stars, 0 to 5, as published.
        body: Its text.
    """

    title: str
    score: str
    body: str


@dataclass(frozen=True, slots=True)
class Product:
    """A product as the shop shows it and as the reward sees it.

    Attributes:
        asin: Its id; unique in a catalogue, upper case, at most ten characters.
        title: Its name.
        description: Free text, may be empty.
        bullet_points: Its features, in order; at least one entry, which may be empty.
        category: Department, such as `garden`. Hidden: only scoring reads it.
        query: The query under which it was once found, lower case. Hidden.
        product_category: Path of categories joined by `›`. Hidden.
        attributes: Hidden attributes that goals are made of.
        price_tag: Price or range as the shop shows it, such as `$9.98 to $16.98`.
        price: The number that scoring compares with a goal's limit.
        options: Values by option name, all lower case, in published order.
        images: Addresses of pictures; the first is the main one. May be empty.
        option_images: Address of a picture by option value, for some values.
        rating: As published, or `N.A.`.
        reviews: Customers' reviews.
    """

    asin: str
    title: str
    description: str
    bullet_points: tuple[str, ...]
    category: str
    query: str
    product_category: str
    attributes: tuple[str, ...]
    price_tag: str
    price: float
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    option_images: Mapping[str, str] = field(default_factory=dict)
    rating: str = "N.A."
    reviews: tuple[Review, ...] = ()


@dataclass(frozen=True, slots=True)
class Goal:
    """What a shopper is asked to buy.

    Attributes:
        goal_id: Stable id `synthetic/<n>`, `human/<n>` or `generated/<n>`, n its position in the
            published order.
        instruction: The task in words.
        product: Position in the catalogue of the product that it was made from.
        attributes: Attributes that the purchase should have; at least one.
        options: Wanted options: (name, value) pairs of a synthetic goal, plain values of a human
            one.
        price_limit: Highest acceptable price, NO_PRICE_LIMIT for none.
        split: `test`, `train` or `generated`.
    """

    goal_id: str
    instruction: str
    product: int
    attributes: tuple[str, ...]
    options: tuple[tuple[str, str], ...] | tuple[str, ...]
    price_limit: float
    split: str
