"""Writes responses in batches, with the log-probabilities and values that learning needs.

Every pass of the model reads, for each row, the token chosen last and all tokens that the format
forces after it, so that forced tokens cost no pass of their own; the first pass reads the prompts.
Rows keep their keys and values without holes (`ragged_cache`), leave the batch when they have
ended, and begin with what is known already: with those of the prompts' common prefix, which are
computed once for each version of the weights, or with those of the last batch's prompt that begins
most alike, such as that of the same episode's last turn. Rows whose tokens would mostly be padding
are run apart.

The module knows nothing of prompts, of what the format is, or of learning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiper_agents.llm.batching import pass_overhead, split
from hiper_agents.llm.grammar import ResponseState
from hiper_agents.llm.known_prompts import KnownPrompts, begin
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.ragged_cache import RaggedCache, causal_mask
from hiper_agents.llm.responder import GenerationConfig, GenerationError, longest_row
from hiper_agents.llm.sampling import Chooser, Streams, draws_for
from hiper_agents.llm.turns import TurnTokens

__all__ = ["Generator"]

_Draws = Callable[[int, int], float]  # the number for a row's choice

_ROOM = 64  # positions by which the memory of a row grows


@dataclass(eq=False)
class _Row:
    """A response in the making.

    Attributes:
        index: The row's number in the call.
        prompt: Tokens of the prompt.
        state: What has been written.
        pending: Tokens that the model has not read.
        read: Tokens that it has.
        log_probs: Of the chosen tokens.
        values: V_L, V_H, V_T at the prompt's last token and at every later one that was read,
            a few at a time [k, 3].
    """

    index: int
    prompt: Sequence[int]
    state: ResponseState
    pending: list[int]
    read: int = 0
    log_probs: list[float] = field(default_factory=list)
    values: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def judged(self) -> int:
        """Of the tokens to read, how many are the last of the prompt or later."""
        return min(len(self.pending), self.read + len(self.pending) - len(self.prompt) + 1)

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
        return self.state.turn(self.prompt, self.log_probs, values)


class Generator:
    """Writes the responses of a policy.

    Args:
        policy: What chooses. A critic of its own is not asked: all values are 0 then.
        config: How to choose.
        prefix: Tokens that prompts begin with. Prompts that share less of it only cost more.

    Raises:
        GenerationError: The model's layers need another cache than one of keys and values.
    """

    def __init__(
        self,
        policy: LanguagePolicy,
        config: GenerationConfig = GenerationConfig(),
        *,
        prefix: Sequence[int] = (),
    ) -> None:
        self.policy = policy
        self.config = config
        self._prefix = list(prefix)
        self._prefix_read: KnownPrompts | None = None
        self._last_read: KnownPrompts | None = None
        self._chooser = Chooser(config.temperature)
        self._longest = longest_row(policy)
        overhead = config.pass_overhead
        self._overhead = pass_overhead(policy.device) if overhead is None else overhead

    @property
    def tells_values(self) -> bool:
        """Whether turns come with values: those of a critic on the policy's trunk."""
        return self.policy.has_trunk_critic

    @torch.no_grad()
    def respond(
        self,
        prompts: Sequence[Sequence[int]],
        states: Sequence[ResponseState],
        rng: Streams,
    ) -> list[TurnTokens]:
        """Writes a response to every prompt, see `Responder`."""
        rows = [
            _Row(index, prompt, state, [*prompt, *state.forced()])
            for index, (prompt, state) in enumerate(zip(prompts, states, strict=True))
        ]
        if not all(row.prompt for row in rows):
            raise GenerationError("a prompt needs at least one token")
        draws = None if self.config.greedy else draws_for(rng, len(rows))
        turns: dict[int, TurnTokens] = {}
        ordered = sorted(rows, key=lambda row: len(row.pending))
        for start in range(0, len(rows), self.config.max_batch):
            batch = ordered[start : start + self.config.max_batch]
            self._write(batch, draws)
            turns.update((row.index, row.result()) for row in batch)
        return [turns[index] for index in range(len(rows))]

    def refresh(self) -> None:
        """Forgets what was computed of prompts, which also frees its memory; see `Responder`."""
        self._prefix_read = self._last_read = None

    def _write(self, batch: Sequence[_Row], draws: _Draws | None) -> None:
        """Writes the responses of one batch."""
        rows = list(batch)
        cache = self._open(rows)
        live = len(rows)
        while live:
            hidden = self._read(cache, rows[:live])
            choosing = [place for place in range(live) if not rows[place].state.finished]
            if choosing:
                self._choose(hidden[choosing], [rows[place] for place in choosing], draws)
            live = self._leave(cache, rows, live)
        version = self.policy.weights_version
        self._last_read = KnownPrompts(cache, [row.prompt for row in rows], version)

    def _open(self, rows: Sequence[_Row]) -> RaggedCache:
        """A cache that begins with what is known of the prompts."""
        cache = RaggedCache(len(rows), max(len(row.pending) for row in rows) + _ROOM)
        version = self.policy.weights_version
        known = [self._read_prefix(version)] if self._prefix else []
        if self._last_read is not None and self._last_read.version == version:
            known.append(self._last_read)
        shared = begin(cache, [row.prompt for row in rows], known)
        for row, length in zip(rows, shared, strict=True):
            row.pending, row.read = row.pending[length:], length
        self._last_read = None
        return cache

    def _read_prefix(self, version: tuple[int, int]) -> KnownPrompts:
        """Keys and values of the whole prefix under the present weights."""
        if self._prefix_read is None or self._prefix_read.version != version:
            cache = RaggedCache(1, len(self._prefix))
            tokens = torch.tensor([self._prefix], device=self.policy.device)
            positions = torch.arange(len(self._prefix), device=self.policy.device)[None]
            self._run(cache, slice(0, 1), tokens, positions, len(self._prefix))
            self._prefix_read = KnownPrompts(cache, [self._prefix], version)
        return self._prefix_read

    def _read(self, cache: RaggedCache, rows: Sequence[_Row]) -> Tensor:
        """Reads the pending tokens of the cache's first n rows.

        Returns:
            The hidden state after the last of them, [n, H].
        """
        order = sorted(range(len(rows)), key=lambda place: len(rows[place].pending))
        lengths = [len(rows[place].pending) for place in order]
        limit = self.config.pass_tokens
        parts = split(lengths, overhead=self._overhead, limit=limit)
        passes = [sorted(order[part]) for part in parts]
        hidden = torch.cat([self._read_pass(cache, rows, places) for places in passes])
        if len(passes) == 1:
            return hidden
        return hidden[np.argsort(np.concatenate(passes))]

    def _read_pass(self, cache: RaggedCache, rows: Sequence[_Row], places: Sequence[int]) -> Tensor:
        """Reads the pending tokens of some rows in one pass; returns the last hidden states."""
        device = self.policy.device
        own = [rows[place] for place in places]
        counts = torch.tensor([len(row.pending) for row in own])
        begins = torch.tensor([row.read for row in own])
        width = int(counts.max())
        length = int(begins.max()) + width
        cache.reserve(self._room(own, length))
        tokens = torch.zeros(len(own), width, dtype=torch.long)
        for row, ids in zip(own, tokens, strict=True):
            ids[: len(row.pending)] = torch.tensor(row.pending)
        positions = begins[:, None] + torch.arange(width)
        where: slice | Tensor = slice(places[0], places[-1] + 1)
        if list(places) != list(range(places[0], places[-1] + 1)):
            where = torch.tensor(places, device=device)
        hidden = self._run(cache, where, tokens.to(device), positions.to(device), length)
        # The last tokens of every row, the very last one in the last column.
        kept = max(row.judged for row in own) if self.policy.has_trunk_critic else 1
        columns = (counts[:, None] - kept + torch.arange(kept)).clamp(min=0).to(device)
        hidden = hidden[torch.arange(len(own), device=device)[:, None], columns]
        if self.policy.has_trunk_critic:
            values = self.policy.values(hidden).cpu().numpy()
            for row, judged in zip(own, values, strict=True):
                row.values.append(judged[kept - row.judged :])
        for row in own:
            row.read, row.pending = row.read + len(row.pending), []
        return hidden[:, -1]

    def _run(
        self,
        cache: RaggedCache,
        rows: slice | Tensor,
        tokens: Tensor,
        positions: Tensor,
        length: int,
    ) -> Tensor:
        """Hidden states [n, T, H] of tokens [n, T] at positions [n, T] below a length."""
        cache.aim(rows, positions, length)
        hidden = self.policy.trunk(
            tokens,
            causal_mask(positions, length, self.policy.compute_dtype),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
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

    def _choose(self, hidden: Tensor, rows: Sequence[_Row], draws: _Draws | None) -> None:
        """Chooses the next token of each row."""
        uniform = None
        if draws is not None:
            uniform = np.array([draws(row.index, len(row.state.choices)) for row in rows])
        allowed = [row.state.allowed() for row in rows]
        choice = self._chooser(self.policy.logits(hidden), allowed, uniform)
        for row, token, log_prob in zip(rows, *(part.tolist() for part in choice), strict=True):
            row.take(token, log_prob)
            if row.state.finished:
                row.finish(with_values=self.policy.has_trunk_critic)

    def _leave(self, cache: RaggedCache, rows: list[_Row], live: int) -> int:
        """Puts the rows that have nothing left to read behind the others.

        Args:
            cache: Of the rows; they change places there, too.
            rows: All of them; those behind the first `live` have left before.
            live: How many have not.

        Returns:
            How many stay.
        """
        staying = [place for place in range(live) if rows[place].pending]
        holes = [place for place in range(len(staying)) if not rows[place].pending]
        sources = staying[len(staying) - len(holes) :]
        if holes:
            length = max(rows[place].read for place in (*sources, *holes))
            device = self.policy.device
            cache.swap(
                torch.tensor(sources, device=device), torch.tensor(holes, device=device), length
            )
            for source, hole in zip(sources, holes, strict=True):
                rows[hole], rows[source] = rows[source], rows[hole]
        return len(staying)
