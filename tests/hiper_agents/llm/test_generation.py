from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra agents")

from transformers import LlamaConfig

from hiper_agents.llm.generation import Generator
from hiper_agents.llm.grammar import ResponseGrammar, ResponseState
from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig
from hiper_agents.llm.responder import GenerationConfig, GenerationError
from hiper_agents.llm.tiny import make_tiny
from hiper_agents.llm.turns import TurnTokens
from hiper_base.errors import HiperError
from hiper_envs.tags import parse

COMMANDS = ["go to desk 1", "go to desk 12", "look", "open drawer 1", "search[<your query>]"]
TOKENIZER = make_tiny()[1]
GRAMMAR = ResponseGrammar(TOKENIZER, max_subgoal_tokens=6)
FREE = ResponseGrammar(TOKENIZER, structured=False, max_response_tokens=20)
PREFIX = TOKENIZER.encode("You are in the middle of a room. Looking quickly around you, you see")


def make_policy(seed: int = 0, **config: object) -> LanguagePolicy:
    """A policy whose adapter and heads are far from 0."""
    policy = LanguagePolicy(make_tiny(seed)[0], TOKENIZER, PolicyConfig(**config))  # type: ignore[arg-type]
    disturb(policy, seed)
    return policy


@torch.no_grad()
def disturb(policy: LanguagePolicy, seed: int) -> None:
    """Changes the weights as an optimizer does: in place."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in [*policy.policy_parameters(), *policy.critic_parameters()]:
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


def make_prompts(lengths: Sequence[int], seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [PREFIX + rng.integers(3, len(TOKENIZER), length).tolist() for length in lengths]


def begin(count: int) -> list[ResponseState]:
    """Responses that take very different numbers of tokens and choices."""
    return [
        GRAMMAR.begin(COMMANDS[: 1 + row % len(COMMANDS)], must_switch=row % 3 == 0)
        for row in range(count)
    ]


@torch.no_grad()
def judge(policy: LanguagePolicy, turn: TurnTokens) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities and values of a turn from one pass over all of its tokens."""
    ids = torch.tensor([[*turn.prompt.tolist(), *turn.response.tolist()]])
    hidden = policy.trunk(ids).last_hidden_state[0]
    logits, values = policy.logits(hidden), policy.values(hidden).numpy()
    log_probs = np.zeros(len(turn.response))
    last = len(turn.prompt) - 1
    chosen = np.flatnonzero(turn.sampled)
    for position, allowed in zip(chosen, turn.allowed, strict=True):
        ids = np.arange(logits.shape[1]) if allowed is None else allowed
        own = logits[last + position, torch.from_numpy(ids).long()].log_softmax(0)
        log_probs[position] = own[int(np.searchsorted(ids, turn.response[position]))]
    return log_probs, np.array([values[turn.low_anchor, 0], *values[last, 1:]])


def check(policy: LanguagePolicy, turns: Sequence[TurnTokens]) -> None:
    for turn in turns:
        log_probs, values = judge(policy, turn)
        np.testing.assert_allclose(turn.log_probs, log_probs, atol=1e-4)
        np.testing.assert_allclose(turn.values, values, atol=1e-4)


LENGTHS = [1, 40, 3, 25, 60, 2, 9]


@pytest.mark.parametrize(
    "config",
    [
        GenerationConfig(),
        GenerationConfig(pass_overhead=0),  # rows of different lengths never share a pass
        GenerationConfig(pass_overhead=10**6),  # they always do
        GenerationConfig(max_batch=2, pass_tokens=30),
        GenerationConfig(merge_adapter=False),
        GenerationConfig(fixed_shapes=True),
    ],
)
def test_what_is_recorded_is_what_a_fresh_pass_gives(config: GenerationConfig) -> None:
    policy = make_policy()
    generator = Generator(policy, config, prefix=PREFIX)
    prompts, states = make_prompts(LENGTHS), begin(len(LENGTHS))
    turns = generator.respond(prompts, states, np.random.default_rng(0))
    assert [turn.prompt.tolist() for turn in turns] == prompts
    assert [turn.text for turn in turns] == [state.text for state in states]
    assert len({len(turn.response) for turn in turns}) > 3
    assert all(state.finished for state in states)
    check(policy, turns)


def test_responses_do_not_depend_on_batching_or_the_prefix() -> None:
    policy = make_policy()
    prompts, texts = make_prompts(LENGTHS), []
    for config, prefix in [
        (GenerationConfig(), PREFIX),
        (GenerationConfig(max_batch=1), ()),
        (GenerationConfig(max_batch=4, pass_overhead=0), PREFIX[:3]),
        (GenerationConfig(), [*PREFIX[:5], 1, 2, 3]),
    ]:
        generator = Generator(policy, config, prefix=prefix)
        turns = generator.respond(prompts, begin(len(prompts)), np.random.default_rng(7))
        texts.append([turn.text for turn in turns])
        check(policy, turns)
    assert texts[0] == texts[1] == texts[2] == texts[3]


