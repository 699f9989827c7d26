"""What the JSON API reads and writes, as models: one source for checks, answers and OpenAPI.

A state holds what a shopper may see and nothing else: hidden attributes, categories, exact prices
and the wanted product do not appear in any model but for the reward, after the purchase.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from webshop_server.product import Product
from webshop_server.shop import SUB_PAGES, Shop
from webshop_server.site.config import MAX_ACTION
from webshop_server.site.sessions import Opened, Session
from webshop_server.text import text, text_rich

__all__ = [
    "ActionRequest",
    "CreateRequest",
    "GoalPage",
    "GoalsQuery",
    "Health",
    "OpenedState",
    "Problem",
    "State",
    "goal_page",
    "opened_state",
    "state_of",
]

MAX_REVISION = 2**53 - 1
MAX_GOALS = 500


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class CreateRequest(_Request):
    """Opens a session."""

    goals: Literal["synthetic", "human", "generated"] | None = Field(
        None, description="Kind of goals to draw from; the shop's own default when null."
    )
    goal_id: str | None = Field(
        None, max_length=100, description="A particular goal, such as `synthetic/0`."
    )
    show_attributes: bool = Field(
        False, description="Whether items have the sub page `Attributes` (hidden attributes)."
    )


class ActionRequest(_Request):
    """One action in a session."""

    action: str = Field(
        max_length=MAX_ACTION,
        description="`search[<query>]` or `click[<clickable>]`; any other text does nothing.",
    )
    revision: int | None = Field(
        None,
        ge=0,
        le=MAX_REVISION,
        description="The revision that the action is meant for; 409 if it is not the current one.",
    )


class GoalsQuery(BaseModel):
    """Which goals are listed."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["synthetic", "human", "generated"] | None = Field(
        None, description="Kind of goals; the shop's own default when left out."
    )
    offset: int = Field(0, ge=0, le=MAX_REVISION, description="Goals to skip.")
    limit: int = Field(100, ge=1, le=MAX_GOALS, description="Goals to list at most.")


class GoalLine(_Answer):
    """A goal as shoppers see it."""

    goal_id: str
    instruction: str


class GoalPage(_Answer):
    """Some goals, in the published order."""

    kind: str
    total: int
    offset: int
    goals: tuple[GoalLine, ...]


class Listed(_Answer):
    """A product in the results."""

    asin: str
    title: str
    price: str


class SearchPage(_Answer):
    """The page with the search bar."""

    kind: Literal["search"] = "search"


class ResultsPage(_Answer):
    """A page of search results."""

    kind: Literal["results"] = "results"
    query: str
    number: int = Field(description="Page number, from 1.")
    total: int = Field(description="Products found, at most 50.")
    products: tuple[Listed, ...]


class ReviewText(_Answer):
    """A customer's review."""

    title: str
    score: str
    body: str


class ItemPage(_Answer):
    """A product with its product options."""

    kind: Literal["item"] = "item"
    asin: str
    title: str
    price: str
    rating: str
    options: dict[str, tuple[str, ...]] = Field(description="Values by option name.")
    selected: dict[str, str] = Field(description="Selected value by option name.")
    sub_pages: tuple[str, ...]


class SubPage(_Answer):
    """A sub page of a product."""

    kind: Literal["sub"] = "sub"
    asin: str
    name: Literal["Description", "Features", "Reviews", "Attributes"]
    lines: tuple[str, ...] = Field(description="Description, features or attributes.")
    reviews: tuple[ReviewText, ...] = Field(description="Reviews, on their page only.")


class DonePage(_Answer):
    """After the purchase."""

    kind: Literal["done"] = "done"
    asin: str
    selected: dict[str, str] = Field(description="Bought value by option name.")


Page = Annotated[
    SearchPage | ResultsPage | ItemPage | SubPage | DonePage, Field(discriminator="kind")
]


