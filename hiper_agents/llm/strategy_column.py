"""Strategies for estimators that compare them: StraTA's (arXiv 2605.06642), for language models.

A strategy is a sentence that the policy writes at the first observation of a task and that all
prompts of the episode tell. The G episodes of a task share N of them: 8 N are drawn and thinned to
the N whose embeddings lie farthest apart, and each is followed by G / N episodes. The embedding of
a sentence is the mean of the frozen start's last hidden states over its tokens, read by itself,
where the paper has a model for sentences.

What trains a strategy's own tokens is the paper's: the strategy's advantage among those of its
group, in PPO's surrogate; those that were drawn and not kept teach nothing. The paper adds this
loss to that of the turns; here it has optimizer steps of its own, after theirs, so that its mean is
one over strategies. `strata` gives the advantage as `high` at turn 0; the subgoal that is written
there learns from the turn's own advantage, as the rest of its turn does, for it is not the
strategy. Keeping the farthest makes the kept ones no plain sample of the policy, in the paper, too.

Turns that leave their strategy are marked (`off_plan`) as the policy's start judges them, see
:mod:`hiper_agents.llm.plan_judge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.estimators import Advantages, Needs
from hiper_agents.llm.columns import ColumnProvider, Lesson
from hiper_agents.llm.memory import TokenBudget
from hiper_agents.llm.plan_judge import PlanJudge
from hiper_agents.llm.player import LanguagePlayer, Slot
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.reading import hidden_states, micro_batches
from hiper_agents.llm.strategist import sentence_of
from hiper_agents.llm.turns import TurnTokens
from hiper_agents.training.strategies import CANDIDATES, farthest_points
from hiper_base.errors import HiperError
from hiper_envs.contract import TaskSource
from hiper_envs.core import Episode

if TYPE_CHECKING:
    from hiper_agents.llm.config import LanguageTrainConfig

__all__ = ["TOKENS", "StrategyProvider", "embed"]

TOKENS = 48
"""Longest strategy, if the settings name no number."""

_NOTHING = np.zeros(0, np.int32)


class StrategyProvider(ColumnProvider):
    """Divides the episodes of each group among strategies; `strategy_id` and `off_plan`."""

    def __init__(
        self,
        config: LanguageTrainConfig,
        policy: LanguagePolicy,
        player: LanguagePlayer,
        needs: Needs,
    ) -> None:
        if player.strategist is None:
            raise HiperError(f"estimator {config.estimator!r} needs strategies of a token or more")
        self._strategist, self._policy = player.strategist, policy
        self._count = needs.strategies
        self._max_tokens = config.update.micro_tokens
        self._judge: PlanJudge | None = None
        if config.judge_strategies:
            self._judge = PlanJudge(policy, player.writer, self._max_tokens)
        self._questions: list[TurnTokens | None] = []
        self._kept: list[TurnTokens] = []
        self._followed = np.zeros(0, np.int64)  # which of the kept each episode follows
        self._ids = np.zeros(0, np.int64)

    @classmethod
    def adapt(cls, config: LanguageTrainConfig, needs: Needs) -> LanguageTrainConfig:
        """Has episodes begin with a strategy."""
        return config if config.strategy_tokens else replace(config, strategy_tokens=TOKENS)

    def begin(
        self,
        source: TaskSource,
        tasks: Sequence[int],
        groups: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        """Has the strategies of all groups written; a group's episodes all begin alike."""
        names, first, number = np.unique(groups, return_index=True, return_inverse=True)
        begun = [Episode(source.open(tasks[place]), 1) for place in first.tolist()]
        firsts = [(episode.info, episode.observation) for episode in begun]
        drawn = self._strategist.propose(firsts, rng, each=CANDIDATES * self._count)
        points = embed(self._policy, drawn, max_tokens=self._max_tokens)
        candidates = CANDIDATES * self._count
        self._kept, self._questions = [], []
        place = np.zeros(len(groups), np.int64)
        for group in range(len(names)):
            rows = slice(group * candidates, (group + 1) * candidates)
            kept = farthest_points(points[rows], self._count)
            self._kept += [drawn[rows][i] for i in kept.tolist()]
            members = np.flatnonzero(number == group)
            place[members] = np.arange(len(members)) * self._count // len(members)
        self._followed = number * self._count + place
        self._ids = groups * self._count + place

    def opened(self, number: int, slot: Slot) -> None:
        """Tells an episode its strategy."""
        slot.strategy = sentence_of(self._kept[self._followed[number]])

    def decided(self, slots: Sequence[Slot], turns: Sequence[TurnTokens]) -> None:
        """Keeps what will be asked about the turns."""
        if self._judge is not None:
            for slot, turn in zip(slots, turns, strict=True):
                self._questions.append(self._judge.question(slot.shown, turn))

    def annotate(
        self, buffer: OptionRolloutBuffer, turns: Sequence[TurnTokens], rng: np.random.Generator
    ) -> dict[str, float]:
        """Sets `strategy_id`, equal for the episodes of a group that share one, and `off_plan`."""
        buffer.annotate(strategy_id=self._ids[buffer.trajectory_id[: len(buffer)]])
        figures = {}
        if self._judge is not None:
            off_plan = self._judge.judge(self._questions)
            buffer.annotate(off_plan=off_plan)
            figures["off_plan"] = float(off_plan.mean()) if len(off_plan) else 0.0
        different = {sentence_of(strategy) for strategy in self._kept}
        return figures | {
            "strategies": float(len(different)),
            "strategy_length": float(np.mean([turn.sampled.sum() for turn in self._kept])),
        }

    def divide(
        self, buffer: OptionRolloutBuffer, advantages: Advantages
    ) -> tuple[Advantages, Lesson]:
        """A strategy learns from the mean of `high` at turn 0 of those that followed it."""
        is_first = buffer.turn[: len(buffer)] == 0
        followed = self._followed[buffer.trajectory_id[: len(buffer)][is_first]]
        total = np.bincount(followed, advantages.high[is_first], len(self._kept))
        worth = total / np.bincount(followed, minlength=len(self._kept))
        nothing = np.zeros(len(worth))
        lesson = Advantages(nothing, worth, nothing, nothing, nothing, nothing)
        if not advantages.flat:
            high = np.where(is_first, advantages.low, advantages.high)
            advantages = replace(advantages, high=high)
        return advantages, Lesson("strategy", self._kept, lesson)


