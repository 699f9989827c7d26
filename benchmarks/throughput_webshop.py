"""WebShop's part of the throughput benchmark: the cost of each kind of step, and of opening.

Upstream's environment needs a JVM and cannot be installed beside this package, so its costs are
those that were recorded from it once, on 2 cores of the same kind of machine, kind by kind
(``UPSTREAM_MS``). Here the same kinds are measured on scripted episodes over the same catalogue, in
processor time, without Gymnasium's wrappers; the ratio weighs the kinds alike on both sides. No
query occurs twice, so that no cache of results is measured.
"""

from __future__ import annotations

import logging
import os
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import in_fresh_process, rss_mib, target
from benchmarks.recording import summarise
from hiper_envs.webshop.tasks import WebshopTasks, open_tasks

if TYPE_CHECKING:
    from benchmarks.throughput import ThroughputArgs

Script = Generator[tuple[str, str] | None, tuple[str, ...], None]

_LOG = logging.getLogger(__name__)
_EPISODES = 100  # scripted episodes for each one asked for: a step takes microseconds

_BUTTON_NAMES = "back to search, < prev, next >, description, features, reviews, buy now"
_BUTTONS = {f"click[{name}]" for name in _BUTTON_NAMES.split(", ")}

UPSTREAM_MS = {
    "reset": 3.7,
    "search": 26.0,
    "next page": 33.0,
    "item": 23.0,
    "option": 20.0,
    "sub page": 11.0,
    "buy": 14.0,
}
"""Milliseconds of the upstream environment in text mode, one process, 1,000 products."""
UPSTREAM_STEPS_PER_SECOND = 54.0
UPSTREAM_MIB = {"after load": 519, "after 250 episodes": 794}


def measure(args: ThroughputArgs) -> dict[str, Any]:
    """Milliseconds of every kind of step beside upstream's, and opening times."""
    _LOG.info("kinds of steps")
    kinds = measure_kinds(args.split, args.games * _EPISODES, args.repeats, args.seed)
    _LOG.info("opening the catalogue")
    return {"kinds": kinds, "opening": measure_opening(args.split, min(args.repeats, 3))}


def targets(results: Mapping[str, Any]) -> dict[str, Any]:
    """The bounds that the project sets itself."""
    return {
        "a step over upstream's": target(results["kinds"]["ratio"].median, at_least=100),
        "steps a second over upstream's": target(
            results["kinds"]["steps_per_second"].median / UPSTREAM_STEPS_PER_SECOND, at_least=100
        ),
    }


def measure_kinds(split: str, episodes: int, repeats: int, seed: int) -> dict[str, Any]:
    """Mean milliseconds of each kind of step, and how many times faster than upstream that is.

    Args:
        split: Whose tasks are played.
        episodes: Number of scripted episodes a repeat.
        repeats: Number of repeats, each with other tasks.
        seed: Draws the tasks.
    """
    tasks = open_tasks(split)
    rng = random.Random(seed)
    per_kind: dict[str, list[float]] = defaultdict(list)
    ratios, rates = [], []
    # The first round fills what is loaded once a process, such as decoded products.
    for repeat in range(repeats + 1):
        seconds: dict[str, float] = defaultdict(float)
        counts: dict[str, int] = defaultdict(int)
        for index in rng.choices(range(len(tasks)), k=episodes):
            _time_episode(tasks, index, rng, seconds, counts)
        if repeat == 0:
            continue
        for kind in UPSTREAM_MS:
            per_kind[kind].append(1000 * seconds[kind] / counts[kind])
        steps = [kind for kind in UPSTREAM_MS if kind != "reset"]
        ratios.append(
            sum(UPSTREAM_MS[kind] * counts[kind] for kind in steps)
            / sum(1000 * seconds[kind] for kind in steps)
        )
        rates.append(sum(counts[kind] for kind in steps) / sum(seconds[kind] for kind in steps))
    return {
        "episodes": episodes,
        "milliseconds": {kind: summarise(values) for kind, values in per_kind.items()},
        "upstream_milliseconds": UPSTREAM_MS,
        "upstream_mib": UPSTREAM_MIB,
        "steps_per_second": summarise(rates),
        "ratio": summarise(ratios),
    }


def _time_episode(
    tasks: WebshopTasks,
    index: int,
    rng: random.Random,
    seconds: dict[str, float],
    counts: dict[str, int],
) -> None:
    start = time.process_time()
    task = tasks.open(index)
    state = task.world.reset()
    seconds["reset"] += time.process_time() - start
    counts["reset"] += 1
    script = _script(task.info.task, rng)
    action = next(script)
    while action is not None:
        kind, text = action
        start = time.process_time()
        state = task.world.step(text)
        seconds[kind] += time.process_time() - start
        counts[kind] += 1
        action = script.send(state.admissible_actions)
    assert state.terminated


def _script(task: str, rng: random.Random) -> Script:
    """An episode of every kind of step; receives the admissible actions, yields kind and action."""
    words = task.split()
    query = " ".join(rng.sample(words, min(6, len(words))))
    admissible = yield "search", f"search[{query} {rng.randrange(10**9)}]"
    admissible = yield "next page", "click[next >]"
    admissible = yield "next page", "click[< prev]"
    products = [action for action in admissible if action not in _BUTTONS]
    admissible = yield "item", rng.choice(products)
    values = [action for action in admissible if action not in _BUTTONS]
    for value in rng.sample(values, min(2, len(values))):
        yield "option", value
    yield "sub page", "click[features]"
    yield "item", "click[< prev]"
    yield "buy", "click[buy now]"
    yield None


def measure_opening(split: str, repeats: int) -> dict[str, Any]:
    """Seconds and MiB to open the catalogue, its goals and its index, without and with the cache.

    Each measurement has a process of its own. The files may be in the operating system's cache:
    what is cold is the package.
    """
    cold, warm = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(in_fresh_process(_open, split, cache))
            warm.append(in_fresh_process(_open, split, cache))
    return {
        "tasks": cold[0][2],
        "cold_seconds": summarise([seconds for seconds, _, _ in cold]),
        "warm_seconds": summarise([seconds for seconds, _, _ in warm]),
        "warm_mib": summarise([mib for _, mib, _ in warm]),
    }


def _open(split: str, cache: str) -> tuple[float, float, int]:
    os.environ["HIPER_CACHE"] = cache
    start = time.perf_counter()
    tasks = open_tasks(split)
    tasks.open(0).world.step("search[red shirt]")
    return time.perf_counter() - start, rss_mib(), len(tasks)
