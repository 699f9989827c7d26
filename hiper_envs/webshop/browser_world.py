"""A WebShop task in a browser's window: typing and clicking in, texts out.

Every action is performed in the page; what it did is then read from the site as the page's own
session, and checked to be what the page shows. The module knows nothing of how the shop works, nor
how its pages look beyond the marks that they carry for this purpose (`data-action` on whatever can
be clicked, `data-revision` on the page).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin

from hiper_base.errors import DataError
from hiper_envs.contract import WorldState
from hiper_envs.webshop.chromium import BrowserError, Chromium
from webshop_server.shop import parse_action

if TYPE_CHECKING:
    from selenium.webdriver.remote.webelement import WebElement

__all__ = ["BrowserWorld"]

_TOKEN_COOKIE = "hiper_token"
_ATTEMPTS = 3

_LOOK = """
const data = document.body ? document.body.dataset : {};
return {ready: document.readyState !== "loading", title: document.title,
        notice: document.querySelector(".notice")?.textContent ?? "",
        session: data.session ?? null, page: data.page ?? null, revision: data.revision ?? null};
"""
_FIND = """
const found = [...document.querySelectorAll("[data-action]")].find(
  (element) => element.dataset.action === arguments[0] && !element.disabled) ?? null;
found?.scrollIntoView({block: "center", behavior: "instant"});
return found;
"""
_FIND_ID = """
const found = document.getElementById(arguments[0]);
found?.scrollIntoView({block: "center", behavior: "instant"});
return found;
"""
_READ = """
const [path, token, done] = arguments;
fetch(path, {headers: {Authorization: "Bearer " + token}, cache: "no-store"})
  .then((answer) => answer.text().then((text) => done([answer.status, text])))
  .catch((error) => done([0, String(error)]));
