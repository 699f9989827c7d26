"""What prompts begin with alike is read once, which changes nothing but the time."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra agents")

from transformers import GPT2Config, GPT2LMHeadModel

from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig
from hiper_agents.llm.reading import hidden_states, micro_batches
from hiper_agents.llm.scoring import score
from hiper_agents.llm.tiny import make_tiny
from hiper_agents.llm.turns import TokenSpans, TurnTokens

TOKENIZER = make_tiny()[1]
PREFIX = list(range(5, 45))


def make_turns(prefix: list[int], lengths: tuple[int, ...] = (3, 9, 1, 30)) -> list[TurnTokens]:
    """Prompts that begin alike, with responses of which every second token was chosen."""
    rng = np.random.default_rng(0)
    turns = []
    for number, length in enumerate(lengths):
        own = [100 + number, *rng.integers(3, len(TOKENIZER), length).tolist()]
        response = rng.integers(3, len(TOKENIZER), 4 + number)
        sampled = np.arange(len(response)) % 2 == 0
        turns.append(
            TurnTokens(
                prompt=np.array(prefix + own, np.int32),
                response=response.astype(np.int32),
                sampled=sampled,
                log_probs=np.zeros(len(response), np.float32),
                allowed=(None,) * int(sampled.sum()),
                spans=TokenSpans(action=(2, len(response))),
                values=np.zeros(3, np.float32),
                text="",
            )
        )
    return turns


def make_episodes() -> list[TurnTokens]:
    """Turns of three episodes, one of which has but one; those of an episode begin alike."""
    stems = [[*PREFIX, 60 + episode, *range(200, 220 + 5 * episode)] for episode in range(3)]
    episodes = [make_turns(stems[0]), make_turns(stems[1]), make_turns(stems[2], (6,))]
    turns = [turn for episode in episodes for turn in episode]
    return [turns[place] for place in np.random.default_rng(1).permutation(len(turns))]


TURNS = {"one beginning": make_turns(PREFIX), "episodes": make_episodes()}


def read(policy: LanguagePolicy, turns: list[TurnTokens]) -> tuple[list[torch.Tensor], int]:
    """The hidden states of every turn's own tokens, and the tokens that the model read."""
    counted = 0
    forward = policy.trunk

    def counting(input_ids: torch.Tensor, *args: object, **named: object) -> object:
        nonlocal counted
        counted += input_ids.numel()
        return forward(input_ids, *args, **named)  # type: ignore[arg-type]

    policy.trunk = counting  # type: ignore[method-assign, assignment]
    try:
        hidden = hidden_states(policy, turns)
    finally:
        del policy.trunk
    return [row[: len(turn)] for row, turn in zip(hidden, turns, strict=False)], counted


def alone(policy: LanguagePolicy, turns: list[TurnTokens]) -> list[torch.Tensor]:
    """The same, one turn at a time."""
    return [read(policy, [turn])[0][0] for turn in turns]


def gpt2() -> LanguagePolicy:
    config = GPT2Config(vocab_size=len(TOKENIZER), n_embd=32, n_layer=2, n_head=2, n_positions=256)
    return LanguagePolicy(GPT2LMHeadModel(config), TOKENIZER, PolicyConfig(lora_rank=4))


POLICIES = {
    "adapter": lambda: LanguagePolicy(make_tiny()[0], TOKENIZER, PolicyConfig(lora_rank=4)),
    "whole": lambda: LanguagePolicy(make_tiny()[0], TOKENIZER, PolicyConfig(lora_rank=0)),
    "learned positions": gpt2,
}


@pytest.mark.parametrize("turns", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("make", POLICIES.values(), ids=POLICIES)
def test_turns_are_read_as_if_they_were_alone(
    learning: ModuleType, make: Callable[[], LanguagePolicy], turns: list[TurnTokens]
) -> None:
    policy = learning.stirred(make())
    found, counted = read(policy, turns)
    for together, single in zip(found, alone(policy, turns), strict=True):
        torch.testing.assert_close(together, single, atol=1e-5, rtol=1e-5)
    different = {tuple(turn.prompt[: end + 1]) for turn in turns for end in range(len(turn.prompt))}
    assert counted < 1.1 * (len(different) + sum(len(turn.response) for turn in turns)) + 25


@pytest.mark.parametrize("turns", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("make", POLICIES.values(), ids=POLICIES)
def test_gradients_are_those_of_turns_alone(
    learning: ModuleType, make: Callable[[], LanguagePolicy], turns: list[TurnTokens]
) -> None:
    policy, gradients = learning.stirred(make()), []
    for max_tokens in (10**6, 1):
        for parameter in (*policy.policy_parameters(), *policy.critic_parameters()):
            parameter.grad = None
        parts = score(policy, turns, temperature=1.0, max_tokens=max_tokens, grad=True, values=True)
        for part in parts:
            assert part.values is not None
            (part.log_probs.sum() + part.values.square().sum()).backward()
        gradients.append([p.grad.clone() for p in policy.policy_parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 0
    assert max(gradient.abs().max().item() for gradient in gradients[0]) > 1e-2
    for together, single in zip(*gradients, strict=True):
        torch.testing.assert_close(together, single, atol=1e-4, rtol=1e-3)


def test_equal_prompts_leave_their_last_token_to_be_read() -> None:
    policy = POLICIES["adapter"]()
    turns = make_turns(PREFIX)[:1] * 3
    found, counted = read(policy, turns)
    torch.testing.assert_close(found[2], alone(policy, turns)[0], atol=1e-5, rtol=1e-5)
    assert counted == len(turns[0].prompt) - 1 + 3 * (1 + len(turns[0].response))


@pytest.mark.parametrize("prefix", [[], PREFIX[:2]], ids=["nothing", "next to nothing"])
def test_what_does_not_pay_is_not_done(prefix: list[int]) -> None:
    turns = make_turns(prefix)
    _, counted = read(POLICIES["adapter"](), turns)
    assert counted == sum(map(len, turns))


def test_models_that_cannot_go_on_read_everything(learning: ModuleType) -> None:
    window = learning.windowed_model(25)
    config = PolicyConfig(gradient_checkpointing=True)
    turns = make_turns(PREFIX)
    whole = len(turns) * max(map(len, turns))
    assert read(LanguagePolicy(window, TOKENIZER), turns)[1] == whole
    again = LanguagePolicy(make_tiny()[0], TOKENIZER, config)
    assert read(again, turns)[1] == whole
    assert [len(batch) for batch in micro_batches(again, turns, 2 * max(map(len, turns)))] == [2, 2]
    with torch.no_grad():
        assert read(again, turns)[1] < whole


def test_no_turns_are_read_as_one_token() -> None:
    assert read(POLICIES["adapter"](), [])[1] == 1


@pytest.mark.parametrize("max_tokens", [1, 90, 150, 10**6])
def test_micro_batches_hold_every_turn_once_and_episodes_together(max_tokens: int) -> None:
    policy, turns = POLICIES["adapter"](), make_episodes()
    batches = list(micro_batches(policy, turns, max_tokens))
    assert sorted(row for batch in batches for row in batch) == list(range(len(turns)))
    sizes = [read(policy, [turns[row] for row in batch])[1] for batch in batches]
    for batch, size in zip(batches, sizes, strict=True):
        assert len(batch) == 1 or size <= max_tokens + 25
    if max_tokens == 150:
        episodes = [{int(turns[row].prompt[len(PREFIX)]) for row in batch} for batch in batches]
        assert [len(numbers) for numbers in episodes] == [1, 1, 1]
