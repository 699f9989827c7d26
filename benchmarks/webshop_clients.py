"""Shoppers that use the web site over HTTP and do not believe it, and the server they use.

A shopper walks at random, knows what its session has to look like, and notes every difference. One
kind uses the JSON API, the other the pages and forms that people use. The module measures nothing
but the time of each request, and decides nothing about how many shoppers there are.
"""

from __future__ import annotations

import html
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode, urlsplit

__all__ = [
    "ApiShopper",
    "HtmlShopper",
    "Seen",
    "ServerProcess",
    "Shopper",
    "UnexpectedAnswerError",
    "check_kept",
    "fetch_state",
]

_START_SECONDS = 60.0
_TIMEOUT_SECONDS = 30.0
_LONGEST_WALK = 25


@dataclass(frozen=True)
class Seen:
    """What a shopper knows of a session from the last answer.

    Attributes:
        session_id: Its id.
        token: Its secret.
        instruction: Its task.
        revision: How often it has changed.
        kind: Page: search, results, item, sub or done.
        query: The search whose results are shown; None on other pages.
        score: Of the purchase, as far as the client reads it.
    """

    session_id: str
    token: str
    instruction: str
    revision: int
    kind: str
    query: str | None = None
    score: float | None = None


class Shopper(ABC):
    """One client with one connection and one session at a time.

    Args:
        address: Host and port of the server.
        name: Is part of every query, so that no other shopper's results can pass as its own.
        seed: Of its walk.

    Attributes:
        seconds: Time of every request.
        faults: Everything that was not as it should be.
        kept: What the server has acknowledged, by session id.
        in_flight: Session with an action that was sent and not yet answered, "" for none.
        purchases: How many sessions it has finished.
    """

    def __init__(self, address: tuple[str, int], name: str, seed: int) -> None:
        self._address = address
        self._connection = http.client.HTTPConnection(*address, timeout=_TIMEOUT_SECONDS)
        self._name = name
        self._rng = random.Random(seed)
        self._query = ""
        self._seen: Seen | None = None
        self._actions: Sequence[str] = ()
        self.seconds: list[float] = []
        self.faults: list[str] = []
        self.kept: dict[str, Seen] = {}
        self.in_flight = ""
        self.purchases = 0

    def turn(self) -> None:
        """Opens a session, looks at it, or acts in it.

        Raises:
            OSError: If the server cannot be reached.
            http.client.HTTPException: If it breaks off an answer.
        """
        seen = self._seen
        if seen is None:
            self._seen = self._remember(self.open())
        elif seen.kind == "done" or seen.revision > _LONGEST_WALK:
            self.purchases += seen.kind == "done"
            self._seen = None
        elif self._rng.random() < 0.1:
            self._compare(seen, self.look(seen))
        else:
            self._act(seen)

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    @abstractmethod
    def open(self) -> Seen:
        """Opens a session."""

    @abstractmethod
    def look(self, seen: Seen) -> Seen:
        """Reads a session."""

    @abstractmethod
    def act(self, seen: Seen, action: str) -> Seen:
        """Executes an action."""

    def _act(self, seen: Seen) -> None:
        action = self._choose(seen)
        self.in_flight = seen.session_id
        after = self.act(seen, action)
        self.in_flight = ""
        if (after.session_id, after.instruction) != (seen.session_id, seen.instruction):
            self.faults.append(f"{seen} became {after}: another session")
        if after.revision != seen.revision + 1:
            self.faults.append(f"{seen} became {after}: an action was lost or doubled")
        if after.query is not None and after.query != self._query:
            self.faults.append(f"{after} shows the results of another query than {self._query!r}")
        self._seen = self._remember(after)

    def _choose(self, seen: Seen) -> str:
        if seen.kind == "search":
            words = self._rng.sample(seen.instruction.lower().split(), k=3)
            self._query = f"{' '.join(words)} {self._name}x{self._rng.randrange(10**6)}"
            return f"search[{self._query}]"
        if "click[buy now]" in self._actions and self._rng.random() < 0.2:
            return "click[buy now]"
        return self._rng.choice(self._actions)

    def _compare(self, before: Seen, after: Seen) -> None:
        if before != replace(after, score=before.score):
            self.faults.append(f"{before} became {after} without an action")

    def _remember(self, seen: Seen) -> Seen:
        self.kept[seen.session_id] = seen
        return seen

    def _request(
        self, method: str, path: str, body: str | None, headers: dict[str, str], expected: int
    ) -> tuple[http.client.HTTPResponse, str]:
        start = time.perf_counter()
        try:
            self._connection.request(method, path, body, headers)
        except ConnectionRefusedError:
            self.in_flight = ""  # nobody was there to receive it
            raise
        response = self._connection.getresponse()
        answer = response.read()
        self.seconds.append(time.perf_counter() - start)
        if response.status != expected:
            self.faults.append(f"{method} {path}: {response.status} instead of {expected}")
            # The session is beyond help, and so is this turn.
            self._seen, self.in_flight = None, ""
            raise UnexpectedAnswerError(f"{response.status}: {answer[:200]!r}")
        return response, answer.decode()


