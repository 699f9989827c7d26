"""Measures how fast environments run, how fast they open, and what memory they need.

    python -m benchmarks.throughput            # about ten minutes, recorded
    python -m benchmarks.throughput --quick    # about one minute, not recorded
    python -m benchmarks.throughput --env webshop

For every environment: steps of the batched vector env beside as many single ones, memory of many
environments in one process, and the import of the package. A benchmark adds what only it has, in a
module of its own (:mod:`benchmarks.throughput_alfworld`, :mod:`benchmarks.throughput_webshop`).
Everything is repeated; medians and standard errors are recorded. The targets in the result are the
project's own.
"""

from __future__ import annotations

import importlib
import logging
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from benchmarks.measuring import in_fresh_process, rss_mib, target
from benchmarks.recording import Summary, record, summarise

__all__ = ["ThroughputArgs", "main"]

_LOG = logging.getLogger(__name__)
_ENV_IDS = {"alfworld": "HiPER-ALFWorld-v0", "webshop": "HiPER-WebShop-v0"}
_MEMORY_ENVS = {"alfworld": 1024, "webshop": 256}
_TEMPLATE = "<your query>"


@dataclass(frozen=True)
class ThroughputArgs:
    """Measures speed and memory of the environments."""

    env: Literal["alfworld", "webshop"] = "alfworld"
    """Environment to measure."""
    split: str = "train"
    """Split whose tasks are played."""
    quick: bool = False
    """Few repeats and small numbers, to see that everything runs; nothing is recorded."""
    repeats: int = 5
    """Repeats of every measurement."""
    games: int = 6
    """Games (of WebShop: episodes) on which engines are compared."""
    steps: int = 40
    """Steps per game when engines are compared."""
    num_envs: int = 256
    """Environments of the vector env, and single ones beside it."""
    memory_envs: int | None = None
    """Environments whose memory is measured; by default 1,024 of ALFWorld, 256 of WebShop."""
    seed: int = 0
    """Seeds the choice of games and commands."""
    out: Path | None = None
    """Result file; by default throughput.json or throughput_webshop.json in benchmarks/results."""

    def effective(self) -> ThroughputArgs:
        """The arguments with ``quick`` applied."""
        values = {**vars(self), "memory_envs": self.memory_envs or _MEMORY_ENVS[self.env]}
        if self.quick:
            values |= {"repeats": 2, "games": 2, "steps": 10, "num_envs": 16, "memory_envs": 64}
        return ThroughputArgs(**values)


def measure_import(repeats: int) -> Summary:
    """Seconds that ``import hiper_envs`` takes in a new interpreter."""
    code = (
        "import time; start = time.perf_counter(); import hiper_envs; "
        "print(time.perf_counter() - start)"
    )
    return summarise(
        [
            float(
                subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
            )
            for _ in range(repeats)
        ]
    )


def measure_vector(env_id: str, kwargs: Mapping[str, Any], args: ThroughputArgs) -> dict[str, Any]:
    """Steps per second of the batched vector env and of as many single environments.

    Processor time of the calls of ``step`` (and of ``reset``, where an episode ended); the choice
    of actions, random among the admissible ones, is left out.
    """
    import gymnasium as gym

    import hiper_envs  # noqa: F401  (registers the ids)

    count = args.num_envs
    steps = max(args.steps, 10)
    single = [gym.make(env_id, **kwargs) for _ in range(count)]
    bare = [gym.make(env_id, disable_env_checker=True, **kwargs) for _ in range(count)]
    batched = gym.make_vec(
        env_id, num_envs=count, vectorization_mode="vector_entry_point", **kwargs
    )
    rates: dict[str, list[float]] = {"batched": [], "single": [], "single_without_checker": []}
    for repeat in range(args.repeats):
        seed = args.seed + repeat
        rates["batched"].append(count * steps / _time_batched(batched, steps, seed))
        rates["single"].append(count * steps / _time_single(single, steps, seed))
        rates["single_without_checker"].append(count * steps / _time_single(bare, steps, seed))
    pairs = list(zip(rates["batched"], rates["single"], strict=True))
    return {
        "num_envs": count,
        "steps_per_repeat": count * steps,
        "steps_per_second": {name: summarise(values) for name, values in rates.items()},
        "batched_over_single": summarise([fast / slow for fast, slow in pairs]),
    }


