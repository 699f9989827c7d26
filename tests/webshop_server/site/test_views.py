"""The pages for people: what they show, where they lead, and that anybody can use them."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("flask", reason="the site needs the extra webshop")

from flask import Flask
from flask.testing import FlaskClient

from hiper_base.errors import UnknownTaskError
from webshop_server.product import NO_PRICE_LIMIT, Goal, Product, Review
from webshop_server.reward import Scorer
from webshop_server.shop import SEARCH_TEMPLATE, Shop, parse_action
from webshop_server.site.app import create_app
from webshop_server.site.config import SiteConfig
from webshop_server.site.pages import photo_address, search_action
from webshop_server.site.pictures import draw, icon_of


def _load(name: str) -> ModuleType:
    """A module beside this one: pytest's import mode knows no such imports."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


html_page = _load("html_page")
Page, problems = html_page.Page, html_page.problems

LEVELS = "Clothing \u203a Shirts \u203a Plain"
EVIL = "<script>alert(1)</script> \"shirt\" 'x' & <b>"
PHOTO = "https://pictures.example/one.jpg"


def product(number: int, **changes: Any) -> Product:
    values: dict[str, Any] = {
        "asin": f"B{number:09d}",
        "title": f"Plain Shirt {number}",
        "description": "Soft cloth.\nWarm, too.",
        "bullet_points": ("Machine wash ", ""),
        "category": "fashion",
        "query": "shirts",
        "product_category": LEVELS,
        "attributes": ("machine wash",),
        "price_tag": "$10.5",
        "price": 10.5,
        "options": {"color": ("black", "red"), "size": ("small", "black")},
        "images": (PHOTO, "http://insecure.example/a.jpg"),
        "option_images": {"red": "https://pictures.example/red.jpg"},
        "rating": "4.4",
    }
    return Product(**{**values, **changes})


PRODUCTS = (
    *(product(number) for number in range(23)),
    product(
        23,
        title=EVIL,
        description=EVIL,
        bullet_points=(EVIL,),
        options={EVIL: ("buy now", "features", EVIL.lower(), "b]c", "[", "€ 5")},
        option_images={},
        images=('https://evil.example/"><script>.jpg', "https://user@evil.example/b.jpg"),
        rating=EVIL,
        reviews=(Review(EVIL, "4", EVIL), Review("", "", "Plain.")),
        attributes=(EVIL,),
        price_tag=EVIL,
    ),
    product(24, title="Bare Hat", description="", bullet_points=("",), options={}, images=()),
)


def goal(number: int, **changes: Any) -> Goal:
    values: dict[str, Any] = {
        "goal_id": f"synthetic/{number}",
        "instruction": f"Find me a plain shirt, number {number}, with color: red",
        "product": number,
        "attributes": ("machine wash",),
        "options": (("color", "red"),),
        "price_limit": 20.0,
        "split": "test",
    }
    return Goal(**{**values, **changes})


class FakeGoals(list[Goal]):
    def index(self, goal_id: object, *_: Any) -> int:  # type: ignore[override]
        for position, wanted in enumerate(self):
            if wanted.goal_id == goal_id:
                return position
        raise UnknownTaskError(str(goal_id))


class FakeCatalog:
    sha256 = "0" * 64
    name = "made up"

    def __len__(self) -> int:
        return len(PRODUCTS)


class FakeStore:
    """The made-up products; a search finds those with a word of the query in their title."""

    is_generated = False

    def __init__(self) -> None:
        self.catalog = FakeCatalog()
        hard = goal(2, attributes=("machine wash", "gold"), price_limit=5.0)
        human = goal(3, goal_id="human/0", instruction=EVIL, options=("red",), split="test")
        free = goal(4, goal_id="human/1", options=(), price_limit=NO_PRICE_LIMIT)
        self._goals = {
            "synthetic": FakeGoals([goal(0), goal(1), hard]),
            "human": FakeGoals([human, free]),
        }

    def __getitem__(self, position: int) -> Product:
        return PRODUCTS[position]

    def position(self, asin: str) -> int:
        for position, item in enumerate(PRODUCTS):
            if item.asin == asin:
                return position
        raise KeyError(asin)

    def search(self, query: str, limit: int) -> Sequence[int]:
        words = set(query.lower().split())
        found = [n for n, p in enumerate(PRODUCTS) if words & set(p.title.lower().split())]
        return found[:limit]

    def goals(self, kind: str) -> FakeGoals:
        return self._goals[kind]


