"""Decision processes so small that everything about them can be computed.

A process knows nothing about policies. It fixes how many subgoals there are, because the tables of
a policy need to know, but what a subgoal means is up to the policy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hiper_agents.estimators.segments import FloatArray, IntArray

__all__ = ["Process", "errands", "kinds", "random_process", "unrolled"]


@dataclass(frozen=True, eq=False)
class Process:
    """A decision process with S states, A actions, a step limit, and nothing after its end.

    The state that the tables call S is the end: whoever reaches it has terminated. An episode that
    is still running after `horizon` turns is truncated.

    Attributes:
        start: Probability of each first state, float64 [S].
        transition: Probability of the next state, the end last, float64 [S, A, S + 1].
        reward: Reward of each transition, float64 [S, A, S + 1].
        subgoals: Number of subgoals G.
        horizon: Turns after which an episode is cut off, H.
        discount: Discount a turn of the objective, in (0, 1].

    Raises:
        ValueError: If shapes do not fit, or probabilities are negative or do not add up to 1.
    """

    start: FloatArray
    transition: FloatArray
    reward: FloatArray
    subgoals: int
    horizon: int
    discount: float = 1.0

    def __post_init__(self) -> None:
        shape = (self.states, self.actions, self.states + 1)
        if self.transition.shape != shape or self.reward.shape != shape:
            raise ValueError(
                f"transition {self.transition.shape} and reward {self.reward.shape} must both have "
                f"the shape {shape}"
            )
        for name, table in (("start", self.start), ("transition", self.transition)):
            if (table < 0).any() or not np.allclose(table.sum(-1), 1.0):
                raise ValueError(f"{name} holds rows that are no distributions")
        if self.subgoals < 1 or self.horizon < 1 or not 0.0 < self.discount <= 1.0:
            raise ValueError("a process needs a subgoal, a turn, and a discount in (0, 1]")

    @property
    def states(self) -> int:
        """Number of states S, without the end."""
        return len(self.start)

    @property
    def actions(self) -> int:
        """Number of actions A."""
        return int(self.transition.shape[1])


def kinds(stages: int, subgoals: int) -> IntArray:
    """The kind of work that each stage of `errands` asks for, int64 [stages]."""
    return np.arange(stages) % subgoals


def errands(
    stages: int,
    subgoals: int,
    horizon: int,
    *,
    delay: int | None = None,
    success: float = 0.8,
    hazard: float = 0.03,
    total: float = 10.0,
    discount: float = 1.0,
) -> Process:
    """A task of several stages, each asking for one kind of work, like a household errand.

    The state is the stage, the action the kind of work to try. The right kind completes the stage
    with probability `success`, and the task with its last stage. A wrong kind changes nothing, or
    spoils everything with probability `hazard`: the task ends without another reward. There is a
    subgoal for each kind.

    Every stage is worth `total / stages`, paid when the stage `delay` places further on is
    complete, and all that is still owed when the task is. So `delay=0` pays at once, and
    `stages - 1`, the default, pays everything at the end, as ALFWorld does.

    Args:
        stages: Stages of the task, S.
        subgoals: Kinds of work, G = A; the stages ask for them in turn.
        horizon: Step limit.
        delay: Stages between an achievement and its reward, 0 to stages - 1.
        success: Chance that the right kind of work completes the stage.
        hazard: Chance that a wrong kind ends the task.
        total: Reward of the whole task; 10 as published (arXiv 2602.16165).
        discount: Discount a turn.

    Raises:
        ValueError: If the delay is out of range.
    """
    delay = stages - 1 if delay is None else delay
    if not 0 <= delay < stages:
        raise ValueError(f"a task of {stages} stages cannot pay {delay} stages later")
    stage = np.arange(stages)
    right = kinds(stages, subgoals)
    transition = np.zeros((stages, subgoals, stages + 1))
    transition[stage, :, stage] = 1.0 - hazard
    transition[:, :, stages] = hazard
    transition[stage, right] = 0.0
    transition[stage, right, stage] = 1.0 - success
    transition[stage, right, stage + 1] = success
    reward = np.zeros_like(transition)
    paid = np.where(stage >= delay, total / stages, 0.0)
    paid[-1] = total * (delay + 1) / stages
    reward[stage, right, stage + 1] = paid
    start = np.zeros(stages)
    start[0] = 1.0
    return Process(start, transition, reward, subgoals, horizon, discount)


def random_process(
    rng: np.random.Generator, states: int, actions: int, subgoals: int, horizon: int
) -> Process:
    """A process without structure: random probabilities, normal rewards, every state a start."""
    return Process(
        start=rng.dirichlet(np.ones(states)),
        transition=rng.dirichlet(np.full(states + 1, 0.5), size=(states, actions)),
        reward=rng.normal(size=(states, actions, states + 1)),
        subgoals=subgoals,
        horizon=horizon,
    )


def unrolled(process: Process) -> Process:
    """The same process with the turn as part of the state, so that no state is met twice.

    State s at turn t becomes state t S + s. A tabular policy then has parameters for every turn.
    """
    states, horizon = process.states, process.horizon
    transition = np.zeros((states * horizon, process.actions, states * horizon + 1))
    reward = np.zeros_like(transition)
    for turn in range(horizon):
        here = slice(turn * states, (turn + 1) * states)
        # After the last turn it does not matter where the process goes; it stays in the last copy.
        first = min(turn + 1, horizon - 1) * states
        following = [*range(first, first + states), states * horizon]
        transition[here, :, following] = process.transition
        reward[here, :, following] = process.reward
    start = np.zeros(states * horizon)
    start[:states] = process.start
    return Process(start, transition, reward, process.subgoals, horizon, process.discount)
