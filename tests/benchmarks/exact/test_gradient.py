"""The exact gradient against two other ways to the same numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.exact.gradient import gradient, objective, occupancy, values
from benchmarks.exact.policy import HEADS, Policy, random_policy
from benchmarks.exact.process import Process, errands, random_process
from benchmarks.exact.rollouts import enumerate_episodes


def some(seed: int, horizon: int = 3, discount: float = 1.0) -> tuple[Process, Policy]:
    rng = np.random.default_rng(seed)
    process = random_process(rng, states=2, actions=2, subgoals=2, horizon=horizon)
    process = Process(**{**vars(process), "discount": discount})
    return process, random_policy(process, rng)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 7]), st.sampled_from([1.0, 0.8]))
def test_it_is_the_slope_of_the_objective(seed: int, horizon: int, discount: float) -> None:
    process, policy = some(seed, horizon, discount)
    exact, step = gradient(process, policy), 1e-5
    for number in range(len(exact)):
        shift = np.zeros(len(exact))
        shift[number] = step
        up, down = (policy.with_vector(policy.vector + s) for s in (shift, -shift))
        slope = (objective(process, up) - objective(process, down)) / (2 * step)
        assert exact[number] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_it_is_the_sum_over_all_episodes(discount: float) -> None:
    # d/dx sum p(episode) return = sum p return d log p / dx, episode by episode, turn by turn.
    process, policy = some(3, horizon=2, discount=discount)
    rollouts, probability = enumerate_episodes(process, policy)
    chance = policy.probability
    total = {head: np.zeros_like(getattr(policy, head)) for head in HEADS}
    likely: list[float] = []
    for episode in range(rollouts.episodes):
        rows = np.flatnonzero(rollouts.episode == episode)
        worth = sum(discount ** int(rollouts.turn[i]) * rollouts.reward[i] for i in rows)
        log_p = math.log(process.start[rollouts.state[rows[0]]])
        for i in rows:
            s, g, a = (int(c[i]) for c in (rollouts.state, rollouts.subgoal, rollouts.action))
            visits = [("low", (s, g), a)]
            if rollouts.switch[i]:
                visits.append(("high", (s,), g))
            if rollouts.turn[i]:
                visits.append(("switch", (s, int(rollouts.running[i])), int(rollouts.switch[i])))
            for head, node, choice in visits:
                score = -chance[head][node]
                score[choice] += 1.0
                total[head][node] += probability[episode] * worth * score
                log_p += math.log(chance[head][(*node, choice)])
            ended = rollouts.terminated[i]
            after = process.states if ended else None
            if after is None and i + 1 < len(rollouts) and rollouts.episode[i + 1] == episode:
                after = int(rollouts.state[i + 1])
            if after is not None:
                log_p += math.log(process.transition[s, a, after])
            else:  # cut off: which state would have come is told by the reward
                (after,) = np.flatnonzero(process.reward[s, a] == rollouts.reward[i])
                log_p += math.log(process.transition[s, a, after])
        likely.append(math.exp(log_p))
    np.testing.assert_allclose(likely, probability, rtol=1e-9)
    assert sum(likely) == pytest.approx(1.0)
    naive = np.concatenate([total[head].ravel() for head in HEADS])
    np.testing.assert_allclose(gradient(process, policy), naive, atol=1e-12)


def test_values_and_visits_of_an_errand_by_hand() -> None:
    # One stage, two kinds of work, two turns; the right kind (0) succeeds half of the time and pays
    # 4, the wrong one ends everything one time in ten. All choices are fair.
    process = errands(stages=1, subgoals=2, horizon=2, success=0.5, hazard=0.1, total=4.0)
    policy = Policy(np.zeros((1, 2, 2)), np.zeros((1, 2)), np.zeros((1, 2, 2)))
    value, visits = values(process, policy), occupancy(process, policy)
    # The last turn: 1/2 * 1/2 * 4 = 1. The first: 1 + P(it goes on) = 1 + (0.5 + 0.9) / 2.
    np.testing.assert_allclose(value.low, [[[1.7, 1.7]], [[1.0, 1.0]]])
    np.testing.assert_allclose(value.high, [[1.7], [1.0]])
    np.testing.assert_allclose(value.action[0, 0, 0], [2.0 + 0.5, 0.9])
    np.testing.assert_allclose(visits.high, [[1.0], [0.35]])
    np.testing.assert_allclose(visits.switch[1], [[0.35, 0.35]])
    np.testing.assert_allclose(visits.low.sum((1, 2)), [1.0, 0.7])


def test_a_critic_that_is_not_told_the_turn_expects_the_mean_over_visits() -> None:
    # As above: V_H is 1.7 at turn 0, visited always, and 1.0 at turn 1, visited 0.35 of the time.
    process = errands(stages=1, subgoals=2, horizon=2, success=0.5, hazard=0.1, total=4.0)
    policy = Policy(np.zeros((1, 2, 2)), np.zeros((1, 2)), np.zeros((1, 2, 2)))
    blind = values(process, policy).blind(occupancy(process, policy))
    np.testing.assert_allclose(blind.high, np.full((2, 1), (1.7 + 0.35) / 1.35))
    # No subgoal runs at turn 0, so only turn 1 counts.
    np.testing.assert_allclose(blind.switch, np.ones((2, 1, 2)))


def test_a_critic_that_errs_differs_everywhere_and_by_as_much_as_asked() -> None:
    process, policy = some(0, horizon=40)
    exact = values(process, policy)
    wrong = exact.perturbed(0.5, np.random.default_rng(0))
    for name in ("switch", "high", "low", "action"):
        errors = getattr(wrong, name) - getattr(exact, name)
        assert (errors != 0.0).all()
        assert errors.std() == pytest.approx(0.5, rel=0.25)