def nouns(title: str) -> list[str]:
    return [word for word in title.lower().split() if word.isalpha()]


def make_app(folder: Path, **settings: Any) -> Flask:
    config = SiteConfig(database=folder / "shop.sqlite3", operator_password="word", **settings)
    return create_app(config, store=FakeStore(), scorer=Scorer(nouns))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = make_app(tmp_path_factory.mktemp("site"))
    yield app
    app.extensions["hiper_webshop"].close()


class Shopper:
    """Somebody with a browser that keeps cookies and follows redirects, and checks every page."""

    def __init__(self, app: Flask, **form: str) -> None:
        self.client: FlaskClient = app.test_client()
        answer = self.client.post("/play", data=form)
        assert answer.status_code == 303, answer.text
        self.address = urlsplit(answer.headers["Location"]).path
        self.page = self.look()

    def look(self) -> Page:
        self.answer = self.client.get(self.address)
        assert self.answer.status_code == 200, self.answer.text
        self.page = Page(self.answer.text)
        assert problems(self.page) == []
        return self.page

    def post(self, **form: str) -> Page:
        hidden = {name: self.page.hidden(name) for name in ("form_token", "revision")}
        answer = self.client.post(f"{self.address}/act", data={**hidden, **form})
        assert answer.status_code == 303, answer.text
        assert urlsplit(answer.headers["Location"]).path == self.address
        return self.look()

    def click(self, action: str) -> Page:
        assert action in self.page.actions
        return self.post(action=action)

    def search(self, query: str) -> Page:
        assert self.page.one("input", id="search_input").get("name") == "query"
        return self.post(query=query)

    @property
    def kind(self) -> str | None:
        return self.page.one("body").get("data-page")

    @property
    def revision(self) -> int:
        return int(self.page.one("body").attributes["data-revision"])

    @property
    def notice(self) -> str:
        notices = self.page.all("p", class_="notice", role="status")
        return notices[0].text if notices else ""


@pytest.fixture
def shopper(app: Flask) -> Shopper:
    return Shopper(app, goals="synthetic", number="0")


def test_the_front_door_leads_to_the_start_page(app: Flask) -> None:
    answer = app.test_client().get("/", follow_redirects=True)
    page = Page(answer.text)
    assert problems(page) == []
    assert [e.get("value") for e in page.all("input", name="goals")] == ["synthetic", "human"]
    assert "25" in page.one("section", class_="pitch").text


def test_the_start_form_is_filled_in_by_the_address(app: Flask) -> None:
    answer = app.test_client().get("/play?goals=human&number=1&show_attributes=yes")
    page = Page(answer.text)
    assert page.one("input", name="number").get("value") == "1"
    assert "checked" in page.one("input", value="human").attributes
    assert "checked" in page.one("input", name="show_attributes").attributes


@pytest.mark.parametrize("number", ["x", "99", "-1", "1" * 5000, "0/../1", EVIL])
def test_an_unknown_goal_is_explained_on_the_start_page(app: Flask, number: str) -> None:
    answer = app.test_client().post("/play", data={"goals": "synthetic", "number": number})
    assert answer.status_code == 422
    page = Page(answer.text)
    assert problems(page) == []
    assert "no such goal" in page.one("p", role="alert").text
    assert page.one("input", name="number").get("aria-invalid") == "true"


def test_without_a_number_any_goal_of_the_set_is_opened(app: Flask) -> None:
    wanted = {Shopper(app, goals="human").page.one("span", id="instruction").text for _ in range(9)}
    assert wanted <= {EVIL, goal(4).instruction}


