"""Plays whole episodes with a language model and fills the rollout buffer.

A number of environments is played side by side; none waits for another's turn, and one that ends
makes room for the next episode. What training adds to the benchmark's reward is added here.
Nothing here knows how advantages are estimated or how the policy is updated.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiper_agents.buffer import OptionRolloutBuffer, stable_key
from hiper_agents.llm.columns import ColumnProvider
from hiper_agents.llm.config import RewardConfig
from hiper_agents.llm.player import LanguagePlayer
from hiper_agents.llm.turns import TurnTokens
from hiper_agents.llm.update import DivergedError
from hiper_agents.training.trainer import Episodes
from hiper_envs.contract import OpenTask
from hiper_envs.core import Episode, TaskSource
from hiper_envs.tags import parse

__all__ = ["HIGH", "LOW", "SWITCH", "Rollout", "collect"]

LOW, HIGH, SWITCH = range(3)
"""Columns of `TurnTokens.values`."""


@dataclass(frozen=True)
class Rollout:
    """The turns of one iteration.

    Attributes:
        episodes: How the episodes went.
        turns: As they were written, in the order of the buffer's rows.
        figures: What playing cost and how well the format was kept; see `collect`.
    """

    episodes: Episodes
    turns: list[TurnTokens]
    figures: dict[str, float]


class _Table:
    """An episode at one of the places."""

    def __init__(
        self,
        number: int,
        task: OpenTask,
        max_turns: int,
        player: LanguagePlayer,
        seed: int,
    ) -> None:
        self.number = number
        self.rng = np.random.default_rng(seed)
        self.task_type = task.info.task_type
        self.episode = Episode(task, max_turns)
        self.slot = player.open(self.episode.info, self.episode.observation)


def collect(
    player: LanguagePlayer,
    source: TaskSource,
    tasks: Sequence[int],
    groups: NDArray[np.int64],
    buffer: OptionRolloutBuffer,
    rng: np.random.Generator,
    *,
    num_envs: int,
    max_turns: int,
    reward: RewardConfig,
    flat: bool = False,
    providers: Sequence[ColumnProvider] = (),
) -> Rollout:
    """Plays one episode of each task.

    Args:
        player: Decides.
        source: The tasks.
        tasks: Positions in `source`; a position may occur more than once.
        groups: [tasks] group of each episode.
        buffer: Gets one row a turn; cleared first.
        rng: The only source of randomness.
        num_envs: Episodes that are played side by side.
        max_turns: Steps until an episode is truncated.
        reward: What is added to the benchmark's reward.
        flat: Whether the estimator is flat: `value_low` is then the value of the state before the
            response (that of the switch head), not the one that knows the subgoal.
        providers: Are shown what is played.

    Returns:
        The rollout. Its figures: `malformed` and `inadmissible`, shares of turns; `prompt_tokens`
        and `response_tokens`, means a turn, and `chosen_tokens`, those of the response that the
        policy chose; `env_seconds` and `policy_seconds`, spent in environments and in the policy.

    Raises:
        DivergedError: If the policy gives probabilities or values that are not finite.
    """
    buffer.clear()
    for provider in providers:
        provider.begin(source, tasks, groups, rng)
    played = _Played(len(tasks))
    turns: list[TurnTokens] = []
    waiting = iter(range(len(tasks)))
    tables: dict[int, _Table] = {}
    to_ask: list[_Table] = []
    stream = player.generator.stream()
    seeds = rng.integers(2**63, size=len(tasks))
    env_seconds = policy_seconds = 0.0
    while True:
        started = time.perf_counter()
        while len(tables) < num_envs and (number := next(waiting, None)) is not None:
            task = source.open(tasks[number])
            tables[number] = _Table(number, task, max_turns, player, int(seeds[number]))
            to_ask.append(tables[number])
            for provider in providers:
                provider.opened(number, tables[number].slot)
        if not tables:
            break
        opened = time.perf_counter()
        asked = {table.number: table.slot for table in to_ask}
        player.ask(stream, asked, [table.rng for table in to_ask])
        finished = stream.advance()
        decided = time.perf_counter()
        acting, written = [tables[number] for number, _ in finished], [turn for _, turn in finished]
        _check(written)
        for provider in providers if finished else ():
            provider.decided([table.slot for table in acting], written)
        _play(acting, written, groups, buffer, played, reward, flat)
        turns += written
        to_ask = [table for table in acting if not table.episode.ended]
        for table in acting:
            if table.episode.ended:
                del tables[table.number]
        policy_seconds += decided - opened
        env_seconds += opened - started + time.perf_counter() - decided
    if reward.keep_per == "episode":
        _spread_keep_penalty(buffer, reward.keep_penalty)
    seconds = {"env_seconds": env_seconds, "policy_seconds": policy_seconds}
    return Rollout(played.episodes(), turns, played.figures(turns) | seconds)


class _Played:
    """What is counted while episodes are played."""

    def __init__(self, count: int) -> None:
        self.won = np.zeros(count, np.bool_)
        self.scores = np.zeros(count)
        self.turns = np.zeros(count, np.int64)
        self.options = np.zeros(count, np.int64)
        self.task_types = [""] * count
        self.malformed = self.inadmissible = 0

    def count(self, table: _Table) -> None:
        """Counts a turn."""
        info, number = table.episode.info, table.number
        self.won[number] = info["won"]
        self.scores[number] = info["score"]
        self.turns[number] += 1
        self.options[number] += info["option_boundary"]
        self.task_types[number] = table.task_type
        self.malformed += not info["format_valid"]
        self.inadmissible += info["format_valid"] and not info["action_valid"]

    def figures(self, turns: Sequence[TurnTokens]) -> dict[str, float]:
        """How well the format was kept, and how long the turns are; see `collect`."""
        return {
            "malformed": self.malformed / len(turns),
            "inadmissible": self.inadmissible / len(turns),
            "prompt_tokens": float(np.mean([len(turn.prompt) for turn in turns])),
            "response_tokens": float(np.mean([len(turn.response) for turn in turns])),
            "chosen_tokens": float(np.mean([turn.sampled.sum() for turn in turns])),
        }

    def episodes(self) -> Episodes:
        """All of them, once they have ended."""
        return Episodes(self.won, self.scores, self.turns, self.options, self.task_types)


def _play(
    tables: Sequence[_Table],
    written: Sequence[TurnTokens],
    groups: NDArray[np.int64],
    buffer: OptionRolloutBuffer,
    played: _Played,
    reward: RewardConfig,
    flat: bool,
) -> None:
    """Carries out one turn of each of some episodes and puts them into the buffer."""
    if not tables:
        return
    keys = [stable_key(table.episode.observation) for table in tables]
    ages = [table.episode.turns for table in tables]
    rewards = []
    for table, turn in zip(tables, written, strict=True):
        before = table.slot.info
        observation, earned, _, _, info = table.episode.step(turn.text)
        shaped = reward.scale * earned
        shaped -= reward.invalid_penalty * (not info["action_valid"])
        if not info["option_boundary"]:
            shaped -= reward.keep_penalty * (reward.keep_per == "turn")
            shaped -= reward.consistency_penalty * _changes_subgoal(turn.text, before["subgoal"])
        rewards.append(shaped)
        played.count(table)
        table.slot.observe(observation, info)
    numbers = [table.number for table in tables]
    values = np.array([turn.values for turn in written])
    buffer.add(
        reward=rewards,
        terminated=[table.episode.terminated for table in tables],
        truncated=[table.episode.truncated for table in tables],
        boundary=[table.slot.info["option_boundary"] for table in tables],
        value_low=values[:, SWITCH if flat else LOW],
        value_high=values[:, HIGH],
        value_switch=values[:, SWITCH],
        trajectory_id=numbers,
        turn=ages,
        group_id=groups[numbers],
        state_key=keys,
        switch_span=[turn.spans.switch for turn in written],
        subgoal_span=[turn.spans.subgoal for turn in written],
        action_span=[turn.spans.action for turn in written],
    )


def _check(written: Sequence[TurnTokens]) -> None:
    """Finds a policy that has gone wrong before what it wrote is played."""
    for turn in written:
        if not (np.isfinite(turn.log_probs).all() and np.isfinite(turn.values).all()):
            raise DivergedError("the policy's probabilities or values are not finite")


def _changes_subgoal(text: str, running: str) -> bool:
    """Whether a response that keeps its option names another subgoal."""
    written = parse(text).subgoal
    return written is not None and written != running


def _spread_keep_penalty(buffer: OptionRolloutBuffer, penalty: float) -> None:
    """Takes the penalty, times an episode's share of turns on KEEP, off those turns in equal parts.

    With k of T turns on KEEP each pays penalty * (k / T) / k = penalty / T.
    """
    trajectory = buffer.trajectory_id[: len(buffer)]
    lengths = np.bincount(trajectory)[trajectory]
    keeps = ~buffer.boundary[: len(buffer)]
    buffer.reward[: len(buffer)][keeps] -= penalty / lengths[keeps]
