"""What two processes that share the weights do for `test_sharding.py`, which starts this.

Each writes what it found into a file of its own, as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from together import TAUGHT, TRAINED, learn, main
from torch import nn

from hiper_agents.llm.config import LanguageTrainConfig
from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig
from hiper_agents.llm.sft import sft
from hiper_agents.llm.sharding import clip_gradients
from hiper_agents.llm.trainer import LanguageTrainer
from hiper_agents.training.ranks import Ranks, join
from hiper_agents.training.run import train

WHOLE = replace(
    TRAINED,
    policy=PolicyConfig(lora_rank=0),
    # More passes for who has more turns; a checkpoint after every iteration.
    update=replace(TRAINED.update, micro_tokens=512, max_grad_norm=0.1),
    checkpoint_seconds=0.0,
)
SHARDED = replace(WHOLE, shard=True)
APART = replace(
    WHOLE,
    policy=PolicyConfig(lora_rank=0, critic="separate", gradient_checkpointing=True),
    # Minibatches in which a process has no turn.
    update=replace(WHOLE.update, minibatch=1, recompute=True),
    episodes=3,
    group_size=1,
    max_turns=2,
)
VARIANTS = {
    "critic": APART,
    # Those two read the frozen start while or after they play.
    "archer": replace(WHOLE, estimator="archer"),
    "strata": replace(WHOLE, estimator="strata", group_size=4, episodes=8, strategy_tokens=4),
}
"""What is trained by processes that have everything, and by processes that have parts."""


def held(policy: LanguagePolicy, optimizer: torch.optim.Optimizer) -> list[float]:
    """Which part of weights, frozen start and moments this process has."""
    sets = [[*policy.weights.tensors(name).values()] for name in ("policy", "reference")]
    moments = [optimizer.state[tensor]["exp_avg"] for tensor in policy.policy_parameters()]
    return [_share(tensors) for tensors in (*sets, moments)]


def _share(tensors: list[Any]) -> float:
    own = [tensor.to_local() if hasattr(tensor, "to_local") else tensor for tensor in tensors]
    return sum(tensor.numel() for tensor in own) / sum(tensor.numel() for tensor in tensors)


def gathered_and_let_go(policy: LanguagePolicy, ranks: Ranks) -> list[float]:
    """Which part of the policy this process has in the end of ever more contexts, and after them.

    Passes are made by one process only: it would wait for ever, were anything exchanged in them.
    """
    shares, logits = [], []
    ids = torch.arange(8)[None]

    def look() -> None:
        shares.append(_share([*policy.weights.tensors("policy").values()]))
        if ranks.is_first:
            logits.append(policy.logits(policy.trunk(ids).last_hidden_state).detach())

    with policy.whole(), torch.no_grad():
        look()
        with policy.reference():
            look()
        with policy.whole():
            look()
    shares.append(_share([*policy.weights.tensors("policy").values()]))
    if ranks.is_first:
        assert torch.equal(logits[0], logits[2])
        assert not torch.equal(logits[0], logits[1])
    return shares


def clipped(policy: LanguagePolicy, most: float) -> list[float]:
    """Norms of gradients before and after, of tensors with parts and of a whole one among them."""
    whole = nn.Parameter(torch.zeros(3))
    parameters = [*policy.policy_parameters(), whole]
    for tensor in parameters:
        tensor.grad = torch.full_like(tensor, 2.0)
    numbers = sum(tensor.numel() for tensor in parameters)
    before = clip_gradients(parameters, most)
    after = clip_gradients(parameters, most)
    assert whole.grad is not None
    return [float(before) / numbers**0.5, float(after), float(whole.grad[0]) * numbers**0.5]


def both(name: str, config: LanguageTrainConfig, folder: Path) -> LanguageTrainer:
    """Trains two ways, into folders of their own; returns what shared the weights."""
    train(config, folder / f"{name}-whole")
    trainer = train(replace(config, shard=True), folder / f"{name}-sharded")
    assert isinstance(trainer, LanguageTrainer)
    return trainer


def work(folder: Path) -> None:
    """What each process does."""
    ranks = join()
    found: dict[str, Any] = learn(folder / "run", SHARDED)
    taught = replace(TAUGHT, policy=WHOLE.policy, micro_tokens=512, epochs=2)
    sft(taught, folder / "taught-whole")
    sft(replace(taught, shard=True), folder / "taught-sharded")
    for name, config in VARIANTS.items():
        trainer = both(name, config, folder)
    found["held"] = held(trainer.policy, trainer.optimizer)
    found["shares"] = gathered_and_let_go(trainer.policy, ranks)
    found["clipped"] = clipped(trainer.policy, 0.5)
    found["samples"] = len(trainer.samples())
    (folder / f"found-{ranks.rank}.json").write_text(json.dumps(found))
    ranks.leave()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), work))
