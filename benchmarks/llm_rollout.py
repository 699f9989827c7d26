"""How fast a language model plays ALFWorld, beside plain batched `generate`.

    python -m benchmarks.llm_rollout

Episodes are played in lockstep by the rollout engine. Every turn, the same prompts are then given
to the same model's `generate`: left-padded, in one batch, unconstrained. It is told to write
exactly as many tokens as the longest of the engine's responses had, as a model would that has
learned the format perfectly; one that has not would take longer. The engine's time includes writing
prompts, holding responses to the format, and recording log-probabilities and values; plain
generation does none of that. The time of the environments is in neither. The two sides alternate
turn by turn.

The benchmark knows nothing about how well the model plays: it is random where it is not trained.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import tyro

from benchmarks.llm_model import ModelArgs
from benchmarks.measuring import target
from benchmarks.recording import record, summarise
from hiper_agents.environments import make_env
from hiper_agents.llm.assembly import make_generator
from hiper_agents.llm.grammar import ResponseGrammar
from hiper_agents.llm.player import LanguagePlayer, Slot
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.prompts import PromptWriter
from hiper_agents.llm.responder import GenerationConfig
from hiper_agents.llm.turns import TurnTokens
from hiper_envs.core import Episode

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RolloutArgs(ModelArgs):
    """Time rollouts of a language model."""

    envs: int = 32
    """Episodes that are played side by side."""
    turns: int = 20
    """Turns of each that are timed."""
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    """Settings of the engine."""


class Turn(NamedTuple):
    """One turn of all episodes, as both sides wrote it.

    Attributes:
        engine_seconds: Of the engine.
        plain_seconds: Of plain generation.
        written: What the engine wrote.
    """

    engine_seconds: float
    plain_seconds: float
    written: Sequence[TurnTokens]


def measure(args: RolloutArgs) -> dict[str, Any]:
    """Times both sides and describes what they wrote."""
    policy, described = args.load()
    writer = PromptWriter(policy.tokenizer, args.prompt)
    generator = make_generator(policy, args.generation, writer.prefix)
    player = LanguagePlayer(writer, ResponseGrammar(policy.tokenizer), generator)
    turns = list(_play(args, player))
    engine = [args.envs / turn.engine_seconds for turn in turns]
    plain = [args.envs / turn.plain_seconds for turn in turns]
    total = [sum(turn.plain_seconds for turn in turns), sum(turn.engine_seconds for turn in turns)]
    _LOG.info("%.2f times as fast as plain generation", total[0] / total[1])
    written = [one for turn in turns for one in turn.written]
    longest = [max(len(one.response) for one in turn.written) for turn in turns]
    return {
        **described,
        "backend": args.generation.backend,
        "turns_per_second": {"engine": summarise(engine), "plain": summarise(plain)},
        "speedup": total[0] / total[1],
        "speedup_by_turn": summarise([a / b for a, b in zip(engine, plain, strict=True)]),
        "targets": {"engine over plain": target(total[0] / total[1], at_least=1.5)},
        "tokens": {
            "prefix": len(writer.prefix),
            "prompt": float(np.mean([len(one.prompt) for one in written])),
            "response": float(np.mean([len(one.response) for one in written])),
            "longest_response": float(np.mean(longest)),
            "chosen": float(np.mean([one.sampled.sum() for one in written])),
        },
    }


def _play(args: RolloutArgs, player: LanguagePlayer) -> Iterator[Turn]:
    """Plays all episodes, turn by turn, after a first turn that is not timed."""
    env = make_env("HiPER-ALFWorld-v0", args.split)
    rng = np.random.default_rng(args.seed)
    tasks = iter(np.resize(rng.permutation(len(env.source)), args.envs * (args.turns + 2)).tolist())
    # Other episodes than those that are timed: their prompts must not be known already.
    others, episodes = (
        [Episode(env.source.open(next(tasks)), env.max_turns) for _ in range(args.envs)]
        for _ in range(2)
    )
    _timed(player, [_open(player, episode) for episode in others], np.random.default_rng(0))
    slots = [_open(player, episode) for episode in episodes]
    for number in range(args.turns):
        turn = _timed(player, slots, rng)
        _LOG.info(
            "turn %2d   engine %6.2f s   plain %6.2f s",
            *(number, turn.engine_seconds, turn.plain_seconds),
        )
        yield turn
        for place, one in enumerate(turn.written):
            observation, _, _, _, info = episodes[place].step(one.text)
            slots[place].observe(observation, info)
            if episodes[place].ended:
                episodes[place] = Episode(env.source.open(next(tasks)), env.max_turns)
                slots[place] = _open(player, episodes[place])


def _open(player: LanguagePlayer, episode: Episode) -> Slot:
    return player.open(episode.info, episode.observation)


def _timed(player: LanguagePlayer, slots: Sequence[Slot], rng: np.random.Generator) -> Turn:
    """Both sides' responses to one turn."""
    policy = player.generator.policy
    start = time.perf_counter()
    written = player.act(slots, rng)
    _wait(policy.device)
    middle = time.perf_counter()
    prompts = [turn.prompt.tolist() for turn in written]
    generate(policy, prompts, max(len(turn.response) for turn in written))
    _wait(policy.device)
    return Turn(middle - start, time.perf_counter() - middle, written)


@torch.no_grad()
def generate(policy: LanguagePolicy, prompts: Sequence[Sequence[int]], length: int) -> torch.Tensor:
    """Responses of exactly `length` tokens by the model's own `generate`, int64 [n, length]."""
    longest = max(map(len, prompts))
    tokens = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
        tokens[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    model: Any = policy.model
    with torch.autocast(
        policy.device.type, torch.bfloat16, enabled=policy.compute_dtype == torch.bfloat16
    ):
        output = model.generate(
            tokens.to(policy.device),
            attention_mask=mask.to(policy.device),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            min_new_tokens=length,
            max_new_tokens=length,
            pad_token_id=0,
        )
    assert isinstance(output, torch.Tensor)
    return output[:, longest:]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main(args: RolloutArgs) -> Path:
    """Measures, and returns the file of the record."""
    start = time.perf_counter()
    results: Mapping[str, Any] = measure(args)
    return record(
        "llm_rollout",
        results,
        seeds=[args.seed],
        n=args.turns,
        seconds=time.perf_counter() - start,
        path=args.out,
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(tyro.cli(RolloutArgs))