def test_an_episode_from_search_to_score(shopper: Shopper) -> None:
    assert shopper.kind == "search"
    assert shopper.search("Plain shirt").one("h1").text == "Results for plain shirt"
    assert len(shopper.page.all("li", class_="card")) == 10
    shopper.click("click[next >]")
    assert "Page 2 of 3" in shopper.page.one("nav", class_="pager").text
    shopper.click("click[< prev]")
    shopper.click("click[b000000000]")
    assert shopper.page.one("h1").text == "Plain Shirt 0"
    shopper.click("click[red]")
    assert shopper.page.one("button", aria_pressed="true").text.strip() == "red"
    assert (
        shopper.page.all("img", class_="photo")[0].get("src") == "https://pictures.example/red.jpg"
    )
    shopper.click("click[features]")
    assert [e.text for e in shopper.page.one("ul", class_="features").children] == ["Machine wash"]
    shopper.click("click[< prev]")
    assert shopper.page.one("button", aria_pressed="true").text.strip() == "red"
    shopper.click("click[buy now]")
    assert shopper.kind == "done"
    assert shopper.page.one("p", class_="score-number").text == "Your score: 1.00"
    assert shopper.page.actions == []
    assert not shopper.page.all("input", id="search_input")


def test_the_goal_is_on_every_page(shopper: Shopper) -> None:
    for step in (
        "",
        "plain",
        "click[b000000001]",
        "click[reviews]",
        "click[< prev]",
        "click[buy now]",
    ):
        if step.startswith("click"):
            shopper.click(step)
        elif step:
            shopper.search(step)
        assert shopper.page.one("span", id="instruction").text == goal(0).instruction


def test_a_purchase_that_misses_something_says_what(app: Flask) -> None:
    shopper = Shopper(app, goals="synthetic", number="2")
    shopper.search("plain")
    shopper.click("click[b000000001]")
    shopper.click("click[buy now]")
    parts = {
        e.children[0].text.split(" ")[0]: e.text for e in shopper.page.all("section", class_="part")
    }
    assert list(parts) == ["Kind", "Attributes", "Options", "Price"]
    assert "1 of 2" in parts["Attributes"]
    assert "✗ gold (missed)" in parts["Attributes"]
    assert "✓ machine wash (met)" in parts["Attributes"]
    assert "✗ color: red (missed)" in parts["Options"]
    assert "$10.50, limit $5.00" in parts["Price"]
    assert shopper.page.one("p", class_="formula").text.endswith(
        "(1 attribute + 0 options + 0 price) / 4 = 0.25"
    )
    sides = [e.text for e in shopper.page.all("article", class_="side")]
    assert [" ".join(side.split())[:14] for side in sides] == ["You bought Pla", "The goal was m"]
    assert "Plain Shirt 2" in sides[1]


def test_a_goal_without_options_and_limit_is_explained(app: Flask) -> None:
    shopper = Shopper(app, goals="human", number="1")
    shopper.search("plain")
    shopper.click("click[b000000004]")
    shopper.click("click[buy now]")
    names = [e.children[0].text.split(" ")[0] for e in shopper.page.all("section", class_="part")]
    assert names == ["Kind", "Attributes", "Price"]
    assert "names no limit" in shopper.page.one("main").text
    assert len(shopper.page.all("article", class_="side")) == 1


def test_after_a_purchase_the_same_goal_can_be_tried_again(shopper: Shopper) -> None:
    shopper.search("plain")
    shopper.click("click[b000000001]")
    shopper.click("click[buy now]")
    again = shopper.page.one("form", class_="again")
    assert again.get("action") == "/play"
    fields = {e.get("name"): e.get("value") for e in shopper.page.all("input", type="hidden")}
    number = shopper.page.one("button", name="number").get("value")
    assert (fields["goals"], number) == ("synthetic", "0")


@settings(max_examples=25)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=12), st.booleans())
def test_what_can_be_clicked_is_what_is_admissible(
    app: Flask, choices: list[int], show_attributes: bool
) -> None:
    form = {"show_attributes": "yes"} if show_attributes else {}
    shopper = Shopper(app, goals="synthetic", number="1", **form)
    mirror = Shop(FakeStore(), goal(1), show_attributes=show_attributes)
    for choice in choices:
        admissible = [a for a in mirror.admissible_actions if a != SEARCH_TEMPLATE]
        assert set(shopper.page.actions) == set(admissible)
        if mirror.is_done:
            break
        number = choice % (len(admissible) + 1)
        if number == len(admissible):
            query = ("plain", "<b>", "nothing at all", "hat")[choice % 4]
            mirror.search(query)
            shopper.search(query)
        else:
            mirror.act(admissible[number])
            shopper.click(admissible[number])
        assert shopper.kind == mirror.state.page


