"""Products that the package makes up, each from its number and a seed.

Nothing is kept: a product is made when it is asked for, in a tenth of a millisecond. All randomness
is `random.Random(<integer>).random()`, which Python promises to keep, so that a catalogue is the
same on every machine. The texts have what search, reward and reading agents need: attributes that
can be read somewhere on a product's pages, many products of a kind that share some of them, and
options and prices that tell these apart. Every goal can be reached. This module knows no files.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import TypeVar, overload

from webshop_server.catalog import Catalog
from webshop_server.generated_kinds import KINDS, Kind
from webshop_server.generated_words import BRANDS, SERIES, VALUES
from webshop_server.listing import Listing
from webshop_server.prices import limit_candidates, price_tag
from webshop_server.product import NO_PRICE_LIMIT, Product

__all__ = ["GENERATOR_VERSION", "GeneratedCatalog", "make_listing"]

GENERATOR_VERSION = 1
"""Changes whenever a product or a goal would."""

_MAX_SIZE = 1 << 30
_MAX_SEED = 1 << 64
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_DIGITS = 9
_IDS = len(_LETTERS) ** _DIGITS
# Odd, so that multiplying modulo a power of two permutes the ids; without a pattern to the eye.
_SPREAD = 0x1D8E4E27C47D
_GATHER = pow(_SPREAD, -1, _IDS)
_FIRST, _SEED_STEP = 0x0B5D17A3C2E9, 0x1F83D9ABFB41

_CENTS = (0.99, 0.49, 0.95, 0.89, 0.0)
_T = TypeVar("_T")


class GeneratedCatalog(Catalog):
    """Products that appear when they are asked for.

    Args:
        size: Number of products, 1 to 2**30.
        seed: From 0 to 2**64 - 1.

    Attributes:
        seed: As given.

    Raises:
        ValueError: If size or seed is out of range.
    """

    def __init__(self, size: int = 1000, seed: int = 0) -> None:
        if not 1 <= size <= _MAX_SIZE or not 0 <= seed < _MAX_SEED:
            raise ValueError(f"no catalogue of {size} products with seed {seed} can be generated")
        name = f"generated-{size}" + (f"-seed-{seed}" if seed else "")
        recipe = f"hiper generated catalogue {GENERATOR_VERSION} {seed} {size}"
        super().__init__(name, hashlib.sha256(recipe.encode()).hexdigest())
        self.seed = seed
        self._asins = _Asins(range(size), seed)

    def __len__(self) -> int:
        """Number of products."""
        return len(self._asins)

    def position(self, asin: str) -> int:
        """Position of a product; KeyError if there is none with this id."""
        position = _position(asin, self.seed)
        if position >= len(self):
            raise KeyError(asin)
        return position

    @property
    def asins(self) -> Sequence[str]:
        """The ids of all products, in order."""
        return self._asins

    def draw_goal(self, position: int) -> tuple[int, float]:
        """What a product's goal asks for.

        Returns:
            Number of a combination of the product's options, and a price limit.
        """
        product = self[position]
        dice = _Dice(self.seed, position, "goal")
        number = dice.below(math.prod(map(len, product.options.values())))
        candidates = dice.some(limit_candidates(product.price), 2)
        return number, candidates[-1] if len(candidates) == 2 else NO_PRICE_LIMIT

    def _listing(self, position: int) -> Listing:
        return make_listing(position, self.seed)


class _Asins(Sequence[str]):
    """Ids as texts, made when they are asked for."""

    def __init__(self, positions: range, seed: int) -> None:
        self._positions = positions
        self._seed = seed

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return _Asins(self._positions[index], self._seed)
        return _asin(self._positions[index], self._seed)

    def __iter__(self) -> Iterator[str]:
        return (_asin(position, self._seed) for position in self._positions)


def _asin(position: int, seed: int) -> str:
    number = (position + _FIRST + seed * _SEED_STEP) * _SPREAD % _IDS
    letters = []
    for _ in range(_DIGITS):
        number, digit = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[digit])
    return "G" + "".join(letters)


def _position(asin: str, seed: int) -> int:
    """The inverse of `_asin`; a large number for an id that is none."""
    if len(asin) != _DIGITS + 1 or asin[0] != "G":
        raise KeyError(asin)
    number = 0
    for letter in reversed(asin[1:]):
        digit = _LETTERS.find(letter)
        if digit < 0:
            raise KeyError(asin)
        number = number * len(_LETTERS) + digit
    position: int = (number * _GATHER - _FIRST - seed * _SEED_STEP) % _IDS
    return position


class _Dice:
    """Draws that are the same for ever: only `Random(int).random()` is promised to stay.

    Args:
        seed: Of the catalogue.
        position: Of the product.
        purpose: What the draws are for; draws for one purpose do not move those for another.
    """

    _PURPOSES = ("product", "goal")

    def __init__(self, seed: int, position: int, purpose: str) -> None:
        number = (seed * _MAX_SIZE + position) * len(self._PURPOSES)
        self._random = Random(number + self._PURPOSES.index(purpose)).random

    def below(self, end: int) -> int:
        """A number from 0 to `end` - 1."""
        return int(self._random() * end)

    def between(self, low: float, high: float) -> float:
        """A number of an interval."""
        return low + (high - low) * self._random()

    def chance(self, probability: float) -> bool:
        """True as often as the probability says."""
        return self._random() < probability

    def pick(self, values: Sequence[_T]) -> _T:
        """One of some values."""
        return values[self.below(len(values))]

    def some(self, values: Sequence[_T], count: int) -> list[_T]:
        """Up to `count` different places of a sequence, in its order."""
        left, wanted, chosen = len(values), min(count, len(values)), []
        for value in values:
            if self._random() * left < wanted:
                chosen.append(value)
                wanted -= 1
            left -= 1
        return chosen


def make_listing(position: int, seed: int = 0) -> Listing:
    """A product and its task.

    Args:
        position: Of the product in a catalogue of any size.
        seed: Of the catalogue.
    """
    dice = _Dice(seed, position, "product")
    kind = dice.pick(KINDS)
    is_a = dice.some(kind.is_a, 1 + dice.below(3))
    comes_with = dice.some(kind.comes_with, 1 + dice.below(2))
    made_for = dice.some(kind.made_for, dice.below(3))
    brand = "".join([dice.pick(syllables) for syllables in BRANDS]).capitalize()
    noun, series = dice.pick(kind.nouns), dice.pick(SERIES)
    options = _options(kind, dice)
    numbers, price = _price(kind, dice)
    product = Product(
        asin=_asin(position, seed),
        title=_title(brand, series, noun, is_a, comes_with, made_for, dice),
        description=_description(brand, series, noun, is_a, made_for, dice),
        bullet_points=_bullets(noun, is_a, comes_with, made_for, dice),
        category=kind.category,
        query=kind.query,
        product_category=kind.path,
        attributes=(*is_a, *comes_with, *made_for),
        price_tag=price_tag(numbers),
        price=price,
        options=options,
    )
    return _with_task(product, kind, is_a, comes_with, made_for, dice)


def _with_task(
    product: Product,
    kind: Kind,
    is_a: list[str],
    comes_with: list[str],
    made_for: list[str],
    dice: _Dice,
) -> Listing:
    """Adds an instruction that asks for some of the product's attributes."""
    before = dice.some(is_a, 1 + dice.below(2))
    after = dice.some(comes_with, dice.below(2))
    purpose = dice.some(made_for, dice.below(2))
    instruction = f"Find me {', '.join(before)} {kind.query}"
    if after:
        instruction += f" with {', '.join(after)}"
    if purpose:
        instruction += f" for {', '.join(purpose)}"
    return Listing(product, instruction, (*before, *after, *purpose))


