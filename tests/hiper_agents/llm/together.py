"""What two processes do together for `test_several.py`, which starts this as a program.

Each writes what it found into a file of its own, as JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.estimators import Advantages, get_estimator, whiten
from hiper_agents.llm import trainer as trainer_module
from hiper_agents.llm.assembly import make_policy
from hiper_agents.llm.config import LanguageTrainConfig
from hiper_agents.llm.policy import LanguagePolicy, PolicyConfig
from hiper_agents.llm.prompts import PromptConfig
from hiper_agents.llm.responder import GenerationConfig
from hiper_agents.llm.sft import SftConfig, sft
from hiper_agents.llm.trainer import LanguageTrainer
from hiper_agents.llm.turns import TurnTokens
from hiper_agents.llm.update import LLMUpdateConfig, make_optimizer, update
from hiper_agents.training.metrics import Metrics
from hiper_agents.training.ranks import join
from hiper_agents.training.run import make_trainer, train
from hiper_base.errors import HiperError

TAUGHT = SftConfig(
    model="tiny",
    device="cpu",
    prompt=PromptConfig(template="compact", history=0),
    policy=PolicyConfig(lora_rank=4),
    split="generated",
    max_turns=20,
    episodes=1,
    epochs=1,
    minibatch=7,
    learning_rate=3e-3,
    warmup=1,
    tensorboard=False,
)
TRAINED = LanguageTrainConfig(
    model="tiny",
    device="cpu",
    prompt=TAUGHT.prompt,
    policy=TAUGHT.policy,
    split="generated",
    minutes=None,
    iterations=1,
    episodes=6,
    group_size=2,
    num_envs=8,
    max_turns=3,
    update=LLMUpdateConfig(learning_rate=3e-3, minibatch=1000),
    tensorboard=False,
)


class Overheard:
    """Remembers what the update of an iteration is given."""

    def __init__(self) -> None:
        self.turns: Sequence[TurnTokens] = ()
        self.advantages: Advantages | None = None
        self.boundary: Any = None

    def update(self, *args: Any, boundary: Any, **kwargs: Any) -> dict[str, float]:
        self.turns, self.advantages, self.boundary = args[2], args[3], boundary
        return update(*args, boundary=boundary, **kwargs)


def digest(policy: LanguagePolicy) -> str:
    """Equal for policies that are equal to the last bit."""
    state = policy.adapter_state()
    parts = (state[name].contiguous().numpy().tobytes() for name in sorted(state))
    return hashlib.sha256(b"".join(parts)).hexdigest()


def learn(folder: Path, config: LanguageTrainConfig = TRAINED) -> dict[str, Any]:
    """What two processes learn from two iterations, and what one would from those turns.

    The second iteration is played twice: by the trainer of the first, and by one that resumes it.
    """
    overheard, shown = Overheard(), []

    def show(metrics: Metrics, _: Any) -> None:
        shown.append(metrics)

    trainer_module.update = overheard.update  # type: ignore[assignment]
    first: LanguageTrainer = train(config, folder, on_iteration=show)  # type: ignore[assignment]
    trainer_module.update = update
    everything: list[Any] = [None] * first.ranks.size
    mine = (overheard.turns, vars(overheard.advantages), overheard.boundary)
    torch.distributed.all_gather_object(everything, mine)
    apart, changed, gap = alone(first.buffer, everything, first.policy, config)
    buffer = first.buffer.columns()
    found = {
        "weights": digest(first.policy),
        "turns": len(overheard.turns),
        "trajectories": buffer["trajectory_id"].tolist(),
        "groups": buffer["group_id"].tolist(),
        "apart": apart,
        "changed": changed,
        "advantages_apart": gap,
    }
    found["metrics"] = first.iterate()
    more = replace(config, iterations=2)
    second: LanguageTrainer = train(more, folder, resume=True, on_iteration=show)  # type: ignore[assignment]
    return found | {
        "progress": first.progress(),
        "weights_after_two": digest(first.policy),
        "resumed": digest(second.policy),
        "shown": shown,
    }


def alone(
    buffer: OptionRolloutBuffer,
    everything: Sequence[Any],
    together: LanguagePolicy,
    config: LanguageTrainConfig,
) -> tuple[float, float, float]:
    """How far one process ends from several, how far it goes, and how far its advantages are."""
    batch = buffer.batch()
    estimate = get_estimator(config.estimator)
    settings = {name: getattr(config, name) for name in ("gamma", "lam_low", "lam_high")}
    settings["bootstrap_truncated"] = config.bootstrap_truncated
    advantages = whiten(estimate(batch, **settings), batch)
    gap = max(
        float(np.abs(np.concatenate([part[1][name] for part in everything]) - whole).max())
        for name, whole in vars(advantages).items()
    )
    turns = [turn for part in everything for turn in part[0]]
    boundary = np.concatenate([part[2] for part in everything])
    policy = make_policy(config).policy
    before = policy.adapter_state()
    rng = np.random.default_rng(0)
    optimizer = make_optimizer(policy, config.update)
    update(policy, optimizer, turns, advantages, rng, config.update, boundary=boundary)
    after = policy.adapter_state()
    return distance(after, together.adapter_state()), distance(after, before), gap


def distance(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    """The length of the difference of all weights."""
    return float(sum((one[name] - other[name]).double().square().sum() for name in one) ** 0.5)


def work(folder: Path) -> None:
    """What each process does."""
    ranks = join()
    arrays = {
        "empty_or_not": np.arange(3 * ranks.rank),
        "text": np.array(["a" * (ranks.rank + 1)]),
    }
    found: dict[str, Any] = {
        "gathered": ranks.gather(["ü", ranks.rank, None]),
        "arrays": {name: a.tolist() for name, a in ranks.gather_arrays(arrays).items()},
        "first": ranks.gather_first(ranks.rank + 0.1),
        "share": ranks.share(5).tolist(),
    }
    ranks.gather_check("names", "equal")
    try:
        ranks.gather_check("names", ranks.rank)
    except HiperError as error:
        found["different"] = str(error)
    found["taught"] = digest(sft(TAUGHT, folder / "taught").policy)
    found |= learn(folder / "run")
    try:
        make_trainer(replace(TRAINED, episodes=2))
    except HiperError as error:
        found["too_few"] = str(error)
    try:
        make_trainer(replace(TRAINED, generation=GenerationConfig(backend="vllm")))
    except HiperError as error:
        found["vllm"] = str(error)
    (folder / f"found-{ranks.rank}.json").write_text(json.dumps(found))
    ranks.leave()


def main(folder: Path, work: Callable[[Path], None] = work) -> int:
    """Has two processes do some work."""
    # What has been imported need not be imported twice.
    other = os.fork()
    os.environ["RANK"] = os.environ["LOCAL_RANK"] = "0" if other else "1"
    work(folder)
    return os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) if other else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
