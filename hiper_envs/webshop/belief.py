"""What an agent in the shop has been shown so far: pages seen, products opened, values chosen.

It is kept by looking on from outside, whoever acts, and is not made for one plan. This module knows
nothing about what is wanted, nor about the catalogue behind the pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hiper_envs.webshop.matching import plain
from hiper_envs.webshop.texts import Listed, Page, parse_page
from webshop_server.shop import RESULTS_PER_PAGE, SUB_PAGES, parse_action

__all__ = ["Belief", "Place"]

_SUB_PAGES = frozenset(name.lower() for name in SUB_PAGES)


class Place(NamedTuple):
    """A page of results.

    Attributes:
        query: What was searched for; "" if that was not seen.
        number: Page number, from 1.
    """

    query: str = ""
    number: int = 1


class Belief:
    """Digests an episode turn by turn.

    Attributes:
        page: The current page.
        place: The page of results that was shown last.
        asin: The product of an item or sub page, "" if that is not known, and on other pages.
        sub_page: Name of the current sub page in lower case, else "".
        chosen: Value chosen by name of the product option, for the open product.
        turns: How many observations were digested.
        listings: Products listed on the pages of results that were seen.
        last_pages: By query, the number of the last page that lists anything, where it was seen.
        cards: What the lists said of every product.
        titles: Plain words of every listed product's title.
        items: Item pages of the products that were opened.
        texts: Plain words of a product's title and of its sub pages that were read.
        read: Names of the sub pages that were read, by product.
    """

    def __init__(self) -> None:
        self.page = Page("other")
        self.place = Place()
        self.asin = ""
        self.sub_page = ""
        self.chosen: dict[str, str] = {}
        self.turns = 0
        self.listings: dict[Place, tuple[str, ...]] = {}
        self.last_pages: dict[str, int] = {}
        self.cards: dict[str, Listed] = {}
        self.titles: dict[str, str] = {}
        self.items: dict[str, Page] = {}
        self.texts: dict[str, str] = {}
        self.read: dict[str, set[str]] = {}

    def digest(self, observation: str, action: str = "", admissible: Sequence[str] = ()) -> None:
        """Take in one observation. Never raises.

        Args:
            observation: The world's text.
            action: The action that led to it, "" at the start.
            admissible: The admissible actions now.
        """
        self.turns += 1
        before, self.page = self.page, parse_page(observation, admissible)
        verb, name = parse_action(action) or ("", "")
        if self.page.kind == "results":
            self._see_results(name if verb == "search" else None)
        elif self.page.kind == "item":
            self._see_item(before, name if verb == "click" else "")
        elif self.page.kind == "sub":
            self._see_sub_page(name if verb == "click" else "")
        else:
            self._leave_product()

    def _leave_product(self) -> None:
        self.asin = self.sub_page = ""
        self.chosen = {}

    def _see_results(self, query: str | None) -> None:
        self._leave_product()
        page = self.page
        self.place = Place(self.place.query if query is None else query, page.number)
        self.listings[self.place] = tuple([listed.asin for listed in page.listed])
        if len(page.listed) < RESULTS_PER_PAGE or page.number * RESULTS_PER_PAGE >= page.total:
            last = page.number if page.listed else max(page.number - 1, 1)
            known = self.last_pages.get(self.place.query, last)
            self.last_pages[self.place.query] = min(known, last)
        for listed in page.listed:
            if listed.asin not in self.cards:
                self.cards[listed.asin] = listed
                self.titles[listed.asin] = plain(listed.title)

    def _see_item(self, before: Page, name: str) -> None:
        page = self.page
        self.sub_page = ""
        if before.kind not in ("item", "sub"):
            self._leave_product()
            self.asin = self._opened(name)
        groups = {value: group.name for group in page.groups for value in group.values}
        if before.kind == "item" and name in groups:
            self.chosen[groups[name]] = name
        elif page.chosen:
            self.chosen = {groups[value]: value for value in page.chosen}
        if self.asin and self.asin not in self.items:
            self.items[self.asin] = page
            self.texts[self.asin] = plain(page.title)

    def _opened(self, name: str) -> str:
        """Id of the product whose page was opened from the results by clicking on a name."""
        for asin in self.listings.get(self.place, ()):
            if asin.lower() == name:
                return asin
        title = self.page.title
        same = [asin for asin, card in self.cards.items() if card.title == title]
        return same[0] if len(same) == 1 else ""

    def _see_sub_page(self, name: str) -> None:
        if name in _SUB_PAGES:
            self.sub_page = name
        if self.asin and self.sub_page:
            read = self.read.setdefault(self.asin, set())
            if self.sub_page not in read:
                read.add(self.sub_page)
                self.texts[self.asin] = self.texts.get(self.asin, " ") + plain(self.page.body)
