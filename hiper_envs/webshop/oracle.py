"""A searching expert for WebShop: reference subgoals, their boundaries, and the next action.

The oracle knows the instruction and what the pages have shown, and nothing else: it searches with
the words of the instruction, opens the products that are listed first, reads their features where
the product options and the price fit, and buys the best it has seen. It can be asked in any state
that an agent has reached, because its plan is made afresh from its belief at every turn.

This module knows nothing about catalogues, hidden attributes, or how a purchase is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from hiper_envs.webshop.belief import Belief, Place
from hiper_envs.webshop.instructions import Wanted, parse_instruction
from hiper_envs.webshop.matching import (
    chance_of_price,
    plain,
    share_found,
    signs,
    values_to_choose,
)
from hiper_envs.webshop.subgoals import Subgoal
from hiper_envs.webshop.texts import OptionGroup
from webshop_server.shop import (
    BACK_TO_SEARCH,
    BUY_NOW,
    NEXT_PAGE,
    PREVIOUS,
    RESULTS_PER_PAGE,
    SEARCH_TEMPLATE,
)

__all__ = ["Oracle"]

_BACK, _NEXT, _PREVIOUS, _BUY = (
    f"click[{name.lower()}]" for name in (BACK_TO_SEARCH, NEXT_PAGE, PREVIOUS, BUY_NOW)
)
_FEATURES = "features"
_FIRST_SEARCHES = 2
"""So many pages of results are seen before the first product is opened."""
_ENOUGH_TURNS = 26
"""After so many turns the best product seen is bought."""
_ENOUGH_PRODUCTS = 8
"""So many products are opened before the best one is bought."""
_ENOUGH_SIGNS = 0.8
"""Share of the wanted properties that a product needs to be bought without looking further."""
_ENOUGH_WORDS = 0.6
"""The same of the words of free text, some of which say little."""
_UNREAD = 0.4
"""Share of the properties not seen yet that unread features are taken to mention."""
_ELSEWHERE = 0.5
"""How much a product counts that is not listed on the current page of results."""
_OTHER_SEARCH = 0.3
"""How much a rank counts in a list that the plan did not ask for."""
_RANK_SCALE = 3.0
_TIE = 0.1


class _Step(NamedTuple):
    """The first step of a plan: the action, and the subgoal it serves."""

    subgoal: Subgoal
    action: str


class Oracle:
    """The reference plan for one episode.

    Call `observe` with the first observation and then after every step; read the attributes after
    it.

    Attributes:
        subgoal: What the reference pursues now, in the words of `subgoals`.
        boundary: Whether the reference begins a new subgoal at this turn. True on the first one.
        expert_action: The action the reference would execute now; after the purchase, when nothing
            is left to do, a search.

    Args:
        instruction: The task in words.

    Example:
        >>> oracle = Oracle("Find me easy clean mugs with color: red")
        >>> oracle.observe("WebShop [SEP] Instruction: [SEP] Find me ... [SEP] Search")
        >>> oracle.subgoal, oracle.boundary, oracle.expert_action
        ('find a product', True, 'search[mugs easy clean red red]')
    """

    def __init__(self, instruction: str) -> None:
        self._wanted = parse_instruction(instruction)
        self._signs = signs(self._wanted)
        self._places = _places(self._wanted)
        self._belief = Belief()
        self._merits: dict[str, float] = {}
        self._ranked: set[Place] = set()
        self._current: Subgoal | None = None
        self.subgoal = ""
        self.boundary = False
        self.expert_action = ""

    def observe(self, observation: str, action: str = "", admissible: Sequence[str] = ()) -> None:
        """Take in what happened and plan again. Never raises.

        Args:
            observation: The text of the world.
            action: The action that led to it, "" at the start of the episode.
            admissible: The admissible actions now. Optional; without them unusual product options
                may be misread in mode `text`.
        """
        self._belief.digest(observation, action, admissible)
        if self._belief.page.kind == "results":
            self._rank(self._belief.place)
        subgoal, action = self._plan()
        self.expert_action = _possible(action, admissible)
        self.boundary = subgoal != self._current
        self._current = subgoal
        self.subgoal = subgoal.text

    def _rank(self, place: Place) -> None:
        """Products gain by standing high in lists, most in those of the plan's own searches."""
        if place in self._ranked:
            return
        self._ranked.add(place)
        weight = 1.0 if place in self._places else _OTHER_SEARCH
        start = (place.number - 1) * RESULTS_PER_PAGE
        for rank, asin in enumerate(self._belief.listings[place], start):
            self._merits[asin] = self._merits.get(asin, 0.0) + weight / (_RANK_SCALE + rank)

    def _plan(self) -> _Step:
        belief = self._belief
        if belief.page.kind == "done":
            return _Step(self._current or Subgoal("find"), self._search(self._places[0].query))
        asin = self._decision()
        if asin:
            return self._buy(asin)
        if self._is_worth_reading():
            return self._read()
        asin = self._next_product()
        if asin:
            return self._open(asin)
        return self._look_at(self._next_place())

    def _decision(self) -> str:
        """The product to buy, "" as long as it is better to look further."""
        belief = self._belief
        good = [asin for asin in belief.items if self._is_good(asin)]
        if good:
            return belief.asin if belief.asin in good else max(good, key=self._value)
        if belief.turns < _ENOUGH_TURNS:
            if self._is_worth_reading():
                return ""
            is_over = len(belief.items) >= _ENOUGH_PRODUCTS
            if not is_over and (self._next_product() or self._next_place() is not None):
                return ""
        return max(belief.items or belief.cards, key=self._value, default="")

    def _is_good(self, asin: str) -> bool:
        """Whether an opened product fits well enough to look no further."""
        if self._option_share(asin) < 1.0 or self._price_chance(asin) == 0.0:
            return False
        found = share_found(self._signs, self._text(asin))
        enough = _ENOUGH_WORDS if self._wanted.is_free_text else _ENOUGH_SIGNS
        return found == 1.0 or (self._is_read(asin) and found >= enough)

    def _is_read(self, asin: str) -> bool:
        return _FEATURES in self._belief.read.get(asin, ())

    def _value(self, asin: str) -> float:
        """About what share of the wishes a product fulfils; ties go to what is listed first."""
        looked_for, options = len(self._signs), len(self._wanted.options)
        found = share_found(self._signs, self._text(asin))
        if not self._is_read(asin):
            found += _UNREAD * (1.0 - found)
        fulfilled = found * looked_for + self._option_share(asin) * options
        fulfilled += self._price_chance(asin)
        return fulfilled / (looked_for + options + 1) + _TIE * self._merits.get(asin, 0.0)

    def _text(self, asin: str) -> str:
        """Plain words that are known of a product."""
        belief = self._belief
        text = belief.texts.get(asin, belief.titles.get(asin, " "))
        if self._wanted.is_free_text and asin in belief.items:
            text += _words_of_values(belief.items[asin].groups)
        return text

    def _option_share(self, asin: str) -> float:
        """Share of the wanted product options that can be chosen; 1 if that is not known."""
        item = self._belief.items.get(asin)
        if item is None or not self._wanted.options:
            return 1.0
        return len(values_to_choose(self._wanted, item.groups)) / len(self._wanted.options)

    def _price_chance(self, asin: str) -> float:
        shown = self._belief.items.get(asin) or self._belief.cards.get(asin)
        return chance_of_price(shown.low, shown.high, self._wanted.price_limit) if shown else 1.0

    def _is_worth_reading(self) -> bool:
        """Whether the features of the open product would tell more about it."""
        belief = self._belief
        asin = belief.asin
        return (
            asin in belief.items
            and not self._is_read(asin)
            and self._option_share(asin) == 1.0
            and self._price_chance(asin) > 0.0
            and share_found(self._signs, self._text(asin)) < 1.0
        )

    def _read(self) -> _Step:
        subgoal = Subgoal("inspect", self._belief.asin.upper())
        is_open = self._belief.page.kind == "item"
        return _Step(subgoal, f"click[{_FEATURES}]" if is_open else _PREVIOUS)

    def _next_product(self) -> str:
        """The product to open next, "" if there is none or there are pages to be seen first."""
        belief = self._belief
        if any(place not in belief.listings for place in self._places[:_FIRST_SEARCHES]):
            return ""
        here = belief.listings.get(belief.place, ())
        best, most = "", 0.0
        for asin, merit in self._merits.items():
            worth = merit if asin in here else merit * _ELSEWHERE
            if worth > most and asin not in belief.items and self._price_chance(asin) > 0.0:
                best, most = asin, worth
        return best

    def _next_place(self) -> Place | None:
        """The page of results to see next."""
        belief = self._belief
        for place in self._places:
            last = belief.last_pages.get(place.query, place.number)
            if place not in belief.listings and place.number <= last:
                return place
        return None

    def _open(self, asin: str) -> _Step:
        """On the way to a product's page."""
        belief = self._belief
        if asin in belief.listings.get(belief.place, ()):
            subgoal = Subgoal("inspect", asin.upper())
            if belief.page.kind == "results":
                return _Step(subgoal, f"click[{asin.lower()}]")
            if belief.page.kind in ("item", "sub"):
                return _Step(subgoal, _PREVIOUS)
            return self._look_at(belief.place)
        places = [place for place, listed in belief.listings.items() if asin in listed]
        return self._look_at(min(places, key=self._distance) if places else None)

    def _distance(self, place: Place) -> int:
        """Turns to a page of results, about."""
        here = self._belief.place
        return abs(place.number - here.number) if place.query == here.query else place.number + 1

    def _look_at(self, place: Place | None) -> _Step:
        """On the way to a page of results."""
        belief = self._belief
        place = place or self._places[0]
        subgoal = Subgoal("find")
        kind = belief.page.kind
        if kind not in ("results", "item", "sub"):
            return _Step(subgoal, self._search(place.query))
        if place.query != belief.place.query or place == belief.place:
            return _Step(subgoal, _BACK)
        if kind == "results" and place.number > belief.place.number:
            return _Step(subgoal, _NEXT)
        return _Step(subgoal, _PREVIOUS)

    def _buy(self, asin: str) -> _Step:
        """On the way to buying a product: its page, its options, the purchase."""
        belief = self._belief
        if asin != belief.asin or asin not in belief.items:
            return self._open(asin)
        choice = values_to_choose(self._wanted, belief.items[asin].groups)
        missing = [value for name, value in choice.items() if belief.chosen.get(name) != value]
        subgoal = Subgoal("choose") if missing else Subgoal("buy", asin.upper())
        if belief.page.kind == "sub":
            return _Step(subgoal, _PREVIOUS)
        return _Step(subgoal, f"click[{missing[0]}]" if missing else _BUY)

    @staticmethod
    def _search(query: str) -> str:
        return f"search[{query}]"