def test_texts_of_products_and_shoppers_are_escaped(app: Flask) -> None:
    shopper = Shopper(app, goals="human", number="0")
    assert shopper.page.one("span", id="instruction").text == EVIL
    shopper.search(EVIL)
    assert shopper.page.one("input", id="search_input").get("value") == EVIL.lower()
    assert shopper.page.one("q").text == EVIL.lower()
    shopper.click("click[b000000023]")
    assert shopper.page.one("h1").text == EVIL
    shopper.click(f"click[{EVIL.lower()}]")
    assert shopper.page.one("button", aria_pressed="true").text.strip() == EVIL.lower()
    for name in ("description", "features", "reviews"):
        shopper.click(f"click[{name}]")
        assert EVIL in shopper.page.one("div", class_="sheet").text
        shopper.click("click[< prev]")
    shopper.click("click[buy now]")
    assert EVIL in shopper.page.one("main").text
    for script in shopper.page.all("script"):
        assert script.get("src") == "/static/shop.js"


def test_values_that_cannot_be_clicked_say_why(app: Flask) -> None:
    shopper = Shopper(app, goals="synthetic", number="0")
    shopper.search("plain")
    shopper.click("click[b000000000]")
    shared = [e for e in shopper.page.all("button", class_="choice") if e.text.strip() == "black"]
    assert ["disabled" in e.attributes for e in shared] == [True, False]
    assert shared[0].get("title") == "Choose this value under “size”."
    shopper.search("<b>")
    shopper.click("click[b000000023]")
    disabled = {e.text.strip() for e in shopper.page.all("button", class_="choice", type="button")}
    assert disabled == {"buy now", "features"}


def test_a_product_without_anything_has_readable_pages(shopper: Shopper) -> None:
    shopper.search("hat")
    shopper.click("click[b000000024]")
    assert shopper.page.all("fieldset") == []
    for name in ("description", "features", "reviews"):
        shopper.click(f"click[{name}]")
        assert (
            shopper.page.one("div", class_="sheet").text.strip() == f"This product has no {name}."
        )
        shopper.click("click[< prev]")


def test_hidden_attributes_are_a_page_only_if_asked_for(app: Flask, shopper: Shopper) -> None:
    open_shopper = Shopper(app, goals="synthetic", number="0", show_attributes="yes")
    for one in (shopper, open_shopper):
        one.search("plain")
        one.click("click[b000000000]")
    assert "click[attributes]" not in shopper.page.actions
    open_shopper.click("click[attributes]")
    assert LEVELS in open_shopper.page.one("dl").text


def test_hidden_properties_are_on_no_page_before_the_purchase(app: Flask) -> None:
    shopper = Shopper(app, goals="synthetic", number="0")
    shopper.search("plain")
    shopper.click("click[b000000000]")
    seen = shopper.answer.text
    shopper.click("click[features]")
    seen += shopper.answer.text
    assert "fashion" not in seen
    assert "Clothing" not in seen


def test_pages_behind_the_last_are_empty_and_lead_on(shopper: Shopper) -> None:
    shopper.search("hat")
    shopper.click("click[next >]")
    assert "No more results" in shopper.page.one("main").text
    shopper.search("nothing at all")
    assert "Nothing found" in shopper.page.one("main").text
    assert shopper.page.actions == ["click[back to search]", "click[next >]"]


def test_an_old_page_changes_nothing_and_says_so(shopper: Shopper) -> None:
    old = shopper.page
    shopper.search("plain")
    shopper.page = old
    shopper.post(query="hat")
    assert "out of date" in shopper.notice
    assert shopper.page.one("h1").text == "Results for plain"
    shopper.look()
    assert shopper.notice == ""


def test_what_cannot_be_done_changes_nothing_and_says_so(shopper: Shopper) -> None:
    shopper.post(action="click[buy now]")
    assert shopper.kind == "search"
    assert "nothing has changed" in shopper.notice
    shopper.post(query="")
    assert "Type" in shopper.notice
    assert shopper.revision == 1


