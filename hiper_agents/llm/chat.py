"""A client of servers that speak OpenAI's chat protocol: retries, time-outs, and a count of tokens.

What a server says is data of a stranger: it is bounded in time and size, and nothing of it is
believed that is no text and no count.

Only `POST /chat/completions` and `GET /models` are used, with the fields that vLLM, llama.cpp,
Ollama and the hosted services have in common. The module knows nothing of agents and environments.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

try:
    import httpx
except ModuleNotFoundError as _error:
    from hiper_base.errors import MissingDependencyError

    raise MissingDependencyError(
        "a model behind a server needs httpx: pip install 'hiper-gym[agents]'"
    ) from _error

from hiper_base.errors import HiperError

__all__ = ["Answer", "ChatClient", "ServerError", "Usage"]

logger = logging.getLogger(__name__)

_TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LONGEST_WAIT = 60.0  # seconds
_LONGEST_ANSWER = 1 << 24  # bytes
_MOST_TOKENS = 1 << 40


class ServerError(HiperError):
    """A server could not be reached, refused a request, or answered something unexpected."""


@dataclass(frozen=True)
class Usage:
    """What requests have cost, as the server counts.

    Attributes:
        requests: Requests that were answered.
        retries: Requests that had to be sent again.
        prompt_tokens: Tokens read, by tries that failed included where the server counted those.
        completion_tokens: Tokens written; as before.
    """

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Answer(NamedTuple):
    """What a model answered, and what that took.

    Attributes:
        text: The text; "" where the model wrote none.
        prompt_tokens: Tokens read, as the server counts, failed tries that it counted included;
            None where it does not say.
        completion_tokens: Tokens written; as before.
        retries: How often the request had to be sent again.
        finish_reason: Why the model stopped, such as "stop" or "length"; None where the server does
            not say.
    """

    text: str
    prompt_tokens: int | None
    completion_tokens: int | None
    retries: int
    finish_reason: str | None


class _Reply(NamedTuple):
    """What came back from a server."""

    status: int
    retry_after: str
    content: bytes


@dataclass
class _Tally:
    """What the tries of one request took."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    retries: int = 0
    answered: int = 0

    def add(self, answer: object) -> None:
        """Adds the `usage` of a reply, if it has one."""
        usage = answer.get("usage") if isinstance(answer, dict) else None
        if not isinstance(usage, dict):
            return
        for name in ("prompt_tokens", "completion_tokens"):
            count = usage.get(name)
            if type(count) is int and 0 <= count <= _MOST_TOKENS:
                setattr(self, name, count + (getattr(self, name) or 0))


