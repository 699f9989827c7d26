"""The shop as a state machine: search, results, item, sub pages, purchase.

It knows what can be clicked and where that leads. It knows no HTML, no sessions, no network, and
nothing about how a page reads (see :mod:`webshop_server.text`).

The behaviour is upstream's (Yao et al., 2022, arXiv 2207.01206, `web_agent_site`), except for what
its authors would call bugs: no query prefixes that list hidden categories, no confusion when a
query contains the name of a page, nothing happens after the purchase, and a selected option is
known by its group instead of being looked for in the address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from webshop_server.product import Goal, Product

__all__ = [
    "BACK_TO_SEARCH",
    "BUY_NOW",
    "NEXT_PAGE",
    "PAGES",
    "PREVIOUS",
    "RESULTS_PER_PAGE",
    "SEARCH_TEMPLATE",
    "SUB_PAGES",
    "TOP_RESULTS",
    "Shelf",
    "Shop",
    "ShopState",
    "parse_action",
]

TOP_RESULTS = 50
RESULTS_PER_PAGE = 10
PAGES = ("search", "results", "item", "sub", "done")
SUB_PAGES = ("Description", "Features", "Reviews", "Attributes")
BACK_TO_SEARCH, NEXT_PAGE, PREVIOUS, BUY_NOW = "Back to Search", "Next >", "< Prev", "Buy Now"
SEARCH_TEMPLATE = "search[<your query>]"

_ACTION = re.compile(r"(.+)\[(.+)\]")


def parse_action(action: str) -> tuple[str, str] | None:
    """Verb and argument of an action as upstream reads it, the argument in lower case.

    The verb is everything before the last `[` that leaves an argument, so that only a text which
    begins with exactly `search[` or `click[` does anything. What follows the last `]` is ignored.

    Example:
        >>> parse_action("click[Buy Now]")
        ('click', 'buy now')
        >>> parse_action("search[]") is None
        True
    """
    match = _ACTION.match(action)
    if match is None or match[1] not in ("search", "click"):
        return None
    return match[1], match[2].lower()


class Shelf(Protocol):
    """What a shop sells: products by position, and a search over them."""

    def __getitem__(self, position: int, /) -> Product:
        """The product at a position of the catalogue."""
        ...

    def position(self, asin: str) -> int:
        """Position of a product.

        Raises:
            KeyError: If there is none with this id.
        """
        ...

    def search(self, query: str, limit: int) -> Sequence[int]:
        """Positions of the best matches for a query, best first, at most `limit`."""
        ...


@dataclass(slots=True)
class ShopState:
    """Where a shopper is; small, and all that has to be kept of a session.

    Attributes:
        page: One of PAGES.
        query: The last search, "" before the first.
        results: Positions of its products, best first.
        number: Page of the results, from 1.
        asin: Product of an item or sub page, or the one bought; "" elsewhere.
        options: Selected value by option name, in the order of selection.
        sub_page: One of SUB_PAGES on a sub page, else "".
        visited: Ids of the products opened since the last search page.
    """

    page: str = "search"
    query: str = ""
    results: tuple[int, ...] = ()
    number: int = 1
    asin: str = ""
    options: dict[str, str] = field(default_factory=dict)
    sub_page: str = ""
    visited: frozenset[str] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON-able values."""
        return {
            "page": self.page,
            "query": self.query,
            "results": list(self.results),
            "number": self.number,
            "asin": self.asin,
            "options": dict(self.options),
            "sub_page": self.sub_page,
            "visited": sorted(self.visited),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ShopState:
        """The state that :meth:`to_dict` wrote.

        Raises:
            KeyError: If a value is missing.
        """
        return cls(
            page=values["page"],
            query=values["query"],
            results=tuple(values["results"]),
            number=values["number"],
            asin=values["asin"],
            options=dict(values["options"]),
            sub_page=values["sub_page"],
            visited=frozenset(values["visited"]),
        )


class Shop:
    """One shopper in the shop.

    Args:
        shelf: What is sold; shared by all shoppers.
        goal: What the shopper was asked to buy.
        show_attributes: Whether items have the sub page `Attributes`.
        state: Where the shopper is; at the search page by default.

    Attributes:
        shelf: As given.
        goal: As given.
        show_attributes: As given.
        state: As it is now.
    """

    __slots__ = ("_clickables", "_targets", "goal", "shelf", "show_attributes", "state")

    def __init__(
        self,
        shelf: Shelf,
        goal: Goal,
        *,
        show_attributes: bool = False,
        state: ShopState | None = None,
    ) -> None:
        self.shelf = shelf
        self.goal = goal
        self.show_attributes = show_attributes
        self.state = state or ShopState()
        self._clickables: tuple[str, ...] | None = None
        self._targets: dict[str, str] = {}

    @property
    def is_done(self) -> bool:
        """Whether something was bought."""
        return self.state.page == "done"

    @property
    def has_search_bar(self) -> bool:
        """Whether the page shows a search bar. A search works on the other pages too."""
        return self.state.page == "search"

    @property
    def product(self) -> Product | None:
        """Product of the item page, sub page or purchase; None elsewhere."""
        asin = self.state.asin
        return self.shelf[self.shelf.position(asin)] if asin else None

    @property
    def listed(self) -> tuple[Product, ...]:
        """Products on the current page of the results; empty elsewhere."""
        state = self.state
        if state.page != "results":
            return ()
        first = (state.number - 1) * RESULTS_PER_PAGE
        return tuple(self.shelf[i] for i in state.results[first : first + RESULTS_PER_PAGE])

    @property
    def sub_pages(self) -> tuple[str, ...]:
        """Names of an item's sub pages."""
        return SUB_PAGES if self.show_attributes else SUB_PAGES[:-1]

    @property
    def clickables(self) -> tuple[str, ...]:
        """What can be clicked now, in lower case and upstream's order, without `search`."""
        if self._clickables is None:
            self._clickables = tuple(self._read_clickables())
        return self._clickables

    @property
    def admissible_actions(self) -> tuple[str, ...]:
        """Actions as texts: the search template where there is a search bar, then the clicks."""
        clicks = tuple([f"click[{name}]" for name in self.clickables])
        return (SEARCH_TEMPLATE, *clicks) if self.has_search_bar else clicks

    def act(self, action: str) -> bool:
        """Executes an action.

        Args:
            action: `search[<query>]` or `click[<clickable>]`. Any other text changes nothing.

        Returns:
            Whether the action was understood.
        """
        parsed = parse_action(action)
        if parsed is None:
            return False
        verb, argument = parsed
        return self.search(argument) if verb == "search" else self.click(argument)

    def search(self, query: str) -> bool:
        """Searches and goes to the first page of the results; False once something was bought."""
        if self.is_done:
            return False
        query = query.lower()
        self._go(
            page="results",
            query=query,
            results=tuple(int(i) for i in self.shelf.search(query, TOP_RESULTS)),
            number=1,
            asin="",
            options={},
            sub_page="",
        )
        return True

    def click(self, name: str) -> bool:
        """Clicks something on the page.

        Args:
            name: One of :attr:`clickables`, in any case.

        Returns:
            False if there is nothing of that name.
        """
        name = name.lower()
        if name not in self.clickables:
            return False
        state = self.state
        group = self._targets.get(name)
        if group is not None:
            options = {**state.options, group: name}
            self._go(page="item", options=options)
        elif name == BACK_TO_SEARCH.lower():
            self.state = ShopState()
            self._clickables = None
        elif state.page == "results":
            self._click_results(name)
        elif name == PREVIOUS.lower():
            if state.page == "sub":
                self._go(page="item", sub_page="")
            else:
                self._go(page="results", asin="", options={})
        elif name == BUY_NOW.lower():
            self._go(page="done")
        else:
            self._go(page="sub", sub_page=name.capitalize())
        return True

    def _click_results(self, name: str) -> None:
        state = self.state
        if name == NEXT_PAGE.lower():
            self._go(number=state.number + 1)
        elif name == PREVIOUS.lower():
            self._go(number=state.number - 1)
        else:
            asin = next(item.asin for item in self.listed if item.asin.lower() == name)
            self._go(page="item", asin=asin, options={}, visited=state.visited | {asin})

    def _go(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self.state, name, value)
        self._clickables = None

    def _read_clickables(self) -> list[str]:
        """The names on the page, each once; also finds the option group of each option value."""
        state = self.state
        self._targets = {}
        if state.page in ("search", "done"):
            return []
        names = [BACK_TO_SEARCH]
        if state.page == "results":
            names += [PREVIOUS, NEXT_PAGE] if state.number > 1 else [NEXT_PAGE]
            names += [product.asin for product in self.listed]
        else:
            names.append(PREVIOUS)
        if state.page == "item":
            names += [*self.sub_pages, BUY_NOW]
        unique = dict.fromkeys(name.lower() for name in names)
        if state.page == "item":
            product = self.product
            assert product is not None
            buttons = set(unique)
            for group, values in product.options.items():
                for value in values:
                    # As upstream: a value of two groups is one clickable, that of the last group,
                    # and a button is never hidden by a value that is called like it.
                    if value and value not in buttons:
                        self._targets[value] = group
                        unique.setdefault(value)
        return list(unique)
