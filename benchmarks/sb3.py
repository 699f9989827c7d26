"""`HierarchicalPPO` against `PPO`: the same environments, settings, steps and seeds.

    python -m benchmarks.sb3 --jobs 2

Two tasks. In `errands`, a toy, an action is a switch, a subgoal and an action; all contestants have
the same network. In `alfworld`, generated games as arrays, an oracle says which subgoal to pursue,
and what is learned is to carry it out. There `gae` is PPO with the network and the masks of `hae`
(`HierarchicalPPO` with gae is SB3's PPO, which a test checks to the weight); stock `PPO` and
`MaskablePPO` read the same arrays with SB3's default network. Each run uses one core. Finished runs
are kept: the same command again goes on where it was interrupted.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from rich.console import Console
from rich.progress import Progress
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv

import hiper_envs  # noqa: F401  (registers the environments)
from benchmarks.credit.statistics import Interval, interval, paired_test
from benchmarks.recording import record
from hiper_agents.integrations.errands import Errands
from hiper_agents.integrations.sb3 import HierarchicalPPO, NumericFeatures
from hiper_agents.provenance import write_json

_POINTS = 16
"""Points of a learning curve."""


@dataclass(frozen=True)
class Args:
    """Trains every contestant on every task with every seed."""

    tasks: tuple[str, ...] = ("errands", "alfworld")
    """Which tasks."""
    seeds: int = 5
    """How many seeds, from 0."""
    episodes: int = 100
    """Episodes that each trained policy is evaluated on; it samples its actions."""
    steps: int | None = None
    """Steps of training; by default each task's own."""
    jobs: int = 1
    """Runs side by side."""
    runs: Path = Path("runs/sb3")
    """Where finished runs are kept; delete it after changing what they depend on."""
    out: Path | None = None
    """Where the record goes; by default sb3.json."""


@dataclass(frozen=True)
class Task:
    """An environment with settings that all contestants share."""

    make_env: Callable[[], gym.Env[Any, Any]]
    policy: str
    """The policy of `HierarchicalPPO`; the stock algorithms take "MultiInputPolicy"."""
    contestants: tuple[str, ...]
    """The first is compared with each of the others."""
    steps: int
    n_envs: int
    settings: Mapping[str, Any]
    """Arguments of the algorithms."""


def _alfworld() -> gym.Env[Any, Any]:
    env = gym.make("HiPER-ALFWorld-v0", split="generated", reference=True, disable_env_checker=True)
    return NumericFeatures(env, options="reference", max_actions=40)


def _errands() -> gym.Env[Any, Any]:
    return Errands(kinds=4, times=3, errands=4, max_turns=40)


TASKS: Mapping[str, Task] = {
    "errands": Task(
        _errands,
        policy="MultiInputPolicy",
        contestants=("hae", "gae", "PPO"),
        steps=32_768,
        n_envs=16,
        settings={
            "learning_rate": 3e-3,
            "n_steps": 64,
            "batch_size": 256,
            "n_epochs": 5,
            "ent_coef": 0.01,
        },
    ),
    "alfworld": Task(
        _alfworld,
        policy="CandidatePolicy",
        contestants=("hae", "gae", "MaskablePPO", "PPO"),
        steps=49_152,
        n_envs=16,
        settings={
            "learning_rate": 1e-3,
            "n_steps": 256,
            "batch_size": 512,
            "n_epochs": 4,
            "ent_coef": 0.01,
        },
    ),
}


@dataclass(frozen=True)
class Cell:
    """One run."""

    task: str
    contestant: str
    seed: int
    steps: int
    episodes: int


def run_once(cell: Cell, folder: Path) -> dict[str, Any]:
    """What `run` returns, from the folder if it was run before."""
    path = folder / f"{'-'.join(str(value) for value in asdict(cell).values())}.json"
    if not path.exists():
        write_json(path, run(cell))
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def run(cell: Cell) -> dict[str, Any]:
    """Trains one contestant with one seed and evaluates it.

    Returns:
        The cell; `curve`, mean returns of the episodes that ended in each part of the training;
        `mean`, of all of them; `final`, of the evaluation; and `seconds` of training.
    """
    torch.set_num_threads(1)
    task = TASKS[cell.task]
    venv = make_vec_env(task.make_env, task.n_envs, seed=1000 * cell.seed)
    model = _make_model(task, cell, venv)
    returns, started = Returns(), time.perf_counter()
    model.learn(cell.steps, callback=returns)
    seconds = time.perf_counter() - started
    return {
        **asdict(cell),
        "curve": returns.curve(cell.steps),
        "mean": float(np.mean([value for _, value in returns.ended])),
        "final": float(np.mean(_play(model, task, cell))),
        "seconds": seconds,
    }