def _places(wanted: Wanted) -> tuple[Place, ...]:
    """Pages of results to see, in order: two searches, and more pages of both."""
    # Values say most: they tell variants of one kind of product apart. Named twice, they weigh as
    # much as the words for the kind, which are many products' words.
    values = 2 * [value for _, value in wanted.options]
    all_words = _query(wanted.product, *wanted.phrases, *values)
    fewer_words = _query(wanted.product, *values)
    pages = [(all_words, 1), (fewer_words, 1), (fewer_words, 2), (all_words, 2)]
    pages += [(fewer_words, 3), (all_words, 3)]
    return tuple(dict.fromkeys([Place(query, number) for query, number in pages]))


def _query(*words: str) -> str:
    # A bracket inside of an action would be taken for the end of its verb.
    text = " ".join(words).lower().replace("[", " ").replace("]", " ")
    return " ".join(text.split()) or "product"


@lru_cache(maxsize=1 << 10)
def _words_of_values(groups: tuple[OptionGroup, ...]) -> str:
    return "".join([plain(value) for group in groups for value in group.values])


def _possible(action: str, admissible: Sequence[str]) -> str:
    """The action, or where it cannot be done the way back, or what else can be done."""
    if not admissible or action in admissible or SEARCH_TEMPLATE in admissible:
        return action
    return _BACK if _BACK in admissible else admissible[0]
