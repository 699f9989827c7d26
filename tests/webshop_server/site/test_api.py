from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from webshop_server.product import Goal
from webshop_server.reward import Scorer
from webshop_server.shop import Shop
from webshop_server.site.services import Services
from webshop_server.text import text, text_rich

API = "/api/v1"


class Caller:
    """A program with a session."""

    def __init__(self, client: FlaskClient, **wanted: Any) -> None:
        self._client = client
        response = client.post(f"{API}/sessions", json=wanted)
        assert response.status_code == 201
        self.state: dict[str, Any] = response.get_json()
        self.location = response.headers["Location"]
        self.token: str = self.state.pop("token")

    def act(self, action: str, **more: Any) -> TestResponse:
        body = {"action": action, **more}
        response = self._client.post(f"{self.location}/actions", json=body, headers=self.headers)
        if response.status_code == 200:
            self.state = response.get_json()
        return response

    def get(self) -> dict[str, Any]:
        response = self._client.get(self.location, headers=self.headers)
        assert response.status_code == 200
        state: dict[str, Any] = response.get_json()
        return state

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture
def caller(client: FlaskClient) -> Caller:
    return Caller(client, goal_id="synthetic/3")


def problem_of(response: TestResponse, status: int) -> str:
    assert response.status_code == status
    assert response.mimetype == "application/problem+json"
    document = response.get_json()
    assert document["status"] == status
    return str(document["detail"])


def test_every_page_is_the_shop_s(caller: Caller, store: Any, goals: list[Goal]) -> None:
    shop = Shop(store, goals[3])
    for action in (
        "search[Shirt]",
        "click[next >]",
        "click[< prev]",
        "click[b000000003]",
        "click[BLACK]",
        "click[features]",
        "click[< prev]",
        "click[reviews]",
    ):
        assert caller.act(action).status_code == 200
        shop.act(action)
        assert caller.state["observation"] == text(shop)
        assert caller.state["observation_rich"] == text_rich(shop)
        assert tuple(caller.state["admissible_actions"]) == shop.admissible_actions
        assert caller.state["action_valid"]
        assert caller.state == caller.get()


def test_the_structured_pages(caller: Caller) -> None:
    assert caller.state["page"] == {"kind": "search"}
    caller.act("search[odd]")
    odd = {"asin": "B0LOWERcas", "title": "Odd Hat", "price": "$10.5"}
    page = {"kind": "results", "query": "odd", "number": 1, "total": 1, "products": [odd]}
    assert caller.state["page"] == page
    caller.act("click[b0lowercas]")
    caller.act("click[</script>]")
    page = caller.state["page"]
    assert page["options"] == {"kind": ["buy now", "features", "</script>"]}
    assert page["selected"] == {"kind": "</script>"}
    assert page["sub_pages"] == ["Description", "Features", "Reviews"]
    caller.act("click[reviews]")
    assert caller.state["page"]["name"] == "Reviews"
    assert caller.state["page"]["reviews"] == [{"title": "Fine", "score": "4", "body": "It fits."}]
    caller.act("click[< prev]")
    caller.act("click[description]")
    assert caller.state["page"]["lines"] == [""]
    caller.act("click[< prev]")
    caller.act("click[buy now]")
    done = {"kind": "done", "asin": "B0LOWERcas", "selected": {"kind": "</script>"}}
    assert caller.state["page"] == done


def test_the_reward_comes_with_the_purchase_only(
    caller: Caller, scorer: Scorer, goals: list[Goal], store: Any
) -> None:
    for action in ("search[shirt]", "click[b000000004]", "click[red]"):
        caller.act(action)
        assert (caller.state["done"], caller.state["score"]) == (False, None)
        assert caller.state["reward"] is None
    caller.act("click[buy now]")
    expected = scorer.score(goals[3], store[3], store[4], {"color": "red"})
    assert caller.state["done"]
    assert caller.state["score"] == expected.score
    reward = caller.state["reward"]
    assert reward["noun_tagger"] == scorer.noun_tagger
    for name in ("r_type", "r_att", "r_option", "r_price", "w_att", "title_score", "query_match"):
        assert reward[name] == getattr(expected, name)
    assert tuple(reward["matched_options"]) == expected.matched_options
    # Nothing happens afterwards.
    assert caller.act("search[x]").status_code == 200
    assert (caller.state["actions"], caller.state["action_valid"]) == (4, False)


