from __future__ import annotations

import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra agents")

from hiper_agents.llm.ragged_cache import RaggedCache, causal_mask
from hiper_agents.llm.tiny import make_tiny

Rows = slice | torch.Tensor
MODEL = make_tiny()[0].base_model
TOKENS = torch.randint(3, 500, (4, 30), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def run(
    cache: RaggedCache, rows: slice | torch.Tensor, places: list[int], begins: list[int], width: int
):
    """Hidden states of the next tokens of some rows."""
    positions = torch.tensor(begins)[:, None] + torch.arange(width)
    length = max(begins) + width
    cache.reserve(length)
    into = torch.arange(4)[rows] if isinstance(rows, slice) else rows
    cache.aim(rows, into, positions, length)
    tokens = TOKENS[torch.tensor(places)[:, None], positions]
    return MODEL(
        tokens,
        attention_mask=causal_mask(positions, length, torch.float32),
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state


@torch.no_grad()
def whole(row: int) -> torch.Tensor:
    return MODEL(TOKENS[row : row + 1]).last_hidden_state[0]


def test_rows_that_read_at_different_places_do_not_disturb_each_other() -> None:
    cache = RaggedCache(4, 8)
    # Row i has read 3 + 2 i tokens; what lies behind them is overwritten.
    first = run(cache, slice(0, 4), [0, 1, 2, 3], [0] * 4, 9)
    begins = [3, 5, 7, 9]
    then = run(cache, slice(0, 4), [0, 1, 2, 3], begins, 6)
    some = run(cache, torch.tensor([3, 1]), [3, 1], [15, 11], 4)
    for row in range(4):
        expected = whole(row)
        torch.testing.assert_close(first[row], expected[:9])
        torch.testing.assert_close(then[row], expected[begins[row] : begins[row] + 6])
    torch.testing.assert_close(some[0], whole(3)[15:19])
    torch.testing.assert_close(some[1], whole(1)[11:15])
    assert cache.capacity == 19


def test_rows_can_begin_like_another_one() -> None:
    cache = RaggedCache(4, 32)
    run(cache, slice(1, 2), [2], [0], 10)
    cache.copy(1, torch.tensor([3, 0]), 7)
    then = run(cache, slice(0, 4), [2, 2, 1, 2], [7, 10, 0, 5], 6)
    for place, (row, start) in enumerate([(2, 7), (2, 10), (1, 0), (2, 5)]):
        torch.testing.assert_close(then[place], whole(row)[start : start + 6])


def test_rows_can_be_added_and_keep_what_they_have() -> None:
    cache = RaggedCache(1, 8)
    run(cache, slice(0, 1), [3], [0], 8)
    cache.reserve(5, rows=3)
    assert cache.capacity == 8
    then = run(cache, slice(0, 3), [3, 0, 1], [8, 0, 0], 6)
    for place, (row, start) in enumerate([(3, 8), (0, 0), (1, 0)]):
        torch.testing.assert_close(then[place], whole(row)[start : start + 6])
    assert cache.capacity == 14


def test_a_token_attends_to_what_comes_up_to_it() -> None:
    mask = causal_mask(torch.tensor([[0, 1], [2, 3]]), 4, torch.float32)
    assert mask.shape == (2, 1, 2, 4)
    assert (mask[:, 0] == 0).long().tolist() == [
        [[1, 0, 0, 0], [1, 1, 0, 0]],
        [[1, 1, 1, 0], [1, 1, 1, 1]],
    ]
    assert mask.min() == torch.finfo(torch.float32).min
