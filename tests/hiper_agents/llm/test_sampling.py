from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hiper_agents.llm.sampling import Chooser, Draws, draws_for

VOCABULARY = 1500
MANY = np.arange(700, 1400, dtype=np.int32)  # too many to be looked up one by one


def reference(logits: np.ndarray, allowed: np.ndarray | None, temperature: float) -> np.ndarray:
    """Log-probabilities of all ids, -inf where they are not allowed."""
    scaled = np.full(len(logits), -np.inf)
    ids = np.arange(len(logits)) if allowed is None else allowed
    scaled[ids] = logits[ids].astype(np.float64) / temperature
    return scaled - np.logaddexp.reduce(scaled)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 1.0, 2.0]), st.booleans())
def test_choices_are_those_of_the_inverse_distribution(
    seed: int, temperature: float, greedy: bool
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (6, VOCABULARY)).astype(np.float32)
    few = np.sort(rng.choice(VOCABULARY, 5, replace=False)).astype(np.int32)
    allowed = [few, None, MANY, few[:2], MANY, None]
    draws = rng.random(6)
    chosen = Chooser(temperature)(torch.from_numpy(logits), allowed, None if greedy else draws)
    for row, token in enumerate(chosen.tokens):
        expected = reference(logits[row], allowed[row], temperature)
        assert chosen.log_probs[row] == pytest.approx(expected[token], abs=1e-5)
        if greedy:
            assert expected[token] == expected.max()
        else:
            cumulative = np.exp(expected).cumsum()
            # The place where the cumulative probability passes the draw, up to rounding.
            assert cumulative[token] - np.exp(expected[token]) <= draws[row] + 1e-5
            assert draws[row] <= cumulative[token] + 1e-5


@pytest.mark.parametrize("draw", [0.0, 0.5, 1 - 2**-53])
def test_what_is_impossible_is_never_chosen(draw: float) -> None:
    logits = torch.full((3, VOCABULARY), -torch.inf)
    logits[:, [800, 900]] = 0.0
    few = np.array([799, 800, 900, 901], np.int32)
    chosen = Chooser(1.0)(logits, [few, MANY, None], np.full(3, draw))
    assert set(chosen.tokens) <= {800, 900}
    assert chosen.log_probs == pytest.approx(np.log(0.5))


def test_frequencies_are_the_probabilities() -> None:
    n = 4000
    logits = torch.log(torch.tensor([[0.1, 0.2, 0.3, 0.4]])).expand(n, -1)
    ids = np.array([0, 1, 3], np.int32)
    draws = (np.arange(n) + 0.5) / n
    tokens = Chooser(1.0)(logits, [ids] * n, draws).tokens
    counts = np.bincount(tokens, minlength=4) / n
    assert counts == pytest.approx(np.array([1, 2, 0, 4]) / 7, abs=1 / n)


def test_draws_do_not_depend_on_the_order_in_which_rows_ask() -> None:
    one, other = (Draws(np.random.default_rng(5), 3) for _ in range(2))
    asked = [(row, choice) for row in range(3) for choice in range(4)]
    numbers = {place: one(*place) for place in asked}
    assert {place: other(*place) for place in reversed(asked)} == numbers
    assert len(set(numbers.values())) == len(asked)


def test_one_source_draws_as_it_always_did() -> None:
    one, other = (np.random.default_rng(5) for _ in range(2))
    drawn, known = draws_for(one, 3), Draws(other, 3)
    asked = [(row, choice) for row in range(3) for choice in range(4)]
    assert [drawn(*place) for place in asked] == [known(*place) for place in asked]
    assert one.bit_generator.state == other.bit_generator.state


def test_a_row_with_a_source_of_its_own_takes_what_it_needs() -> None:
    streams = [np.random.default_rng(seed) for seed in range(3)]
    drawn = draws_for(streams, 3)
    again = {(row, choice): drawn(row, choice) for choice in range(2) for row in (2, 0)}
    assert {place: drawn(*place) for place in again} == again
    for row, count in ((0, 2), (1, 0), (2, 2)):
        fresh = np.random.default_rng(row)
        numbers = fresh.random(count).tolist()
        assert [again[row, choice] for choice in range(count)] == numbers
        assert streams[row].random() == fresh.random()


def test_there_is_a_source_for_every_row_or_one_for_all() -> None:
    with pytest.raises(ValueError, match="3 rows need a stream each, not 2"):
        draws_for([np.random.default_rng(0)] * 2, 3)
