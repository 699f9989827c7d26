"""A score in words: what of a goal a purchase met, what it missed, and how that makes the score.

Knows the parts of a score, not how they are computed (see :mod:`webshop_server.reward`), and no
HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from webshop_server.product import NO_PRICE_LIMIT, Goal, Product
from webshop_server.site.pages import Image, images

if TYPE_CHECKING:
    from webshop_server.reward import Score
    from webshop_server.site.sessions import Session

__all__ = ["Check", "DonePage", "Part", "Side", "Verdict"]


TIMES = "\u00d7"


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was wanted, and whether the purchase has it."""

    label: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the score: its name, its value, a sentence about it, what was checked."""

    name: str
    value: str
    sentence: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """A product of the comparison between purchase and goal."""

    name: str
    title: str
    asin: str
    price: str
    options: tuple[str, ...]
    image: Image


@dataclass(frozen=True, slots=True)
class Verdict:
    """The score itself; `tone` is good, fair or bad."""

    score: str
    exact: float
    tone: str
    headline: str
    sentence: str


@dataclass(frozen=True, slots=True)
class DonePage:
    """The page after a purchase.

    Attributes:
        verdict: The score and what to think of it.
        parts: Where it comes from.
        formula: How the parts make it, in numbers.
        sides: The purchase, and the product of the goal if it is another one.
        goal_kind: Set of goals that the goal is from.
        goal_number: Its number there.
    """

    verdict: Verdict
    parts: tuple[Part, ...]
    formula: str
    sides: tuple[Side, ...]
    goal_kind: str
    goal_number: str

    @classmethod
    def of(cls, session: Session, *, with_photos: bool) -> DonePage:
        """The page of a session that ended with a purchase."""
        score, goal, shop = session.score, session.goal, session.shop
        bought = shop.product
        assert score is not None
        assert bought is not None
        target = shop.shelf[goal.product]
        options = tuple(f"{name}: {value}" for name, value in shop.state.options.items())
        sides = [_side("You bought", bought, options, with_photos)]
        if bought.asin != target.asin:
            wanted = tuple(check.label for check in _option_checks(goal, score))
            sides.append(_side("The goal was made from", target, wanted, with_photos))
        parts = [_type_part(score, bought is target or bought.asin == target.asin)]
        parts.append(_attribute_part(goal, score))
        if goal.options:
            parts.append(_option_part(goal, score))
        parts.append(_price_part(goal, score, bought))
        return cls(
            _verdict(score),
            tuple(parts),
            _formula(goal, score),
            tuple(sides),
            *goal.goal_id.split("/", 1),
        )


def _verdict(score: Score) -> Verdict:
    shown = f"{score.score:.2f}"
    if score.score == 1.0:
        return Verdict(shown, 1.0, "good", "Everything fits", "Task solved: full score.")
    if shown == "1.00":
        shown = "0.99"  # only a solved task reads 1.00
    if score.score >= 0.5:
        headline, tone = "Close, but not all of it", "fair"
    else:
        headline, tone = "Not what was asked for", "bad"
    sentence = "The task counts as solved only with a score of exactly 1."
    return Verdict(shown, score.score, tone, headline, sentence)


def _type_part(score: Score, is_same: bool) -> Part:
    if is_same:
        sentence = "It is the very product that the goal was made from."
    elif score.r_type == 1.0:
        sentence = "It is the kind of product that was asked for; one of these signs is enough."
    elif score.r_type == 0.5:
        sentence = "It is a related kind of product, so the points count half."
    elif score.r_type > 0.0:
        sentence = "It is hardly the kind of product that was asked for."
    else:
        sentence = "It is another kind of product, so nothing else counts."
    checks = (
        Check("found under the same kind of search", score.query_match),
        Check("shares its categories", score.category_match),
        Check(f"{score.title_score:.0%} of the wanted title's nouns", score.title_score > 0.2),
    )
    return Part("Kind of product", f"{TIMES} {score.r_type:g}", sentence, checks)


def _attribute_part(goal: Goal, score: Score) -> Part:
    matched = _Matched(score.matched_attributes)
    checks = tuple(Check(name, matched.take(name)) for name in goal.attributes)
    value = f"{len(score.matched_attributes)} of {len(goal.attributes)}"
    return Part("Attributes", value, "What matters about the product.", checks)


def _option_part(goal: Goal, score: Score) -> Part:
    value = f"{len(score.matched_options)} of {len(goal.options)}"
    sentence = "What had to be chosen on the product's page."
    return Part("Options", value, sentence, _option_checks(goal, score))


def _option_checks(goal: Goal, score: Score) -> tuple[Check, ...]:
    matched = _Matched(score.matched_options)
    checks = []
    for option in goal.options:
        if isinstance(option, str):
            checks.append(Check(option, matched.take(option)))
        else:
            label = f"{option[0]}: {option[1]}"
            checks.append(Check(label, matched.take(label, option[1])))
    return tuple(checks)


def _price_part(goal: Goal, score: Score, bought: Product) -> Part:
    price = f"${bought.price:,.2f}"
    if goal.price_limit >= NO_PRICE_LIMIT:
        label = f"{price}; the goal names no limit"
    else:
        label = f"{price}, limit ${goal.price_limit:,.2f}"
    value = "1 of 1" if score.r_price else "0 of 1"
    sentence = "Whether the price keeps to the limit."
    if bought.price_tag.count("$") > 1:
        sentence = "Whether the price keeps to the limit; of a range, one price counts."
    return Part("Price", value, sentence, (Check(label, bool(score.r_price)),))


def _formula(goal: Goal, score: Score) -> str:
    matched = [(len(score.matched_attributes), "attributes")]
    if goal.options:
        matched.append((len(score.matched_options), "options"))
    matched.append((int(score.r_price), "price"))
    total = len(goal.attributes) + len(goal.options) + 1
    points = " + ".join(
        f"{count} {name if count != 1 else name.rstrip('s')}" for count, name in matched
    )
    return f"{score.r_type:g} {TIMES} ({points}) / {total} = {score.score:.4g}"


def _side(name: str, product: Product, options: tuple[str, ...], with_photos: bool) -> Side:
    return Side(
        name,
        product.title.strip() or product.asin,
        product.asin,
        product.price_tag,
        options,
        images(product, with_photos=with_photos)[0],
    )


class _Matched:
    """What was matched; each entry is taken once, so that repeated wishes are counted right."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)

    def take(self, *candidates: str) -> bool:
        for candidate in candidates:
            if candidate in self._names:
                self._names.remove(candidate)
                return True
        return False
