"""Sample episodes of a training run, as the viewer shows them.

The folder may be that of a run that goes on, and `samples.json` may hold anything: what is missing
from it is missing from the page. Runs of older versions did not record rewards, nor how an episode
ended, so that they have values but no advantages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.leaderboard.store import StudyError
from benchmarks.viewer.credit import advantages_of, values_in
from benchmarks.viewer.model import NOT_WON, Episode, Head, Kinds, Place, Tile, bands_of
from hiper_agents.training.curves import number, shown
from hiper_agents.training.records import RunRecords, read_run
from hiper_base.errors import HiperError

__all__ = ["SampleRun"]

MAX_NAME = 200
NO_REWARDS = (
    "An older version wrote these sample episodes, without rewards: there are values of the critic "
    "but no advantages."
)


class SampleRun:
    """The folder of a training run.

    Args:
        path: The folder.
        kinds: Colours, shared with other runs of the page.

    Raises:
        StudyError: It is no run folder, or has no sample episodes that can be read.
    """

    def __init__(self, path: Path, kinds: Kinds) -> None:
        try:
            self._records: RunRecords = read_run(path)
        except HiperError as error:
            raise StudyError(str(error)) from error
        if not self._records.samples:
            why = " ".join(self._records.problems)
            raise StudyError(f"{path} has no sample episodes to show: {why}")
        self._kinds = kinds
        seed = self._records.config.get("seed")
        self._seed = seed if isinstance(seed, int) and not isinstance(seed, bool) else 0
        self.places: list[Place] = [
            Place(self._seed, position, _text(sample.get("task_id")))
            for position, sample in enumerate(self._records.samples)
        ]

    def head(self) -> Head:
        """What was trained, and how far it is."""
        config, records = self._records.config, self._records
        parts = [_text(config.get(key))[:MAX_NAME] for key in ("agent", "estimator")]
        success, iterations = records.last("success"), f"{len(records.metrics):,}"
        return Head(
            kind="sample episodes of a training run",
            folder=records.folder.resolve().name,
            label=" · ".join(part for part in parts if part) or records.folder.resolve().name,
            facts=[
                part
                for part in (
                    _text(config.get("env"))[:MAX_NAME],
                    f"seed {self._seed}",
                    "one task of each type, played greedily",
                )
                if part
            ],
            tiles=[
                Tile("success in training", shown(success, shares=True), "in the last iteration"),
                Tile("turns in training", shown(records.last("turns"))),
                Tile("iterations", iterations),
            ],
            notes=[] if _has_rewards(records.samples) else [NO_REWARDS],
        )

    def episode(self, place: Place) -> Episode:
        """One sample."""
        sample = self._records.samples[place.position]
        listed = sample.get("turns")
        turns = [t for t in listed if isinstance(t, dict)] if isinstance(listed, list) else []
        starts = [_begins(turns, index) for index in range(len(turns))]
        subgoals = [_text(turn.get("subgoal")) for turn in turns]
        row = {
            "seed": str(place.seed),
            "position": place.position,
            "id": place.task_id,
            "task": _text(sample.get("task")),
            "type": _text(sample.get("task_type")),
            "outcome": _outcome(sample),
            "failure": "",
            "turns": len(turns),
            "bands": bands_of(zip(subgoals, starts, strict=True), self._kinds),
        }
        values = [values_in(turn.get("values")) for turn in turns]
        rewards = [number(turn.get("reward")) for turn in turns]
        advantages = advantages_of(
            values,
            # One that is not there makes all advantages None.
            [math.nan if reward is None else reward for reward in rewards],
            starts,
            terminated=sample.get("terminated") is True,
            truncated=sample.get("truncated") is True and sample.get("terminated") is not True,
        )
        shown_turns = [
            {
                **_turn(turn),
                **({} if rewards[i] is None else {"reward": rewards[i]}),
                "values": values[i],
                "advantages": advantages[i],
            }
            for i, turn in enumerate(turns)
        ]
        return Episode(row, {"turns": shown_turns})


def _has_rewards(samples: list[dict[str, Any]]) -> bool:
    turns = samples[0].get("turns")
    first = turns[0] if isinstance(turns, list) and turns else None
    return isinstance(first, dict) and "reward" in first


def _outcome(sample: Mapping[str, Any]) -> str:
    if sample.get("won") is True:
        return "won"
    ends = [name for name in ("terminated", "truncated") if sample.get(name) is True]
    return {"terminated": "lost", "truncated": "truncated"}[ends[0]] if ends else NOT_WON


def _begins(turns: list[dict[str, Any]], index: int) -> bool:
    """Whether an option begins, by the boundary or else by the option's number."""
    boundary = turns[index].get("boundary")
    if isinstance(boundary, bool) or index == 0:
        return index == 0 or bool(boundary)
    return turns[index].get("option_id") != turns[index - 1].get("option_id")


def _turn(turn: dict[str, Any]) -> dict[str, Any]:
    switch = turn.get("switch")
    return {
        "observation": _text(turn.get("observation")),
        "switch": switch if isinstance(switch, bool) else None,
        "running": _text(turn.get("subgoal")),
        "action": _text(turn.get("action")),
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
