"""Plays whole episodes and fills the rollout buffer.

The episodes of an iteration are played side by side, one turn of all that still run at a time.
Nothing here knows how advantages are estimated or how the policy is updated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hiper_agents.buffer import OptionRolloutBuffer, stable_key
from hiper_agents.compact.player import Decisions, Player
from hiper_agents.training.columns import ColumnProvider
from hiper_agents.training.trainer import Episodes
from hiper_envs.core import Episode, StepResult, TaskSource

# Columns of Decisions.values.
LOW, HIGH, SWITCH = range(3)


def collect(
    player: Player,
    source: TaskSource,
    tasks: Sequence[int],
    buffer: OptionRolloutBuffer,
    rng: np.random.Generator,
    *,
    max_turns: int,
    groups: Sequence[int] | NDArray[np.int64] | None = None,
    flat: bool = False,
    with_values: bool = True,
    success_bonus: float = 0.0,
    keep_penalty: float = 0.0,
    providers: Sequence[ColumnProvider] = (),
) -> tuple[Episodes, Decisions]:
    """Plays one episode of each task with the sampling policy.

    Args:
        player: Decides.
        source: The tasks.
        tasks: Positions in `source`; a position may occur more than once.
        buffer: Gets one row a turn; cleared first.
        rng: The only source of randomness.
        max_turns: Steps until an episode is truncated.
        groups: Group of each episode; None for its task.
        flat: Whether the estimator is flat: `value_low` is then the critic's value before the turn
            (that of the switch head), not the one that knows the chosen subgoal.
        with_values: Whether there is a critic to ask; the values are 0 otherwise.
        success_bonus: Added to the reward of the turn that brings success.
        keep_penalty: Taken off the reward of every turn that goes on with its option.
        providers: Told of every turn.

    Returns:
        The episodes, and what was decided, in the order of the buffer's rows.
    """
    buffer.clear()
    opened = [source.open(task) for task in tasks]
    episodes = [Episode(task, max_turns) for task in opened]
    slots = [player.open(episode.info, episode.observation) for episode in episodes]
    group = np.asarray(tasks if groups is None else groups, np.int64)
    for provider in providers:
        provider.begin(slots, group, rng)
    won = np.zeros(len(tasks), np.bool_)
    scores = np.zeros(len(tasks))
    options = np.zeros(len(tasks), np.int64)
    history: list[Decisions] = []
    running = np.arange(len(tasks))
    turn = 0
    while len(running):
        keys = [stable_key(episodes[i].observation) for i in running]
        acting = [slots[i] for i in running]
        infos = [episodes[i].info for i in running]
        draws = rng.random((len(running), player.draws))
        texts, decisions = player.act(acting, infos, draws, with_values=with_values)
        for provider in providers:
            provider.decided(acting, infos, decisions)
        steps = [episodes[i].step(text) for i, text in zip(running, texts, strict=True)]
        rewards = [
            step[1] + success_bonus * step[4]["won"] - keep_penalty * (not begins)
            for step, begins in zip(steps, decisions.boundary, strict=True)
        ]
        ended = _store(buffer, decisions, steps, rewards, keys, running, group[running], turn, flat)
        history.append(decisions)
        won[running] = [step[4]["won"] for step in steps]
        scores[running] = [step[4]["score"] for step in steps]
        options[running] += decisions.boundary
        for i, step, over in zip(running, steps, ended, strict=True):
            if not over:
                slots[i].observe(step[0], step[4])
        running = running[~ended]
        turn += 1
    played = Episodes(
        won=won,
        scores=scores,
        turns=np.array([episode.turns for episode in episodes]),
        options=options,
        task_types=[task.info.task_type for task in opened],
    )
    return played, Decisions.concatenate(history)


def _store(
    buffer: OptionRolloutBuffer,
    decisions: Decisions,
    steps: Sequence[StepResult],
    rewards: Sequence[float],
    keys: Sequence[int],
    episodes: NDArray[np.int64],
    groups: NDArray[np.int64],
    turn: int,
    flat: bool,
) -> NDArray[np.bool_]:
    """Puts one turn of every running episode into the buffer; returns which of them ended."""
    _, _, terminated, truncated, _ = zip(*steps, strict=True)
    buffer.add(
        reward=rewards,
        terminated=terminated,
        truncated=truncated,
        boundary=decisions.boundary,
        value_low=decisions.values[:, SWITCH if flat else LOW],
        value_high=decisions.values[:, HIGH],
        value_switch=decisions.values[:, SWITCH],
        trajectory_id=episodes,
        turn=turn,
        group_id=groups,
        state_key=keys,
    )
    ended: NDArray[np.bool_] = np.logical_or(terminated, truncated)
    return ended
