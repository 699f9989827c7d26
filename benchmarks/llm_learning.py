"""What it gains, in learning, to read the common beginnings of prompts once.

    python -m benchmarks.llm_learning
    python -m benchmarks.llm_learning --order mixed

The same demonstrated turns are read forward and backward in micro-batches, in pairs: as they are,
and with another first token for each prompt, so that no two begin alike; all lengths are the same.
A step has whole episodes, as those of `hiper sft`, or turns of all episodes mixed, as the
minibatches of PPO. What the steps of an optimizer take is in neither.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro

from benchmarks.llm_model import ModelArgs
from benchmarks.measuring import target
from benchmarks.recording import record, summarise
from hiper_agents.environments import make_env
from hiper_agents.llm.demonstrations import demonstrate
from hiper_agents.llm.grammar import ResponseGrammar
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.prompts import PromptWriter
from hiper_agents.llm.scoring import score
from hiper_agents.llm.turns import TurnTokens

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class LearningArgs(ModelArgs):
    """Time passes with gradients."""

    order: Literal["episodes", "mixed"] = "episodes"
    """Whether turns of an episode go together."""
    turns: int = 32
    """Turns in a step."""
    repeats: int = 5
    """Pairs that are timed, each with other turns."""
    micro_tokens: int = 4096
    """Tokens in a pass."""


def measure(args: LearningArgs) -> dict[str, Any]:
    """Times both sides."""
    policy, described = args.load()
    writer = PromptWriter(policy.tokenizer, args.prompt)
    turns = _demonstrated(args, policy, writer)
    shared: list[float] = []
    apart: list[float] = []
    # The first pair is for warming up.
    for number, start in enumerate(range(0, len(turns), args.turns)):
        batch = turns[start : start + args.turns]
        sides = [(shared, batch), (apart, _apart(batch))]
        for side, own in sides if number % 2 else reversed(sides):
            seconds = _step(policy, own, args.micro_tokens)
            if number:
                side.append(args.turns / seconds)
    gain = [a / b for a, b in zip(shared, apart, strict=True)]
    _LOG.info("%.2f times the turns a second", np.mean(gain))
    return {
        **described,
        "order": args.order,
        "tokens": {
            "prefix": len(writer.prefix),
            "turn": float(np.mean([len(turn) for turn in turns])),
        },
        "turns_per_second": {"shared": summarise(shared), "apart": summarise(apart)},
        "speedup": summarise(gain),
        "targets": {"shared over apart": target(float(np.mean(gain)), at_least=1.0)},
    }


def _demonstrated(
    args: LearningArgs, policy: LanguagePolicy, writer: PromptWriter
) -> list[TurnTokens]:
    """As many turns of the expert as are wanted."""
    env = make_env("HiPER-ALFWorld-v0", args.split, reference=True)
    rng = np.random.default_rng(args.seed)
    wanted = args.turns * (args.repeats + 1)
    tasks = rng.permutation(len(env.source))[:wanted].tolist()
    grammar = ResponseGrammar(policy.tokenizer)
    played = demonstrate(writer, grammar, env.source, tasks, max_turns=env.max_turns)
    found: list[TurnTokens] = []
    for episode in played:
        found += [each.turn for each in episode]
        if len(found) >= wanted:
            break
    if args.order == "episodes":
        return found[:wanted]
    return [found[place] for place in rng.permutation(wanted)]


def _apart(turns: Sequence[TurnTokens]) -> list[TurnTokens]:
    """The same turns, each with a first token of its own."""
    return [
        replace(turn, prompt=np.concatenate([[number], turn.prompt[1:]]).astype(np.int32))
        for number, turn in enumerate(turns)
    ]


def _step(policy: LanguagePolicy, turns: Sequence[TurnTokens], micro_tokens: int) -> float:
    """Seconds that passes forward and backward take."""
    begun = time.perf_counter()
    for part in score(policy, turns, temperature=1.0, max_tokens=micro_tokens, grad=True):
        torch.autograd.backward(-part.log_probs.sum())
    for parameter in policy.policy_parameters():
        parameter.grad = None
    if policy.device.type == "cuda":
        torch.cuda.synchronize(policy.device)
    return time.perf_counter() - begun


def main(args: LearningArgs) -> Path:
    """Measures, and returns the file of the record."""
    start = time.perf_counter()
    return record(
        "llm_learning",
        measure(args),
        seeds=[args.seed],
        n=args.repeats,
        seconds=time.perf_counter() - start,
        path=args.out,
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main(tyro.cli(LearningArgs))
