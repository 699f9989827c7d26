"""Chains as a domain: what the network reads, and that it can follow the expert."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the compact agent is not installed")

import torch

from hiper_agents.compact.alfworld import long_encoding as encoding
from hiper_agents.compact.alfworld.long_domain import AlfworldLongDomain
from hiper_agents.compact.alfworld.long_memory import LongMemory
from hiper_agents.compact.domain import OUTCOMES, DomainError, Running, domain_of, make_domain
from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Player
from hiper_agents.environments import make_env
from hiper_agents.training.compact import CompactTrainer
from hiper_agents.training.config import TrainConfig
from hiper_agents.training.ppo import PPOConfig, imitate, make_optimizer
from hiper_agents.training.warm_start import demonstrate
from hiper_envs.alfworld.subgoals import Subgoal

ENV_ID = "HiPER-ALFWorldLong-v0"
ROOM = "You are in the middle of a room. Looking quickly around you, you see a {}, and a {}."
TASK = "clean a mug, then put the mug in a cabinet, then heat the mug."
IDLE = Running(None, 0, OUTCOMES[0])


@pytest.fixture
def domain() -> AlfworldLongDomain:
    return AlfworldLongDomain()


def remember(domain: AlfworldLongDomain, task: str) -> LongMemory:
    return domain.remember({"task": task}, ROOM.format("cabinet 1", "shelf 1"))


def tell(memory: LongMemory, *observations: str) -> None:
    for observation in observations:
        memory.observe(observation, {"admissible_actions": ()})


def test_it_reads_the_environment() -> None:
    assert domain_of(ENV_ID) == "alfworld_long"
    assert isinstance(make_domain("alfworld_long"), AlfworldLongDomain)


def test_other_tasks_are_refused(domain: AlfworldLongDomain) -> None:
    with pytest.raises(DomainError, match=r"not 'put a mug in desk\.'"):
        remember(domain, "put a mug in desk.")


@pytest.mark.parametrize("task", [TASK, "look at a mug under the desklamp."])
def test_sizes_are_those_declared(domain: AlfworldLongDomain, task: str) -> None:
    memory = remember(domain, task)
    for _ in range(2):
        running = Running(Subgoal("find", "mug"), 3, "running")
        assert len(domain.encode_state(memory, running)) == domain.sizes.state
        assert len(domain.state_types(memory)) == domain.sizes.state_types
        for subgoal in (None, *domain.candidates(memory)):
            assert len(domain.encode_subgoal(memory, subgoal)) == domain.sizes.subgoal
            assert len(domain.subgoal_types(subgoal)) == domain.sizes.subgoal_types
        for subgoal in domain.candidates(memory):
            row = domain.encode_candidate(memory, running, subgoal)
            assert len(row) == domain.sizes.candidate
        actions = ("go to shelf 1", "open cabinet 1", "take mug 1 from shelf 1")
        info = {"admissible_actions": actions}
        rows, (moves,) = domain.moves([memory], [Subgoal("find", "mug")], [info])
        assert rows.features.shape == (3, domain.sizes.move)
        assert moves.commands == list(actions)
        assert rows.features[:, encoding.ACHIEVES].tolist() == [0.0, 0.0, 1.0]
        tell(memory, "You pick up the mug 1 from the shelf 1.")


def test_candidates_speak_of_the_items(domain: AlfworldLongDomain) -> None:
    memory = remember(
        domain, "put a mug in a cabinet, then look at another mug under the desklamp."
    )
    assert [s.text for s in domain.candidates(memory)] == ["find a mug", "use the desklamp"]
    tell(memory, "You pick up the mug 1 from the shelf 1.")
    texts = [s.text for s in domain.candidates(memory)]
    assert texts[:5] == [
        *("clean the mug", "heat the mug", "cool the mug"),
        *("put the mug in the cabinet", "put the mug in the shelf"),
    ]


def named(memory: LongMemory, subgoal: Subgoal) -> dict[str, float]:
    """The last numbers of a subgoal's encoding by what they mean."""
    names = ("pending", "next", "home", "missing", "spoils", "lamp")
    return dict(zip(names, encoding.encode_subgoal(memory, subgoal)[-6:], strict=True))


def test_subgoals_are_described_by_what_is_left_to_do(domain: AlfworldLongDomain) -> None:
    memory = remember(domain, TASK)
    assert named(memory, Subgoal("find", "mug"))["pending"] == 1
    assert named(memory, Subgoal("find", "cup"))["pending"] == 0
    tell(memory, "You pick up the mug 1 from the shelf 1.")
    wanted = [
        kind for kind in ("clean", "heat", "cool") if named(memory, Subgoal(kind, "mug"))["missing"]
    ]
    assert wanted == ["clean", "heat"]
    assert named(memory, Subgoal("cool", "mug"))["spoils"] == 1
    assert named(memory, Subgoal("put", "mug", "cabinet"))["home"] == 1
    assert named(memory, Subgoal("put", "mug", "shelf"))["home"] == 0
    tell(memory, "You clean the mug 1 using the sinkbasin 1.")
    assert named(memory, Subgoal("clean", "mug"))["missing"] == 0
    assert named(memory, Subgoal("heat", "mug"))["missing"] == 1


def test_lengths_are_read_alike(domain: AlfworldLongDomain) -> None:
    """One network reads every chain: its inputs do not grow with the number of subtasks."""
    for subtasks in (1, 8):
        source = make_env(ENV_ID, "valid", subtasks=subtasks).source
        task = source.open(0)
        state = task.world.reset()
        memory = domain.remember({"task": task.info.task}, state.observation)
        row = np.array(domain.encode_state(memory, IDLE))
        assert row.shape == (domain.sizes.state,)
        assert np.abs(row).max() <= 2


def test_training_keeps_the_limit_of_the_environment() -> None:
    config = TrainConfig(env=ENV_ID, env_options={"subtasks": 3}, minutes=None, iterations=0)
    assert CompactTrainer(config).max_turns == 150


def test_the_expert_is_followed_and_imitated(domain: AlfworldLongDomain) -> None:
    torch.manual_seed(0)
    network = CompactNetwork(domain.sizes, NetworkConfig())
    env = make_env(ENV_ID, "train", subtasks=3)
    demonstrations = demonstrate(Player(network, domain), env.source, range(10), max_turns=150)
    turns = len(demonstrations.boundary)
    assert 10 * 10 < turns < 10 * 60, "the expert wins, so that its episodes are short"
    assert demonstrations.boundary.sum() >= 10 * 3
    optimizer = make_optimizer(network, PPOConfig())
    settings: dict[str, Any] = {"rng": np.random.default_rng(0), "config": PPOConfig(minibatch=128)}
    losses = [imitate(network, optimizer, demonstrations, **settings) for _ in range(6)]
    assert losses[-1] < 0.95 * losses[0]
