"""Sample episodes of a training run: one of each task type, played greedily, option by option."""

from __future__ import annotations

from typing import Any

from hiper_agents.compact.player import Player
from hiper_envs.core import Episode, TaskSource

SAMPLES_FILE = "samples.json"


def sample_episodes(
    player: Player, source: TaskSource, max_turns: int, *, with_values: bool = True
) -> list[dict[str, Any]]:
    """Plays the first task of every task type.

    Args:
        player: Decides.
        source: The tasks.
        max_turns: Steps until an episode is truncated.
        with_values: Whether there is a critic that has learned anything.

    Returns:
        JSON-able episodes: task_id, task, task_type, won, and turns with observation, subgoal,
        option_id, boundary, switch, action and, if there is a critic, its three values.
    """
    first: dict[str, int] = {}
    for index, task_type in enumerate(source.task_types):
        first.setdefault(task_type, index)
    return [
        _play(player, source, index, max_turns, with_values) for _, index in sorted(first.items())
    ]


def _play(
    player: Player, source: TaskSource, index: int, max_turns: int, with_values: bool
) -> dict[str, Any]:
    episode = Episode(source.open(index), max_turns)
    slot = player.open(episode.info, episode.observation)
    turns: list[dict[str, Any]] = []
    while not episode.ended:
        observation = episode.observation
        (text,), decisions = player.act([slot], [episode.info], None, with_values=with_values)
        after, _, _, _, info = episode.step(text)
        turns.append(
            {
                "observation": observation,
                "subgoal": info["subgoal"],
                "option_id": info["option_id"],
                "boundary": info["option_boundary"],
                "switch": bool(decisions.boundary[0]),
                "action": info["action"],
            }
        )
        if with_values:
            turns[-1]["values"] = decisions.values[0].tolist()
        if not episode.ended:
            slot.observe(after, info)
    info = episode.info
    return {
        "task_id": info["task_id"],
        "task": info["task"],
        "task_type": info["task_type"],
        "won": info["won"],
        "turns": turns,
    }
