"""ALFWorld's part of the throughput benchmark: the two engines, and the opening of all games.

The native engine is measured beside TextWorld as ``pip install alfworld`` gives it, in one run, on
the same games and the same commands, in processor time, so that other load disturbs it less. The
module knows nothing of Gymnasium.
"""

from __future__ import annotations

import logging
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import in_fresh_process, target
from benchmarks.recording import summarise
from hiper_envs.alfworld.data import load_tasks
from hiper_envs.alfworld.game import parse_game
from hiper_envs.alfworld.native import NativeWorld
from hiper_envs.alfworld.textworld_backend import TextWorldWorld
from hiper_envs.core import World

if TYPE_CHECKING:
    from benchmarks.throughput import ThroughputArgs

_LOG = logging.getLogger(__name__)
_NATIVE_LOOPS = 50  # the native engine plays the commands this often, to be measurable
_MEASURES = ("steps_per_second", "resets_per_second", "loads_and_resets_per_second")


def measure(args: ThroughputArgs) -> dict[str, Any]:
    """Engines and opening times."""
    _LOG.info("native engine and TextWorld")
    engines = measure_engines(args)
    _LOG.info("opening all games")
    return {"engines": engines, "opening": measure_opening(args.split, min(args.repeats, 3))}


def targets(results: Mapping[str, Any]) -> dict[str, Any]:
    """The bounds that the project sets itself."""
    ratio, opening = results["engines"]["ratio"], results["opening"]
    return {
        "native over TextWorld, steps": target(ratio["steps_per_second"].median, at_least=1000),
        "native over TextWorld, resets": target(ratio["resets_per_second"].median, at_least=300),
        "opening all games, cold, s": target(opening["cold_seconds"].median, at_most=60),
        "opening all games, warm, s": target(opening["warm_seconds"].median, at_most=2),
    }


def measure_engines(args: ThroughputArgs) -> dict[str, Any]:
    """Steps, resets, and loads with reset per second of both engines, and their ratios."""
    tasks = load_tasks(args.split)
    chosen = random.Random(args.seed).sample(range(len(tasks)), min(args.games, len(tasks)))
    games = [tasks.data(index) for index in chosen]
    plans = [_commands(data, args.seed, args.steps) for data in games]
    rates: dict[str, dict[str, list[float]]] = {
        engine: {name: [] for name in _MEASURES} for engine in ("native", "textworld")
    }
    for _ in range(args.repeats):
        for engine, make, loops in (
            ("native", _native, _NATIVE_LOOPS),
            ("textworld", TextWorldWorld, 1),
        ):
            for name, rate in zip(_MEASURES, _rates(make, games, plans, loops), strict=True):
                rates[engine][name].append(rate)
    return {
        "games": [tasks[index].task_id for index in chosen],
        "steps_per_game": args.steps,
        **{
            engine: {name: summarise(values) for name, values in by_name.items()}
            for engine, by_name in rates.items()
        },
        "ratio": {
            name: summarise(
                [
                    a / b
                    for a, b in zip(rates["native"][name], rates["textworld"][name], strict=True)
                ]
            )
            for name in _MEASURES
        },
    }


def _native(data: Mapping[str, Any]) -> World:
    return NativeWorld(parse_game(data, "benchmark"))


def _commands(data: Mapping[str, Any], seed: int, steps: int) -> list[str]:
    """A random walk through admissible commands that does not end the game."""
    rng = random.Random(seed)
    world = _native(data)
    state = world.reset()
    commands: list[str] = []
    while len(commands) < steps:
        commands.append(rng.choice(state.admissible_actions))
        state = world.step(commands[-1])
        if state.terminated:
            state, commands = world.reset(), []
    return commands


def _rates(
    make: Callable[[Mapping[str, Any]], World],
    games: Sequence[Mapping[str, Any]],
    plans: Sequence[Sequence[str]],
    loops: int,
) -> tuple[float, float, float]:
    """Steps, resets, and loads with the first reset, per second over all games."""
    load = reset = step = 0.0
    for data, commands in zip(games, plans, strict=True):
        for _ in range(loops):
            start = time.process_time()
            world = make(data)
            world.reset()
            load += time.process_time() - start
            start = time.process_time()
            world.reset()
            middle = time.process_time()
            for command in commands:
                world.step(command)
            step += time.process_time() - middle
            reset += middle - start
    count = len(games) * loops
    return sum(map(len, plans)) * loops / step, count / reset, count / load


def measure_opening(split: str, repeats: int) -> dict[str, Any]:
    """Seconds until every game of a split is open, without and with the on-disk cache.

    Each measurement has a process of its own. The files may be in the operating system's cache:
    what is cold is the package.
    """
    cold, warm = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(in_fresh_process(_open_all, split, cache))
            warm.append(in_fresh_process(_open_all, split, cache))
    return {
        "games": cold[0][1],
        "cold_seconds": summarise([seconds for seconds, _ in cold]),
        "warm_seconds": summarise([seconds for seconds, _ in warm]),
    }


def _open_all(split: str, cache: str) -> tuple[float, int]:
    os.environ["HIPER_CACHE"] = cache
    start = time.perf_counter()
    tasks = load_tasks(split)
    for index in range(len(tasks)):
        tasks.game(index)
    return time.perf_counter() - start, len(tasks)
