"""Playing with vLLM gives the turns that playing with the model itself gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra agents")
pytest.importorskip("vllm", reason="needs the extra vllm, whose wheels are made for GPUs")

from hiper_agents.agent import make_agent
from hiper_agents.evaluation import evaluate
from hiper_agents.llm.config import LanguageTrainConfig
from hiper_agents.llm.generation import Generator
from hiper_agents.llm.grammar import ResponseGrammar, ResponseState
from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig
from hiper_agents.llm.prompts import PromptConfig
from hiper_agents.llm.responder import GenerationConfig, GenerationError
from hiper_agents.llm.sampling import drawing_from
from hiper_agents.llm.scoring import log_probs_of
from hiper_agents.llm.tiny import make_tiny
from hiper_agents.llm.trainer import LanguageTrainer
from hiper_agents.llm.turns import TurnTokens
from hiper_agents.llm.vllm_generation import VllmGenerator
from hiper_agents.training.run import train

COMMANDS = ["go to desk 1", "go to desk 12", "look", "open drawer 1", "search[<your query>]"]
LENGTHS = [1, 40, 3, 25, 60, 2, 9]
WIDTH = 128  # of which vLLM's attention on a CPU takes heads of 32
TOKENIZER = make_tiny()[1]
GRAMMAR = ResponseGrammar(TOKENIZER, max_subgoal_tokens=6)
FREE = ResponseGrammar(TOKENIZER, structured=False, max_response_tokens=20)
SMALL = GenerationConfig(backend="vllm", vllm_cache_gib=0.05, pass_tokens=2048, max_batch=8)


def make_policy(seed: int = 0, **config: object) -> LanguagePolicy:
    policy = LanguagePolicy(make_tiny(seed, hidden=WIDTH)[0], TOKENIZER, PolicyConfig(**config))  # type: ignore[arg-type]
    disturb(policy, seed)
    return policy


@torch.no_grad()
def disturb(policy: LanguagePolicy, seed: int) -> None:
    """Changes the weights as an optimizer does: in place."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in policy.policy_parameters():
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


def begin(grammar: ResponseGrammar = GRAMMAR) -> list[ResponseState]:
    return [
        grammar.begin(COMMANDS[: 1 + row % len(COMMANDS)], must_switch=row % 3 == 0)
        for row in range(len(LENGTHS))
    ]


def make_prompts() -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(3, len(TOKENIZER), length).tolist() for length in LENGTHS]


@pytest.fixture(scope="module")
def policy() -> LanguagePolicy:
    return make_policy()


@pytest.fixture(scope="module")
def generator(policy: LanguagePolicy) -> VllmGenerator:
    return VllmGenerator(policy, SMALL)


def check(policy: LanguagePolicy, turns: list[TurnTokens], temperature: float = 1.0) -> None:
    """What is recorded is what a fresh pass of the policy itself gives."""
    judged = log_probs_of(policy, turns, temperature=temperature, max_tokens=4096)
    for turn, own in zip(turns, judged, strict=True):
        np.testing.assert_allclose(turn.log_probs[turn.sampled], own, atol=1e-4)
        assert not turn.log_probs[~turn.sampled].any()
        assert not turn.values.any()


@pytest.mark.parametrize("grammar", [GRAMMAR, FREE], ids=["structured", "free"])
def test_it_writes_what_the_model_itself_would(
    policy: LanguagePolicy, generator: VllmGenerator, grammar: ResponseGrammar
) -> None:
    ours = Generator(policy, GenerationConfig())
    written = [
        own.respond(make_prompts(), begin(grammar), np.random.default_rng(7))
        for own in (ours, generator)
    ]
    for mine, theirs in zip(*written, strict=True):
        assert mine.text == theirs.text
        assert mine.prompt.tolist() == theirs.prompt.tolist()
        assert mine.response.tolist() == theirs.response.tolist()
        assert mine.sampled.tolist() == theirs.sampled.tolist()
        assert mine.spans == theirs.spans
        np.testing.assert_allclose(mine.log_probs, theirs.log_probs, atol=1e-4)
    check(policy, written[1])


def test_a_call_begins_anew(generator: VllmGenerator) -> None:
    texts = [
        [turn.text for turn in generator.respond(make_prompts(), begin(), rng)]
        for rng in map(np.random.default_rng, (1, 1, 2))
    ]
    assert texts[0] == texts[1] != texts[2]


def test_with_a_source_each_a_response_does_not_depend_on_the_others(
    generator: VllmGenerator,
) -> None:
    prompts = make_prompts()
    streams = [np.random.default_rng(row) for row in range(len(prompts))]
    together = generator.respond(prompts, begin(), streams)
    for row in (0, 4):
        (alone,) = generator.respond([prompts[row]], [begin()[row]], [np.random.default_rng(row)])
        assert alone.text == together[row].text


def test_prompts_can_come_at_any_time(policy: LanguagePolicy, generator: VllmGenerator) -> None:
    rngs = [np.random.default_rng(row) for row in range(len(LENGTHS))]
    together = generator.respond(make_prompts(), begin(), rngs)
    stream, prompts, states = generator.stream(), make_prompts(), begin()
    written: dict[int, TurnTokens] = {}
    waiting = list(range(len(LENGTHS)))
    while len(written) < len(LENGTHS):
        if waiting:
            row = waiting.pop()
            draw = drawing_from(np.random.default_rng(row))
            stream.add(row, prompts[row], states[row], draw)
        written.update(stream.advance())
    assert stream.advance() == []
    for row, turn in enumerate(together):
        assert written[row].text == turn.text
    check(policy, list(written.values()))


