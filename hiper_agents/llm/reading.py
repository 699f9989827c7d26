"""Hidden states of prompts with their responses, whose common beginnings are read once.

Prompts of one template begin alike, and those of one episode more so. What they share is read as a
single row, with gradients like all else, and every turn goes on from its keys and values: that
changes nothing but the time. The module knows nothing of choices, values or losses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

from hiper_agents.llm.batching import pass_overhead, split
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.ragged_cache import causal_mask
from hiper_agents.llm.stems import common, sort_key, stems
from hiper_agents.llm.turns import TurnTokens

__all__ = ["hidden_states", "micro_batches"]

IntArray = NDArray[np.int64]


def micro_batches(
    policy: LanguagePolicy, turns: Sequence[TurnTokens], max_tokens: int
) -> Iterator[IntArray]:
    """Deals turns, the most tokens first: if memory does not suffice, that shows at once.

    Turns whose prompts begin alike go together, if the model can read beginnings once; else turns
    of similar length.

    Args:
        policy: What is to read them.
        turns: What to deal.
        max_tokens: Tokens that are read in a micro-batch, unless a single turn is longer.

    Yields:
        Which turns go together.
    """
    if not _can_go_on(policy):
        lengths = np.array([len(turn) for turn in turns], np.int64)
        order = np.argsort(-lengths, kind="stable")
        while len(order):
            size = max(1, max_tokens // int(lengths[order[0]]))
            yield order[:size]
            order = order[size:]
        return
    batches: list[list[int]] = []
    sizes: list[int] = []
    for row in sorted(range(len(turns)), key=lambda row: sort_key(turns[row].prompt)):
        size = len(turns[row])
        if batches:
            added = size - common(turns[batches[-1][-1]].prompt, turns[row].prompt)
            if sizes[-1] + added <= max_tokens:
                batches[-1].append(row)
                sizes[-1] += added
                continue
        batches.append([row])
        sizes.append(size)
    for place in sorted(range(len(batches)), key=lambda place: -sizes[place]):
        yield np.array(batches[place], np.int64)


def hidden_states(policy: LanguagePolicy, turns: Sequence[TurnTokens]) -> Tensor:
    """Hidden states [n, T, H] of prompts with their responses; anything beyond a turn's end."""
    # A pass of no turns reads a token all the same: there are processes that wait for it.
    ids = np.zeros((max(1, len(turns)), max(map(len, turns), default=1)), np.int64)
    for row, turn in zip(ids, turns, strict=False):
        row[: len(turn.prompt)] = turn.prompt
        row[len(turn.prompt) : len(turn)] = turn.response
    if not turns or not _can_go_on(policy):
        hidden = policy.trunk(torch.from_numpy(ids).to(policy.device)).last_hidden_state
        assert hidden is not None
        return hidden
    reader, overhead = _Reader(policy, ids), pass_overhead(policy.device)
    prompts = [turn.prompt for turn in turns]
    ends = np.array([len(turn) for turn in turns])
    begins, pasts = np.zeros(len(turns), np.int64), np.zeros(len(turns), np.int64)
    past: _Past | None = None
    every = np.arange(len(turns))
    if known := _known(prompts, overhead):
        past = reader.read([every], begins[:1], np.array([known]), None, pasts[:1])
        begins[:] = known
    found = stems(prompts, known)
    if sum((len(stem.rows) - 1) * (stem.length - known) for stem in found) > overhead:
        groups = [np.array(stem.rows) for stem in found]
        lengths = np.array([stem.length for stem in found])
        begin = np.full(len(found), known)
        past = reader.read(groups, begin, lengths, past, np.zeros(len(found), np.int64))
        for number, (rows, length) in enumerate(zip(groups, lengths, strict=True)):
            begins[rows], pasts[rows] = length, number
    order = np.argsort(ends - begins, kind="stable")
    for part in split((ends - begins)[order].tolist(), overhead=overhead, limit=2**62):
        rows = order[part]
        reader.read([*rows[:, None]], begins[rows], ends[rows], past, pasts[rows], keep=False)
    return reader.hidden(ends)