def test_a_search_on_other_pages_is_no_mistake(shopper: Shopper) -> None:
    shopper.search("plain")
    shopper.search("hat")
    assert shopper.notice == ""
    assert len(shopper.page.all("li", class_="card")) == 1


@pytest.mark.parametrize("form", [{}, {"form_token": "0" * 64}, {"form_token": "é"}])
def test_a_form_of_another_site_is_refused(shopper: Shopper, form: dict[str, str]) -> None:
    answer = shopper.client.post(
        f"{shopper.address}/act", data={**form, "query": "x", "revision": "0"}
    )
    assert answer.status_code == 403
    shopper.look()
    assert shopper.revision == 0


@pytest.mark.parametrize("revision", ["", "x", "-1", "1e9", "9" * 5000, "²"])
def test_a_form_without_a_revision_is_refused(shopper: Shopper, revision: str) -> None:
    data = {"form_token": shopper.page.hidden("form_token"), "query": "x", "revision": revision}
    assert shopper.client.post(f"{shopper.address}/act", data=data).status_code == 400
    shopper.look()
    assert shopper.revision == 0


def test_a_session_is_its_shoppers_only(app: Flask, shopper: Shopper) -> None:
    for client, address in (
        (app.test_client(), shopper.address),
        (Shopper(app).client, shopper.address),
        (shopper.client, "/shop/nothing"),
    ):
        answer = client.get(address)
        assert answer.status_code == 404
        page = Page(answer.text)
        assert problems(page) == []
        assert goal(0).instruction not in answer.text


def test_the_address_of_a_form_leads_back(shopper: Shopper) -> None:
    answer = shopper.client.get(f"{shopper.address}/act")
    assert urlsplit(answer.headers["Location"]).path == shopper.address


def test_the_cookie_cannot_be_read_by_scripts(app: Flask) -> None:
    answer = app.test_client().post("/play")
    cookie = answer.headers["Set-Cookie"]
    path = urlsplit(answer.headers["Location"]).path
    assert cookie.startswith("hiper_token=")
    assert {"HttpOnly", f"Path={path}", "SameSite=Lax"} <= set(cookie.split("; "))


def test_pages_may_load_pictures_from_their_hosts_only(shopper: Shopper) -> None:
    def sources(name: str) -> str:
        policy = shopper.answer.headers["Content-Security-Policy"]
        return next(part for part in policy.split("; ") if part.startswith(name))

    assert sources("img-src") == "img-src 'self'"
    shopper.search("plain")
    assert sources("img-src") == "img-src 'self' https://pictures.example"
    assert sources("script-src") == "script-src 'self'"
    photos = shopper.page.all("img", class_="photo")
    assert {photo.get("src") for photo in photos} == {PHOTO}
    assert all(photo.get("referrerpolicy") == "no-referrer" for photo in photos)


def test_a_shop_without_pictures_shows_drawings_only(tmp_path: Path) -> None:
    app = make_app(tmp_path, pictures=False)
    shopper = Shopper(app)
    shopper.search("plain")
    shopper.click("click[b000000000]")
    assert "https:" not in shopper.answer.text
    assert shopper.page.one("img").get("src") == "/picture/B000000000.svg"
    app.extensions["hiper_webshop"].close()


@pytest.mark.parametrize(
    "address",
    [
        "http://pictures.example/a.jpg",
        "https://user:word@pictures.example/a.jpg",
        "https://pictures.example:8443/a.jpg",
        "https://pictures.example; script-src *",
        "https://PICTURES .example/a.jpg",
        "javascript:alert(1)",
        "https://[::1",
        "//pictures.example/a.jpg",
        "https://cdn.example/transparent-pixel.gif",
        "",
    ],
)
def test_addresses_that_no_page_may_load(address: str) -> None:
    assert photo_address(address) == ""


