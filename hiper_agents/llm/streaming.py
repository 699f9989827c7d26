"""Responses that are written side by side, each at its own pace, with what learning needs of them.

Every pass of the model reads, for each row, the token chosen last and all tokens that the format
forces after it, so that forced tokens cost no pass of their own; a row's first pass reads its
prompt. A row that has ended leaves at once and makes room for another prompt, which goes on from
what its place knows already: an earlier prompt that begins alike, such as that of the same
episode's last turn, or the common prefix of all prompts.

The module knows nothing of what prompts say, of what the format is, of learning, nor of how passes
are made (`passes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiper_agents.llm.passes import Part, Passes
from hiper_agents.llm.places import Places
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.responder import GenerationConfig, GenerationError
from hiper_agents.llm.responses import ResponseState
from hiper_agents.llm.sampling import Chooser, Draw
from hiper_agents.llm.stems import Tokens, common
from hiper_agents.llm.turns import TurnTokens

__all__ = ["ResponseStream"]


@dataclass(eq=False)
class _Row:
    """A response in the making.

    Attributes:
        key: What its owner knows it by.
        prompt: Tokens of the prompt.
        state: What has been written.
        draw: Its random numbers; None to take the most likely tokens.
        pending: Tokens that the model has not read.
        read: Tokens that it has.
        place: Row of the cache.
        log_probs: Of the chosen tokens.
        values: V_L, V_H, V_T at the prompt's last token and at every later one that was read,
            a few at a time [k, 3].
    """

    key: int
    prompt: Tokens
    state: ResponseState
    draw: Draw | None
    pending: list[int]
    read: int = 0
    place: int = 0
    log_probs: list[float] = field(default_factory=list)
    values: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def judged(self) -> int:
        """Of the tokens to read, how many are the last of the prompt or later."""
        return min(len(self.pending), self.read + len(self.pending) - len(self.prompt) + 1)

    def begin(self, place: int, known: int) -> None:
        """Goes on at a place that knows the prompt's first tokens."""
        self.place, self.pending, self.read = place, self.pending[known:], known

    def take(self, token: int, log_prob: float) -> None:
        """Goes on with a chosen token."""
        self.state.advance(token)
        self.log_probs.append(log_prob)
        self.pending = [token, *self.state.forced()]

    def finish(self, *, with_values: bool) -> None:
        """Once the response is finished, only its low value may still have to be read."""
        anchor = len(self.prompt) - 1 + self.state.spans.action[0]
        self.pending = self.pending[: max(0, anchor + 1 - self.read)] if with_values else []

    def result(self) -> TurnTokens:
        """The finished turn."""
        values = None
        if self.values:
            judged = np.concatenate(self.values)
            place = self.state.spans.action[0]
            values = np.array([judged[place, 0], *judged[0, 1:]], np.float32)
        return self.state.turn(self.prompt.tolist(), self.log_probs, values)


