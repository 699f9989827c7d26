from __future__ import annotations

import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra agents")

from hiper_agents.llm.ragged_cache import RaggedCache, causal_mask
from hiper_agents.llm.tiny import make_tiny

MODEL = make_tiny()[0].base_model
TOKENS = torch.randint(3, 500, (4, 30), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def run(cache: RaggedCache, rows: object, places: list[int], begins: list[int], width: int):
    """Hidden states of the next tokens of some rows."""
    positions = torch.tensor(begins)[:, None] + torch.arange(width)
    length = max(begins) + width
    cache.reserve(length)
    cache.aim(rows, positions, length)
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


def test_rows_can_be_moved() -> None:
    cache = RaggedCache(4, 32)
    run(cache, slice(0, 4), [0, 1, 2, 3], [0] * 4, 10)
    cache.move(torch.tensor([2, 3]), torch.tensor([1, 0]), 10)
    moved = run(cache, slice(0, 2), [3, 2], [10, 8], 5)
    torch.testing.assert_close(moved[0], whole(3)[10:15])
    torch.testing.assert_close(moved[1], whole(2)[8:13])


def test_all_rows_can_begin_with_the_same_tokens() -> None:
    prefix = RaggedCache(1, 10)
    run(prefix, slice(0, 1), [2], [0], 10)
    cache = RaggedCache(3, 12)
    cache.begin_with(prefix, 7)
    then = run(cache, slice(0, 3), [2, 2, 2], [7, 7, 5], 6)
    for row, begin in enumerate([7, 7, 5]):
        torch.testing.assert_close(then[row], whole(2)[begin : begin + 6])


def test_a_token_attends_to_what_comes_up_to_it() -> None:
    mask = causal_mask(torch.tensor([[0, 1], [2, 3]]), 4, torch.float32)
    assert mask.shape == (2, 1, 2, 4)
    assert (mask[:, 0] == 0).long().tolist() == [
        [[1, 0, 0, 0], [1, 1, 0, 0]],
        [[1, 1, 1, 0], [1, 1, 1, 1]],
    ]
    assert mask.min() == torch.finfo(torch.float32).min