class ChatClient:
    """Sends messages to a server; may be used by several threads at once.

    Args:
        base_url: What comes before `/chat/completions`, such as `http://localhost:8000/v1`.
        key: Sent as a bearer token; "" for a server that wants none. It is never shown.
        timeout: Seconds until a request is given up, whatever has come of the answer.
        retries: How often a request is sent again that failed for a reason that may pass.
        backoff: Seconds before it is sent again; doubled each time. A server that says how long to
            wait is obeyed.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str = "",
        timeout: float = 120.0,
        retries: int = 5,
        backoff: float = 1.0,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.usage = Usage()
        self._timeout = timeout
        self._retries = retries
        self._backoff = backoff
        self._lock = threading.Lock()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        limits = httpx.Limits(max_connections=None)
        try:
            # Redirects are not followed: the key is meant for this server.
            self._http = httpx.Client(headers=headers, timeout=timeout, limits=limits)
        except (UnicodeEncodeError, ValueError) as error:
            raise ServerError("the key cannot be sent: it is not plain ASCII") from error

    def __repr__(self) -> str:
        return f"ChatClient({self.base_url!r})"

    def models(self) -> list[str]:
        """The models that the server offers.

        Raises:
            ServerError: It cannot be asked, or says something else.
        """
        answer = self._request("GET", "/models", None, _Tally())
        try:
            return [str(model["id"]) for model in answer["data"]]
        except (KeyError, TypeError) as error:
            raise ServerError(f"{self.base_url}/models does not list models") from error

    def complete(self, messages: Sequence[Mapping[str, str]], **settings: Any) -> Answer:
        """The answer to messages.

        Args:
            messages: Each with `role` and `content`.
            **settings: Further fields of the request, such as `model` and `temperature`.

        Raises:
            ServerError: There is no answer, also after retries.
        """
        tally = _Tally()
        body = {"messages": messages, **settings}
        try:
            answer = self._request("POST", "/chat/completions", body, tally)
            tally.add(answer)
            tally.answered = 1
        finally:
            self._count(tally)
        try:
            choice = answer["choices"][0]
            content = choice["message"].get("content") or ""
            reason = choice.get("finish_reason")
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ServerError(
                f"{self.base_url} gave an answer without choices: {str(answer)[:200]}"
            ) from error
        return Answer(
            text=content if isinstance(content, str) else str(content),
            prompt_tokens=tally.prompt_tokens,
            completion_tokens=tally.completion_tokens,
            retries=tally.retries,
            finish_reason=reason[:40] if isinstance(reason, str) else None,
        )

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None, tally: _Tally
    ) -> dict[str, Any]:
        """Sends a request until it is answered, and returns the JSON object of the answer."""
        url = self.base_url + path
        while True:
            wait = self._backoff * 2**tally.retries * random.uniform(0.75, 1.25)
            try:
                reply = self._send(method, url, body)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise ServerError(f"{url!r} is not an address of a server: {error}") from error
            except httpx.RequestError as error:
                reason = f"{type(error).__name__}: {error}"
            else:
                if reply.status not in _TRY_AGAIN:
                    return _object(url, reply)
                tally.add(_json(reply))
                reason = f"status {reply.status}: {_shortened(reply)}"
                wait = _asked_wait(reply, wait)
            if tally.retries >= self._retries:
                raise ServerError(f"{url} failed {tally.retries + 1} times, at last with {reason}")
            wait = min(wait, _LONGEST_WAIT)
            logger.warning("%s failed, again in %.1f s: %s", url, wait, reason)
            tally.retries += 1
            time.sleep(wait)

    def _send(self, method: str, url: str, body: Mapping[str, Any] | None) -> _Reply:
        """Sends a request once.

        The client's own time-out begins again with every piece of an answer that arrives.
        """
        deadline = time.monotonic() + self._timeout
        content = bytearray()
        with self._http.stream(method, url, json=body) as response:
            for piece in response.iter_bytes():
                content += piece
                if len(content) > _LONGEST_ANSWER:
                    raise ServerError(f"{url} answers more than {_LONGEST_ANSWER:,} bytes")
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout(f"no whole answer in {self._timeout} s")
        return _Reply(response.status_code, response.headers.get("retry-after", ""), bytes(content))

    def _count(self, tally: _Tally) -> None:
        with self._lock:
            self.usage = Usage(
                self.usage.requests + tally.answered,
                self.usage.retries + tally.retries,
                self.usage.prompt_tokens + (tally.prompt_tokens or 0),
                self.usage.completion_tokens + (tally.completion_tokens or 0),
            )


def _object(url: str, reply: _Reply) -> dict[str, Any]:
    if not 200 <= reply.status < 300:
        raise ServerError(f"{url} refused, status {reply.status}: {_shortened(reply)}")
    answer = _json(reply)
    if answer is None:
        raise ServerError(f"{url} answered no JSON: {_shortened(reply)}")
    if not isinstance(answer, dict):
        raise ServerError(f"{url} answered no JSON object: {_shortened(reply)}")
    return answer


def _json(reply: _Reply) -> Any:
    """What a server says, if that is JSON, else None."""
    try:
        return json.loads(reply.content)
    except (ValueError, RecursionError):
        return None


def _shortened(reply: _Reply) -> str:
    """What a server says, in one line."""
    text = reply.content[:1000].decode("utf-8", errors="replace")
    return " ".join(text.split())[:300] or "(nothing)"


def _asked_wait(reply: _Reply, otherwise: float) -> float:
    """The seconds that the server asks to wait."""
    asked = reply.retry_after
    return float(asked) if asked.isascii() and asked.isdecimal() else otherwise