def embed(
    policy: LanguagePolicy, strategies: Sequence[TurnTokens], *, max_tokens: int
) -> NDArray[np.float32]:
    """Sentences as points, float32 [strategies, H], of length 1.

    Args:
        policy: Its frozen start reads the sentences, so that distances mean the same all along.
        strategies: The sentences; what was chosen of them counts.
        max_tokens: Tokens in a pass.

    Raises:
        DeviceMemoryError: If not even one sentence fits into memory.
    """
    alone = [replace(strategy, prompt=_NOTHING) for strategy in strategies]

    def attempt(tokens: int) -> NDArray[np.float32]:
        found = torch.zeros(len(alone), policy.hidden_size, device=policy.device)
        for rows in micro_batches(policy, alone, tokens):
            hidden = hidden_states(policy, [alone[row] for row in rows]).float()
            counts = torch.zeros(hidden.shape[:2])
            for row, chosen in zip(rows, counts, strict=True):
                chosen[: len(alone[row])] = torch.from_numpy(alone[row].sampled)
            sums = torch.einsum("nt,nth->nh", counts.to(hidden), hidden)
            found[torch.from_numpy(rows).to(found.device)] = sums
        points: NDArray[np.float32] = torch.nn.functional.normalize(found).cpu().numpy()
        return points

    with policy.reference():
        return TokenBudget(max_tokens).run(attempt, longest=max(map(len, alone), default=1))
