"""The `api` agent: any model behind a server that speaks OpenAI's chat protocol, for evaluation.

It shows each turn as `hiper_agents.llm.prompts` says it, and plays what the server answers. It does
not learn, sees no probabilities, and cannot hold the model to the format: an answer that breaks it
costs a turn, as everywhere.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from hiper_agents.agent import AgentError
from hiper_agents.llm.chat import Answer, ChatClient, ServerError, Usage
from hiper_agents.llm.episode_memory import EpisodeMemory
from hiper_agents.llm.prompts import PromptConfig, as_messages, fit, wording_of
from hiper_agents.llm.turns import TurnView

if TYPE_CHECKING:
    from hiper_envs.core import TaskInfo

__all__ = ["ApiAgent"]

_LOCAL = "http://localhost:8000/v1"


class ApiAgent:
    """Asks a server for every turn.

    An episode's requests depend on its task and seed only, not on the batch that it runs in.
    Prompts are shortened by an estimate of three bytes a token, because the server's tokenizer is
    unknown.

    Args:
        model: What the server calls the model; by default `$HIPER_API_MODEL`, else the only one
            that the server offers.
        base_url: What comes before `/chat/completions`; by default `$OPENAI_BASE_URL`, else a
            server on this machine.
        key_variable: The environment variable that holds the key. None is sent where it is unset.
        greedy: Temperature 0.
        temperature: Otherwise.
        seed: Sent with every request, mixed with the task and the turn.
        prompt: What prompts look like; by default the full ones, of up to 8,192 tokens.
        max_response_tokens: Length of an answer at most.
        concurrency: Requests at a time.
        timeout: Seconds until a request is given up, whatever has come of the answer.
        retries: How often a request is sent again that failed for a reason that may pass.
        backoff: Seconds before it is sent again; doubled each time.
        extra: More fields of a request; None leaves a field out. A server that knows no
            `max_tokens` wants `{"max_tokens": None, "max_completion_tokens": 128}`.

    Raises:
        AgentError: No model was named, and the server does not offer exactly one.
    """

    def __init__(
        self,
        model: str | None = None,
        base_url: str | None = None,
        *,
        key_variable: str = "OPENAI_API_KEY",
        greedy: bool = True,
        temperature: float = 1.0,
        seed: int = 0,
        prompt: PromptConfig | None = None,
        max_response_tokens: int = 128,
        concurrency: int = 16,
        timeout: float = 120.0,
        retries: int = 5,
        backoff: float = 1.0,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if concurrency < 1:
            raise AgentError(f"concurrency must be positive, not {concurrency}")
        try:
            self._client = ChatClient(
                base_url or os.environ.get("OPENAI_BASE_URL") or _LOCAL,
                key=os.environ.get(key_variable, ""),
                timeout=timeout,
                retries=retries,
                backoff=backoff,
            )
            self.model = model or os.environ.get("HIPER_API_MODEL") or _only_model(self._client)
        except ServerError as error:
            raise AgentError(f"the api agent has no server: {error}") from error
        self.name = f"api:{self.model}"
        self.about = {"model": self.model}
        self.turn_details: list[dict[str, Any] | None] = []
        self._seed = seed
        self._prompt = prompt or PromptConfig(max_tokens=8192)
        self._concurrency = concurrency
        self._settings = {
            "model": self.model,
            "temperature": 0.0 if greedy else temperature,
            "max_tokens": max_response_tokens,
            **(extra or {}),
        }
        self._tasks: list[str] = []
        self._memories: list[EpisodeMemory] = []
        self._infos: list[Mapping[str, Any] | None] = []

    def __repr__(self) -> str:
        return f"ApiAgent({self.model!r}, {self._client.base_url!r})"

    @property
    def usage(self) -> Usage:
        """What all episodes so far have cost."""
        return self._client.usage

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        """Forgets everything and begins one episode per task."""
        self._tasks = [task.task_id for task in tasks]
        self._memories = [EpisodeMemory(self._prompt.earlier_turns) for _ in tasks]
        self._infos = [None] * len(tasks)
        self.turn_details = []

    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> list[str]:
        """Asks for the next action of every slot whose episode goes on.

        `turn_details` then tells of each the tokens that the server counted, how often the request
        was sent again, and why the model stopped.

        Raises:
            AgentError: A request failed, also after retries.
            PromptError: A task is too long for a prompt.
        """
        # Where an episode has ended, the same info is shown again.
        live = [slot for slot, info in enumerate(infos) if info is not self._infos[slot]]
        self._infos = list(infos)
        views = [self._memories[slot].view(observations[slot], infos[slot]) for slot in live]
        actions = [""] * len(infos)
        self.turn_details = [None] * len(infos)
        pool = ThreadPoolExecutor(self._concurrency)
        try:
            answers = list(pool.map(self._ask, (self._tasks[slot] for slot in live), views))
        except ServerError as error:
            raise AgentError(f"no answer from {self.model}: {error}") from error
        finally:
            pool.shutdown(cancel_futures=True)
        for slot, answer in zip(live, answers, strict=True):
            actions[slot] = answer.text.strip()
            self.turn_details[slot] = {
                "prompt_tokens": answer.prompt_tokens,
                "output_tokens": answer.completion_tokens,
                "retries": answer.retries,
                "finish_reason": answer.finish_reason,
            }
        return actions

    def _ask(self, task_id: str, view: TurnView) -> Answer:
        settings = {"seed": self._request_seed(task_id, view.turn), **self._settings}
        given = {name: value for name, value in settings.items() if value is not None}
        return self._client.complete(self._messages(view), **given)

    def _messages(self, view: TurnView) -> list[dict[str, str]]:
        system = wording_of(self._prompt).system
        room = self._prompt.max_tokens - _estimate(system)
        user = "".join(fit(view, self._prompt, _estimate, room))
        # Servers differ in whether they take the words of a control token for the token itself.
        return as_messages(system, user.replace("<|", "< |"))

    def _request_seed(self, task_id: str, turn: int) -> int:
        digest = hashlib.sha256(f"{self._seed}\0{task_id}\0{turn}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1  # some servers want it below 2 ** 31


def _only_model(client: ChatClient) -> str:
    offered = client.models()
    if len(offered) != 1:
        some = ", ".join(offered[:10]) or "none"
        raise AgentError(
            f"name a model with $HIPER_API_MODEL: {client.base_url} offers {len(offered)} ({some})"
        )
    return offered[0]


def _estimate(text: str) -> int:
    """Tokens of a text, rather too many."""
    return len(text.encode()) // 3 + 1
