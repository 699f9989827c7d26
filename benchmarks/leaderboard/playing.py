"""A batch of episodes, played by one agent and recorded.

Only what the agent does is guarded: an error of an environment is an error. The module knows
nothing of processes, files or panels.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar

from benchmarks.leaderboard.trajectories import Recording, TrajectoryRecorder, details_json
from hiper_agents.agent import Agent
from hiper_base.errors import HiperError
from hiper_envs.core import Episode, TaskSource

__all__ = ["AgentFailedError", "play"]

_T = TypeVar("_T")

Watch = Callable[[], AbstractContextManager[object]]
"""Surrounds every call of the agent."""


class AgentFailedError(HiperError):
    """The agent raised, or returned something that fits no slot.

    Attributes:
        unfinished: What is recorded so far of the episodes that had not ended.
    """

    def __init__(self, reason: str, unfinished: Sequence[TrajectoryRecorder]) -> None:
        super().__init__(reason)
        self.unfinished = tuple(unfinished)


def play(
    agent: Agent,
    source: TaskSource,
    positions: Mapping[int, int],
    *,
    max_turns: int,
    seed: int,
    watch: Watch = nullcontext,
    recorder: type[TrajectoryRecorder] = TrajectoryRecorder,
) -> Iterator[list[Recording]]:
    """Plays episodes side by side to their ends.

    A slot that gets something else than text fails alone.

    Args:
        agent: Who plays; it is reset first.
        source: The tasks.
        positions: Places in the panel, each with its task's index in `source`.
        max_turns: Steps until an episode is truncated.
        seed: The agent's seed, for the record.
        watch: Surrounds every call of the agent.
        recorder: Makes what records an episode.

    Yields:
        The episodes that have ended, after every turn with which some do.

    Raises:
        AgentFailedError: The agent raised, or did not return one answer per slot. Nobody can say
            whose episode is to blame, unless there is one only.
    """
    tasks = [source.open(index) for index in positions.values()]
    episodes = [Episode(task, max_turns) for task in tasks]
    recorders = [
        recorder(episode, position, seed)
        for episode, position in zip(episodes, positions, strict=True)
    ]
    live = list(range(len(episodes)))
    failed: set[int] = set()
    _call(lambda: agent.reset([task.info for task in tasks]), watch, recorders)
    shown = [(episode.observation, episode.info) for episode in episodes]
    while live:
        unfinished = [recorders[slot] for slot in live]
        begun = time.perf_counter()
        outputs = _act(agent, shown, watch, unfinished)
        acted = time.perf_counter()
        details = _call(partial(_details, agent, live, len(episodes)), watch, unfinished)
        share = (acted - begun) / len(live)
        ended: list[Recording] = []
        for slot in live:
            problem = _problem(outputs[slot])
            if problem:
                failed.add(slot)
                ended.append(recorders[slot].finish(problem))
                continue
            # Text and nothing else, which an agent's own kind of text need not be.
            episode, output = episodes[slot], str.__str__(outputs[slot])
            reward = episode.play(output)
            recorders[slot].add(shown[slot], output, reward, episode.info, share, details[slot])
        env_share = (time.perf_counter() - acted) / len(live)
        for slot in live:
            recorders[slot].env_seconds += env_share
        ended += [recorders[slot].finish() for slot in live if episodes[slot].ended]
        if ended:
            yield ended
        live = [slot for slot in live if not episodes[slot].ended and slot not in failed]
        for slot in live:
            # A slot that has ended keeps what it was shown last, by which agents can tell.
            shown[slot] = (episodes[slot].observation, episodes[slot].info)


def _act(
    agent: Agent,
    shown: Sequence[tuple[str, Mapping[str, Any]]],
    watch: Watch,
    unfinished: Sequence[TrajectoryRecorder],
) -> list[Any]:
    observations, infos = [text for text, _ in shown], [info for _, info in shown]
    outputs: list[Any] = _call(lambda: list(agent.act(observations, infos)), watch, unfinished)
    if len(outputs) != len(shown):
        raise AgentFailedError(
            f"act returned {len(outputs)} answers for {len(shown)} slots", unfinished
        )
    return outputs


def _call(call: Callable[[], _T], watch: Watch, unfinished: Sequence[TrajectoryRecorder]) -> _T:
    try:
        with watch():
            return call()
    except Exception as error:  # an agent is anyone's code
        raise AgentFailedError(f"{type(error).__name__}: {error}", unfinished) from error


def _problem(output: object) -> str:
    """Why an answer is no text; "" if it is."""
    if not isinstance(output, str):
        return f"act returned {type(output).__name__} instead of str"
    try:
        output.encode()
    except UnicodeEncodeError:
        return "act returned text with a lone surrogate, which is not Unicode"
    return ""


def _details(agent: Agent, live: Sequence[int], slots: int) -> dict[int, bytes]:
    """What the agent tells of the turn in live slots, where it tells anything for every slot."""
    details = getattr(agent, "turn_details", None)
    if not isinstance(details, Sequence) or len(details) != slots:
        return dict.fromkeys(live, b"")
    told = ((slot, details[slot]) for slot in live)
    return {slot: details_json(own if isinstance(own, Mapping) else None) for slot, own in told}
