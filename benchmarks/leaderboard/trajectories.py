"""Episodes as they are recorded, and their digests.

A recorder keeps references while an episode runs and writes JSON when it has ended, so that a turn
costs next to nothing. It knows the `info` contract, and nothing of agents, panels or folders.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from pydantic_core import to_json

from benchmarks.leaderboard.schema import SCHEMA_VERSION, Outcome, Trajectory, TurnInfo
from hiper_envs.core import Episode
from hiper_envs.episode import INFO_KINDS
from hiper_envs.tags import ParsedAction, parse

__all__ = ["TrajectoryRecorder", "blocks_of", "clean_details", "trajectory_digest"]

_Blocks = tuple[str, bool, "str | None"]
_Recorded = tuple[
    str, tuple[str, ...], str, _Blocks, float, tuple[Any, ...], "dict[str, Any] | None"
]
"""Observation, admissible actions, output and its blocks, reward, what the info says of the step,
and the rest of the info."""

_REFERENCE_KEYS = ("reference_subgoal", "reference_boundary", "expert_action")
_NOT_REPLAYED = frozenset({"failure", "seconds", "env_seconds", "sha256"})
_STEP_KEYS = tuple(name for name in TurnInfo.model_fields if name != "extra")
_STEP_VALUES = itemgetter(*_STEP_KEYS)
_OWN_KEYS = frozenset(INFO_KINDS)
# Those that are there without a reference: an info with no more of them has nothing extra.
_LEAST = sum(name not in _REFERENCE_KEYS for name in INFO_KINDS)


class TrajectoryRecorder:
    """Records one episode.

    Args:
        episode: The episode, before its first turn.
        position: The task's place in the panel.
        seed: The agent's seed.
    """

    def __init__(self, episode: Episode, position: int, seed: int) -> None:
        self.position = position
        self.seed = seed
        self.env_seconds = 0.0
        self._episode = episode
        self._turns: list[_Recorded] = []
        self._details: list[Mapping[str, Any] | None] = []
        self._seconds: list[float] = []

    def add(
        self,
        before: tuple[str, Mapping[str, Any]],
        output: str,
        reward: float,
        after: Mapping[str, Any],
        seconds: float,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds the turn that the episode has just played.

        Args:
            before: The observation and info that the agent acted on.
            output: What it wrote.
            reward: Of the step.
            after: The info after the step.
            seconds: The agent's time.
            details: What the agent tells of the turn.
        """
        observation, shown = before
        # Values and not the infos themselves: of so many dicts, collecting garbage takes its toll.
        self._turns.append(
            (
                observation,
                shown["admissible_actions"],
                output,
                _blocks(output, self._episode.parsed),
                reward,
                _STEP_VALUES(after),
                None if len(after) == _LEAST else _extra(after),
            )
        )
        self._details.append(details)
        self._seconds.append(seconds)

    def finish(self, failure: str = "") -> tuple[Outcome, bytes]:
        """Says how the episode ended, and gives it as the JSON of a trajectory file.

        Args:
            failure: Why the agent failed; "" for an episode that came to its end.
        """
        episode, info = self._episode, self._episode.info
        failed = bool(failure)
        outcome: Outcome = "failed"
        if not failed:
            ended: Outcome = "lost" if episode.terminated else "truncated"
            outcome = "won" if info["won"] else ended
        places: dict[tuple[str, ...], int] = {}
        turns = [_json(_turn(turn, places)) for turn in self._turns]
        before = {
            "schema_version": SCHEMA_VERSION,
            "task_id": info["task_id"],
            "task": info["task"],
            "task_type": info["task_type"],
            "split": info["split"],
            "position": self.position,
            "seed": self.seed,
            "outcome": outcome,
            "terminated": episode.terminated,
            "truncated": episode.truncated,
            "won": outcome == "won",
            "score": 0.0 if failed else float(info["score"]),
            "admissible": list(places),
        }
        # Piece by piece, since the digest is of the turns without their details.
        head, tail = _json(before)[:-1], _json({"final_observation": episode.observation})[1:-1]
        replayed = b'%b,"turns":[%b],%b' % (head, b",".join(turns), tail)
        rest = {
            "failure": failure,
            "seconds": self._seconds,
            "env_seconds": self.env_seconds,
            "sha256": hashlib.sha256(replayed + b"}").hexdigest(),
        }
        if any(self._details):
            told = zip(turns, self._details, strict=True)
            turns = [b'%b,"details":%b}' % (turn[:-1], _details(each)) for turn, each in told]
            replayed = b'%b,"turns":[%b],%b' % (head, b",".join(turns), tail)
        return outcome, b"%b,%b" % (replayed, _json(rest)[1:])