def _primitive(rng: random.Random, admissible: Sequence[str], task: str) -> str:
    """A random admissible action; a search asks for some words of the task."""
    action = rng.choice(admissible or ("look",))
    if _TEMPLATE in action:
        words = task.split()
        action = action.replace(_TEMPLATE, " ".join(rng.sample(words, min(4, len(words)))))
    return action


def _time_batched(env: Any, steps: int, seed: int) -> float:
    rng = random.Random(seed)
    _, infos = env.reset(seed=seed)
    seconds = 0.0
    for _ in range(steps):
        # After an episode's end the action is ignored, and so is what was admissible.
        actions = [
            _primitive(rng, commands, task)
            for commands, task in zip(infos["admissible_actions"], infos["task"], strict=True)
        ]
        start = time.process_time()
        _, _, _, _, infos = env.step(actions)
        seconds += time.process_time() - start
    return seconds


def _time_single(envs: Sequence[Any], steps: int, seed: int) -> float:
    rng = random.Random(seed)
    infos = [env.reset(seed=seed + index)[1] for index, env in enumerate(envs)]
    seconds = 0.0
    for _ in range(steps):
        actions = [_primitive(rng, info["admissible_actions"], info["task"]) for info in infos]
        start = time.process_time()
        for index, (env, action) in enumerate(zip(envs, actions, strict=True)):
            _, _, terminated, truncated, infos[index] = env.step(action)
            if terminated or truncated:
                _, infos[index] = env.reset()
        seconds += time.process_time() - start
    return seconds


def measure_memory(env_id: str, kwargs: Mapping[str, Any], count: int) -> dict[str, float]:
    """Resident memory of a new process with ``count`` live environments, in MiB."""
    return {
        f"{kind}_{name}": value
        for kind in ("single", "batched")
        for name, value in in_fresh_process(_memory, env_id, dict(kwargs), count, kind).items()
    }


def _memory(env_id: str, kwargs: dict[str, Any], count: int, kind: str) -> dict[str, float]:
    import gymnasium as gym

    import hiper_envs  # noqa: F401  (registers the ids)

    imported = rss_mib()
    # What is created is kept until it has been measured.
    if kind == "single":
        envs = [gym.make(env_id, **kwargs) for _ in range(count)]
        opened = rss_mib()
        for index, env in enumerate(envs):
            env.reset(seed=index)
        _time_single(envs, 5, 0)
    else:
        vector = gym.make_vec(
            env_id, num_envs=count, vectorization_mode="vector_entry_point", **kwargs
        )
        opened = rss_mib()
        _time_batched(vector, 5, 0)
    return {"imported_mib": imported, "opened_mib": opened, "playing_mib": rss_mib()}


def main(args: ThroughputArgs) -> int:
    """Measures everything and records it, unless it is a quick run.

    Returns:
        0 if all targets are met, 1 otherwise (timings of a quick run are not judged).
    """
    begin = time.perf_counter()
    args = args.effective()
    env_id, kwargs = _ENV_IDS[args.env], {"split": args.split}
    results: dict[str, Any] = {"env": env_id, "split": args.split}
    specific = importlib.import_module(f"benchmarks.throughput_{args.env}")
    results |= specific.measure(args)
    _LOG.info("vector env")
    results["vector"] = vector = measure_vector(env_id, kwargs, args)
    _LOG.info("memory")
    assert args.memory_envs is not None
    results["memory"] = memory = measure_memory(env_id, kwargs, args.memory_envs)
    results["memory_envs"] = args.memory_envs
    results["import_seconds"] = imported = measure_import(args.repeats)
    results["targets"] = targets = {
        **specific.targets(results),
        "batched over single": target(vector["batched_over_single"].median, at_least=1.0),
        f"MiB of {args.memory_envs} single envs": target(
            memory["single_playing_mib"], at_most=1024
        ),
        f"MiB of {args.memory_envs} batched envs": target(
            memory["batched_playing_mib"], at_most=1024
        ),
        "import seconds": target(imported.median, at_most=0.3),
    }
    for name, entry in targets.items():
        _LOG.info("%s %-42s %s", "met   " if entry["met"] else "MISSED", name, entry)
    if args.out or not args.quick:
        seconds = time.perf_counter() - begin
        name = "throughput" if args.env == "alfworld" else f"throughput_{args.env}"
        path = record(
            name, results, seeds=[args.seed], n=args.repeats, seconds=seconds, path=args.out
        )
        _LOG.info("recorded in %s", path)
    return int(not args.quick and not all(entry["met"] for entry in targets.values()))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.exit(main(tyro.cli(ThroughputArgs)))