def _make_model(task: Task, cell: Cell, venv: VecEnv) -> BaseAlgorithm:
    common: dict[str, Any] = {**task.settings, "seed": cell.seed, "device": "cpu"}
    # The critic does not share its features with the actor.
    common["policy_kwargs"] = {"share_features_extractor": False}
    if cell.contestant == "PPO":
        return PPO("MultiInputPolicy", venv, **common)
    if cell.contestant == "MaskablePPO":
        return MaskablePPO("MultiInputPolicy", venv, **common)
    return HierarchicalPPO(task.policy, venv, estimator=cell.contestant, **common)


class Returns(BaseCallback):
    """Notes every episode that ends in training.

    Attributes:
        ended: When it ended, in steps of all environments, and its return.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[tuple[int, float]] = []

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "episode" in info:
                self.ended.append((self.num_timesteps, float(info["episode"]["r"])))
        return True

    def curve(self, steps: int) -> list[float | None]:
        """Mean returns in equal parts of the training; None where no episode ended."""
        parts: list[list[float]] = [[] for _ in range(_POINTS)]
        for step, value in self.ended:
            parts[min((step - 1) * _POINTS // steps, _POINTS - 1)].append(value)
        return [float(np.mean(part)) if part else None for part in parts]


def _play(model: BaseAlgorithm, task: Task, cell: Cell) -> list[float]:
    """Returns of the first episodes that the trained policy plays in fresh environments."""
    venv = make_vec_env(task.make_env, 4, seed=1000 * cell.seed + 500)
    # As many of each environment: short episodes must not crowd out long ones.
    left = np.full(4, -(-cell.episodes // 4))
    observations: Any = venv.reset()
    returns = []
    while left.any():
        masks: dict[str, Any] = {}
        if cell.contestant == "MaskablePPO":
            masks = {"action_masks": get_action_masks(venv)}
        actions, _ = model.predict(observations, deterministic=False, **masks)
        observations, _, _, infos = venv.step(actions)
        for number, info in enumerate(infos):
            if "episode" in info and left[number]:
                returns.append(float(info["episode"]["r"]))
                left[number] -= 1
    return returns


def summarise(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Per task and contestant the means over seeds, and how they differ from the first one's.

    Args:
        runs: Of whole tasks: every contestant with the same seeds.
    """
    rows = []
    for name in dict.fromkeys(run["task"] for run in runs):
        for contestant in TASKS[name].contestants:
            first, own = (
                sorted(_of(runs, name, each), key=lambda run: int(run["seed"]))
                for each in (TASKS[name].contestants[0], contestant)
            )
            row: dict[str, Any] = {"task": name, "contestant": contestant}
            for measure in ("mean", "final"):
                values, others = ([float(run[measure]) for run in part] for part in (own, first))
                row[measure] = asdict(interval(values))
                if contestant != TASKS[name].contestants[0]:
                    test = paired_test(others, values)
                    row[f"first_minus_this_{measure}"] = {
                        **asdict(test.difference),
                        "p_t": test.p_t,
                        "p_permutation": test.p_permutation,
                    }
            rows.append(row)
    return rows


def _of(runs: Iterable[Mapping[str, Any]], task: str, contestant: str) -> list[Mapping[str, Any]]:
    return [run for run in runs if (run["task"], run["contestant"]) == (task, contestant)]


def main(args: Args) -> Path:
    """Runs the benchmark and records it."""
    console = Console()
    cells = [
        Cell(task, contestant, seed, args.steps or TASKS[task].steps, args.episodes)
        for task, seed in product(args.tasks, range(args.seeds))
        for contestant in TASKS[task].contestants
    ]
    runs: list[dict[str, Any]] = []
    with (
        Progress(console=console) as progress,
        # Spawned, so that no run inherits another's random state or threads.
        ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool,
    ):
        bar = progress.add_task("runs", total=len(cells))
        for future in as_completed([pool.submit(run_once, cell, args.runs) for cell in cells]):
            runs.append(future.result())
            progress.advance(bar)
    runs.sort(key=lambda run: (run["task"], run["contestant"], run["seed"]))
    summary = summarise(runs)
    for row in summary:
        final = Interval(**row["final"])
        spread = "" if final.low is None else f" ({final.low:.3f}, {final.high:.3f})"
        console.print(f"{row['task']} {row['contestant']}: {final.mean:.3f}{spread}")
    return record(
        args.out.stem if args.out else "sb3",
        {
            "summary": summary,
            "runs": runs,
            "tasks": {name: _described(TASKS[name]) for name in args.tasks},
            "note": (
                "Returns; those of alfworld are successes. `mean` is over those of training, "
                "`final` over those of an evaluation that samples. Intervals: Student's t over "
                "seeds, 95 %. Seconds are those of all trainings, on a machine with other work."
            ),
        },
        seeds=list(range(args.seeds)),
        n=args.episodes,
        seconds=sum(run["seconds"] for run in runs),
        path=args.out,
    )


def _described(task: Task) -> dict[str, Any]:
    return {"policy": task.policy, "n_envs": task.n_envs, "settings": dict(task.settings)}


if __name__ == "__main__":
    main(tyro.cli(Args, description=__doc__))