"""
_SET_VALUE = "arguments[0].value = arguments[1]"


class BrowserWorld:
    """A task in a browser's window; see :class:`~hiper_envs.webshop.world.WebshopWorld`.

    Args:
        browser: The window.
        url: Address of the site.
        goal_id: The goal, such as `synthetic/0`.
        instruction: Its words, to be sure that the site has the same goals.
        observation_mode: "text" or "text_rich".
        show_attributes: Whether items have the sub page `Attributes`.
    """

    def __init__(
        self,
        browser: Chromium,
        url: str,
        goal_id: str,
        instruction: str,
        *,
        observation_mode: str = "text",
        show_attributes: bool = False,
    ) -> None:
        self._browser = browser
        self._url = url
        self._goal_id = goal_id
        self._instruction = instruction
        self._field = "observation" if observation_mode == "text" else "observation_rich"
        self._show_attributes = show_attributes
        self._session = ""
        self._token = ""
        self._state: dict[str, Any] = {}

    def reset(self) -> WorldState:
        """Open a new session on the site's start page.

        Raises:
            BrowserError: If the site or the browser does not do it.
            DataError: If the site's goal of this id reads otherwise.
        """
        kind, _, number = self._goal_id.partition("/")
        query = {"goals": kind, "number": number}
        if self._show_attributes:
            query["show_attributes"] = "yes"
        self._browser.open(urljoin(self._url, f"/play?{urlencode(query)}"))
        self._click(self._element("start"))
        seen = self._browser.wait("starting a session", self._session_page)
        self._session, self._token = seen["session"], self._read_token()
        self._read(seen)
        if self._state["goal_id"] != self._goal_id or (
            self._state["instruction"] != self._instruction
        ):
            raise DataError(
                f"the site {self._url} sells another catalogue: its goal {self._goal_id} reads "
                f"{self._state['instruction'][:100]!r}, not {self._instruction[:100]!r}"
            )
        return self._world_state(0.0, action_valid=True)

    def step(self, action: str) -> WorldState:
        """Perform one action in the page; any string is accepted.

        Raises:
            BrowserError: If the page does not do what it should.
        """
        parsed = parse_action(action)
        performed = False
        if parsed is not None and not self._state["done"]:
            verb, argument = parsed
            # The page is found by what the argument is called there: in lower case.
            performed = self._search(argument) if verb == "search" else self._press(argument)
        if not performed:
            return self._world_state(0.0, action_valid=False)
        expected = self._state["revision"] + 1
        seen = self._browser.wait(f"acting on {action!r}", lambda: self._moved_from(expected - 1))
        is_next = seen["session"] == self._session and seen["revision"] == str(expected)
        # What is clicked is on the page, so that the site has no reason to say anything.
        if not is_next or seen["notice"]:
            raise BrowserError(
                f"after {action!r} the browser shows {seen['title']!r}, revision "
                f"{seen['revision']} of session {seen['session']}, not revision {expected} of "
                f"{self._session}; does somebody else act in this session? {seen['notice']}"
            )
        self._read(seen)
        reward = self._state["score"] if self._state["done"] else 0.0
        return self._world_state(float(reward), action_valid=bool(self._state["action_valid"]))

    def _search(self, query: str) -> bool:
        """Types a query and presses the button; False if the page cannot search for it."""
        field = self._element("search_input", or_none=True)
        query = _typeable(query)
        if field is None or len(query) > int(field.get_attribute("maxlength") or len(query)):
            return False
        self._browser.call("type a query", lambda: self._type(field, query))
        self._click(self._element("search_button"))
        return True

    def _type(self, field: WebElement, query: str) -> None:
        field.clear()
        # Selenium takes some characters for keys, and cannot type those beyond the first plane.
        if query.isprintable() and max(query) <= "\uffff":
            field.send_keys(query)
        if field.get_property("value") != query:
            self._browser.run(_SET_VALUE, field, query)

    def _press(self, name: str) -> bool:
        """Clicks what is called so; False if the page has nothing of that name."""
        for attempt in range(_ATTEMPTS):
            element = self._browser.run(_FIND, f"click[{name}]")
            if element is None:
                return False
            try:
                self._click(element)
                return True
            except BrowserError:
                # The page changed while it was clicked, or something lies over the button.
                if attempt == _ATTEMPTS - 1:
                    raise
                if self._look()["revision"] != str(self._state["revision"]):
                    return True
        return False

    def _click(self, element: WebElement) -> None:
        self._browser.call("click", element.click)

    def _element(self, element_id: str, *, or_none: bool = False) -> Any:
        element = self._browser.run(_FIND_ID, element_id)
        if element is None and not or_none:
            title = self._look()["title"]
            raise BrowserError(f"the page {title!r} of {self._url} has no element #{element_id}")
        return element

    def _look(self) -> dict[str, Any]:
        seen: dict[str, Any] = self._browser.run(_LOOK)
        return seen

    def _session_page(self) -> dict[str, Any] | None:
        """What the page is, once it is one of a session."""
        seen = self._look()
        return seen if seen["ready"] and seen["session"] else None

    def _moved_from(self, revision: int) -> dict[str, Any] | None:
        """What the page is, once it is another one than that of a revision."""
        seen = self._look()
        return seen if seen["ready"] and seen["revision"] != str(revision) else None

    def _read_token(self) -> str:
        """The secret of the session, which only the browser has."""
        driver = self._browser.driver
        cookie = self._browser.call("read a cookie", lambda: driver.get_cookie(_TOKEN_COOKIE))
        if cookie is None:
            raise BrowserError(f"the site {self._url} gave the browser no session")
        return str(cookie["value"])

    def _read(self, seen: dict[str, Any]) -> None:
        """Reads the session's state, and checks that it is what the page shows."""
        path = f"/api/v1/sessions/{self._session}"
        status, written = self._browser.call(
            "read the session",
            lambda: self._browser.driver.execute_async_script(_READ, path, self._token),
        )
        if status != 200:
            raise BrowserError(f"{urljoin(self._url, path)} answers {status}: {written[:200]}")
        state = json.loads(written)
        shown = (seen["revision"], seen["page"])
        if shown != (str(state["revision"]), state["page"]["kind"]):
            raise BrowserError(
                f"the page shows revision {shown[0]} ({shown[1]}), and the session is at "
                f"{state['revision']} ({state['page']['kind']})"
            )
        self._state = state

    def _world_state(self, reward: float, *, action_valid: bool) -> WorldState:
        state = self._state
        score = 0.0 if state["score"] is None else float(state["score"])
        return WorldState(
            state[self._field],
            tuple(state["admissible_actions"]),
            reward,
            bool(state["done"]),
            score == 1.0,
            score,
            action_valid,
            _score_info(state),
        )


def _typeable(query: str) -> str:
    """A query as a form can carry it: without what a field drops or the site refuses."""
    kept = query.replace("\0", " ").replace("\r", " ")
    return kept.encode("utf-8", "replace").decode("utf-8")


def _score_info(state: dict[str, Any]) -> dict[str, Any]:
    """What the last ``info`` of an episode adds; nothing before the purchase."""
    reward = state["reward"]
    if reward is None:
        return {}
    return {
        "r_type": reward["r_type"],
        "r_att": reward["r_att"],
        "r_option": reward["r_option"],
        "r_price": reward["r_price"],
        "title_score": reward["title_score"],
        "matched_attributes": tuple(reward["matched_attributes"]),
        "matched_options": tuple(reward["matched_options"]),
        "purchased": state["page"]["asin"],
        "noun_tagger": reward["noun_tagger"],
    }