def test_responses_that_nobody_waits_for_do_not_hinder(policy: LanguagePolicy) -> None:
    generator = VllmGenerator(policy, SMALL)
    abandoned = generator.stream()
    abandoned.add(0, make_prompts()[0], begin()[0], drawing_from(np.random.default_rng(0)))
    abandoned.advance()
    disturb(policy, 3)
    check(policy, generator.respond(make_prompts(), begin(), np.random.default_rng(0)))
    other = VllmGenerator(policy, SMALL)
    stream = generator.stream()
    stream.add(0, make_prompts()[0], begin()[0], drawing_from(np.random.default_rng(0)))
    check(policy, other.respond(make_prompts(), begin(), np.random.default_rng(0)))
    with pytest.raises(GenerationError, match="another generator took vLLM"):
        stream.advance()


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_it_follows_the_weights(lora_rank: int) -> None:
    policy = make_policy(lora_rank=lora_rank)
    config = replace(SMALL, temperature=0.7)
    generator = VllmGenerator(policy, config)
    before = generator.respond(make_prompts(), begin(), np.random.default_rng(0))
    check(policy, before, 0.7)
    disturb(policy, 1)
    after = generator.respond(make_prompts(), begin(), np.random.default_rng(0))
    check(policy, after, 0.7)
    assert [turn.log_probs.tolist() for turn in before] != [t.log_probs.tolist() for t in after]
    for parameter in policy.policy_parameters():
        parameter.data.mul_(0.5)
    generator.refresh()
    check(policy, generator.respond(make_prompts(), begin(), np.random.default_rng(0)), 0.7)


def test_greedy_play_needs_no_luck(policy: LanguagePolicy) -> None:
    config = replace(SMALL, greedy=True)
    generator, ours = VllmGenerator(policy, config), Generator(policy, replace(config))
    texts = [
        [turn.text for turn in own.respond(make_prompts(), begin(), np.random.default_rng(seed))]
        for own, seed in ((generator, 0), (generator, 1), (ours, 2))
    ]
    assert texts[0] == texts[1] == texts[2]


def test_more_rows_than_fit_are_written_one_after_the_other(policy: LanguagePolicy) -> None:
    """Memory has room for the keys and values of a few of them."""
    generator = VllmGenerator(
        policy, replace(SMALL, max_batch=32, pass_tokens=512, vllm_cache_gib=0.0009)
    )
    prompts, states = make_prompts() * 4, [state for _ in range(4) for state in begin()]
    turns = generator.respond(prompts, states, np.random.default_rng(0))
    assert len(turns) == 4 * len(LENGTHS)
    check(policy, turns)


def test_what_does_not_fit_is_refused(policy: LanguagePolicy, generator: VllmGenerator) -> None:
    limit = min(SMALL.pass_tokens, policy.model.config.max_position_embeddings)
    with pytest.raises(GenerationError, match="does not fit"):
        generator.respond([[5] * limit], begin()[:1], np.random.default_rng(0))
    with pytest.raises(GenerationError, match="does not fit"):
        generator.respond([[5] * (limit - 3)], begin()[:1], np.random.default_rng(0))
    with pytest.raises(GenerationError, match="at least one token"):
        generator.respond([[]], begin()[:1], np.random.default_rng(0))
    assert generator.respond([], [], np.random.default_rng(0)) == []
    turns = generator.respond(make_prompts(), begin(), np.random.default_rng(0))
    check(policy, turns)


def test_a_model_that_vllm_cannot_run_is_refused() -> None:
    """On a CPU its attention has no heads of 10."""
    policy = LanguagePolicy(make_tiny(hidden=40)[0], TOKENIZER, PolicyConfig())
    with pytest.raises(GenerationError, match="vLLM cannot run LlamaForCausalLM here"):
        VllmGenerator(policy, SMALL).respond(make_prompts(), begin(), np.random.default_rng(0))


def test_a_run_plays_and_learns_with_it(tmp_path: Path) -> None:
    """The ratios of PPO begin at 1: what vLLM recorded is what the policy says."""
    for part in make_tiny(hidden=WIDTH):
        part.save_pretrained(tmp_path / "model")
    config = LanguageTrainConfig(
        model=str(tmp_path / "model"),
        device="cpu",
        split="generated",
        prompt=PromptConfig(template="compact", history=0),
        episodes=4,
        group_size=2,
        num_envs=4,
        max_turns=3,
        iterations=2,
        generation=SMALL,
        tensorboard=False,
    )
    told: list[dict[str, float]] = []
    trainer = train(
        config, tmp_path / "run", on_iteration=lambda metrics, _: told.append(metrics["losses"])
    )
    assert isinstance(trainer, LanguageTrainer)
    assert len(told) == 2
    assert all(figures["mismatch"] < 1e-4 for figures in told)
    # The values that vLLM does not tell are asked for afterwards.
    assert trainer.buffer.value_high[: len(trainer.buffer)].any()
    agent = make_agent(tmp_path / "run", device="cpu", backend="vllm")
    result = evaluate(agent, config.env, "generated", episodes=2, env_kwargs={"max_turns": 3})
    assert result["n"] == 2