def test_other_random_numbers_give_other_responses() -> None:
    generator = Generator(make_policy())
    prompts = make_prompts([5, 9, 7, 4])
    texts = [
        [turn.text for turn in generator.respond(prompts, begin(4), np.random.default_rng(seed))]
        for seed in (0, 0, 1)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_with_a_source_each_a_response_does_not_depend_on_the_others() -> None:
    generator = Generator(make_policy())
    prompts, states = make_prompts(LENGTHS), begin(len(LENGTHS))
    streams = [np.random.default_rng(row) for row in range(len(LENGTHS))]
    together = [turn.text for turn in generator.respond(prompts, states, streams)]
    for row in reversed(range(len(LENGTHS))):
        own = np.random.default_rng(row)
        (alone,) = generator.respond([prompts[row]], [begin(len(LENGTHS))[row]], [own])
        assert alone.text == together[row]
        assert own.bit_generator.state == streams[row].bit_generator.state


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_the_prefix_is_read_again_when_weights_have_changed(lora_rank: int) -> None:
    policy = make_policy(lora_rank=lora_rank)
    generator = Generator(policy, prefix=PREFIX)
    prompts = make_prompts([4, 8])
    before = generator.respond(prompts, begin(2), np.random.default_rng(0))
    check(policy, before)
    optimizer = torch.optim.AdamW(policy.policy_parameters(), lr=0.05)
    policy.logits(policy.trunk(torch.tensor([PREFIX])).last_hidden_state).logsumexp(
        -1
    ).sum().backward()
    optimizer.step()
    after = generator.respond(prompts, begin(2), np.random.default_rng(0))
    check(policy, after)
    assert any(
        a.log_probs.tolist() != b.log_probs.tolist() for a, b in zip(before, after, strict=True)
    )
    policy.load_adapter_state(make_policy(1, lora_rank=lora_rank).adapter_state())
    check(policy, generator.respond(prompts, begin(2), np.random.default_rng(0)))
    for parameter in policy.policy_parameters():
        parameter.data.mul_(0.5)
    generator.refresh()
    check(policy, generator.respond(prompts, begin(2), np.random.default_rng(0)))


def test_the_prefix_is_read_once_for_each_version_of_the_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = make_policy()
    read: list[int] = []
    trunk = policy.trunk

    def counting(input_ids: torch.Tensor, *args: object, **kwargs: object) -> object:
        read.append(input_ids.numel())
        return trunk(input_ids, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(policy, "trunk", counting)
    generator = Generator(policy, prefix=PREFIX)
    for _ in range(3):
        generator.respond(make_prompts([4]), begin(1), np.random.default_rng(0))
    assert read.count(len(PREFIX)) == 1
    assert max(count for count in read if count != len(PREFIX)) < len(PREFIX)


@pytest.mark.parametrize("config", [GenerationConfig(), GenerationConfig(pass_overhead=0)])
def test_later_prompts_go_on_from_those_that_they_begin_like(
    monkeypatch: pytest.MonkeyPatch, config: GenerationConfig
) -> None:
    policy = make_policy()
    read: list[int] = []
    trunk = policy.trunk

    def counting(input_ids: torch.Tensor, *args: object, **kwargs: object) -> object:
        read.append(input_ids.shape[1])
        return trunk(input_ids, *args, **kwargs)  # type: ignore[arg-type]

    generator, count = Generator(policy, config, prefix=PREFIX), len(LENGTHS)
    stems, rng = make_prompts([50 + length for length in LENGTHS]), np.random.default_rng(0)
    for turn in range(3):
        # Other rows in other places, and one that nothing is known of but the prefix.
        order = rng.permutation(count)
        prompts = [stems[row] + make_prompts([3 + turn], 100 + row)[0][-3:] for row in order]
        prompts.append(make_prompts([20], 200 + turn)[0])
        with monkeypatch.context() as patch:
            patch.setattr(policy, "trunk", counting)
            turns = generator.respond(prompts, begin(count + 1), np.random.default_rng(turn))
        check(policy, turns)
        if turn:
            assert max(read) < 40
        read.clear()
    generator.refresh()
    disturb(policy, 5)
    check(policy, generator.respond(prompts, begin(count + 1), np.random.default_rng(9)))


def test_forced_tokens_take_no_pass_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = make_policy()
    passes: list[int] = []
    trunk = policy.trunk

    def counting(*args: object, **kwargs: object) -> object:
        passes.append(1)
        return trunk(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(policy, "trunk", counting)
    states = [GRAMMAR.begin(COMMANDS[:2], must_switch=False) for _ in range(8)]
    generator = Generator(policy, GenerationConfig(pass_overhead=1000))
    turns = generator.respond(make_prompts([5] * 8), states, np.random.default_rng(0))
    assert len(passes) == max(turn.sampled.sum() for turn in turns)
    assert len(passes) < max(len(turn.response) for turn in turns)


def test_greedy_responses_are_the_most_likely_choices() -> None:
    policy = make_policy()
    generator = Generator(policy, GenerationConfig(greedy=True, temperature=0.7))
    turns = generator.respond(make_prompts([5, 9]), begin(2), np.random.default_rng(0))
    again = generator.respond(make_prompts([5, 9]), begin(2), np.random.default_rng(1))
    assert [turn.text for turn in turns] == [turn.text for turn in again]
    for turn in turns:
        with torch.no_grad():
            ids = torch.tensor([[*turn.prompt.tolist(), *turn.response.tolist()]])
            logits = policy.logits(policy.trunk(ids).last_hidden_state)[0] / 0.7
        for position, allowed in zip(np.flatnonzero(turn.sampled), turn.allowed, strict=True):
            assert allowed is not None
            own = logits[len(turn.prompt) - 1 + position, torch.from_numpy(allowed).long()]
            assert allowed[int(own.argmax())] == turn.response[position]
            assert own.log_softmax(0).max().item() == pytest.approx(
                float(turn.log_probs[position]), abs=1e-4
            )


def test_a_lower_temperature_makes_likely_choices_likelier() -> None:
    policy, prompts = make_policy(), make_prompts([5] * 20)
    means = []
    for temperature in (0.3, 1.0):
        generator = Generator(policy, GenerationConfig(temperature=temperature))
        states = [GRAMMAR.begin(COMMANDS, must_switch=False) for _ in prompts]
        turns = generator.respond(prompts, states, np.random.default_rng(0))
        means.append(np.mean([turn.log_probs[turn.sampled].mean() for turn in turns]))
    assert means[0] > means[1]


def test_free_responses_are_recorded_too() -> None:
    policy = make_policy()
    generator = Generator(policy, prefix=PREFIX)
    states = [FREE.begin(COMMANDS, must_switch=True) for _ in LENGTHS]
    turns = generator.respond(make_prompts(LENGTHS), states, np.random.default_rng(3))
    for turn in turns:
        assert turn.sampled.all()
        assert turn.allowed == (None,) * len(turn.response)
        assert len(turn.response) <= 20
    check(policy, turns)


def test_a_response_without_any_choice_in_its_action_still_has_a_low_value() -> None:
    policy = make_policy()
    states = [GRAMMAR.begin(["look"], must_switch=row == 1) for row in range(3)]
    turns = Generator(policy).respond(make_prompts([3, 8, 5]), states, np.random.default_rng(2))
    assert all(turn.values.all() for turn in turns)
    check(policy, turns)


def test_a_separate_critic_is_not_asked() -> None:
    policy = make_policy(critic="separate")
    turns = Generator(policy).respond(make_prompts([3, 8]), begin(2), np.random.default_rng(0))
    for turn in turns:
        assert not turn.values.any()
        np.testing.assert_allclose(turn.log_probs, judge(policy, turn)[0], atol=1e-4)


def test_a_model_of_bfloat16_writes_too() -> None:
    policy = LanguagePolicy(make_tiny()[0].to(torch.bfloat16), TOKENIZER)
    generator = Generator(policy, prefix=PREFIX)
    turns = generator.respond(make_prompts([3, 8, 30]), begin(3), np.random.default_rng(0))
    for turn in turns:
        assert parse(turn.text).format_valid
        np.testing.assert_allclose(turn.log_probs, judge(policy, turn)[0], atol=0.2)


def test_nothing_is_answered_with_nothing() -> None:
    assert Generator(make_policy()).respond([], [], np.random.default_rng(0)) == []


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(GenerationError, match="at least one token"):
        Generator(make_policy()).respond([[]], begin(1), np.random.default_rng(0))


def test_a_prompt_that_the_model_cannot_read_is_refused() -> None:
    policy = make_policy()
    policy.model.config.max_position_embeddings = 30
    with pytest.raises(GenerationError, match="the model reads 30"):
        Generator(policy).respond(make_prompts([40]), begin(1), np.random.default_rng(0))


def test_a_sliding_window_limits_the_length(learning: ModuleType) -> None:
    policy = LanguagePolicy(learning.windowed_model(25), TOKENIZER)
    with pytest.raises(GenerationError, match="the model reads 25"):
        Generator(policy).respond(make_prompts([40]), begin(1), np.random.default_rng(0))


def test_layers_without_keys_and_values_are_refused() -> None:
    policy = make_policy()
    assert isinstance(policy.model.config, LlamaConfig)
    policy.model.config.layer_types = ["linear_attention", "full_attention"]
    with pytest.raises(GenerationError, match="linear_attention"):
        Generator(policy)


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": 0.0}, {"max_batch": 0}, {"pass_tokens": 0}, {"pass_overhead": -1}],
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(HiperError, match=next(iter(wrong))):
        GenerationConfig(**wrong)  # type: ignore[arg-type]
