"""What the templates show of a session: texts, pictures and actions, ready to be written.

One frozen class per page, built from a :class:`~webshop_server.site.sessions.Session`. The module
knows nothing of requests, cookies or HTML; escaping is the templates' business.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from webshop_server.product import Product
from webshop_server.shop import (
    BACK_TO_SEARCH,
    BUY_NOW,
    NEXT_PAGE,
    PREVIOUS,
    RESULTS_PER_PAGE,
    Shop,
    parse_action,
)

__all__ = [
    "Card",
    "Choice",
    "Crumb",
    "Image",
    "ItemPage",
    "OptionGroup",
    "ResultsPage",
    "SubPage",
    "click",
    "crumbs",
    "picture_hosts",
    "search_action",
]

MAX_PICTURES = 6
"""Pictures of one product on its page."""

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_UNSAYABLE = str.maketrans("[\n\r", "   ")
_NO_PICTURE = "transparent-pixel"


def click(name: str) -> str:
    """The action that clicks something of this name, as among the admissible ones."""
    return f"click[{name.lower()}]"


def search_action(query: str) -> str:
    """The action that searches for what somebody typed.

    A query that the notation of actions cannot carry, such as one with a bracket, loses its opening
    brackets and line breaks, which no search looks at.
    """
    action = f"search[{query}]"
    if parse_action(action) == ("search", query.lower()):
        return action
    return f"search[{query.translate(_UNSAYABLE)}]"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of a product.

    Attributes:
        drawing: Path of the drawing that stands in for it.
        photo: Address of the published picture, "" where there is none.
    """

    drawing: str
    photo: str = ""


