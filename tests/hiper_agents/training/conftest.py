"""Run folders as `hiper train` leaves them, made up, and a benchmark that is learned at once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TASK_TYPES = (
    "look_at_obj_in_light",
    "pick_and_place_simple",
    "pick_clean_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_two_obj_and_place",
)


def made_up_metrics(iteration: int, seed: int = 0) -> dict[str, Any]:
    """One line of `metrics.jsonl` of a run that learns within a hundred iterations."""
    noise = math.sin(7.3 * iteration + seed) / 20
    success = min(1.0, max(0.0, 1 / (1 + math.exp(3 - iteration / 12)) + noise))
    return {
        "iteration": iteration,
        "seconds": 2.5 * iteration,
        "episodes": 128 * iteration,
        "turns": 4000 * iteration,
        "success": success,
        "return": success,
        "mean_turns": 50 - 35 * success,
        "options": 4.0 + noise,
        "option_length": 9.0 - 5 * success,
        "turns_per_second": 1600.0 + 500 * noise,
        "success_by_type": {name: success ** (1 + index) for index, name in enumerate(TASK_TYPES)},
        "losses": {
            "policy_action": -0.01,
            "value_low": 0.2 * (1 - success) + 0.02,
            "value_high": 0.25 * (1 - success) + 0.03,
            "value_switch": 0.15 * (1 - success) + 0.01,
            "entropy_action": 1.5 - success,
            "entropy_subgoal": 2.0 - success,
            "entropy_switch": 0.3 - 0.2 * success,
            "kl": 0.01 + noise / 10,
            "clipped": 0.1,
        },
    }


def made_up_sample(task: str = "put a clean mug in cabinet.") -> dict[str, Any]:
    """One solved episode of three options."""
    turns = []
    plan = [("find a mug", 4), ("clean the mug", 3), ("put the mug in the cabinet", 2)]
    for option_id, (subgoal, length) in enumerate(plan):
        for age in range(length):
            turns.append(
                {
                    "observation": f"You arrive at cabinet {age + 1}. On it, you see a mug 1.",
                    "subgoal": subgoal,
                    "option_id": option_id,
                    "boundary": age == 0,
                    "switch": age == 0,
                    "action": f"go to cabinet {age + 2}",
                    "values": [0.5 + len(turns) / 20, 0.45 + len(turns) / 20, 0.4],
                }
            )
    return {
        "task_id": "train/game/trial",
        "task": task,
        "task_type": "pick_clean_then_place_in_recep",
        "won": True,
        "turns": turns,
    }


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Makes a run folder of some iterations, with everything that `hiper train` writes."""

    def make(name: str = "demo", iterations: int = 100, **config: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        settings = {
            "env": "HiPER-ALFWorld-v0",
            "agent": "compact",
            "estimator": "hae",
            "seed": 0,
            "warm_start": 0,
            "ppo": {"clip": 0.2},
            **config,
        }
        (folder / "config.json").write_text(json.dumps(settings))
        lines = [json.dumps(made_up_metrics(i + 1, settings["seed"])) for i in range(iterations)]
        (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
        (folder / "samples.json").write_text(json.dumps([made_up_sample()]))
        (folder / "checkpoint.json").write_text(json.dumps({"format": 1, "agent": "compact"}))
        return folder

    return make
