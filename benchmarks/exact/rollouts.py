"""Episodes of a tabular policy: drawn at random, or all there are with their probabilities.

Both are the same kind of object, so that whatever is computed from sampled episodes can be computed
exactly where there are few enough. It knows nothing about values, gradients or estimators.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np

from benchmarks.exact.policy import KEEP, SWITCH, Policy
from benchmarks.exact.process import Process
from hiper_agents.estimators.segments import BoolArray, FloatArray, IntArray

__all__ = ["Rollouts", "enumerate_episodes", "sample"]


@dataclass(frozen=True, eq=False)
class Rollouts:
    """N turns of whole episodes, episode by episode and turn by turn.

    Attributes:
        episode: Episode of the turn, counted from 0, int64 [N].
        turn: Position in the episode, int64 [N].
        state: State before the turn, int64 [N].
        running: Subgoal that was running before the turn, int64 [N]; 0 at turn 0, where none was.
        switch: Whether the turn began an option, bool [N]; always at turn 0.
        subgoal: Subgoal of the turn, int64 [N].
        action: Action of the turn, int64 [N].
        reward: Reward of the turn, float64 [N].
        terminated: The episode ended with the turn, bool [N].
    """

    episode: IntArray
    turn: IntArray
    state: IntArray
    running: IntArray
    switch: BoolArray
    subgoal: IntArray
    action: IntArray
    reward: FloatArray
    terminated: BoolArray

    def __len__(self) -> int:
        return len(self.episode)

    @cached_property
    def starts(self) -> IntArray:
        """Row of each episode's first turn, int64 [episodes]."""
        return np.flatnonzero(self.turn == 0)

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return len(self.starts)

    def part(self, first: int, last: int) -> Rollouts:
        """The episodes from `first` to before `last`, counted from 0 again."""
        ends = np.append(self.starts, len(self))
        rows = slice(ends[first], ends[last])
        part = Rollouts(*(getattr(self, field.name)[rows] for field in fields(self)))
        return replace(part, episode=part.episode - first)

    @cached_property
    def last(self) -> BoolArray:
        """The turn is the last of its episode, bool [N]."""
        last = np.ones(len(self), dtype=bool)
        last[:-1] = self.turn[1:] == 0
        return last

    @property
    def returns(self) -> FloatArray:
        """Undiscounted return of each episode, float64 [episodes]."""
        return np.add.reduceat(self.reward, self.starts)


def sample(
    process: Process,
    policy: Policy,
    episodes: int,
    rng: np.random.Generator,
    *,
    same_start: int = 1,
    same_subgoal: int = 1,
) -> Rollouts:
    """Plays episodes, all at once, turn by turn.

    Every episode by itself is distributed as the policy plays it, however many share a beginning.

    Args:
        process: What is played.
        policy: Who plays it.
        episodes: How many episodes.
        rng: Source of all randomness.
        same_start: So many episodes in a row share their first state: rollouts of one task.
        same_subgoal: So many episodes in a row share their first subgoal, too: rollouts of one
            strategy. It has to divide `same_start`.

    Raises:
        ValueError: If the numbers do not divide each other.
    """
    if episodes % same_start or same_start % same_subgoal:
        raise ValueError(f"{episodes}, {same_start} and {same_subgoal} do not divide each other")
    chance = {head: np.cumsum(table, -1) for head, table in policy.probability.items()}
    moves = np.cumsum(process.transition, -1)
    starts = np.cumsum(process.start)
    state = _draw(np.broadcast_to(starts, (episodes // same_start, len(starts))), rng)
    state = np.repeat(state, same_start)
    subgoal = np.zeros(episodes, dtype=np.int64)
    alive = np.arange(episodes)
    history: list[tuple[IntArray | BoolArray | FloatArray, ...]] = []
    for turn in range(process.horizon):
        running = subgoal
        if turn:
            switch = _draw(chance["switch"][state, running], rng) == SWITCH
            subgoal = np.where(switch, _draw(chance["high"][state], rng), running)
        else:
            switch = np.ones(episodes, dtype=bool)
            subgoal = _draw(chance["high"][state[::same_subgoal]], rng)
            subgoal = np.repeat(subgoal, same_subgoal)
        action = _draw(chance["low"][state, subgoal], rng)
        after = _draw(moves[state, action], rng)
        ended = after == process.states
        reward = process.reward[state, action, after]
        turns = np.full(len(alive), turn)
        history.append((alive, turns, state, running, switch, subgoal, action, reward, ended))
        going = ~ended
        alive, state, subgoal = alive[going], after[going], subgoal[going]
        if not len(alive):
            break
    return _by_episode(history)


def enumerate_episodes(process: Process, policy: Policy) -> tuple[Rollouts, FloatArray]:
    """All episodes that can happen, and the probability of each, float64 [episodes].

    Their number grows exponentially with the horizon: a million is a lot.
    """
    chance, horizon = policy.probability, process.horizon
    state = np.flatnonzero(process.start)
    probability = process.start[state]
    running = np.zeros(len(state), dtype=np.int64)
    past = np.zeros((0, len(state)), dtype=np.int64)
    found, weights, count = [], [], 0
    for turn in range(horizon):
        decided = np.zeros((len(state), 2, process.subgoals))
        if turn:
            gates = chance["switch"][state, running]
            decided[np.arange(len(state)), KEEP, running] = gates[:, KEEP]
            decided[:, SWITCH] = gates[:, SWITCH, None] * chance["high"][state]
        else:
            decided[:, SWITCH] = chance["high"][state]
        joint = (
            probability[:, None, None, None, None]
            * decided[..., None, None]
            * chance["low"][state][:, None, :, :, None]
            * process.transition[state][:, None, None]
        )
        parent, switch, subgoal, action, after = np.nonzero(joint)
        probability = joint[parent, switch, subgoal, action, after]
        rows = (state[parent], running[parent], switch, subgoal, action, after)
        past = np.concatenate([past[:, parent], np.stack(rows)])
        over = (after == process.states) | (turn == horizon - 1)
        found.append(_unfold(process, past[:, over], count))
        weights.append(probability[over])
        count += int(over.sum())
        past, probability = past[:, ~over], probability[~over]
        state, running = after[~over], subgoal[~over]
    columns = zip(*found, strict=True)
    return Rollouts(*(np.concatenate(column) for column in columns)), np.concatenate(weights)


def _unfold(process: Process, past: IntArray, first: int) -> tuple[np.ndarray, ...]:
    """Columns of `Rollouts` for episodes of one length; `past` has 6 rows a turn, [6 turns, n]."""
    turns, episodes = len(past) // 6, past.shape[1]
    state, running, switch, subgoal, action, after = (
        past.reshape(turns, 6, episodes).transpose(1, 2, 0).reshape(6, -1)
    )
    return (
        np.repeat(np.arange(first, first + episodes), turns),
        np.tile(np.arange(turns), episodes),
        state,
        running,
        switch == SWITCH,
        subgoal,
        action,
        process.reward[state, action, after],
        after == process.states,
    )


def _by_episode(history: list[tuple[IntArray | BoolArray | FloatArray, ...]]) -> Rollouts:
    columns = [np.concatenate(column) for column in zip(*history, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return Rollouts(*(column[order] for column in columns))


def _draw(cumulative: FloatArray, rng: np.random.Generator) -> IntArray:
    """One choice a row of cumulative probabilities [n, choices], int64 [n]."""
    # The last entry may round to less than 1, and the draw lie above it.
    choice: IntArray = (rng.random((len(cumulative), 1)) > cumulative[:, :-1]).sum(-1)
    return choice