def test_the_drawing_of_a_product_is_cached(app: Flask) -> None:
    client = app.test_client()
    answer = client.get("/picture/B000000023.svg")
    assert answer.mimetype == "image/svg+xml"
    assert answer.headers["Cache-Control"] == "public, max-age=86400"
    assert "<script" not in answer.text
    again = client.get("/picture/B000000023.svg", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert client.get("/picture/nothing.svg").status_code == 404


@given(st.text())
def test_every_title_has_a_drawing(title: str) -> None:
    from xml.dom.minidom import parseString

    drawn = draw(title)
    assert drawn == draw(title)
    parseString(drawn.encode())


@pytest.mark.parametrize(
    ("title", "icon"),
    [
        ("Wooden Coffee Table for Living Room", "table"),
        ("2 Pack USB Charger Cable, Black", "plug"),
        ("Men's T-Shirt with Shoes", "shirt"),
        ("Zzz", "box"),
    ],
)
def test_a_drawing_suits_its_title(title: str, icon: str) -> None:
    assert icon_of(title) == icon


@given(st.text(min_size=1, max_size=30))
def test_whatever_is_typed_becomes_a_search(query: str) -> None:
    parsed = parse_action(search_action(query))
    assert parsed is not None
    verb, argument = parsed
    assert verb == "search"
    assert re.sub(r"[\[\n\r ]", "", argument) == re.sub(r"[\[\n\r ]", "", query.lower())


@pytest.mark.parametrize("query", ["red shirt", " ", "x]", "[", "5\" 'x'"])
def test_what_actions_can_say_is_searched_as_typed(query: str) -> None:
    assert search_action(query) == f"search[{query}]"


def test_the_operator_sees_figures_and_others_do_not(app: Flask, shopper: Shopper) -> None:
    shopper.search("plain")
    shopper.click("click[b000000000]")
    shopper.click("click[buy now]")
    client = app.test_client()
    refused = client.get("/operator")
    assert refused.status_code == 401
    assert problems(Page(refused.text)) == []
    page = Page(client.get("/operator", auth=("operator", "word")).text)
    assert problems(page) == []
    tiles = {e.children[0].text: e.children[1].text for e in page.all("div", class_="tile")}
    assert int(tiles["Finished"]) >= 1
    rows = [" ".join(e.text.split()) for e in page.all("tr")]
    assert any("synthetic/0" in row and "B000000000" in row for row in rows)


def test_a_missing_page_is_an_error_page(app: Flask) -> None:
    answer = app.test_client().get("/nothing/<b>")
    assert answer.status_code == 404
    page = Page(answer.text)
    assert problems(page) == []
    assert page.one("p", class_="error-code").text == "404"
    assert [e.get("href") for e in page.all("a", class_="button primary")] == ["/play"]


def _colours(css: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", css))


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_their_background(app: Flask, scheme: str) -> None:
    css = app.test_client().get("/static/shop.css").text
    light, dark = css.split("@media (prefers-color-scheme: dark)", 1)
    colours = _colours(light[light.index(":root") :])
    if scheme == "dark":
        colours |= _colours(dark[: dark.index("*, *::before")])
    pairs = [("ink", back, 4.5) for back in ("page", "surface", "sunken", "tint")]
    pairs += [("muted", back, 4.5) for back in ("page", "surface", "sunken", "tint")]
    pairs += [("accent", back, 4.5) for back in ("page", "surface", "tint")]
    pairs += [("on-accent", back, 4.5) for back in ("accent", "accent-hover")]
    pairs += [("good", "surface", 4.5), ("bad", "surface", 4.5), ("bad", "bad-tint", 4.5)]
    pairs += [("warn-ink", "warn-tint", 4.5), ("star", "surface", 3.0)]
    pairs += [(line, back, 3.0) for line in ("edge", "focus") for back in ("page", "surface")]
    for front, back, wanted in pairs:
        one, other = sorted([_luminance(colours[front]), _luminance(colours[back])])
        ratio = (other + 0.05) / (one + 0.05)
        assert ratio >= wanted, f"{front} on {back}: {ratio:.2f}"


def test_static_files_load_nothing_from_elsewhere(app: Flask) -> None:
    client = app.test_client()
    for name in ("shop.css", "shop.js", "icon.svg"):
        text = client.get(f"/static/{name}").text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "@import" not in text
        assert "innerHTML" not in text


def test_an_odd_start_address_is_the_start_page(app: Flask) -> None:
    page = Page(app.test_client().get("/play?goals=nothing&number=<b>").text)
    assert problems(page) == []
    assert page.one("input", name="number").get("value") == ""
