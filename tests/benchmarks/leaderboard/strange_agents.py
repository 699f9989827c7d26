"""Agents that fail in all the ways in which agents fail, and one that works: `Walker`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hiper_envs.core import TaskInfo

BAD_TASK = "generated/2"
BAD_TURN = 3


class Walker:
    """Takes the first action, and begins an option every third turn; tells what it can."""

    about = {"model": "none", "weights": {1, 2}}  # noqa: RUF012  (what JSON cannot hold)

    def __init__(self, seed: int = 0, slow: float = 0.0) -> None:
        self.seed, self.slow = seed, slow
        self.turn_details: list[dict[str, Any] | None] = []

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        self.ids = [task.task_id for task in tasks]
        self.turn = 0

    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> list[Any]:
        time.sleep(self.slow)
        self.turn_details = [
            {"values": [0.25, float("nan"), 1.0], "prompt_tokens": 7, "output_tokens": 2}
            for _ in infos
        ]
        outputs = [self.output(slot, info) for slot, info in enumerate(infos)]
        self.turn += 1
        return outputs

    def output(self, slot: int, info: Mapping[str, Any]) -> Any:
        action = info["admissible_actions"][self.seed]
        if self.turn % 3:
            return f"<think>on</think><switch>KEEP</switch><action>{action}</action>"
        return (
            f"<switch>SWITCH</switch><subgoal>walk {self.turn}</subgoal><action>{action}</action>"
        )

    def is_due(self, slot: int) -> bool:
        return self.ids[slot] == BAD_TASK and self.turn == BAD_TURN


class OwnText(Walker):
    """Plays as `Walker` does, in a kind of text that nobody else knows."""

    def output(self, slot: int, info: Mapping[str, Any]) -> Any:
        class Text(str):
            __slots__ = ()

            def __str__(self) -> str:
                return "another one"

        return Text(super().output(slot, info))


class Raises(Walker):
    def output(self, slot: int, info: Mapping[str, Any]) -> Any:
        if self.is_due(slot):
            raise ValueError("no idea <script>")
        return super().output(slot, info)


class Hangs(Walker):
    def output(self, slot: int, info: Mapping[str, Any]) -> Any:
        if self.is_due(slot):
            time.sleep(3600)
        return super().output(slot, info)


class Dies(Walker):
    def output(self, slot: int, info: Mapping[str, Any]) -> Any:
        if self.is_due(slot):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().output(slot, info)


class Numbers(Walker):
    def output(self, slot: int, info: Mapping[str, Any]) -> Any:
        return 7 if self.is_due(slot) else super().output(slot, info)


class Surrogates(Walker):
    def output(self, slot: int, info: Mapping[str, Any]) -> Any:
        return "\ud800" if self.is_due(slot) else super().output(slot, info)


class TooFew(Walker):
    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> list[Any]:
        outputs = super().act(observations, infos)
        return outputs[1:] if BAD_TASK in self.ids else outputs


class FailsAtReset(Walker):
    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        super().reset(tasks)
        if BAD_TASK in self.ids:
            raise RuntimeError("not this one")


class Told:
    """Something that an agent tells of a turn, and that is trouble when it is looked at."""

    def __init__(self, trouble: Callable[[], None]) -> None:
        self.trouble = trouble

    def __str__(self) -> str:
        self.trouble()
        return "never"


class TellsForever(Walker):
    """What it tells never comes to an end."""

    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> list[Any]:
        due = [self.is_due(slot) for slot in range(len(infos))]
        outputs = super().act(observations, infos)
        self.turn_details = [
            {"a": Told(partial(time.sleep, 3600))} if late else told
            for late, told in zip(due, self.turn_details, strict=True)
        ]
        return outputs


class TellsNothing(Walker):
    """It fails when it is asked what it tells."""

    @property  # type: ignore[misc]
    def turn_details(self) -> list[dict[str, Any] | None]:
        if any(self.ids[slot] == BAD_TASK for slot in range(len(self.ids))) and self.turn > 2:
            raise KeyError("values")
        return self._told

    @turn_details.setter
    def turn_details(self, told: list[dict[str, Any] | None]) -> None:
        self._told = told


class MendsItself(Walker):
    """Fails until the file that it is given is there."""

    def __init__(self, seed: int = 0, *, cure: str) -> None:
        super().__init__(seed)
        self.cure = Path(cure)

    def output(self, slot: int, info: Mapping[str, Any]) -> Any:
        if self.is_due(slot) and not self.cure.exists():
            raise ValueError("ill")
        return super().output(slot, info)


def impossible(seed: int = 0) -> Walker:
    raise OSError("no weights")
