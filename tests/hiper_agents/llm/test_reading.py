"""What prompts share is read once, which changes nothing but the time."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra agents")

from transformers import GPT2Config, GPT2LMHeadModel

from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig
from hiper_agents.llm.reading import hidden_states
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


@pytest.mark.parametrize("make", POLICIES.values(), ids=POLICIES)
def test_turns_are_read_as_if_they_were_alone(learning: ModuleType, make: object) -> None:
    policy = learning.stirred(make())  # type: ignore[operator]
    turns = make_turns(PREFIX)
    found, counted = read(policy, turns)
    for together, single in zip(found, alone(policy, turns), strict=True):
        torch.testing.assert_close(together, single, atol=1e-5, rtol=1e-5)
    longest = max(map(len, turns))
    assert counted == len(PREFIX) + len(turns) * (longest - len(PREFIX))


@pytest.mark.parametrize("make", POLICIES.values(), ids=POLICIES)
def test_gradients_are_those_of_turns_alone(learning: ModuleType, make: object) -> None:
    policy = learning.stirred(make())  # type: ignore[operator]
    turns, gradients = make_turns(PREFIX), []
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
    assert counted == len(turns) * max(map(len, turns))


def test_models_that_cannot_go_on_read_everything(learning: ModuleType) -> None:
    window = learning.windowed_model(25)
    config = PolicyConfig(gradient_checkpointing=True)
    turns = make_turns(PREFIX)
    whole = len(turns) * max(map(len, turns))
    assert read(LanguagePolicy(window, TOKENIZER), turns)[1] == whole
    again = LanguagePolicy(make_tiny()[0], TOKENIZER, config)
    assert read(again, turns)[1] == whole
    with torch.no_grad():
        assert read(again, turns)[1] < whole


def test_no_turns_are_read_as_one_token() -> None:
    assert read(POLICIES["adapter"](), [])[1] == 1