class ResponseStream:
    """Writes the responses of a policy.

    Args:
        policy: What chooses. A critic of its own is not asked: all values are 0 then.
        config: How to choose; `max_batch` prompts are read and written side by side at most.
        prefix: Tokens that prompts begin with. Prompts that share less of it only cost more.

    Raises:
        GenerationError: The model's layers need another cache than one of keys and values.
    """

    def __init__(
        self, policy: LanguagePolicy, config: GenerationConfig, prefix: Sequence[int] = ()
    ) -> None:
        self.policy, self.config = policy, config
        self._prefix: Tokens = np.array(prefix, np.int32)
        self._chooser = Chooser(config.temperature)
        self._passes = Passes(policy, config)
        self.forget()

    def forget(self) -> None:
        """Drops all that is being written and all that is known, which also frees the memory."""
        self._rows: list[_Row] = []
        self._waiting: list[_Row] = []
        self._version: tuple[int, int] | None = None
        self._count = 0
        self._places = Places()
        self._passes.forget()

    def add(self, key: int, prompt: Sequence[int], state: ResponseState, draw: Draw) -> None:
        """Has a response written, see `responder.Stream`."""
        if not len(prompt):
            raise GenerationError("a prompt needs at least one token")
        tokens = np.array(prompt, np.int32)
        chooses = None if self.config.greedy else draw
        self._waiting.append(_Row(key, tokens, state, chooses, [*prompt, *state.forced()]))

    @torch.no_grad()
    def advance(self) -> list[tuple[int, TurnTokens]]:
        """Reads all that is pending and chooses a token a response, see `responder.Stream`."""
        self._seat()
        if not self._rows:
            return []
        hidden = self._read(self._rows)
        choosing = [number for number, row in enumerate(self._rows) if not row.state.finished]
        if choosing:
            self._choose(hidden[choosing], [self._rows[number] for number in choosing])
        done = [row for row in self._rows if not row.pending]
        self._rows = [row for row in self._rows if row.pending]
        for row in done:
            self._places.release(row.place, row.prompt)
        return [(row.key, row.result()) for row in done]

    def _seat(self) -> None:
        """Gives the responses that wait a place, as far as there are some."""
        if not self._waiting:
            return
        if not self._rows and self._version != self.policy.weights_version:
            self._begin()
        wanted = min(self.config.max_batch, len(self._rows) + len(self._waiting))
        if wanted > self._count:
            self._passes.add_rows(wanted - self._count)
            for place in range(self._count, wanted):
                self._places.release(1 + place)
            self._count = wanted
        # Those that a place knows well come first, lest others take it.
        found = [(row, *self._nearest(row)) for row in self._waiting]
        others: list[tuple[_Row, int]] = []
        for row, known, place in sorted(found, key=lambda one: one[1], reverse=True):
            if place not in self._places:  # taken by now
                known, place = self._nearest(row)
            prefixed = common(self._prefix, row.prompt[:-1])
            if known > prefixed:
                self._sit(row, place, known)
            else:
                others.append((row, prefixed))
        # Those that no place knows take what has been of no use for longest.
        free = min(len(others), len(self._places))
        for row, prefixed in others[:free]:
            self._sit(row, self._places.oldest(), prefixed)
        self._waiting = [row for row, _ in others[free:]]
        self._passes.start([row.place for row, known in others[:free] if known])

    def _nearest(self, row: _Row) -> tuple[int, int]:
        """See `Places.nearest`; nothing where no place is free."""
        return self._places.nearest(row.prompt) if len(self._places) else (0, 0)

    def _sit(self, row: _Row, place: int, known: int) -> None:
        self._places.take(place)
        row.begin(place, known)
        self._rows.append(row)

    def _begin(self) -> None:
        """Reads the prefix under the present weights; nothing else is known of them."""
        self._version = self.policy.weights_version
        self._places = Places()
        for place in range(self._count):
            self._places.release(1 + place)
        self._passes.begin(self._prefix.tolist())

    def _read(self, rows: Sequence[_Row]) -> Tensor:
        """Reads the pending tokens of n rows.

        Returns:
            The hidden state after the last of them, [n, H].
        """
        parts = [Part(row.place, row.read, row.pending) for row in rows]
        # What is judged are the last tokens of every row, the very last one in the last column.
        kept = max(row.judged for row in rows) if self.policy.has_trunk_critic else 1
        hidden = self._passes.read(parts, kept)
        if self.policy.has_trunk_critic:
            values = self.policy.values(hidden).cpu().numpy()
            for row, judged in zip(rows, values, strict=True):
                row.values.append(judged[kept - row.judged :])
        for row in rows:
            row.read, row.pending = row.read + len(row.pending), []
        return hidden[:, -1]

    def _choose(self, hidden: Tensor, rows: Sequence[_Row]) -> None:
        """Chooses the next token of each row."""
        numbers = [row.draw(len(row.log_probs)) for row in rows if row.draw is not None]
        uniform = np.array(numbers) if numbers else None
        allowed = [row.state.allowed() for row in rows]
        choice = self._chooser(self.policy.logits(hidden), allowed, uniform)
        for row, token, log_prob in zip(rows, *(part.tolist() for part in choice), strict=True):
            row.take(token, log_prob)
            if row.state.finished:
                row.finish(with_values=self.policy.has_trunk_critic)