def _options(kind: Kind, dice: _Dice) -> dict[str, tuple[str, ...]]:
    options = {}
    for name, key in kind.options:
        if dice.chance(0.85):
            options[name] = tuple(dice.some(VALUES[key], 2 + dice.below(5)))
    return options


def _price(kind: Kind, dice: _Dice) -> tuple[tuple[float, ...], float]:
    """The price or range that the shop shows, and the price that is scored."""
    low, high = kind.price
    # Cheap products are more frequent than dear ones.
    dollars = int(low + (high - low) * dice.between(0, 1) ** 2)
    price = dollars + dice.pick(_CENTS)
    if not dice.chance(0.15):
        return (price,), price
    dearest = int(dollars * dice.between(1.2, 1.9)) + 1 + dice.pick(_CENTS)
    return (price, dearest), dice.between(price, dearest)


def _title(
    brand: str,
    series: str,
    noun: str,
    is_a: list[str],
    comes_with: list[str],
    made_for: list[str],
    dice: _Dice,
) -> str:
    # What the title leaves out is said in the bullets or in the description.
    shown = dice.some(is_a, 1 + dice.below(2))
    title = f"{brand} {series} {' '.join(shown).title()} {noun}"
    if dice.chance(0.5):
        title += f" with {comes_with[0].title()}"
    if made_for and dice.chance(0.5):
        title += f" for {made_for[0].title()}"
    return title


def _bullets(
    noun: str, is_a: list[str], comes_with: list[str], made_for: list[str], dice: _Dice
) -> tuple[str, ...]:
    bullets = [f"{comes_with[0].capitalize()}: {dice.pick(_WITH)}"]
    bullets += [f"Comes with {feature}. {dice.pick(_WITH)}" for feature in comes_with[1:]]
    bullets += [f"{quality.capitalize()}: {dice.pick(_IS)}" for quality in is_a[::2]]
    if made_for:
        bullets.append(f"Well suited for {' and '.join(made_for)}.")
    bullets.append(dice.pick(_CLOSING).format(noun=noun.lower()))
    return tuple(bullets)


def _description(
    brand: str, series: str, noun: str, is_a: list[str], made_for: list[str], dice: _Dice
) -> str:
    opening = dice.pick(_OPENING).format(brand=brand, series=series, noun=noun.lower())
    purpose = f" People choose it for {made_for[-1]}." if made_for else ""
    return f"{opening} Key points: {', '.join(is_a)}.{purpose} {dice.pick(_PROMISE)}"


_WITH = (
    "A detail that you notice every day.",
    "Added after many customers asked.",
    "Made to last as long as the rest.",
    "No extra parts to buy.",
    "Checked by hand before shipping.",
)
_IS = (
    "Tested in daily use.",
    "Just as we promise.",
    "One worry less.",
    "This saves time and money.",
    "The way it should be.",
)
_CLOSING = (
    "Questions about this {noun}? Our team answers within a day.",
    "This {noun} also makes a thoughtful gift.",
    "Compare the measurements before you order this {noun}.",
    "Colors of the {noun} may look different on your screen.",
)
_OPENING = (
    "The {series} {noun} is part of the newest {brand} collection.",
    "{brand} has made its {series} {noun} better once more.",
    "Meet the {series} {noun} that {brand} is known for.",
    "New from the {series} line, designed by {brand}: a better {noun}.",
)
_PROMISE = (
    "Returns are free for thirty days.",
    "It arrives in recycled packaging.",
    "A one year warranty is included.",
    "Ships within two days.",
)