def test_nothing_hidden_is_seen_before_the_purchase(
    make_app: Callable[..., Flask], store: Any, shelf: Any
) -> None:
    secrets = ("SECRETquery", "SECRETcategory", "SECRETpath", "SECRETattribute", "123.25")
    query, category, path, attribute, price = secrets
    products = [
        type(product)(
            **{
                **{name: getattr(product, name) for name in product.__slots__},
                "query": query,
                "category": category,
                "product_category": path,
                "attributes": (attribute,),
                "price": float(price),
            }
        )
        for product in shelf.products
    ]
    shelf.products = products
    client = make_app().test_client(use_cookies=False)
    caller = Caller(client, goal_id="synthetic/3")
    seen = [json.dumps(caller.state)]
    for action in (
        *("search[shirt]", "click[b000000003]", "click[features]", "click[< prev]"),
        *("click[attributes]", "click[reviews]", "click[< prev]", "click[description]"),
    ):
        seen.append(caller.act(action).get_data(as_text=True))
    seen.append(client.get(f"{API}/goals").get_data(as_text=True))
    for secret in secrets:
        assert not [answer for answer in seen if secret in answer]
    # Asked for, they are shown where upstream shows them.
    open_caller = Caller(client, goal_id="synthetic/3", show_attributes=True)
    for action in ("search[shirt]", "click[b000000003]", "click[attributes]"):
        open_caller.act(action)
    assert open_caller.state["page"]["lines"] == [attribute]


def test_goals_are_listed_in_pages(client: FlaskClient, goals: list[Goal]) -> None:
    page = client.get(f"{API}/goals").get_json()
    assert (page["kind"], page["total"], page["offset"]) == ("synthetic", 5, 0)
    assert [(g["goal_id"], g["instruction"]) for g in page["goals"]] == [
        (goal.goal_id, goal.instruction) for goal in goals
    ]
    assert {frozenset(goal) for goal in page["goals"]} == {frozenset(["goal_id", "instruction"])}
    page = client.get(f"{API}/goals?offset=3&limit=1&kind=synthetic").get_json()
    assert [goal["goal_id"] for goal in page["goals"]] == ["synthetic/3"]
    assert client.get(f"{API}/goals?offset=99999999").get_json()["goals"] == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("kind=human", 404),
        ("kind=nonsense", 400),
        ("offset=-1", 400),
        ("limit=0", 400),
        ("limit=501", 400),
        (f"offset={'9' * 5000}", 400),
        ("limit=ten", 400),
        ("unknown=1", 400),
        ("offset=%00", 400),
        ("offset=%ff", 400),
    ],
)
def test_goals_that_cannot_be_listed(client: FlaskClient, query: str, status: int) -> None:
    assert problem_of(client.get(f"{API}/goals?{query}"), status)


def test_a_session_with_defaults_needs_no_body(client: FlaskClient) -> None:
    response = client.post(f"{API}/sessions")
    assert response.status_code == 201
    assert response.get_json()["goal_id"].startswith("synthetic/")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{'goals': 'synthetic'}",
        b'{"goals": 1}',
        b'{"goals": "nonsense"}',
        b'{"show_attributes": "yes"}',
        b'{"show_attributes": 1}',
        b'{"unknown": 1}',
        b'{"goal_id": "' + b"a" * 101 + b'"}',
        b'{"goal_id": "\\ud800"}',
        b'{"goal_id": "synthetic/0", "goals": "human"}',
        b"\xff\xfe",
        b"\0",
        b"[" * 60_000,
        b'{"goals":' * 6_000,
        b'{"goals": ' + b"9" * 60_000 + b"}",
    ],
)
def test_bodies_that_are_refused(client: FlaskClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert problem_of(client.post(f"{API}/sessions", data=body, headers=headers), 400)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": None},
        {"action": 5},
        {"action": ["search[x]"]},
        {"action": "x" * 2001},
        {"action": "search[\0]"},
        {"action": "search[x]", "revision": -1},
        {"action": "search[x]", "revision": 1.5},
        {"action": "search[x]", "revision": "0"},
        {"action": "search[x]", "revision": True},
        {"action": "search[x]", "revision": 10**400},
        {"action": "search[x]", "token": "x"},
    ],
)
def test_actions_that_are_refused(caller: Caller, client: FlaskClient, body: Any) -> None:
    response = client.post(f"{caller.location}/actions", json=body, headers=caller.headers)
    assert problem_of(response, 400)
    assert caller.get()["actions"] == 0


def test_a_lone_surrogate_is_refused(caller: Caller, client: FlaskClient) -> None:
    headers = {**caller.headers, "Content-Type": "application/json"}
    body = b'{"action": "search[\\ud800]"}'
    assert problem_of(client.post(f"{caller.location}/actions", data=body, headers=headers), 400)


@pytest.mark.parametrize("action", ["", "dance", "click[nothing]", "search[]", "SEARCH[x]", "\n"])
def test_actions_without_effect_count(caller: Caller, action: str) -> None:
    assert caller.act(action).status_code == 200
    assert (caller.state["action_valid"], caller.state["actions"]) == (False, 1)
    assert caller.state["page"] == {"kind": "search"}