class Reward(_Answer):
    """How the purchase was scored."""

    score: float
    r_type: float
    r_att: float
    r_option: float | None
    r_price: bool
    w_att: float
    w_option: float | None
    w_price: float
    title_score: float
    query_match: bool
    category_match: bool
    matched_attributes: tuple[str, ...]
    matched_options: tuple[str, ...]
    noun_tagger: str


class State(_Answer):
    """A session as its shopper sees it."""

    session_id: str
    goal_id: str
    instruction: str
    observation: str = Field(description="The page in one line, as in the `text` mode.")
    observation_rich: str = Field(description="The page with marks, as in the `text_rich` mode.")
    admissible_actions: tuple[str, ...]
    page: Page
    done: bool
    score: float | None = Field(description="Null before the purchase.")
    reward: Reward | None = Field(description="Null before the purchase.")
    revision: int
    actions: int
    action_valid: bool = Field(description="Whether the last action was admissible.")


class OpenedState(State):
    """A new session; `token` is shown only here."""

    token: str = Field(description="Send it as `Authorization: Bearer <token>`.")


class Health(_Answer):
    """The shop works."""

    status: Literal["ok"] = "ok"
    products: int


class Problem(_Answer):
    """Why a request was not answered (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


def state_of(session: Session) -> State:
    """What the shopper of a session sees."""
    return State(**_seen(session))


def opened_state(opened: Opened) -> OpenedState:
    """What the shopper of a new session sees, with the secret."""
    return OpenedState(**_seen(opened.session), token=opened.token)


def _seen(session: Session) -> dict[str, Any]:
    shop, score = session.shop, session.score
    total = None if score is None else score.score
    return {
        "session_id": session.session_id,
        "goal_id": session.goal.goal_id,
        "instruction": session.goal.instruction,
        "observation": text(shop, total),
        "observation_rich": text_rich(shop, total),
        "admissible_actions": shop.admissible_actions,
        "page": _page(shop),
        "done": session.is_done,
        "score": total,
        "reward": _reward(session),
        "revision": session.revision,
        "actions": session.actions,
        "action_valid": session.action_valid,
    }


def _reward(session: Session) -> Reward | None:
    score = session.score
    if score is None:
        return None
    names = Reward.model_fields.keys() - {"noun_tagger"}
    parts = {name: getattr(score, name) for name in names}
    return Reward(**parts, noun_tagger=session.noun_tagger)


def _page(shop: Shop) -> SearchPage | ResultsPage | ItemPage | SubPage | DonePage:
    state, product = shop.state, shop.product
    if state.page == "search":
        return SearchPage()
    if state.page == "results":
        return ResultsPage(
            query=state.query,
            number=state.number,
            total=len(state.results),
            products=tuple(
                Listed(asin=item.asin, title=item.title, price=item.price_tag)
                for item in shop.listed
            ),
        )
    assert product is not None
    if state.page == "item":
        return ItemPage(
            asin=product.asin,
            title=product.title,
            price=product.price_tag,
            rating=product.rating,
            options=dict(product.options),
            selected=dict(state.options),
            sub_pages=shop.sub_pages,
        )
    if state.page == "sub":
        return _sub_page(product, state.sub_page)
    return DonePage(asin=product.asin, selected=dict(state.options))


def _sub_page(product: Product, name: str) -> SubPage:
    description, features, reviews, _ = SUB_PAGES
    lines: tuple[str, ...] = ()
    if name == description:
        lines = (product.description,)
    elif name == features:
        lines = product.bullet_points
    elif name != reviews:
        lines = product.attributes
    shown = product.reviews if name == reviews else ()
    return SubPage(
        asin=product.asin,
        name=name,  # type: ignore[arg-type]  # the model checks it
        lines=lines,
        reviews=tuple(ReviewText(title=r.title, score=r.score, body=r.body) for r in shown),
    )


def goal_page(kind: str, total: int, offset: int, goals: list[tuple[str, str]]) -> GoalPage:
    """A page of (goal id, instruction) pairs."""
    lines = tuple(GoalLine(goal_id=goal_id, instruction=words) for goal_id, words in goals)
    return GoalPage(kind=kind, total=total, offset=offset, goals=lines)
