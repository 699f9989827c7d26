"""One WebShop task as a world: texts in, texts out, the purchase scored.

The shop itself is :class:`webshop_server.shop.Shop`. This module knows nothing of options, tags or
step limits, nor of where the catalogue comes from.
"""

from __future__ import annotations

from typing import Any

from hiper_envs.contract import WorldState
from webshop_server.product import Goal
from webshop_server.reward import Score, Scorer
from webshop_server.shop import Shelf, Shop, parse_action
from webshop_server.text import observe

__all__ = ["WebshopWorld", "score_info"]


class WebshopWorld:
    """A shopper with a goal.

    An action is admissible if it clicks something on the page, in any case, or searches where there
    is a search bar. As upstream, a search is executed on the other pages too; it then counts as not
    admissible. Everything else, and everything after the purchase, changes nothing.

    Args:
        shelf: What is sold; shared.
        goal: What to buy.
        scorer: Scores the purchase; shared.
        observation_mode: "text" or "text_rich".
        show_attributes: Whether items have the sub page `Attributes`.
    """

    __slots__ = ("_goal", "_mode", "_scorer", "_shelf", "_show_attributes", "score", "shop")

    def __init__(
        self,
        shelf: Shelf,
        goal: Goal,
        scorer: Scorer,
        *,
        observation_mode: str = "text",
        show_attributes: bool = False,
    ) -> None:
        self._shelf = shelf
        self._goal = goal
        self._scorer = scorer
        self._mode = observation_mode
        self._show_attributes = show_attributes
        self.shop = Shop(shelf, goal, show_attributes=show_attributes)
        self.score: Score | None = None

    def reset(self) -> WorldState:
        """Go back to the search page, with nothing bought."""
        self.shop = Shop(self._shelf, self._goal, show_attributes=self._show_attributes)
        self.score = None
        return self._state(0.0, action_valid=True)

    def step(self, action: str) -> WorldState:
        """Execute one action; any string is accepted."""
        shop = self.shop
        has_search_bar, was_done = shop.has_search_bar, shop.is_done
        parsed = parse_action(action)
        is_listed = parsed is not None and (has_search_bar or parsed[0] == "click")
        action_valid = shop.act(action) and is_listed
        if not shop.is_done or was_done:
            return self._state(0.0, action_valid=action_valid)
        bought = shop.product
        assert bought is not None
        target = self._shelf[self._goal.product]
        self.score = self._scorer.score(self._goal, target, bought, shop.state.options)
        return self._state(self.score.score, action_valid=action_valid)

    def _state(self, reward: float, *, action_valid: bool) -> WorldState:
        shop, score = self.shop, self.score
        total = 0.0 if score is None else score.score
        return WorldState(
            observe(shop, self._mode, total),
            shop.admissible_actions,
            reward,
            shop.is_done,
            total == 1.0,
            total,
            action_valid,
            {} if score is None else score_info(score, shop.state.asin, self._scorer.noun_tagger),
        )


def score_info(score: Score, asin: str, noun_tagger: str) -> dict[str, Any]:
    """What the last ``info`` of an episode adds.

    Args:
        score: Of the purchase.
        asin: What was bought.
        noun_tagger: Name of the tagger that found the nouns of the titles.
    """
    return {
        "r_type": score.r_type,
        "r_att": score.r_att,
        "r_option": score.r_option,
        "r_price": score.r_price,
        "title_score": score.title_score,
        "matched_attributes": score.matched_attributes,
        "matched_options": score.matched_options,
        "purchased": asin,
        "noun_tagger": noun_tagger,
    }
