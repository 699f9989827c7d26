"""A client of servers that speak OpenAI's chat protocol: retries, time-outs, and a count of tokens.

Only `POST /chat/completions` and `GET /models` are used, with the fields that vLLM, llama.cpp,
Ollama and the hosted services have in common. The module knows nothing of agents and environments.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

try:
    import httpx
except ModuleNotFoundError as _error:
    from hiper_base.errors import MissingDependencyError

    raise MissingDependencyError(
        "a model behind a server needs httpx: pip install 'hiper-gym[agents]'"
    ) from _error

from hiper_base.errors import HiperError

__all__ = ["ChatClient", "ServerError", "Usage"]

logger = logging.getLogger(__name__)

_TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LONGEST_WAIT = 60.0  # seconds


class ServerError(HiperError):
    """A server could not be reached, refused a request, or answered something unexpected."""


@dataclass(frozen=True)
class Usage:
    """What requests have cost, as the server counts.

    Attributes:
        requests: Requests that were answered.
        retries: Requests that had to be sent again.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
    """

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ChatClient:
    """Sends messages to a server; may be used by several threads at once.

    Args:
        base_url: What comes before `/chat/completions`, such as `http://localhost:8000/v1`.
        key: Sent as a bearer token; "" for a server that wants none. It is never shown.
        timeout: Seconds until a request is given up.
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
        answer = self._request("GET", "/models", None)
        try:
            return [str(model["id"]) for model in answer["data"]]
        except (KeyError, TypeError) as error:
            raise ServerError(f"{self.base_url}/models does not list models") from error

    def complete(self, messages: Sequence[Mapping[str, str]], **settings: Any) -> str:
        """The answer to messages.

        Args:
            messages: Each with `role` and `content`.
            **settings: Further fields of the request, such as `model` and `temperature`.

        Returns:
            The text; "" where the model wrote none.

        Raises:
            ServerError: There is no answer, also after retries.
        """
        answer = self._request("POST", "/chat/completions", {"messages": messages, **settings})
        try:
            content = answer["choices"][0]["message"].get("content") or ""
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise ServerError(
                f"{self.base_url} gave an answer without choices: {str(answer)[:200]}"
            ) from error
        spent = answer.get("usage")
        spent = spent if isinstance(spent, dict) else {}
        self._count(
            requests=1,
            prompt_tokens=_whole(spent.get("prompt_tokens")),
            completion_tokens=_whole(spent.get("completion_tokens")),
        )
        return content if isinstance(content, str) else str(content)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        """Sends a request until it is answered, and returns the JSON object of the answer."""
        url = self.base_url + path
        attempts = 0
        while True:
            attempts += 1
            wait = self._backoff * 2 ** (attempts - 1) * random.uniform(0.75, 1.25)
            try:
                response = self._http.request(method, url, json=body)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                raise ServerError(f"{url!r} is not an address of a server: {error}") from error
            except httpx.RequestError as error:
                reason = f"{type(error).__name__}: {error}"
            else:
                if response.status_code not in _TRY_AGAIN:
                    return _object(url, response)
                reason = f"status {response.status_code}: {_shortened(response)}"
                wait = _asked_wait(response, wait)
            if attempts > self._retries:
                raise ServerError(f"{url} failed {attempts} times, at last with {reason}")
            wait = min(wait, _LONGEST_WAIT)
            logger.warning("%s failed, again in %.1f s: %s", url, wait, reason)
            self._count(retries=1)
            time.sleep(wait)

    def _count(self, **spent: int) -> None:
        with self._lock:
            now = {name: getattr(self.usage, name) + value for name, value in spent.items()}
            self.usage = replace(self.usage, **now)


def _object(url: str, response: httpx.Response) -> dict[str, Any]:
    if not response.is_success:
        raise ServerError(f"{url} refused, status {response.status_code}: {_shortened(response)}")
    try:
        answer = response.json()
    except ValueError as error:
        raise ServerError(f"{url} answered no JSON: {_shortened(response)}") from error
    if not isinstance(answer, dict):
        raise ServerError(f"{url} answered no JSON object: {_shortened(response)}")
    return answer


def _shortened(response: httpx.Response) -> str:
    """What a server says, in one line."""
    return " ".join(response.text[:1000].split())[:300] or "(nothing)"


def _asked_wait(response: httpx.Response, otherwise: float) -> float:
    """The seconds that the server asks to wait."""
    asked = response.headers.get("retry-after", "")
    return float(asked) if asked.isascii() and asked.isdecimal() else otherwise


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
