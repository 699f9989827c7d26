"""A budget of tokens that halves."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from hiper_agents.llm.memory import DeviceMemoryError, TokenBudget
from hiper_base.errors import HiperError


def test_it_halves_until_it_fits_and_remembers() -> None:
    tried = []

    def attempt(tokens: int) -> int:
        tried.append(tokens)
        if tokens > 150:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return tokens

    budget = TokenBudget(1000)
    assert budget.run(attempt, longest=20) == 125
    assert tried == [1000, 500, 250, 125]
    assert budget.run(attempt, longest=20) == 125
    assert len(tried) == 5


def test_it_gives_up_where_halving_changes_nothing() -> None:
    tried = []

    def attempt(tokens: int) -> None:
        tried.append(tokens)
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(DeviceMemoryError, match="a turn of 300 tokens") as caught:
        TokenBudget(1000).run(attempt, longest=300)
    # 500 tokens already mean one turn at a time.
    assert tried == [1000, 500]
    assert isinstance(caught.value.__cause__, torch.cuda.OutOfMemoryError)


def test_what_failed_is_let_go_before_the_next_try() -> None:
    kept: list[weakref.ref[torch.Tensor]] = []

    def attempt(tokens: int) -> None:
        assert all(reference() is None for reference in kept)
        activations = torch.zeros(tokens)
        kept.append(weakref.ref(activations))
        if tokens > 10:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    gc.disable()  # nothing may wait for it
    try:
        TokenBudget(80).run(attempt, longest=1)
    finally:
        gc.enable()
    assert len(kept) == 4


def test_other_errors_are_not_its_business() -> None:
    def attempt(tokens: int) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        TokenBudget(80).run(attempt, longest=1)


def test_no_tokens_are_no_budget() -> None:
    with pytest.raises(HiperError, match="at least one token, not 0"):
        TokenBudget(0)


def test_who_is_waited_for_does_not_begin_anew() -> None:
    tried = []

    def attempt(tokens: int) -> None:
        tried.append(tokens)
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(DeviceMemoryError, match=r"passes of 1000 tokens .* lower micro_tokens"):
        TokenBudget(1000).run(attempt, longest=20, alone=False)
    assert tried == [1000]
