"""What the compact agent remembers of a shopping episode: only what the texts have told it.

A `Memory` follows one WebShop episode. It reads the instruction, the pages and the admissible
actions, and keeps the products that it saw with how they match the instruction. It never sees the
catalogue, the goal, or a score before the purchase, and knows nothing about networks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hiper_envs.webshop.subgoals import Subgoal
from hiper_envs.webshop.texts import OptionGroup, Page, Wanted, parse_instruction, parse_page
from webshop_server.shop import parse_action

PAGES = ("search", "results", "item", "sub", "other")
READABLE = ("features", "description")
"""The sub pages that an agent may read."""
PARTS = ("product", "phrase", "option name", "option value", "other")
"""Where in an instruction a word stands."""
MOST_WORDS = 48

_STOP_WORDS = """
a an and are as at be but by find for from i if in into is it its looking me my need no not of on or
please so some such that the their then there these they this to want was which will with would
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
_WORD = re.compile(r"[a-z0-9]+(?:[.'/-][a-z0-9]+)*")


@lru_cache(maxsize=1 << 14)
def tokens(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, in order; plural and singular are one word."""
    return tuple(map(_stem, _WORD.findall(text.lower())))


def _stem(word: str) -> str:
    word = word.removesuffix("'s")
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] != "s" else word


def similarity(a: tuple[str, ...], b: tuple[str, ...]) -> float:
    """Share of common words among all words of two short texts, 0 to 1."""
    one, other = set(a), set(b)
    return len(one & other) / max(len(one | other), 1)


class QueryWord:
    """A distinct word of the instruction that a query can contain.

    Attributes:
        word: As it is searched for.
        key: The same without a plural's ending.
        part: One of PARTS, the first that it stands in.
        position: Its place in the instruction, 0 to 1.
        count: How often it occurs.
        queried: Number of queries that contained it.
        is_in_last: Whether the last query contained it.
        code: The numbers that the network reads of it and that stay; None before they are made.
    """

    __slots__ = ("code", "count", "is_in_last", "key", "part", "position", "queried", "word")

    def __init__(self, word: str, part: str, position: float) -> None:
        self.code: tuple[float, ...] | None = None
        self.word = word
        self.key = _stem(word)
        self.part = part
        self.position = position
        self.count = 1
        self.queried = 0
        self.is_in_last = False


class Product:
    """A product that was listed.

    Attributes:
        asin: Its id.
        low: Its lowest price in dollars.
        high: Its highest price in dollars.
        rank: Its place in the results that it was last listed in, from 0.
        number: Page of these results, from 1.
        listings: Number of queries that listed it.
        words: Words of its title.
        matched: Share of the instruction's words in its title.
        matched_rare: The same, rare words weighing more.
        matched_product: Share of the words for the kind of product in its title.
        behind: How far `matched_rare` is behind the best of the same results.
        matched_title: Share of its title's words in the instruction.
        is_inspected: Whether its page was opened.
        groups: Its product options, once inspected.
        offered: Per wanted option how well the best of its values matches, 0 to 1.
        text: All that was read of it, in lower case.
        read: Sub pages that were read.
        phrases: Share of the wanted phrases that were read literally, 0 to 1.
        code: The numbers that the network reads; None if they have to be made anew.
    """

    __slots__ = (
        "asin",
        "behind",
        "code",
        "groups",
        "high",
        "is_inspected",
        "listings",
        "low",
        "matched",
        "matched_product",
        "matched_rare",
        "matched_title",
        "number",
        "offered",
        "phrases",
        "rank",
        "read",
        "text",
        "words",
    )

    def __init__(self, asin: str, title: str, low: float, high: float) -> None:
        self.asin = asin
        self.low = low
        self.high = high
        self.words = frozenset(tokens(title))
        self.text = title.lower()
        self.rank = self.number = self.listings = 0
        self.code: tuple[float, ...] | None = None
        self.behind = 0.0
        self.matched = self.matched_rare = self.matched_product = self.matched_title = 0.0
        self.is_inspected = False
        self.groups: tuple[OptionGroup, ...] = ()
        self.offered: tuple[float, ...] = ()
        self.read: set[str] = set()
        self.phrases = 0.0

    @property
    def options_offered(self) -> float:
        """Mean of `offered`; 0 before it was inspected, 1 where no option is wanted."""
        if not self.is_inspected:
            return 0.0
        return sum(self.offered) / len(self.offered) if self.offered else 1.0


class Memory:
    """One episode as its texts describe it.

    Attributes:
        wanted: What the instruction asks for.
        words: Its distinct words, without the price limit.
        keys: The same as a set, without stop words.
        page: The latest page.
        products: All products listed so far, by id.
        results: Page number of each product of the last query that was seen, by id.
        number: Page of the results that the shop would go back to.
        current: Id of the product whose page is open, "" elsewhere.
        chosen: Value by name of product option, as clicked on the open product.
        queries: Number of searches.
        turn: Number of actions so far.
    """

    __slots__ = (
        "_frequency",
        "_values",
        "chosen",
        "current",
        "keys",
        "number",
        "page",
        "products",
        "queries",
        "results",
        "turn",
        "wanted",
        "words",
    )

    def __init__(self, instruction: str, observation: str, admissible: tuple[str, ...]) -> None:
        self.wanted = parse_instruction(instruction)
        self.words = query_words(self.wanted)
        self.keys = frozenset(word.key for word in self.words if word.word not in STOP_WORDS)
        self._values = [(tokens(name), tokens(value), value) for name, value in self.wanted.options]
        self.page: Page = parse_page(observation, admissible)
        self.products: dict[str, Product] = {}
        self.results: dict[str, int] = {}
        self._frequency: Counter[str] = Counter()
        self.number = 0
        self.current = ""
        self.chosen: dict[str, str] = {}
        self.queries = 0
        self.turn = 0

    def observe(self, observation: str, info: Mapping[str, Any]) -> None:
        """Takes in what an action led to."""
        self.turn += 1
        self.page = page = parse_page(observation, info["admissible_actions"])
        verb, name = parse_action(info["action"]) or ("", "")
        if verb == "search" and info["action_valid"]:
            self._searched(name)
        if page.kind == "results":
            self.current, self.chosen, self.number = "", {}, page.number
            if page.number > max(self.results.values(), default=0):
                self._list(page)
        elif page.kind == "item":
            self._item(page, name)
        elif page.kind == "sub" and self.current:
            product = self.products[self.current]
            product.read.add(name)
            product.text += "\n" + page.body.lower()
            product.phrases = self._phrases(product.text)
            product.code = None
        elif page.kind == "search":
            self.current, self.chosen, self.results, self.number = "", {}, {}, 0

    def want(self, subgoal: Subgoal) -> None:
        """Does nothing: what is remembered does not depend on the subgoal."""

    def is_achieved(self, subgoal: Subgoal, action: str) -> bool:
        """Whether an option with this subgoal has come to its end with an action.

        A product is inspected once one of its sub pages is read. Options are chosen when all wanted
        values are, or every product option has one.
        """
        if subgoal.kind == "choose":
            left = {value for _, value in self.wanted.options} - set(self.chosen.values())
            return not self.open_groups or (bool(self.wanted.options) and not left)
        if subgoal.kind == "inspect":
            item = self.item
            if item is None or item.asin != subgoal.argument:
                return False
            return self.page.kind == "sub" or (bool(item.read) and subgoal.achieved_by(action))
        return subgoal.achieved_by(action)

    def is_impossible(self, subgoal: Subgoal) -> bool:
        """Whether the subgoal has nothing left to do.

        A product to inspect must be among the results, and has been inspected once its sub pages
        were read; options can be chosen, and a product bought, on its own page only.
        """
        if subgoal.kind == "inspect":
            if subgoal.argument == self.current:
                return not self.unread
            return subgoal.argument not in self.results
        if subgoal.kind == "choose":
            return not self.open_groups
        return subgoal.kind == "buy" and subgoal.argument != self.current

    @property
    def item(self) -> Product | None:
        """The product whose page is open."""
        return self.products.get(self.current)

    @property
    def unread(self) -> list[str]:
        """Sub pages of the open product that were not read."""
        item = self.item
        return [name for name in READABLE if name not in item.read] if item else []

    @property
    def open_groups(self) -> list[OptionGroup]:
        """Product options of the open product without a chosen value."""
        item = self.item
        return [group for group in item.groups if group.name not in self.chosen] if item else []

    @property
    def chosen_matches(self) -> list[float]:
        """Per wanted option how well the best of the chosen values matches it, 0 to 1."""
        best = [0.0] * len(self._values)
        for group, value in self.chosen.items():
            best = list(map(max, best, self.matches(group, value)))
        return best

    def frequency(self, key: str) -> int:
        """Number of listed titles that contain a word."""
        return self._frequency[key]

    def matches(self, group: str, value: str) -> list[float]:
        """How well a value matches each wanted option, 0 to 1."""
        name, words = tokens(group), tokens(value)
        found = []
        for wanted_name, wanted_words, wanted_value in self._values:
            same = wanted_name == name
            if value == wanted_value:
                found.append(1.0 if same else 0.8)
            else:
                found.append((0.7 if same else 0.4) * similarity(words, wanted_words))
        return found

    def _searched(self, query: str) -> None:
        self.queries += 1
        self.results = {}
        keys = set(tokens(query))
        for word in self.words:
            word.is_in_last = word.key in keys
            word.queried += word.is_in_last

    def _list(self, page: Page) -> None:
        new: list[Product] = []
        for place, listed in enumerate(page.listed):
            product = self.products.get(listed.asin)
            if product is None:
                product = Product(listed.asin, listed.title, listed.low, listed.high)
                self.products[listed.asin] = product
                self._frequency.update(product.words)
            if listed.asin not in self.results:
                self.results[listed.asin] = page.number
                product.listings += 1
            product.rank = 10 * (page.number - 1) + place
            product.number = page.number
            new.append(product)
        kind = set(tokens(self.wanted.product))
        weights = {key: 1.0 / (1.0 + self._frequency[key]) for key in self.keys}
        total = sum(weights.values()) or 1.0
        for product in new:
            common = product.words & self.keys
            product.matched = len(common) / max(len(self.keys), 1)
            product.matched_rare = sum(weights[key] for key in common) / total
            product.matched_product = len(product.words & kind) / max(len(kind), 1)
            product.matched_title = len(common) / max(len(product.words), 1)
            product.phrases = self._phrases(product.text)
        best = max((product.matched_rare for product in new), default=0.0)
        for product in new:
            product.behind = best - product.matched_rare
            product.code = None

    def _item(self, page: Page, clicked: str) -> None:
        if not self.current:
            self.current = clicked.upper()
            if self.current not in self.products:
                self.products[self.current] = Product(self.current, page.title, page.low, page.high)
        product = self.products[self.current]
        if not product.is_inspected:
            product.is_inspected, product.code = True, None
            product.groups = page.groups
            best = [0.0] * len(self._values)
            for group in page.groups:
                for value in group.values:
                    best = list(map(max, best, self.matches(group.name, value)))
            product.offered = tuple(best)
            product.text += "\n" + "\n".join(" ".join(group.values) for group in page.groups)
            product.phrases = self._phrases(product.text)
            return
        # A value of two groups is one button: that of the last.
        owners = [group.name for group in product.groups if clicked in group.values]
        if owners:
            self.chosen[owners[-1]] = clicked

    def _phrases(self, text: str) -> float:
        phrases = self.wanted.phrases
        return sum(phrase in text for phrase in phrases) / len(phrases) if phrases else 0.0


def query_words(wanted: Wanted) -> list[QueryWord]:
    """The distinct words of an instruction in order, at most MOST_WORDS and at least one."""
    parts: dict[str, str] = {}
    for part, texts in (
        ("product", [wanted.product]),
        ("phrase", wanted.phrases),
        ("option value", [value for _, value in wanted.options]),
        ("option name", [name for name, _ in wanted.options]),
    ):
        for text in texts:
            for word in _WORD.findall(text.lower()):
                parts.setdefault(word, part)
    found: dict[str, QueryWord] = {}
    all_words = _WORD.findall(wanted.text.lower())
    for place, word in enumerate(all_words):
        if word in found:
            found[word].count += 1
        elif len(found) < MOST_WORDS:
            found[word] = QueryWord(word, parts.get(word, "other"), place / len(all_words))
    return list(found.values()) or [QueryWord("product", "other", 0.0)]
