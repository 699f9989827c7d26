"""Sample episodes of a training run: one of each task type, option by option.

Who plays is unknown here but for `Actor`: all episodes are played side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from hiper_envs.core import Episode, TaskSource
from hiper_envs.tags import parse

SAMPLES_FILE = "samples.json"


class Slot(Protocol):
    """What an actor keeps of an episode."""

    def observe(self, observation: str, info: Mapping[str, Any]) -> None:
        """Takes in what the last text led to; not called once the episode has ended."""
        ...


_Slot = TypeVar("_Slot", bound=Slot)


class Actor(Protocol[_Slot]):
    """Plays."""

    def open(self, info: Mapping[str, Any], observation: str) -> _Slot:
        """Begins an episode, given its first info and observation."""
        ...

    def act(
        self, slots: Sequence[_Slot], infos: Sequence[Mapping[str, Any]]
    ) -> Sequence[tuple[str, Sequence[float] | None]]:
        """The next text of every episode, and V_L, V_H, V_T if there is a critic that learns."""
        ...


def sample_episodes(
    source: TaskSource, max_turns: int, actor: Actor[_Slot]
) -> list[dict[str, Any]]:
    """Plays the first task of every task type.

    Args:
        source: The tasks.
        max_turns: Steps until an episode is truncated.
        actor: Plays.

    Returns:
        JSON-able episodes: task_id, task, task_type, won, terminated, truncated, and turns with
        observation, subgoal, option_id, boundary, switch, action, reward and, if there is a critic,
        its three values.
    """
    first: dict[str, int] = {}
    for index, task_type in enumerate(source.task_types):
        first.setdefault(task_type, index)
    episodes = [Episode(source.open(index), max_turns) for _, index in sorted(first.items())]
    slots = [actor.open(episode.info, episode.observation) for episode in episodes]
    turns: list[list[dict[str, Any]]] = [[] for _ in episodes]
    while running := [i for i, episode in enumerate(episodes) if not episode.ended]:
        infos = [episodes[i].info for i in running]
        acted = actor.act([slots[i] for i in running], infos)
        for i, (text, values) in zip(running, acted, strict=True):
            turns[i].append(_play(episodes[i], text, values))
            if not episodes[i].ended:
                slots[i].observe(episodes[i].observation, episodes[i].info)
    return [
        {
            "task_id": episode.info["task_id"],
            "task": episode.info["task"],
            "task_type": episode.info["task_type"],
            "won": episode.info["won"],
            "terminated": episode.terminated,
            "truncated": episode.truncated,
            "turns": played,
        }
        for episode, played in zip(episodes, turns, strict=True)
    ]


def _play(episode: Episode, text: str, values: Sequence[float] | None) -> dict[str, Any]:
    """Carries out one turn and says what it was."""
    observation = episode.observation
    _, reward, _, _, info = episode.step(text)
    turn: dict[str, Any] = {
        "observation": observation,
        "subgoal": info["subgoal"],
        "option_id": info["option_id"],
        "boundary": info["option_boundary"],
        "switch": parse(text).switch,
        "action": info["action"],
        "reward": reward,
    }
    return turn if values is None else {**turn, "values": list(values)}
