from __future__ import annotations

import numpy as np
import pytest

from benchmarks.exact.gradient import objective, occupancy
from benchmarks.exact.policy import Policy, random_policy, skilled_policy
from benchmarks.exact.process import Process, errands, random_process
from benchmarks.exact.rollouts import enumerate_episodes, sample


@pytest.fixture
def setting() -> tuple[Process, Policy]:
    rng = np.random.default_rng(5)
    process = random_process(rng, states=3, actions=2, subgoals=2, horizon=3)
    return process, random_policy(process, rng)


def test_listed_episodes_are_all_there_are(setting: tuple[Process, Policy]) -> None:
    process, policy = setting
    rollouts, probability = enumerate_episodes(process, policy)
    assert probability.sum() == pytest.approx(1.0)
    assert probability @ rollouts.returns == pytest.approx(objective(process, policy))
    columns = ("turn", "state", "running", "switch", "subgoal", "action", "reward", "terminated")
    episodes = {
        tuple(tuple(getattr(rollouts.part(i, i + 1), name).tolist()) for name in columns)
        for i in range(0, rollouts.episodes, 50)
    }
    assert len(episodes) == len(range(0, rollouts.episodes, 50))


def test_sampled_episodes_visit_nodes_as_often_as_they_should(
    setting: tuple[Process, Policy],
) -> None:
    process, policy = setting
    n = 20_000
    rollouts = sample(process, policy, n, np.random.default_rng(0))
    visits = np.zeros((3, 3, 2))
    np.add.at(visits, (rollouts.turn, rollouts.state, rollouts.subgoal), 1.0 / n)
    expected = occupancy(process, policy).low
    assert np.abs(visits - expected).max() < 5 * np.sqrt(expected.max() / n)


def test_turns_follow_from_each_other(setting: tuple[Process, Policy]) -> None:
    process, policy = setting
    for rollouts in (
        sample(process, policy, 200, np.random.default_rng(1)),
        enumerate_episodes(process, policy)[0],
    ):
        later = np.flatnonzero(rollouts.turn > 0)
        assert (rollouts.episode[later] == rollouts.episode[later - 1]).all()
        assert (rollouts.running[later] == rollouts.subgoal[later - 1]).all()
        kept = ~rollouts.switch
        assert (rollouts.subgoal[kept] == rollouts.running[kept]).all()
        assert rollouts.switch[rollouts.turn == 0].all()
        assert not (rollouts.terminated & ~rollouts.last).any()
        assert (rollouts.terminated | (rollouts.turn == 2))[rollouts.last].all()


def test_a_part_is_some_of_the_episodes(setting: tuple[Process, Policy]) -> None:
    rollouts = sample(*setting, 30, np.random.default_rng(2))
    part = rollouts.part(10, 15)
    assert part.episodes == 5
    assert np.unique(part.episode).tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(part.returns, rollouts.returns[10:15])


def test_beginnings_are_shared_as_asked() -> None:
    rng = np.random.default_rng(3)
    process = random_process(rng, states=5, actions=2, subgoals=4, horizon=2)
    policy = random_policy(process, rng)
    rollouts = sample(process, policy, 240, rng, same_start=12, same_subgoal=3)
    first = rollouts.state[rollouts.starts].reshape(-1, 12)
    chosen = rollouts.subgoal[rollouts.starts].reshape(-1, 3)
    assert (first == first[:, :1]).all()
    assert (chosen == chosen[:, :1]).all()
    assert len(np.unique(first[:, 0])) > 1
    assert (chosen.reshape(-1, 12).max(1) > chosen.reshape(-1, 12).min(1)).any()


def test_shares_that_do_not_divide_are_refused(setting: tuple[Process, Policy]) -> None:
    with pytest.raises(ValueError, match="do not divide"):
        sample(*setting, 10, np.random.default_rng(0), same_start=4)


def test_a_skilled_policy_does_better_than_chance_and_can_still_learn() -> None:
    process = errands(stages=3, subgoals=4, horizon=18, success=0.4)
    rng = np.random.default_rng(0)
    clueless = Policy(
        *(np.zeros_like(table) for table in vars(skilled_policy(process, rng)).values())
    )
    assert objective(process, clueless) < objective(process, skilled_policy(process, rng)) < 9.5