def trajectory_digest(trajectory: Trajectory) -> str:
    """SHA-256 of what replaying a trajectory's outputs shows again.

    That is the JSON of all its fields, in the order of the schema, but for `failure`, the times and
    the digest itself, and for `details` of the turns.
    """
    values = trajectory.model_dump(exclude=set(_NOT_REPLAYED))
    for turn in values["turns"]:
        del turn["details"]
    return hashlib.sha256(_json(values)).hexdigest()


def blocks_of(output: str) -> tuple[str, bool, str | None]:
    """The thought, the switch and the subgoal in an agent's text; none of them if it is malformed.

    The thought is what stands outside the blocks, which the environment does not read.

    Example:
        >>> blocks_of("<think>where?</think><switch>SWITCH</switch><subgoal>find a mug</subgoal>"
        ...           "<action>look</action>")
        ('where?', True, 'find a mug')
        >>> blocks_of("look")
        ('', False, None)
    """
    return _blocks(output, parse(output))


def _blocks(output: str, parsed: ParsedAction) -> tuple[str, bool, str | None]:
    spans = parsed.spans
    if spans.action is None:
        return "", False, None
    if sum(span[1] - span[0] for span in spans if span is not None) == len(output):
        return "", parsed.switch, parsed.subgoal
    outside, end = [], 0
    for span in spans:
        if span is not None:
            outside.append(output[end : span[0]])
            end = span[1]
    outside.append(output[end:])
    thought = "".join(outside)
    if thought:
        thought = thought.replace("<think>", "").replace("</think>", "").strip()
    return thought, parsed.switch, parsed.subgoal


def clean_details(details: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What an agent tells of a turn, as JSON can say it: anyone's code made it.

    Example:
        >>> clean_details({"values": (0.5, float("nan")), 3: {1j}})
        {'values': [0.5, None], '3': '{1j}'}
    """
    return (
        None if details is None else {_text(key): _clean(value) for key, value in details.items()}
    )


def _turn(turn: _Recorded, places: dict[tuple[str, ...], int]) -> dict[str, Any]:
    observation, admissible, output, (thought, switch, subgoal), reward, values, extra = turn
    info = dict(zip(_STEP_KEYS, values, strict=True))
    info["extra"] = extra or {}
    return {
        "observation": observation,
        "admissible": places.setdefault(admissible, len(places)),
        "output": output,
        "thought": thought,
        "switch": switch,
        "subgoal": subgoal,
        "reward": float(reward),
        "info": info,
    }


def _extra(info: Mapping[str, Any]) -> dict[str, Any]:
    """What a benchmark adds to its infos."""
    return {name: value for name, value in info.items() if name not in _OWN_KEYS}


def _details(details: Mapping[str, Any] | None) -> bytes:
    return b"null" if details is None else _json(clean_details(details))


def _clean(value: Any) -> Any:
    if type(value) is float and math.isfinite(value):
        return value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return clean_details(value)
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return _text(value)


def _text(value: Any) -> str:
    return str(value).encode("utf-8", errors="replace").decode()


def _json(value: Any) -> bytes:
    return to_json(value)
