"""Episodes as they are recorded, and their digests.

A recorder keeps references while an episode runs, so that a turn costs next to nothing to whoever
plays; the JSON is written from what it hands over, in another process. The module knows the `info`
contract, and nothing of agents, panels or folders.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from pydantic_core import to_json

from benchmarks.leaderboard.schema import SCHEMA_VERSION, Outcome, Trajectory, TurnInfo
from hiper_envs.core import Episode
from hiper_envs.episode import INFO_KINDS
from hiper_envs.tags import parse

__all__ = [
    "Recording",
    "TrajectoryRecorder",
    "blocks_of",
    "clean_details",
    "details_json",
    "trajectory_digest",
]

_Turn = tuple[Any, ...]
"""Observation, admissible actions, output, reward, what a benchmark adds to the info or None, and
after them what the info says of every step: one flat tuple is handed over faster than two."""

_REFERENCE_KEYS = ("reference_subgoal", "reference_boundary", "expert_action")
_NOT_REPLAYED = frozenset({"failure", "seconds", "env_seconds", "sha256"})
_STEP_KEYS = tuple(name for name in TurnInfo.model_fields if name != "extra")
_STEP_VALUES = itemgetter(*_STEP_KEYS)
_OWN_KEYS = frozenset(INFO_KINDS)
# Those that are there without a reference: an info with no more of them has nothing extra.
_LEAST = sum(name not in _REFERENCE_KEYS for name in INFO_KINDS)


class Recording(NamedTuple):
    """An episode that has ended, as another process can be told of it.

    Attributes:
        position: The task's place in the panel.
        seed: The agent's seed.
        outcome: How it ended.
        failure: Why the agent failed; "" for an episode that came to its end.
        ends: The other fields of a trajectory that are said once, in the order of the schema.
        final_observation: What the last turn showed.
        turns: The turns.
        details: What the agent told of each as JSON, for bytes are handed over faster; b"" for
            nothing.
        seconds: The agent's time for each.
        env_seconds: The environment's time for all.
    """

    position: int
    seed: int
    outcome: Outcome
    failure: str
    ends: dict[str, Any]
    final_observation: str
    turns: list[_Turn]
    details: list[bytes]
    seconds: list[float]
    env_seconds: float

    def json(self) -> bytes:
        """The episode as the JSON of a trajectory file."""
        places: dict[tuple[str, ...], int] = {}
        turns = [to_json(_turn(turn, places)) for turn in self.turns]
        head = to_json({**self.ends, "admissible": list(places)})[:-1]
        end = b'"final_observation":%b' % to_json(self.final_observation)
        text = b'%b,"turns":[%b],%b' % (head, b",".join(turns), end)
        rest = {
            "failure": self.failure,
            "seconds": self.seconds,
            "env_seconds": self.env_seconds,
            # Of the turns without their details, which no replay shows again.
            "sha256": hashlib.sha256(text + b"}").hexdigest(),
        }
        if any(self.details):
            pairs = zip(turns, self.details, strict=True)
            turns = [b'%b,"details":%b}' % (turn[:-1], told or b"null") for turn, told in pairs]
            text = b'%b,"turns":[%b],%b' % (head, b",".join(turns), end)
        return b"%b,%b" % (text, to_json(rest)[1:])


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
        self._turns: list[_Turn] = []
        self._details: list[bytes] = []
        self._seconds: list[float] = []

    def add(
        self,
        before: tuple[str, Mapping[str, Any]],
        output: str,
        reward: float,
        after: Mapping[str, Any],
        seconds: float,
        details: bytes = b"",
    ) -> None:
        """Adds the turn that the episode has just played.

        Args:
            before: The observation and info that the agent acted on.
            output: What it wrote.
            reward: Of the step.
            after: The info after the step.
            seconds: The agent's time.
            details: What the agent tells of the turn, see `details_json`.
        """
        observation, shown = before
        # Values and not the infos themselves: of so many dicts, collecting garbage takes its toll.
        extra = None if len(after) == _LEAST else _extra(after)
        self._turns.append(
            (observation, shown["admissible_actions"], output, reward, extra, *_STEP_VALUES(after))
        )
        self._details.append(details)
        self._seconds.append(seconds)

    def finish(self, failure: str = "") -> Recording:
        """Says how the episode ended, and hands over what it was.

        Args:
            failure: Why the agent failed; "" for an episode that came to its end.
        """
        episode, info = self._episode, self._episode.info
        outcome: Outcome = "lost" if episode.terminated else "truncated"
        if failure:
            outcome = "failed"
        elif info["won"]:
            outcome = "won"
        ends = {
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
            "score": 0.0 if failure else float(info["score"]),
        }
        return Recording(
            self.position,
            self.seed,
            outcome,
            _text(failure),
            ends,
            episode.observation,
            self._turns,
            self._details,
            self._seconds,
            self.env_seconds,
        )


def trajectory_digest(trajectory: Trajectory) -> str:
    """SHA-256 of what replaying a trajectory's outputs shows again.

    That is the JSON of all its fields, in the order of the schema, but for `failure`, the times and
    the digest itself, and for `details` of the turns.
    """
    values = trajectory.model_dump(exclude=set(_NOT_REPLAYED))
    for turn in values["turns"]:
        del turn["details"]
    return hashlib.sha256(to_json(values)).hexdigest()


@lru_cache(1024)
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
    parsed = parse(output)
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
    thought = "".join(outside).replace("<think>", "").replace("</think>", "").strip()
    return thought, parsed.switch, parsed.subgoal


def clean_details(details: Mapping[Any, Any]) -> dict[str, Any]:
    """What an agent tells of a turn, as JSON can say it: anyone's code made it.

    Example:
        >>> clean_details({"values": (0.5, float("nan")), 3: {1j}})
        {'values': [0.5, None], '3': '{1j}'}
    """
    return {_text(key): _clean(value) for key, value in details.items()}


def details_json(details: Mapping[Any, Any] | None) -> bytes:
    r"""What an agent tells of a turn as JSON; b"" for nothing.

    This may call the agent's code, which may do anything.

    Example:
        >>> details_json({"values": (0.5, float("nan")), 3: 1j})
        b'{"values":[0.5,null],"3":"1j"}'
    """
    if details is None:
        return b""
    try:
        return to_json(details, inf_nan_mode="null", fallback=_clean)
    except ValueError:  # bytes, surrogates: what JSON cannot hold
        return to_json(clean_details(details))


def _turn(turn: _Turn, places: dict[tuple[str, ...], int]) -> dict[str, Any]:
    observation, admissible, output, reward, extra, *values = turn
    thought, switch, subgoal = blocks_of(output)
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


def _clean(value: Any) -> Any:
    # The usual kinds first: this is done while the agent waits.
    if type(value) is float and math.isfinite(value):
        return value
    if value is None or type(value) in (bool, int):
        return value
    if type(value) is list:
        return [_clean(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        return clean_details(value)
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return _text(value)


def _text(value: Any) -> str:
    if type(value) is str and value.isascii():
        return value
    return str(value).encode("utf-8", errors="replace").decode()
