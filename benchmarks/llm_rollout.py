"""How fast a language model plays ALFWorld, beside plain batched `generate`.

    python -m benchmarks.llm_rollout

Episodes are played by the rollout engine, which asks each of them again as soon as it has answered.
Whenever as many turns are finished as there are episodes, its clock stops, and the same prompts are
given to the same model's `generate`: left-padded, in one batch, unconstrained. It is told to write
exactly as many tokens as the longest of the engine's responses had, as a model would that has
learned the format perfectly; one that has not would take longer. Plain generation reads through the
model as it is trained, with its adapter beside it, and once more with the adapter added to the
weights, as the engine does. The engine's time includes writing prompts, holding responses to the
format, and recording log-probabilities and values; plain generation does none of that. The time of
the environments is in neither.

The benchmark knows nothing about how well the model plays: it is random where it is not trained.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import tyro
from transformers import PreTrainedModel

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
    """Batches of as many turns that are timed."""
    generation: GenerationConfig = field(default_factory=GenerationConfig)
    """Settings of the engine."""


class Batch(NamedTuple):
    """As many turns as there are episodes, or a few more, as both sides wrote them.

    Attributes:
        engine_seconds: Of the engine.
        plain_seconds: Of plain generation.
        merged_seconds: Of plain generation with the adapter added to the weights.
        written: What the engine wrote.
    """

    engine_seconds: float
    plain_seconds: float
    merged_seconds: float
    written: Sequence[TurnTokens]


def measure(args: RolloutArgs) -> dict[str, Any]:
    """Times both sides and describes what they wrote."""
    policy, described = args.load()
    writer = PromptWriter(policy.tokenizer, args.prompt)
    generator = make_generator(policy, args.generation, writer.prefix)
    player = LanguagePlayer(writer, ResponseGrammar(policy.tokenizer), generator)
    batches = list(_play(args, player))
    turns = [len(batch.written) for batch in batches]
    engine = [batch.engine_seconds for batch in batches]
    plain = {
        "plain": [batch.plain_seconds for batch in batches],
        "plain_merged": [batch.merged_seconds for batch in batches],
    }
    speedup = {side: sum(taken) / sum(engine) for side, taken in plain.items()}
    _LOG.info("%.2f times as fast as plain generation", speedup["plain"])
    _LOG.info("%.2f times as fast with its adapter merged", speedup["plain_merged"])
    written = [one for batch in batches for one in batch.written]
    longest = [max(len(one.response) for one in batch.written) for batch in batches]
    return {
        **described,
        "backend": args.generation.backend,
        "turns_per_second": {
            side: summarise([n / each for n, each in zip(turns, taken, strict=True)])
            for side, taken in {"engine": engine, **plain}.items()
        },
        "speedup": speedup,
        "speedup_by_batch": {
            side: summarise([a / b for a, b in zip(taken, engine, strict=True)])
            for side, taken in plain.items()
        },
        "targets": {
            f"engine over {side}": target(times, at_least=3.0 if args.device != "cpu" else 1.5)
            for side, times in speedup.items()
        },
        "tokens": {
            "prefix": len(writer.prefix),
            "prompt": float(np.mean([len(one.prompt) for one in written])),
            "response": float(np.mean([len(one.response) for one in written])),
            "longest_response": float(np.mean(longest)),
            "chosen": float(np.mean([one.sampled.sum() for one in written])),
        },
    }


def _play(args: RolloutArgs, player: LanguagePlayer) -> Iterator[Batch]:
    """Plays all episodes, a batch of turns at a time, after a first one that is not timed."""
    env = make_env("HiPER-ALFWorld-v0", args.split)
    policy = player.generator.policy
    merged_model = policy.merge()
    rng = np.random.default_rng(args.seed)
    tasks = itertools.cycle(rng.permutation(len(env.source)).tolist())
    rngs = [np.random.default_rng([args.seed, place]) for place in range(args.envs)]
    episodes = [Episode(env.source.open(next(tasks)), env.max_turns) for _ in rngs]
    slots = [_open(player, episode) for episode in episodes]
    stream, to_ask = player.generator.stream(), list(range(args.envs))
    for number in range(1 + args.turns):
        written: list[TurnTokens] = []
        seconds = 0.0
        while len(written) < args.envs:
            start = time.perf_counter()
            asked = {place: slots[place] for place in to_ask}
            player.ask(stream, asked, [rngs[place] for place in to_ask])
            finished = stream.advance()
            _wait(policy.device)
            seconds += time.perf_counter() - start
            to_ask = [place for place, _ in finished]
            for place, one in finished:
                written.append(one)
                observation, _, _, _, info = episodes[place].step(one.text)
                slots[place].observe(observation, info)
                if episodes[place].ended:
                    episodes[place] = Episode(env.source.open(next(tasks)), env.max_turns)
                    slots[place] = _open(player, episodes[place])
        plain = _plain_seconds(policy, policy.model, written)
        merged = _plain_seconds(policy, merged_model, written)
        batch = Batch(seconds, plain, merged, written)
        _LOG.info(
            "batch %2d of %d turns   engine %6.2f s   plain %6.2f s   merged %6.2f s",
            *(number, len(written), seconds, plain, merged),
        )
        if number:
            yield batch


def _open(player: LanguagePlayer, episode: Episode) -> Slot:
    return player.open(episode.info, episode.observation)


def _plain_seconds(
    policy: LanguagePolicy, model: PreTrainedModel, turns: Sequence[TurnTokens]
) -> float:
    """What plain generation takes for as many tokens."""
    start = time.perf_counter()
    prompts = [turn.prompt.tolist() for turn in turns]
    generate(policy, model, prompts, max(len(turn.response) for turn in turns))
    _wait(policy.device)
    return time.perf_counter() - start


@torch.no_grad()
def generate(
    policy: LanguagePolicy, model: Any, prompts: Sequence[Sequence[int]], length: int
) -> torch.Tensor:
    """Responses of exactly `length` tokens by a model's own `generate`, int64 [n, length]."""
    longest = max(map(len, prompts))
    tokens = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
        tokens[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
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
