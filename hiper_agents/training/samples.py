"""Sample episodes of a training run: one of each task type, option by option.

Who plays is unknown here: a `Sampled` episode is asked for a turn at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from hiper_envs.core import Episode, TaskSource
from hiper_envs.tags import parse

SAMPLES_FILE = "samples.json"


class Sampled(Protocol):
    """Plays one episode."""

    def act(self, info: Mapping[str, Any]) -> tuple[str, Sequence[float] | None]:
        """The next text, and V_L, V_H, V_T before it if there is a critic that has learned."""
        ...

    def observe(self, observation: str, info: Mapping[str, Any]) -> None:
        """Takes in what the text led to; not called once the episode has ended."""
        ...


def sample_episodes(
    source: TaskSource, max_turns: int, begin: Callable[[Mapping[str, Any], str], Sampled]
) -> list[dict[str, Any]]:
    """Plays the first task of every task type.

    Args:
        source: The tasks.
        max_turns: Steps until an episode is truncated.
        begin: Begins an episode, given its first info and observation.

    Returns:
        JSON-able episodes: task_id, task, task_type, won, and turns with observation, subgoal,
        option_id, boundary, switch, action and, if there is a critic, its three values.
    """
    first: dict[str, int] = {}
    for index, task_type in enumerate(source.task_types):
        first.setdefault(task_type, index)
    return [_play(Episode(source.open(i), max_turns), begin) for _, i in sorted(first.items())]


def _play(episode: Episode, begin: Callable[[Mapping[str, Any], str], Sampled]) -> dict[str, Any]:
    player = begin(episode.info, episode.observation)
    turns: list[dict[str, Any]] = []
    while not episode.ended:
        observation = episode.observation
        text, values = player.act(episode.info)
        after, _, _, _, info = episode.step(text)
        turns.append(
            {
                "observation": observation,
                "subgoal": info["subgoal"],
                "option_id": info["option_id"],
                "boundary": info["option_boundary"],
                "switch": parse(text).switch,
                "action": info["action"],
            }
        )
        if values is not None:
            turns[-1]["values"] = list(values)
        if not episode.ended:
            player.observe(after, info)
    info = episode.info
    return {
        "task_id": info["task_id"],
        "task": info["task"],
        "task_type": info["task_type"],
        "won": info["won"],
        "turns": turns,
    }
