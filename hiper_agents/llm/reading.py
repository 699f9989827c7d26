"""Hidden states of prompts with their responses, whose common beginning is read once.

Prompts of one template begin alike. What they share is read as a single row, with gradients like
all else, and every turn goes on from its keys and values: that changes nothing but the time. The
module knows nothing of choices, values or losses.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiper_agents.llm.batching import pass_overhead
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.turns import TurnTokens

__all__ = ["hidden_states"]


def hidden_states(policy: LanguagePolicy, turns: Sequence[TurnTokens]) -> Tensor:
    """Hidden states [n, T, H] of prompts with their responses, padded on the right."""
    # A pass of no turns reads a token all the same: there are processes that wait for it.
    ids = np.zeros((max(1, len(turns)), max(map(len, turns), default=1)), np.int64)
    for row, turn in zip(ids, turns, strict=False):
        row[: len(turn.prompt)] = turn.prompt
        row[len(turn.prompt) : len(turn)] = turn.response
    shared = _shared(policy, turns)
    tokens = torch.from_numpy(ids).to(policy.device)
    if not shared:
        hidden = policy.trunk(tokens).last_hidden_state
        assert hidden is not None
        return hidden
    first = policy.trunk(tokens[:1, :shared], use_cache=True)
    cache = first.past_key_values
    assert cache is not None
    assert first.last_hidden_state is not None
    cache.batch_repeat_interleave(len(turns))
    places = torch.arange(shared, tokens.shape[1], device=tokens.device).expand(len(turns), -1)
    rest = policy.trunk(
        tokens[:, shared:], position_ids=places, past_key_values=cache, use_cache=True
    ).last_hidden_state
    assert rest is not None
    return torch.cat([first.last_hidden_state.expand(len(turns), -1, -1), rest], 1)


def _shared(policy: LanguagePolicy, turns: Sequence[TurnTokens]) -> int:
    """How many tokens it pays to read once; 0 if that pays not at all, or cannot be done."""
    if len(turns) < 2 or not _can_go_on(policy):
        return 0
    length = min(len(turn.prompt) for turn in turns)
    prompts = np.stack([turn.prompt[:length] for turn in turns])
    differs: NDArray[np.bool_] = (prompts != prompts[0]).any(0)
    shared = int(differs.argmax()) if differs.any() else length - 1
    return shared if (len(turns) - 1) * shared > pass_overhead(policy.device) else 0


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
