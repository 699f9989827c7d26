"""Responses that are written side by side are those that would be written alone."""

from __future__ import annotations

import itertools
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("transformers", reason="needs the extra agents")

from hiper_agents.llm.generation import Generator
from hiper_agents.llm.grammar import ResponseGrammar
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.responder import GenerationConfig, GenerationError, Stream
from hiper_agents.llm.responses import ResponseState
from hiper_agents.llm.sampling import drawing_from
from hiper_agents.llm.scoring import log_probs_of, values_of
from hiper_agents.llm.streaming import ResponseStream
from hiper_agents.llm.tiny import make_tiny
from hiper_agents.llm.turns import TurnTokens

COMMANDS = ["go to desk 1", "go to desk 12", "look", "open drawer 1", "search[<your query>]"]
TOKENIZER = make_tiny()[1]
GRAMMAR = ResponseGrammar(TOKENIZER, max_subgoal_tokens=9)
PREFIX = TOKENIZER.encode("You are in the middle of a room.")
EPISODES, TURNS = 7, 4


@pytest.fixture
def policy(learning: ModuleType) -> LanguagePolicy:
    return learning.stirred(LanguagePolicy(make_tiny()[0], TOKENIZER))


def prompt_of(episode: int, turn: int) -> list[int]:
    """Prompts of an episode have a beginning of their own."""
    rng = np.random.default_rng(episode)
    beginning = rng.integers(3, len(TOKENIZER), 10 + 5 * episode).tolist()
    rest = np.random.default_rng([episode, turn]).integers(3, len(TOKENIZER), 4 + turn).tolist()
    return [*PREFIX, *beginning, *rest]


def add(stream: Stream, episode: int, turn: int, rngs: list[np.random.Generator]) -> None:
    state = GRAMMAR.begin(COMMANDS[: 1 + episode % 5], must_switch=(episode + turn) % 3 == 0)
    stream.add(episode, prompt_of(episode, turn), state, drawing_from(rngs[episode]))


def play(stream: Stream) -> dict[tuple[int, int], TurnTokens]:
    """Every episode goes on as soon as it has an answer."""
    rngs = [np.random.default_rng(episode) for episode in range(EPISODES)]
    turns = dict.fromkeys(range(EPISODES), 0)
    written: dict[tuple[int, int], TurnTokens] = {}
    for episode in range(EPISODES):
        add(stream, episode, 0, rngs)
    while len(written) < EPISODES * TURNS:
        for episode, turn in stream.advance():
            written[episode, turns[episode]] = turn
            turns[episode] += 1
            if turns[episode] < TURNS:
                add(stream, episode, turns[episode], rngs)
    assert stream.advance() == []
    return written


def alone(policy: LanguagePolicy) -> dict[tuple[int, int], TurnTokens]:
    """The same, one response at a time."""
    rngs = [np.random.default_rng(episode) for episode in range(EPISODES)]
    written = {}
    for turn, episode in itertools.product(range(TURNS), range(EPISODES)):
        stream = ResponseStream(policy, GenerationConfig())
        add(stream, episode, turn, rngs)
        found: list[tuple[int, TurnTokens]] = []
        while not found:
            found = stream.advance()
        written[episode, turn] = found[0][1]
    return written


@pytest.mark.parametrize(
    "config",
    [
        GenerationConfig(),
        GenerationConfig(max_batch=3),
        GenerationConfig(max_batch=1),
        GenerationConfig(pass_overhead=0, pass_tokens=40),
        GenerationConfig(pass_overhead=10**6),
        GenerationConfig(fixed_shapes=True),
        GenerationConfig(fixed_shapes=True, max_batch=3, pass_overhead=0),
    ],
)
def test_responses_are_those_that_are_written_alone(
    policy: LanguagePolicy, config: GenerationConfig
) -> None:
    written, expected = play(Generator(policy, config, prefix=PREFIX).stream()), alone(policy)
    for key, turn in expected.items():
        assert written[key].prompt.tolist() == turn.prompt.tolist() == prompt_of(*key)
        assert written[key].response.tolist() == turn.response.tolist()
        np.testing.assert_allclose(written[key].log_probs, turn.log_probs, atol=1e-4)
        np.testing.assert_allclose(written[key].values, turn.values, atol=1e-4)


def test_what_is_recorded_is_what_a_fresh_pass_gives(policy: LanguagePolicy) -> None:
    turns = list(play(Generator(policy, prefix=PREFIX).stream()).values())
    fresh = log_probs_of(policy, turns, temperature=1.0, max_tokens=10**6)
    for turn, log_probs in zip(turns, fresh, strict=True):
        np.testing.assert_allclose(turn.log_probs[turn.sampled], log_probs, atol=1e-4)
    values = values_of(policy, turns, max_tokens=10**6)
    np.testing.assert_allclose([turn.values for turn in turns], values, atol=1e-4)


def test_nobody_waits_for_the_longest_response(policy: LanguagePolicy) -> None:
    def begin(tokens: int) -> ResponseState:
        grammar = ResponseGrammar(TOKENIZER, structured=False, max_response_tokens=tokens)
        return grammar.begin(COMMANDS, must_switch=False)

    stream, rng, finished = Generator(policy, prefix=PREFIX).stream(), np.random.default_rng(0), []
    stream.add(1, prompt_of(1, 0), begin(9), drawing_from(np.random.default_rng(1)))
    while 1 not in finished:
        stream.add(0, prompt_of(0, len(finished)), begin(1), drawing_from(rng))
        finished += [key for key, _ in stream.advance()]
    assert finished == [0] * 8 + [1, 0] or finished == [0] * 8 + [0, 1]


def test_only_what_is_new_is_read(policy: LanguagePolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    trunk = policy.trunk

    def counting(input_ids: object, *args: object, **kwargs: object) -> object:
        read.append(input_ids.numel())  # type: ignore[attr-defined]
        return trunk(input_ids, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(policy, "trunk", counting)
    config = GenerationConfig(pass_overhead=0)
    written = play(Generator(policy, config, prefix=PREFIX).stream())
    beginnings = sum(10 + 5 * episode for episode in range(EPISODES))
    rest = sum(4 + turn + len(found.response) for (_, turn), found in written.items())
    assert sum(read) <= len(PREFIX) + beginnings + rest + len(written)


def test_a_prompt_that_does_not_fit(policy: LanguagePolicy) -> None:
    stream = Generator(policy).stream()
    state = GRAMMAR.begin(["look"], must_switch=False)
    with pytest.raises(GenerationError, match="at least one token"):
        stream.add(0, [], state, drawing_from(np.random.default_rng(0)))
    longest = policy.model.config.max_position_embeddings
    stream.add(0, [5] * (longest + 1), state, drawing_from(np.random.default_rng(0)))
    with pytest.raises(GenerationError, match="the model reads"):
        stream.advance()


def test_after_an_error_a_generator_begins_anew(policy: LanguagePolicy) -> None:
    generator = Generator(policy, prefix=PREFIX)
    longest = policy.model.config.max_position_embeddings
    states = [GRAMMAR.begin(["look"], must_switch=False) for _ in range(3)]
    with pytest.raises(GenerationError, match="the model reads"):
        generator.respond([PREFIX, [5] * longest], states[:2], np.random.default_rng(0))
    (turn,) = generator.respond([PREFIX], states[2:], np.random.default_rng(0))
    assert "look" in turn.text