class UnexpectedAnswerError(Exception):
    """An answer without what a shopper needs to go on; noted among its faults."""


class ApiShopper(Shopper):
    """Uses the JSON API."""

    def open(self) -> Seen:
        """Opens a session with a goal that the server draws."""
        headers = {"Content-Type": "application/json"}
        _, answer = self._request("POST", "/api/v1/sessions", "{}", headers, 201)
        state = json.loads(answer)
        return self._read(state, state["token"])

    def look(self, seen: Seen) -> Seen:
        """Reads a session."""
        path, headers = f"/api/v1/sessions/{seen.session_id}", _bearer(seen)
        return self._read(json.loads(self._request("GET", path, None, headers, 200)[1]), seen.token)

    def act(self, seen: Seen, action: str) -> Seen:
        """Executes an action on the revision that was seen."""
        path = f"/api/v1/sessions/{seen.session_id}/actions"
        headers = {**_bearer(seen), "Content-Type": "application/json"}
        body = json.dumps({"action": action, "revision": seen.revision})
        state = json.loads(self._request("POST", path, body, headers, 200)[1])
        if not state["action_valid"]:
            self.faults.append(f"{action} was not accepted in {seen}")
        return self._read(state, seen.token)

    def _read(self, state: dict[str, Any], token: str) -> Seen:
        self._actions = state["admissible_actions"]
        return _seen_in(state, token)


class HtmlShopper(Shopper):
    """Uses the pages: reads forms and buttons, posts them, and follows the redirect."""

    def open(self) -> Seen:
        """Sends the form of the start page."""
        response, _ = self._post("/play", {"choice": "random"}, "")
        cookie = response.headers.get("Set-Cookie", "")
        token = _find(r"hiper_token=([^;]+)", cookie)
        return self._page(urlsplit(response.headers["Location"]).path, token)

    def look(self, seen: Seen) -> Seen:
        """Reads the session's page again."""
        return self._page(f"/shop/{seen.session_id}", seen.token)

    def act(self, seen: Seen, action: str) -> Seen:
        """Presses the button of an action, or sends the search form."""
        field = {"action": action}
        if action.startswith("search["):
            field = {"query": action[len("search[") : -1]}
        form = {"form_token": self._form_token, "revision": str(seen.revision), **field}
        path = f"/shop/{seen.session_id}"
        self._post(f"{path}/act", form, seen.token)
        # The redirect acknowledges the action, whatever happens to the page after it.
        self.kept[seen.session_id] = replace(seen, revision=seen.revision + 1, kind="", query=None)
        self.in_flight = ""
        return self._page(path, seen.token)

    def _post(
        self, path: str, form: dict[str, str], token: str
    ) -> tuple[http.client.HTTPResponse, str]:
        headers = {"Content-Type": "application/x-www-form-urlencoded", **_cookie(token)}
        headers["Origin"] = f"http://{self._address[0]}:{self._address[1]}"
        return self._request("POST", path, urlencode(form), headers, 303)

    def _page(self, path: str, token: str) -> Seen:
        _, page = self._request("GET", path, None, _cookie(token), 200)
        kind = _find(r'data-page="(\w+)"', page)
        self._form_token = _find(r'name="form_token" value="(\w+)"', page) if kind != "done" else ""
        self._actions = sorted(set(map(html.unescape, re.findall(r'data-action="([^"]*)"', page))))
        query = None
        if kind == "results":
            query = html.unescape(_find(r'name="query"[^>]* value="([^"]*)"', page))
        return Seen(
            session_id=_find(r'data-session="([\w-]+)"', page),
            token=token,
            instruction=html.unescape(_find(r'id="instruction">([^<]*)<', page)),
            revision=int(_find(r'data-revision="(\d+)"', page)),
            kind=kind,
            query=query,
        )


def fetch_state(address: tuple[str, int], seen: Seen) -> dict[str, Any] | None:
    """What the API says about a session; None if it knows none (404).

    Raises:
        OSError: If the server cannot be reached.
        UnexpectedAnswerError: If it answers anything else.
    """
    connection = http.client.HTTPConnection(*address, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"/api/v1/sessions/{seen.session_id}", headers=_bearer(seen))
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status == 404:
        return None
    if response.status != 200:
        raise UnexpectedAnswerError(f"{response.status}: {answer[:200]!r}")
    state: dict[str, Any] = json.loads(answer)
    return state


