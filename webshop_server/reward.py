"""Scores a purchase against a goal, to the last bit as upstream does.

Upstream is the text environment of WebShop (Yao et al., 2022, arXiv 2207.01206, `goal.py`) in the
variant behind the published agent results:

    score = r_type * (matched attributes + matched product options + [price <= limit])
                   / (wanted attributes + wanted product options + 1)

This module knows nothing of pages, sessions or where products come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.fuzz import token_set_ratio
from rapidfuzz.utils import default_process

from webshop_server.colors import color_in, normalize_color
from webshop_server.nouns import NounTagger, get_noun_tagger
from webshop_server.product import Goal, Product

__all__ = ["Score", "Scorer", "is_similar"]

WantedOption = str | tuple[str, str]

_SIMILAR = 85
_TITLES_IN_MEMORY = 4096
_LEVEL_MARK = "\u203a"
# What `thefuzz` deletes before it compares.
_LATIN_1 = dict.fromkeys(range(128, 256))


@dataclass(frozen=True, slots=True)
class Score:
    """A scored purchase.

    Attributes:
        score: In [0, 1]; exactly 1.0 is success.
        r_type: Factor for buying the right kind of thing: 0, 0.1, 0.5 or 1.
        r_att: Share of the wanted attributes that the product has.
        r_option: Share of the wanted product options that were chosen; None if none was wanted.
        r_price: Whether the price is within the limit.
        title_score: Distinct nouns that both titles have, per noun of the wanted product's title.
        query_match: Whether both products were once found by the same query.
        category_match: Whether they share two levels of the category path.
        matched_attributes: The wanted attributes that the product has.
        matched_options: The wanted product options that were chosen, as `name: value` where the
            goal names them.
        w_att: Weight of `r_att`; the three weights add up to 1.
        w_option: Weight of `r_option`; None if no product option was wanted.
        w_price: Weight of `r_price`.
    """

    score: float
    r_type: float
    r_att: float
    r_option: float | None
    r_price: bool
    title_score: float
    query_match: bool
    category_match: bool
    matched_attributes: tuple[str, ...]
    matched_options: tuple[str, ...]
    w_att: float
    w_option: float | None
    w_price: float


@dataclass(frozen=True, slots=True)
class _Kind:
    """How well the kind of product fits; see :class:`Score`."""

    r_type: float
    title_score: float
    query_match: bool
    category_match: bool


class Scorer:
    """Scores purchases. Several threads may share one; nouns of titles are remembered.

    Args:
        noun_tagger: Finds the nouns of titles, see `webshop_server.nouns.get_noun_tagger`.

    Example:
        >>> mug = Product("B000000001", "Stoneware Mug", "", ("dishwasher safe",), "garden", "mug",
        ...     "Home", ("dishwasher safe",), "$9.0", 9.0, {"color": ("red", "blue")})
        >>> goal = Goal("generated/0", "a mug", 0, ("dishwasher safe",), (("color", "red"),), 20.0,
        ...     "generated")
        >>> Scorer("textblob").score(goal, mug, mug, {"color": "red"}).score
        1.0
    """

    def __init__(
        self, noun_tagger: str | Callable[[str], Sequence[str]] | NounTagger | None = None
    ) -> None:
        self._tagger = get_noun_tagger(noun_tagger)
        self._nouns = lru_cache(maxsize=_TITLES_IN_MEMORY)(self._find_nouns)

    @property
    def noun_tagger(self) -> str:
        """Name of the noun tagger; belongs into every result."""
        return self._tagger.name

    def score(
        self, goal: Goal, target: Product, bought: Product, options: Mapping[str, str]
    ) -> Score:
        """Score a purchase.

        Args:
            goal: What was to be bought; has at least one attribute.
            target: The product that the goal was made from.
            bought: The product that was bought.
            options: Value chosen of each group of its product options; groups may be missing.
        """
        kind = self._compare_kind(target, bought)
        attributes = tuple(name for name in goal.attributes if _has_attribute(bought, name))
        chosen = tuple(map(normalize_color, options.values()))
        wanted: tuple[WantedOption, ...] = goal.options
        matched = tuple(
            option
            for option in wanted
            if any(is_similar(value, _normalized(option)) for value in chosen)
        )
        is_affordable = bought.price <= goal.price_limit
        total = len(goal.attributes) + len(wanted) + 1
        score = (len(attributes) + len(matched) + is_affordable) / total * kind.r_type
        return Score(
            score=score,
            r_type=kind.r_type,
            r_att=len(attributes) / len(goal.attributes),
            r_option=len(matched) / len(wanted) if wanted else None,
            r_price=is_affordable,
            title_score=kind.title_score,
            query_match=kind.query_match,
            category_match=kind.category_match,
            matched_attributes=attributes,
            matched_options=tuple(map(_name, matched)),
            w_att=len(goal.attributes) / total,
            w_option=len(wanted) / total if wanted else None,
            w_price=1 / total,
        )

    def is_reachable(self, goal: Goal, target: Product) -> bool:
        """Whether buying the goal's own product can score 1.0, with the best product options.

        Some goals cannot: what colour normalisation leaves of the chosen value need not be similar
        to the wanted pair of name and value.

        Args:
            goal: What is to be bought.
            target: The product that the goal was made from.
        """
        return (
            target.price <= goal.price_limit
            and all(_has_attribute(target, name) for name in goal.attributes)
            and _can_choose(goal.options, target.options)
            and self._compare_kind(target, target).r_type == 1.0
        )

    def _compare_kind(self, target: Product, bought: Product) -> _Kind:
        query_match = target.query == bought.query
        category_match = len(_levels(target) & _levels(bought)) >= 2
        title_score = self._title_score(target.title, bought.title)
        if title_score == 0.0:
            r_type = 0.0
        elif title_score < 0.1:
            r_type = 0.1
        elif query_match or category_match or title_score > 0.2:
            r_type = 1.0
        else:
            r_type = 0.5
        return _Kind(r_type, title_score, query_match, category_match)

    def _title_score(self, wanted: str, found: str) -> float:
        count, nouns = self._nouns(wanted)
        # A title without nouns says nothing about the kind; 0.2 is upstream's value for it.
        return len(nouns & self._nouns(found)[1]) / count if count else 0.2

    def _find_nouns(self, title: str) -> tuple[int, frozenset[str]]:
        """Number of nouns of a title, repeated ones too, and the distinct ones."""
        nouns = self._tagger(title)
        return len(nouns), frozenset(nouns)


@lru_cache(maxsize=65536)
def is_similar(first: str, second: str) -> bool:
    """Whether `thefuzz.fuzz.token_set_ratio` is above 85, which it rounds to a whole number.

    Example:
        >>> is_similar("stainless steel", "steel, stainless (304)")
        True
        >>> is_similar("cotton", "wool")
        False
    """
    return round(token_set_ratio(_prepared(first), _prepared(second))) > _SIMILAR


@lru_cache(maxsize=65536)
def _prepared(text: str) -> str:
    return default_process(text.translate(_LATIN_1))


@lru_cache(maxsize=16384)
def _normalized(option: WantedOption) -> str:
    """What of a wanted product option is compared with the chosen values.

    Upstream gives the pair (name, value) of a synthetic goal to functions made for a text. So only
    a value that *is* a colour word is normalised, and what is compared is the pair as Python writes
    it: the name is part of it, and a no-break space becomes the letters `xa0`.
    """
    if isinstance(option, str):
        return normalize_color(option)
    return color_in(option) or str(tuple(option))


def _name(option: WantedOption) -> str:
    return option if isinstance(option, str) else ": ".join(option)


@lru_cache(maxsize=16384)
def _category_levels(path: str) -> frozenset[str]:
    return frozenset(level.strip() for level in path.split(_LEVEL_MARK))


def _levels(product: Product) -> frozenset[str]:
    return _category_levels(product.product_category)


def _has_attribute(product: Product, name: str) -> bool:
    """Whether an attribute is similar to one of a product's, or stands in one of its texts."""
    return (
        any(is_similar(attribute, name) for attribute in product.attributes)
        or name in product.title.lower()
        or name in " ".join(product.bullet_points).lower()
        or name in product.description.lower()
    )


def _can_choose(wanted: Sequence[WantedOption], groups: Mapping[str, Sequence[str]]) -> bool:
    """Whether one value of each group can be chosen so that every wanted option is matched.

    A chosen value is compared with all wanted options, whatever their names. So the groups are gone
    through one by one, keeping which sets of wanted options the choices so far can match.

    Args:
        wanted: Product options of a goal.
        groups: Values by name of the product option.
    """
    texts = [_normalized(option) for option in wanted]
    everything = (1 << len(texts)) - 1
    reached = {0}
    for values in groups.values():
        chosen = {normalize_color(value) for value in values}
        matches = {
            sum(1 << bit for bit, text in enumerate(texts) if is_similar(value, text))
            for value in chosen
        }
        reached |= {before | match for before in reached for match in matches}
    return everything in reached