@dataclass(frozen=True, slots=True)
class Crumb:
    """A step of the way to a page; `action` leads there, "" if nothing does."""

    label: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A product among results."""

    action: str
    asin: str
    title: str
    price: str
    image: Image
    is_visited: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a product option; without `action` it cannot be chosen, and `why_not` says why."""

    value: str
    action: str
    is_chosen: bool
    photo: str
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class OptionGroup:
    """A product option: its name, the value that was chosen ("" for none), and all values."""

    name: str
    chosen: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class ResultsPage:
    """A page of results.

    Attributes:
        query: What was searched for.
        number: Of the page, from 1.
        pages: How many pages have products.
        summary: How many products were found.
        cards: The products; empty behind the last page.
        empty_title: What an empty page says.
        empty_hint: What can be done about it.
        previous: Action that goes a page back, "" on the first.
        next: Action that goes a page on; there always is one.
    """

    query: str
    number: int
    pages: int
    summary: str
    cards: tuple[Card, ...]
    empty_title: str
    empty_hint: str
    previous: str
    next: str

    @classmethod
    def of(cls, shop: Shop, *, with_photos: bool) -> ResultsPage:
        """The page at which a shopper is."""
        state, total = shop.state, len(shop.state.results)
        cards = tuple(
            Card(
                click(product.asin),
                product.asin,
                _title(product),
                product.price_tag,
                images(product, with_photos=with_photos)[0],
                product.asin in state.visited,
            )
            for product in shop.listed
        )
        return cls(
            query=state.query.strip(),
            number=state.number,
            pages=-(-total // RESULTS_PER_PAGE),
            summary="1 product" if total == 1 else f"{total} products",
            cards=cards,
            empty_title="No more results" if total else "Nothing found",
            empty_hint="Go back a page, or search with other words."
            if total
            else "Try fewer or more common words.",
            previous=click(PREVIOUS) if state.number > 1 else "",
            next=click(NEXT_PAGE),
        )


@dataclass(frozen=True, slots=True)
class ItemPage:
    """The page of a product.

    Attributes:
        heading: The product's title.
        asin: Its id.
        price: Its price or range.
        rating: As published.
        stars: The rating in half stars, 1 to 10; None if it is no number.
        images: Its pictures, at least one; first that of the value chosen last, if it has one.
        groups: Its options.
        tabs: The ways to its sub pages.
        buy: Action that buys it.
    """

    heading: str
    asin: str
    price: str
    rating: str
    stars: int | None
    images: tuple[Image, ...]
    groups: tuple[OptionGroup, ...]
    tabs: tuple[Crumb, ...]
    buy: str

    @classmethod
    def of(cls, shop: Shop, *, with_photos: bool) -> ItemPage:
        """The page at which a shopper is."""
        product = bought_or_open(shop)
        chosen = [
            product.option_images.get(value, "") for value in reversed(shop.state.options.values())
        ]
        return cls(
            heading=_title(product),
            asin=product.asin,
            price=product.price_tag,
            rating=product.rating,
            stars=_stars(product.rating),
            images=images(product, with_photos=with_photos, first=chosen),
            groups=tuple(_groups(shop, product, with_photos=with_photos)),
            tabs=tuple(Crumb(name, click(name)) for name in shop.sub_pages),
            buy=click(BUY_NOW),
        )


@dataclass(frozen=True, slots=True)
class SubPage:
    """A sub page of a product.

    Attributes:
        kind: One of `webshop_server.shop.SUB_PAGES`.
        heading: What it is.
        product_title: Of the product.
        image: The product's picture.
        lines: Paragraphs, features or attributes.
        pairs: Names and values, for attributes.
        reviews: The product's reviews.
        nothing: What a page without content says.
        back: Action that goes back to the product.
    """

    kind: str
    heading: str
    product_title: str
    image: Image
    lines: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    reviews: tuple[object, ...]
    nothing: str
    back: str

    @classmethod
    def of(cls, shop: Shop, *, with_photos: bool) -> SubPage:
        """The page at which a shopper is."""
        product, kind = bought_or_open(shop), shop.state.sub_page
        lines = {
            "Description": (product.description,),
            "Features": product.bullet_points,
            "Attributes": product.attributes,
        }.get(kind, ())
        hidden = (
            ("Department", product.category),
            ("Found under", product.query),
            ("Categories", product.product_category),
        )
        return cls(
            kind=kind,
            heading=kind,
            product_title=_title(product),
            image=images(product, with_photos=with_photos)[0],
            lines=tuple(line.strip() for line in lines if line.strip()),
            pairs=tuple(pair for pair in hidden if pair[1]) if kind == "Attributes" else (),
            reviews=product.reviews if kind == "Reviews" else (),
            nothing=f"This product has no {kind.lower()}.",
            back=click(PREVIOUS),
        )


def crumbs(shop: Shop) -> tuple[Crumb, ...]:
    """The way to the page at which a shopper is."""
    state = shop.state
    if state.page in ("search", "done"):
        return (Crumb("Search" if state.page == "search" else "Purchase"),)
    way = [Crumb("Search", click(BACK_TO_SEARCH))]
    results = f"Results, page {state.number}" if state.number > 1 else "Results"
    if state.page == "results":
        return (*way, Crumb(results))
    title = _title(bought_or_open(shop))
    if state.page == "item":
        return (*way, Crumb(results, click(PREVIOUS)), Crumb(title))
    return (*way, Crumb(results), Crumb(title, click(PREVIOUS)), Crumb(state.sub_page))


def images(product: Product, *, with_photos: bool, first: Sequence[str] = ()) -> tuple[Image, ...]:
    """The pictures of a product, at least one.

    Args:
        product: The product.
        with_photos: Whether published pictures may be shown.
        first: Addresses that come before the product's own.
    """
    drawing = drawing_path(product.asin)
    if not with_photos:
        return (Image(drawing),)
    addresses = dict.fromkeys(filter(None, map(photo_address, (*first, *product.images))))
    photos = tuple(Image(drawing, address) for address in addresses)
    return photos[:MAX_PICTURES] or (Image(drawing),)


def drawing_path(asin: str) -> str:
    """Path of a product's drawing within the site."""
    return f"/picture/{quote(asin, safe='')}.svg"


def photo_address(address: str) -> str:
    """An address that a page may load a picture from, or "" if this is none.

    It has to be https, at a plain host name, without a password or a port.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.scheme != "https" or parts.netloc != host or not _HOST.fullmatch(host):
        return ""
    return "" if _NO_PICTURE in parts.path else address


def picture_hosts(shown: Sequence[Image | Choice]) -> set[str]:
    """The hosts of published pictures, for the page's security policy."""
    return {urlsplit(image.photo).hostname or "" for image in shown if image.photo}


def bought_or_open(shop: Shop) -> Product:
    """The product of an item page, sub page or purchase."""
    product = shop.product
    assert product is not None
    return product


def _title(product: Product) -> str:
    return product.title.strip() or product.asin


def _stars(rating: str) -> int | None:
    try:
        value = float(rating)
    except ValueError:
        return None
    return min(10, max(1, round(2 * value))) if 0 < value <= 5 else None


def _groups(shop: Shop, product: Product, *, with_photos: bool) -> list[OptionGroup]:
    # A value of two groups is one clickable, that of the last group; one called like a button is
    # none. Both are shown, as upstream's texts show them, and say why they cannot be chosen here.
    admissible, shown_with = set(shop.admissible_actions), {}
    buttons = {BACK_TO_SEARCH.lower(), PREVIOUS.lower(), BUY_NOW.lower()}
    buttons.update(name.lower() for name in shop.sub_pages)
    for name, values in product.options.items():
        shown_with.update(dict.fromkeys(values, name))
    groups = []
    for name, values in product.options.items():
        chosen = shop.state.options.get(name, "")
        choices = []
        for value in filter(None, values):
            action, why_not = click(value), ""
            if value in buttons or action not in admissible:
                action, why_not = "", "This value has the name of a button."
            elif shown_with[value] != name:
                action, why_not = "", f"Choose this value under “{shown_with[value]}”."
            photo = photo_address(product.option_images.get(value, "")) if with_photos else ""
            choices.append(Choice(value, action, value == chosen, photo, why_not))
        if choices:
            groups.append(OptionGroup(name, chosen, tuple(choices)))
    return groups
