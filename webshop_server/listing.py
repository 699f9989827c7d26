"""A product together with the tasks that were made from it, as a compact record.

Where records are kept, and how goals are drawn from tasks, is not known here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from webshop_server.product import Product, Review

__all__ = ["RECORD_VERSION", "HumanTask", "Listing", "from_record", "to_record"]

RECORD_VERSION = 1
"""Changes with the meaning of a record: caches of another version are made again."""


class HumanTask(NamedTuple):
    """A task that a person wrote for a product.

    Attributes:
        instruction: As published.
        attributes: Attributes that the purchase should have; at least one.
        options: Wanted option values.
    """

    instruction: str
    attributes: tuple[str, ...]
    options: tuple[str, ...]


class Listing(NamedTuple):
    """A product and its tasks.

    Attributes:
        product: What the shop shows.
        instruction: Of the synthetic tasks, without options and price; None if there are none.
        attributes: That these tasks ask for.
        human_tasks: Tasks written by people.
    """

    product: Product
    instruction: str | None = None
    attributes: tuple[str, ...] = ()
    human_tasks: tuple[HumanTask, ...] = ()


def to_record(listing: Listing) -> list[Any]:
    """The listing as JSON-able values; :func:`from_record` is the inverse."""
    product = listing.product
    return [
        product.asin,
        product.title,
        product.description,
        product.bullet_points,
        product.category,
        product.query,
        product.product_category,
        product.attributes,
        product.price_tag,
        product.price,
        product.options,
        product.images,
        product.option_images,
        product.rating,
        product.reviews,
        listing.instruction,
        listing.attributes,
        listing.human_tasks,
    ]


def from_record(record: list[Any]) -> Listing:
    """The listing of a record.

    Raises:
        ValueError: If the record has not the expected number of values.
    """
    *fields, instruction, wanted, human_tasks = record
    (
        asin,
        title,
        description,
        bullets,
        category,
        query,
        path,
        attributes,
        tag,
        price,
        options,
        images,
        option_images,
        rating,
        reviews,
    ) = fields
    product = Product(
        asin,
        title,
        description,
        tuple(bullets),
        category,
        query,
        path,
        tuple(attributes),
        tag,
        price,
        {name: tuple(values) for name, values in options.items()},
        tuple(images),
        option_images,
        rating,
        tuple([Review(*review) for review in reviews]),
    )
    tasks = [HumanTask(text, tuple(some), tuple(values)) for text, some, values in human_tasks]
    return Listing(product, instruction, tuple(wanted), tuple(tasks))
