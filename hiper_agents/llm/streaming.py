"""Responses that are written side by side, each at its own pace, with what learning needs of them.

Every pass of the model reads, for each row, the token chosen last and all tokens that the format
forces after it, so that forced tokens cost no pass of their own; a row's first pass reads its
prompt. A row that has ended leaves at once and makes room for another prompt, which goes on from
what its place knows already: an earlier prompt that begins alike, such as that of the same
episode's last turn, or the common prefix of all prompts. Rows keep their keys and values without
holes (`ragged_cache`); those whose tokens would mostly be padding are run apart.

The module knows nothing of what prompts say, of what the format is, or of learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from hiper_agents.llm.batching import pass_overhead, split
from hiper_agents.llm.places import Places
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.ragged_cache import RaggedCache, causal_mask
from hiper_agents.llm.responder import GenerationConfig, GenerationError, longest_row
from hiper_agents.llm.responses import ResponseState
from hiper_agents.llm.sampling import Chooser, Draw
from hiper_agents.llm.stems import Tokens, common
from hiper_agents.llm.turns import TurnTokens

__all__ = ["ResponseStream"]

_ROOM = 64  # positions by which the memory of a row grows


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
        self._longest = longest_row(policy)
        overhead = config.pass_overhead
        self._overhead = pass_overhead(policy.device) if overhead is None else overhead
        self.forget()

    def forget(self) -> None:
        """Drops all that is being written and all that is known, which also frees the memory."""
        self._rows: list[_Row] = []
        self._waiting: list[_Row] = []
        self._version: tuple[int, int] | None = None
        self._model: PreTrainedModel | None = None
        self._count = 0
        self._places = Places()
        self._cache = RaggedCache(1, len(self._prefix))  # row 0 is for the prefix

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
            self._cache.reserve(0, 1 + wanted)
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
        new = torch.tensor([row.place for row, known in others[:free] if known])
        if len(new):
            self._cache.copy(0, new, len(self._prefix))

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
        self._model = self.policy.merge() if self.config.merge_adapter else None
        self._places = Places()
        for place in range(self._count):
            self._places.release(1 + place)
        if length := len(self._prefix):
            tokens = torch.from_numpy(self._prefix).long()[None].to(self.policy.device)
            positions = torch.arange(length, device=self.policy.device)[None]
            self._cache.reserve(length)
            self._run(slice(0, 1), tokens, positions, length)

    def _read(self, rows: Sequence[_Row]) -> Tensor:
        """Reads the pending tokens of n rows.

        Returns:
            The hidden state after the last of them, [n, H].
        """
        order = sorted(range(len(rows)), key=lambda number: len(rows[number].pending))
        lengths = [len(rows[number].pending) for number in order]
        parts = split(lengths, overhead=self._overhead, limit=self.config.pass_tokens)
        passes = [sorted(order[part], key=lambda number: rows[number].place) for part in parts]
        hidden = torch.cat([self._read_pass([rows[number] for number in own]) for own in passes])
        return hidden[np.argsort(np.concatenate(passes))]

    def _read_pass(self, rows: Sequence[_Row]) -> Tensor:
        """Reads the pending tokens of some rows, sorted by place; returns the last states."""
        device = self.policy.device
        counts = torch.tensor([len(row.pending) for row in rows])
        begins = torch.tensor([row.read for row in rows])
        width = int(counts.max())
        length = int(begins.max()) + width
        self._cache.reserve(self._room(rows, length))
        tokens = torch.zeros(len(rows), width, dtype=torch.long)
        for row, ids in zip(rows, tokens, strict=True):
            ids[: len(row.pending)] = torch.tensor(row.pending)
        positions = begins[:, None] + torch.arange(width)
        places = [row.place for row in rows]
        where: slice | Tensor = slice(places[0], places[-1] + 1)
        if len(rows) <= places[-1] - places[0]:
            where = torch.tensor(places, device=device)
        hidden = self._run(where, tokens.to(device), positions.to(device), length)
        # The last tokens of every row, the very last one in the last column.
        kept = max(row.judged for row in rows) if self.policy.has_trunk_critic else 1
        columns = (counts[:, None] - kept + torch.arange(kept)).clamp(min=0).to(device)
        hidden = hidden[torch.arange(len(rows), device=device)[:, None], columns]
        if self.policy.has_trunk_critic:
            values = self.policy.values(hidden).cpu().numpy()
            for row, judged in zip(rows, values, strict=True):
                row.values.append(judged[kept - row.judged :])
        for row in rows:
            row.read, row.pending = row.read + len(row.pending), []
        return hidden[:, -1]

    def _run(self, rows: slice | Tensor, tokens: Tensor, positions: Tensor, length: int) -> Tensor:
        """Hidden states [n, T, H] of tokens [n, T] at positions [n, T] below a length."""
        self._cache.aim(rows, positions, length)
        hidden = self.policy.trunk(
            tokens,
            causal_mask(positions, length, self.policy.compute_dtype),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            model=self._model,
        ).last_hidden_state
        assert hidden is not None
        return hidden

    def _room(self, rows: Sequence[_Row], length: int) -> int:
        """Positions to have memory for, so that it grows rarely."""
        needed = max(row.read + len(row.pending) for row in rows)
        if needed > self._longest:
            raise GenerationError(
                f"prompt and response take {needed} tokens, the model reads {self._longest}"
            )
        return -(-length // _ROOM) * _ROOM

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