def test_bodies_that_are_too_long_or_no_json(
    make_app: Callable[..., Flask], caller: Caller, client: FlaskClient
) -> None:
    long = {"action": "x" * 70_000}
    url = f"{caller.location}/actions"
    assert problem_of(client.post(url, json=long, headers=caller.headers), 413)
    form = client.post(url, data={"action": "search[x]"}, headers=caller.headers)
    assert problem_of(form, 415)
    assert problem_of(client.post(url, headers=caller.headers), 415)
    short = make_app(max_body=50).test_client()
    assert problem_of(short.post(f"{API}/sessions", json={"goal_id": "x" * 60}), 413)


def test_a_revision_is_a_condition(caller: Caller) -> None:
    assert caller.act("search[shirt]", revision=0).status_code == 200
    assert "revision 1" in problem_of(caller.act("search[hat]", revision=0), 409)
    assert caller.get()["page"]["query"] == "shirt"


def test_sessions_of_others_look_like_none(client: FlaskClient) -> None:
    mine, other = Caller(client), Caller(client)
    session_id = mine.location.rpartition("/")[2]
    answers = set()
    for path, token in (
        (session_id, other.token),
        (session_id, None),
        (session_id, ""),
        (session_id, "é"),
        (session_id, "x" * 5000),
        ("AAAAAAAAAAAAAAAA", mine.token),
        ("%00", mine.token),
        ("%ed%a0%80", mine.token),
        ("x" * 5000, mine.token),
    ):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = f"{API}/sessions/{path}"
        answers.add(problem_of(client.get(url, headers=headers), 404))
        acted = client.post(f"{url}/actions", json={"action": "search[x]"}, headers=headers)
        answers.add(problem_of(acted, 404))
    assert len(answers) == 1
    # The token of a session is no cookie for the API, and its form secrets are no token.
    cookie = {"Cookie": f"hiper_token={mine.token}"}
    problem_of(client.get(mine.location, headers=cookie), 404)
    assert mine.get()["actions"] == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api", 404),
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v2/sessions", 404),
        ("GET", "/api/v1/sessions", 405),
        ("DELETE", "/api/v1/sessions", 405),
        ("PUT", "/api/v1/goals", 405),
        ("BREW", "/api/v1/goals", 405),
        ("GET", "/api/v1/sessions/%2e%2e/%2e%2e/etc/passwd", 404),
    ],
)
def test_addresses_and_methods_that_do_not_exist(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    response = client.open(path, method=method)
    problem_of(response, status)
    assert ("Allow" in response.headers) == (status == 405)


def test_a_database_that_cannot_be_written_is_said_so(
    caller: Caller, client: FlaskClient, shop: Services
) -> None:
    shop.database._connection.execute("PRAGMA query_only=ON")
    response = caller.act("search[shirt]")
    assert response.headers["Retry-After"]
    assert "nothing was changed" in problem_of(response, 503)
    problem_of(client.post(f"{API}/sessions"), 503)
    shop.database._connection.execute("PRAGMA query_only=OFF")
    assert caller.get()["actions"] == 0
    assert caller.act("search[shirt]").status_code == 200


def test_a_mistake_of_the_shop_says_nothing_about_it(
    caller: Caller,
    store: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(query: str, limit: int) -> None:
        raise RuntimeError("secret /path/of/a/file")

    monkeypatch.setattr(store, "search", broken)
    response = caller.act("search[shirt]")
    assert "secret" not in problem_of(response, 500)
    assert "secret /path" in caplog.text


def test_figures_are_the_operator_s(client: FlaskClient, caller: Caller) -> None:
    url = f"{API}/statistics"
    assert "Basic" in client.get(url).headers["WWW-Authenticate"]
    for wrong in (("operator", ""), ("operator", "x"), ("root", "open sesame"), ("é", "ü")):
        problem_of(client.get(url, auth=wrong), 401)
    problem_of(client.get(url, headers=caller.headers), 401)
    problem_of(client.get(url, headers={"Authorization": "Basic %%%"}), 401)
    for action in ("search[shirt]", "click[b000000003]", "click[black]", "click[buy now]"):
        caller.act(action)
    figures = client.get(url, auth=("operator", "open sesame")).get_json()
    assert figures["sessions"]["finished"] == 1
    assert figures["sessions"]["success_rate"] == 1.0
    assert figures["stock"]["goals"] == {"synthetic": 5}
    assert figures["speed"]["requests"] > 4
    assert figures["latest"][0]["asin"] == "B000000003"
    assert caller.token not in json.dumps(figures)


def test_without_a_password_there_is_no_operator(make_app: Callable[..., Flask]) -> None:
    client = make_app(operator_password=None).test_client()
    problem_of(client.get(f"{API}/statistics", auth=("operator", "")), 401)


def test_health(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "ok", "products": 12}