class _Past(DynamicCache):
    """Keys and values that rows go on from, with gradients.

    Args:
        before: Those of earlier tokens.
        rows: Which row of it each row goes on from, int64 [n].
        keep: Whether others are to go on from these rows.
    """

    def __init__(self, before: _Past | None, rows: Tensor, keep: bool) -> None:
        super().__init__()
        self._before, self._rows, self._keep = before, rows, keep
        self._known: list[tuple[Tensor, Tensor]] = []
        self.length: int = before.length if before is not None else 0

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Goes on with a layer's new keys and values [n, heads, T, width]; called by the model."""
        both = key_states, value_states
        if self._before is not None:
            keys, values = self._before._known[layer_idx]
            both = (
                torch.cat([keys[self._rows], key_states], 2),
                torch.cat([values[self._rows], value_states], 2),
            )
        if self._keep:
            self._known.append(both)
        return both

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens that were read before."""
        return self.length


class _Reader:
    """Reads rows of tokens in parts, and knows where the hidden state of every token is.

    Args:
        policy: What reads.
        ids: The rows, int64 [n, T].
    """

    def __init__(self, policy: LanguagePolicy, ids: IntArray) -> None:
        self._policy, self._ids = policy, ids
        self._parts: list[Tensor] = []
        self._places = np.zeros_like(ids)
        self._count = 0

    def read(
        self,
        rows: Sequence[IntArray],
        begins: IntArray,
        ends: IntArray,
        past: _Past | None,
        pasts: IntArray,
        *,
        keep: bool = True,
    ) -> _Past:
        """Reads m parts of rows.

        Args:
            rows: The rows that each part is the same in.
            begins: Where each begins, int64 [m].
            ends: Where each ends, int64 [m].
            past: Knows what comes before; None if nothing does.
            pasts: Which row of it each goes on from, int64 [m].
            keep: Whether something is to go on from here.

        Returns:
            What is known of the parts and of what comes before them.
        """
        policy, device = self._policy, self._policy.device
        width = int((ends - begins).max())
        positions = begins[:, None] + np.arange(width)
        tokens = np.zeros_like(positions)
        for number, (own, begin, end) in enumerate(zip(rows, begins, ends, strict=True)):
            tokens[number, : end - begin] = self._ids[own[0], begin:end]
            at = self._count + number * width
            self._places[own, begin:end] = np.arange(at, at + end - begin)
        self._count += tokens.size
        cache = _Past(past, torch.from_numpy(pasts).to(device), keep)
        before = cache.length
        places = torch.from_numpy(positions).to(device)
        how: dict[str, Any] = {}
        if past is not None or keep:
            mask = _mask(places, before, policy.compute_dtype)
            how = {"attention_mask": mask, "past_key_values": cache, "use_cache": True}
        hidden = policy.trunk(
            torch.from_numpy(tokens).to(device), position_ids=places, **how
        ).last_hidden_state
        assert hidden is not None
        self._parts.append(hidden.flatten(0, 1))
        cache.length = before + width
        return cache

    def hidden(self, ends: IntArray) -> Tensor:
        """Of all rows, [n, T, H]; beyond its end, int64 [n], a row repeats its last token."""
        within = np.minimum(np.arange(self._ids.shape[1]), ends[:, None] - 1)
        places = torch.from_numpy(np.take_along_axis(self._places, within, 1))
        return torch.cat(self._parts)[places.to(self._policy.device)]


def _mask(positions: Tensor, before: int, dtype: torch.dtype) -> Tensor:
    """What tokens attend to: what comes before their part, and the part up to themselves.

    Args:
        positions: Of the tokens, int64 [m, T].
        before: Earlier keys; of a row, as many of them count as come before its first token.
        dtype: That the model computes in.

    Returns:
        What is added to the attention's scores, [m, 1, T, before + T].
    """
    m, width = positions.shape
    own = causal_mask(torch.arange(width, device=positions.device)[None], width, dtype)
    first = positions[:, :1].expand(-1, width) - 1
    return torch.cat([causal_mask(first, before, dtype), own.expand(m, -1, -1, -1)], 3)


def _known(prompts: Sequence[NDArray[np.int32]], overhead: int) -> int:
    """How many tokens it pays to read once for all prompts."""
    length = min(map(len, prompts))
    starts = np.stack([prompt[:length] for prompt in prompts])
    differs: NDArray[np.bool_] = (starts != starts[0]).any(0)
    known = int(differs.argmax()) if differs.any() else length - 1
    return known if (len(prompts) - 1) * known > overhead else 0


def _can_go_on(policy: LanguagePolicy) -> bool:
    """Whether a second pass can go on from the keys and values of a first, with gradients."""
    config = policy.model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ("full_attention",))
    is_windowed = bool(getattr(config, "sliding_window", None))
    # Computing activations again would fill the cache twice; shards are gathered once for a pass.
    makes_twice = policy.config.gradient_checkpointing and torch.is_grad_enabled()
    return kinds == {"full_attention"} and not (
        is_windowed or makes_twice or policy.weights.is_sharded
    )
