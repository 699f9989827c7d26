"""The divergence between the policy and the policy that knows the expert's plan."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hiper_agents.compact.decisions import Situation
from hiper_agents.compact.domain import DomainError, make_domain
from hiper_agents.compact.network import Choices, CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Player
from hiper_agents.compact.slot import reference_subgoal
from hiper_agents.environments import make_env
from hiper_agents.estimators import Needs
from hiper_agents.training.compact import CompactTrainer
from hiper_agents.training.run import TrainConfig
from hiper_agents.training.teacher import DivergenceProvider, Policy, jensen_shannon
from hiper_envs.alfworld.subgoals import Subgoal
from hiper_envs.core import Episode

SHARES = st.lists(st.integers(1, 9), min_size=1, max_size=5).map(
    lambda weights: np.array(weights, np.float64) / sum(weights)
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    shares = draw(SHARES)
    return draw(st.permutations("abcdefg"))[: len(shares)], shares


@given(policies(), policies())
def test_it_is_a_bounded_symmetric_distance(first: Policy, second: Policy) -> None:
    distance = jensen_shannon(first, second)
    assert 0.0 <= distance <= math.log(2.0)
    assert distance == pytest.approx(jensen_shannon(second, first), abs=1e-12)
    assert jensen_shannon(first, first) == pytest.approx(0.0, abs=1e-12)
    if not set(first[0]) & set(second[0]):
        assert distance == pytest.approx(math.log(2.0))
    elif dict(zip(*first, strict=True)) != dict(zip(*second, strict=True)):
        assert distance > 0.0


def test_it_by_hand() -> None:
    first, second = (["a", "b"], np.array([0.5, 0.5])), (["c", "a"], np.array([0.5, 0.5]))
    # Both put half on "a", where they agree, and half where the other has nothing.
    expected = 0.5 * math.log(0.5 / 0.5) + 0.5 * math.log(0.5 / 0.25)
    assert jensen_shannon(first, second) == pytest.approx(expected)


@pytest.fixture(scope="module")
def player() -> Player:
    torch.manual_seed(0)
    domain = make_domain("alfworld")
    network = CompactNetwork(domain.sizes, NetworkConfig(keep_bias=1.0))
    return Player(network, domain, with_expert=True)


def test_a_turn_diverges_where_the_expert_wants_something_else(player: Player) -> None:
    source = make_env("HiPER-ALFWorld-v0", "generated").source
    episodes = [Episode(source.open(index), 50) for index in range(12)]
    slots = [player.open(episode.info, episode.observation) for episode in episodes]
    provider = DivergenceProvider(TrainConfig(estimator="gear"), player, Needs())
    rng = np.random.default_rng(1)
    provider.begin(slots, np.arange(12), rng)
    for _ in range(12):
        infos = [episode.info for episode in episodes]
        texts, decisions = player.act(slots, infos, rng.random((12, player.draws)))
        tables = [slot.memory.table.copy() for slot in slots]
        provider.decided(slots, infos, decisions)
        measured = provider._turns[-1]
        for i, slot in enumerate(slots):
            # What is remembered is as if nobody had asked.
            np.testing.assert_array_equal(slot.memory.table, tables[i])
            expected = slow_divergence(player, slot, infos[i], decisions, i)
            assert measured[i] == pytest.approx(expected, abs=1e-7)
            observation, _, _, _, info = episodes[i].step(texts[i])
            slot.observe(observation, info)
    assert 0.0 < np.mean(np.concatenate(provider._turns) > 0.0) < 1.0


def slow_divergence(player, slot, info, decisions, turn):  # type: ignore[no-untyped-def]
    """One turn, from the probabilities that were recorded and those of the other subgoal."""
    other = reference_subgoal(slot)
    if other == slot.subgoal:
        return 0.0
    own_rows = decisions.executed.take(np.array([turn]))
    state = decisions.after.take(np.array([turn]))
    own_commands = player.domain.moves([slot.memory], [slot.subgoal], [info])[1][0].commands
    slot.memory.want(other)
    rows, moves = player.domain.moves([slot.memory], [other], [info])
    slot.memory.want(slot.subgoal)
    told = Situation(
        state.state,
        state.state_types,
        np.array([player.domain.encode_subgoal(slot.memory, other)], np.float32),
        np.array([player.domain.subgoal_types(other)], np.int64),
    )
    with torch.no_grad():
        own = player.network.execute(*state.tensors(), Choices.of(own_rows)).exp()[0].double()
        plan = player.network.execute(*told.tensors(), Choices.of(rows)).exp()[0].double()
    p, q = (
        dict(zip(commands, shares.tolist(), strict=True))
        for commands, shares in ((own_commands, own), (moves[0].commands, plan))
    )
    total = 0.0
    for action in p.keys() | q.keys():
        a, b = p.get(action, 0.0), q.get(action, 0.0)
        for share in (a, b):
            if share:
                total += 0.5 * share * math.log(share / ((a + b) / 2))
    return total


def test_the_reference_subgoals_leave_nothing_to_diverge_from(levers_env: str) -> None:
    config = TrainConfig(
        env=levers_env, estimator="gear", minutes=None, iterations=1, episodes=16, max_turns=5
    )
    measured = {}
    for options in ("learned", "oracle"):
        trainer = CompactTrainer(replace(config, options=options))
        trainer.iterate()
        divergence = trainer.buffer.batch().divergence
        assert divergence is not None
        measured[options] = divergence.max()
    assert measured["oracle"] == 0.0 < measured["learned"]


def test_a_plan_in_unknown_words_is_refused(player: Player) -> None:
    source = make_env("HiPER-ALFWorld-v0", "generated").source
    episode = Episode(source.open(0), 50)
    slot = player.open(episode.info, episode.observation)
    assert isinstance(reference_subgoal(slot), Subgoal)
    slot.expert.subgoal = "ponder"  # type: ignore[union-attr, misc]
    with pytest.raises(DomainError, match="'ponder' is not of the vocabulary"):
        reference_subgoal(slot)
