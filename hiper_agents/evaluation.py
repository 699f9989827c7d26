"""Evaluation: an agent plays every task of a split, once, and the result is one JSON-able dict.

It knows the `info` contract and the agent protocol, and nothing of how an agent decides or was
trained. What is measured on the episodes is in `hiper_agents.episodes`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hiper_agents.agent import Agent, AgentError, describe
from hiper_agents.environments import make_env
from hiper_agents.episodes import EpisodeRecord, summarise
from hiper_agents.families import family_of
from hiper_agents.provenance import command_line, git_commit, versions
from hiper_base.errors import HiperError
from hiper_envs.core import Episode, HierarchicalTextEnv

#: Called after every episode with the episodes done, to do, and won.
OnEpisode = Callable[[int, int, int], None]


def evaluate(
    agent: Agent,
    env_id: str = "HiPER-ALFWorld-v0",
    split: str | None = None,
    *,
    agent_name: str | None = None,
    episodes: int | None = None,
    num_envs: int = 64,
    seed: int = 0,
    mode: str = "greedy",
    reference: bool = True,
    env_kwargs: Mapping[str, Any] | None = None,
    on_episode: OnEpisode | None = None,
) -> dict[str, Any]:
    """Plays the tasks of a split and measures.

    Tasks are played in chunks of `num_envs`; the agent is reset once per chunk. `greedy` or sampled
    play is the agent's affair: `mode` only records which it was.

    Args:
        agent: Who plays.
        env_id: Gymnasium id of an environment that is a `HierarchicalTextEnv`.
        split: Which tasks. None is the split on which the benchmark is evaluated (ALFWorld:
            valid_seen, WebShop: test), or generated tasks where no data is installed.
        agent_name: Its name in the result.
        episodes: How many; every task once when None. Fewer than there are tasks are drawn without
            replacement, with `seed`; more go round again.
        num_envs: Episodes side by side.
        seed: Draws the tasks, where any are drawn, and is recorded.
        mode: Recorded.
        reference: Make the environment with its oracle, for the agreement of boundaries.
        env_kwargs: More arguments of the environment, such as `{"backend": "textworld"}`.
        on_episode: Called after every episode.

    Returns:
        The figures of `hiper_agents.episodes.summarise`, and what identifies the run: agent, env,
        split, seed, mode, `panel_sha256` (the digest of the split's task set), timing, versions,
        command, commit. `split` is that of the tasks that were played, which differs from
        `requested_split` when none was named and generated tasks took its place. A benchmark that
        knows which tasks can be won (`is_reachable` of its task source) adds the same results on
        those, and one whose score depends on a noun tagger adds which it was.

    Raises:
        AgentError: The agent raised, or returned something else than one string per slot.
        HiperError: There is no such environment or split, or no episode to play.
    """
    if episodes is not None and episodes < 1:
        raise HiperError(f"cannot evaluate {episodes} episodes: at least one is needed")
    if num_envs < 1:
        raise HiperError(f"cannot play {num_envs} episodes side by side: at least one is needed")
    kwargs = dict(env_kwargs or {})
    if reference or getattr(agent, "requires_reference", False):
        kwargs["reference"] = True
    family = family_of(env_id)
    env = make_env(env_id, split, **kwargs)
    noun_tagger = getattr(env.source, "noun_tagger", None)
    indices = _choose(len(env.source), episodes, seed)
    num_envs = min(num_envs, getattr(agent, "max_batch", num_envs), len(indices))
    started = time.perf_counter()
    records, splits = _play_all(agent, env, indices, num_envs, on_episode)
    seconds = time.perf_counter() - started
    return {
        "agent": agent_name or describe(agent),
        **({"about": about} if (about := getattr(agent, "about", None)) else {}),
        "env": env_id,
        "split": ", ".join(sorted(splits)),
        "requested_split": split or family.eval_split,
        "seed": seed,
        "mode": mode,
        "panel_sha256": getattr(env.source, "sha256", None),
        "panel_size": len(env.source),
        **summarise(records, family.named_action),
        "max_turns": env.max_turns,
        "num_envs": num_envs,
        "env_kwargs": {name: _jsonable(value) for name, value in kwargs.items()},
        **({} if noun_tagger is None else {"noun_tagger": noun_tagger}),
        "seconds": seconds,
        "steps_per_second": sum(record.turns for record in records) / seconds,
        "versions": versions(),
        "command": command_line(),
        "git_commit": git_commit(),
    }


def _play_all(
    agent: Agent,
    env: HierarchicalTextEnv,
    indices: Sequence[int],
    num_envs: int,
    on_episode: OnEpisode | None,
) -> tuple[list[EpisodeRecord], set[str]]:
    """Plays tasks in chunks; returns the episodes and the splits that the tasks came from."""
    records: list[EpisodeRecord] = []
    splits: set[str] = set()
    is_reachable = getattr(env.source, "is_reachable", None)
    for begin in range(0, len(indices), num_envs):
        places = indices[begin : begin + num_envs]
        chunk = [env.source.open(index) for index in places]
        splits.update(task.info.split for task in chunk)
        agent.reset([task.info for task in chunk])
        begun = [EpisodeRecord(task.info.task_id, task.info.task_type) for task in chunk]
        if is_reachable is not None:
            for record, index in zip(begun, places, strict=True):
                record.is_reachable = bool(is_reachable(index))
        for record in _play(agent, [Episode(task, env.max_turns) for task in chunk], begun):
            records.append(record)
            if on_episode is not None:
                on_episode(len(records), len(indices), sum(r.won for r in records))
    return records, splits


def _play(
    agent: Agent, episodes: Sequence[Episode], records: Sequence[EpisodeRecord]
) -> Iterator[EpisodeRecord]:
    """Plays a chunk to its end and yields each episode's record, filled, as it ends."""
    observations = [episode.observation for episode in episodes]
    infos: list[Mapping[str, Any]] = [episode.info for episode in episodes]
    while not all(episode.ended for episode in episodes):
        actions = _act(agent, episodes, observations, infos)
        for slot, (episode, record) in enumerate(zip(episodes, records, strict=True)):
            if episode.ended:
                continue
            observation, _, terminated, truncated, after = episode.step(actions[slot])
            record.add(infos[slot], after, truncated)
            if terminated or truncated:
                # The slot keeps what it was shown last, by which agents can tell.
                yield record
            else:
                observations[slot], infos[slot] = observation, after


def _act(
    agent: Agent,
    episodes: Sequence[Episode],
    observations: Sequence[str],
    infos: Sequence[Mapping[str, Any]],
) -> list[str]:
    """The agent's actions, checked, with an error that says where the agent failed."""
    try:
        actions = list(agent.act(observations, infos))
    except HiperError:
        raise
    except Exception as error:  # an agent may be anyone's code
        live = next(episode for episode in episodes if not episode.ended)
        raise AgentError(
            f"agent {describe(agent)} failed at turn {live.turns} of a batch of {len(episodes)} "
            f"(task {live.info['task_id']}): {type(error).__name__}: {error}"
        ) from error
    if len(actions) != len(episodes) or not all(isinstance(text, str) for text in actions):
        kinds = sorted({type(text).__name__ for text in actions})
        raise AgentError(
            f"agent {describe(agent)} must return one str for each of {len(episodes)} slots, "
            f"not {len(actions)} of {', '.join(kinds) or 'nothing'}"
        )
    return actions


def _choose(size: int, episodes: int | None, seed: int) -> list[int]:
    """Positions of the tasks to play, sorted within each round through the task set."""
    if episodes is None:
        return list(range(size))
    generator = random.Random(seed)
    chosen: list[int] = []
    while len(chosen) < episodes:
        chosen += sorted(generator.sample(range(size), min(size, episodes - len(chosen))))
    return chosen


def _jsonable(value: Any) -> Any:
    """An argument of an environment as a result names it: functions and paths by name."""
    if value is None or isinstance(value, str | int | float | list | tuple | dict):
        return value
    return getattr(value, "__name__", str(value))