def check_kept(address: tuple[str, int], shoppers: Sequence[Shopper]) -> dict[str, Any]:
    """Whether everything that a server has acknowledged is there.

    Args:
        address: Of the server, or of its successor on the same database.
        shoppers: Those who were there before.

    Returns:
        `sessions` and `purchases`: how many were acknowledged; `lost`: how many are gone or at an
        earlier revision; `changed`: how many are different; `unanswered`: how many are one action
        further, which was on its way and may or may not be kept; `faults`: details.
    """
    counts = {"sessions": 0, "purchases": 0, "lost": 0, "changed": 0, "unanswered": 0}
    faults: list[str] = []
    for shopper in shoppers:
        for seen in shopper.kept.values():
            counts["sessions"] += 1
            counts["purchases"] += seen.kind == "done"
            state = fetch_state(address, seen)
            if state is None or state["revision"] < seen.revision:
                counts["lost"] += 1
                faults.append(f"lost: {seen}")
                continue
            found = _seen_in(state, seen.token)
            if found.revision == seen.revision + 1 and shopper.in_flight == seen.session_id:
                counts["unanswered"] += 1
            elif not _is_same(seen, found):
                counts["changed"] += 1
                faults.append(f"changed: {seen} became {found}")
    return {**counts, "faults": faults}


def _is_same(seen: Seen, found: Seen) -> bool:
    # A browser does not read everything: an empty kind and no score are unknown ones.
    if not seen.kind:
        seen = replace(seen, kind=found.kind, query=found.query)
    if seen.score is None:
        seen = replace(seen, score=found.score)
    return seen == found


def _seen_in(state: dict[str, Any], token: str) -> Seen:
    page = state["page"]
    return Seen(
        session_id=state["session_id"],
        token=token,
        instruction=state["instruction"],
        revision=state["revision"],
        kind=page["kind"],
        query=page.get("query"),
        score=state["score"],
    )


def _bearer(seen: Seen) -> dict[str, str]:
    return {"Authorization": f"Bearer {seen.token}"}


def _cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"hiper_token={token}"} if token else {}


def _find(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise UnexpectedAnswerError(f"no {pattern!r} in {text[:200]!r}")
    return match[1]


class ServerProcess:
    """A real `hiper serve` in a process of its own; ended with the block.

    Args:
        database: File of its sessions.
        arguments: Further arguments of the command.
        env: Further environment variables.

    Attributes:
        address: Host and port, once the block is entered.
        pid: Its process id.
        ready_file: What it writes when it answers.
    """

    def __init__(
        self,
        database: Path,
        arguments: Sequence[str] = (),
        env: dict[str, str] | None = None,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hiper-serve-")
        self.ready_file = Path(self._folder.name) / "ready.json"
        self._errors = Path(self._folder.name) / "errors.txt"
        self._command = [sys.executable, "-m", "hiper_agents.cli.main", "serve", "--port", "0"]
        self._command += ["--db", str(database), "--ready-file", str(self.ready_file), *arguments]
        self._env = {**os.environ, **(env or {})}
        self.address = ("", 0)

    def __enter__(self) -> ServerProcess:
        """Starts it and waits until it answers.

        Raises:
            RuntimeError: If it does not.
        """
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                self._command, env=self._env, stdout=subprocess.DEVNULL, stderr=errors
            )
        self.pid = self._process.pid
        deadline = time.monotonic() + _START_SECONDS
        while not self.ready_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"hiper serve did not start: {self.errors}")
            time.sleep(0.05)
        ready = json.loads(self.ready_file.read_text(encoding="utf-8"))
        self.address = (ready["host"], ready["port"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends it, in order if it still runs."""
        if self._process.poll() is None:
            self.stop()
        self._folder.cleanup()

    @property
    def errors(self) -> str:
        """What it has written to stderr so far."""
        return self._errors.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """Asks it to end (SIGTERM) and returns its exit code."""
        self._process.terminate()
        return self._process.wait(_START_SECONDS)

    def kill(self) -> None:
        """Kills it without warning (SIGKILL)."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def cpu_seconds(self) -> float:
        """Processor time that it has used so far (Linux; nan elsewhere)."""
        stat = Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            return float("nan")
        times = stat.read_text().rpartition(")")[2].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mib(self) -> float:
        """Its resident memory (Linux; nan elsewhere)."""
        statm = Path(f"/proc/{self.pid}/statm")
        if not statm.exists():
            return float("nan")
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
