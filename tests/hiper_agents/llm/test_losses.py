"""The terms of the loss, worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hiper_agents.llm.losses import block_sums, clipped_surrogate, is_clipped, k3, squared_error

LOG_PROBS = st.floats(-30, 0)


def test_the_ratio_of_a_block_is_that_of_its_tokens_together() -> None:
    # Two turns; the first has two tokens in its subgoal, one of the second lies in no block.
    new = torch.tensor([0.5, 0.9, 0.4, 0.8, 0.1]).log()
    owner = torch.tensor([0, 0, 0, 1, 1])
    block = torch.tensor([0, 1, 1, 2, -1])
    sums = block_sums(new, owner, block, 2).exp()
    expected = torch.tensor([[0.5, 0.9 * 0.4, 1.0], [1.0, 1.0, 0.8]])
    torch.testing.assert_close(sums, expected)


def test_the_surrogate_clips_a_block_once() -> None:
    # Tokens that are likelier by 1.15 each are within 0.2 alone, together they are not.
    tokens = torch.full((2,), 1.15).log()
    zeros = torch.zeros(2, dtype=torch.int64)
    new = block_sums(tokens, zeros, zeros, 1)[:, 0]
    old, advantage = torch.zeros(1), torch.ones(1)
    assert clipped_surrogate(new, old, advantage, 0.2).item() == pytest.approx(-1.2)
    assert is_clipped(new, old, advantage, 0.2).item()
    assert not is_clipped(tokens[:1], old, advantage, 0.2).item()


def test_the_clipped_surrogate_by_hand() -> None:
    ratio = torch.tensor([1.5, 1.5, 0.5, 0.5, 1.1])
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0, 2.0])
    loss = clipped_surrogate(ratio.log(), torch.zeros(5), advantage, 0.2)
    torch.testing.assert_close(loss, -torch.tensor([1.2, -1.5, 0.5, -0.8, 2.2]))


@given(LOG_PROBS, LOG_PROBS, st.sampled_from([-2.0, -0.5, 0.5, 2.0]))
def test_what_is_clipped_has_no_gradient(new: float, old: float, advantage: float) -> None:
    new_, old_ = torch.tensor([new], requires_grad=True), torch.tensor([old])
    loss = clipped_surrogate(new_, old_, torch.tensor([advantage]), 0.2)
    (gradient,) = torch.autograd.grad(loss.sum(), new_)
    is_beyond = abs(new - old) > 20
    assert is_beyond or bool(gradient == 0) == is_clipped(
        new_, old_, torch.tensor([advantage]), 0.2
    )
    assert torch.isfinite(loss).all()


def test_k3_by_hand() -> None:
    new, reference = torch.tensor([0.5, 0.2]).log(), torch.tensor([0.25, 0.8]).log()
    expected = [0.5 - math.log(0.5) - 1, 4 - math.log(4) - 1]
    assert k3(new, reference).tolist() == pytest.approx(expected)


@given(LOG_PROBS, LOG_PROBS)
def test_k3_is_never_negative_and_0_where_nothing_has_changed(new: float, reference: float) -> None:
    assert k3(torch.tensor(new), torch.tensor(reference)).item() >= 0
    assert k3(torch.tensor(new), torch.tensor(new)).item() == 0


def test_k3_estimates_the_divergence() -> None:
    new, reference = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.3, 0.3, 0.4])
    expected = (new * (new / reference).log()).sum()
    torch.testing.assert_close((new * k3(new.log(), reference.log())).sum(), expected)


def test_the_value_loss_by_hand() -> None:
    value, target = torch.tensor([2.0, 2.0, 2.0]), torch.tensor([5.0, 1.0, 1.4])
    old = torch.tensor([1.0, 1.0, 1.0])
    assert squared_error(value, target).tolist() == pytest.approx([9.0, 1.0, 0.36])
    # No further than 0.5 from the old value: 1.5, which misses 5 by 3.5; the other two have gone
    # too far, and pay for where they are.
    clipped = squared_error(value, target, old, 0.5)
    assert clipped.tolist() == pytest.approx([12.25, 1.0, 0.36])


def test_a_clipped_value_has_no_reason_to_go_on() -> None:
    value = torch.tensor([2.0, 1.2], requires_grad=True)
    target, old = torch.tensor([5.0, 5.0]), torch.tensor([1.0, 1.0])
    (gradient,) = torch.autograd.grad(squared_error(value, target, old, 0.5).sum(), value)
    assert gradient[0] == 0
    assert gradient[1] < 0
