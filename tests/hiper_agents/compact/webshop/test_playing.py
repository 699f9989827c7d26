"""Playing and learning in a shop of generated products."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hiper_agents.agent import make_agent
from hiper_agents.compact.domain import make_domain
from hiper_agents.compact.network import CompactNetwork, NetworkConfig
from hiper_agents.compact.player import Decisions, Instruction, Player
from hiper_agents.environments import make_env
from hiper_agents.evaluation import evaluate
from hiper_agents.training.checkpoint import CheckpointError, load_policy, read_checkpoint
from hiper_agents.training.metrics import METRICS_FILE
from hiper_agents.training.ppo import PPOConfig, make_optimizer, replay
from hiper_agents.training.run import config_for, train
from hiper_envs.core import Episode, TaskSource
from hiper_envs.webshop.subgoals import Subgoal

EPISODES = 6
SMALL = replace(
    config_for("HiPER-WebShop-v0"),
    split="generated",
    minutes=None,
    iterations=2,
    episodes=8,
    max_turns=8,
    tensorboard=False,
)


def make_player(word_bias: float = 0.0) -> Player:
    torch.manual_seed(0)
    domain = make_domain("webshop")
    config = NetworkConfig(keep_bias=1.0, word_bias=word_bias)
    return Player(CompactNetwork(domain.sizes, config), domain)


@pytest.fixture(scope="module")
def source() -> TaskSource:
    return make_env("HiPER-WebShop-v0", "generated").source


@pytest.fixture(scope="module")
def history(source: TaskSource) -> list[Decisions]:
    """Ten sampled turns of a few episodes, bought or not."""
    player, rng = make_player(), np.random.default_rng(0)
    episodes = [Episode(source.open(index), 50) for index in range(EPISODES)]
    slots = [player.open(episode.info, episode.observation) for episode in episodes]
    decisions = []
    for _ in range(10):
        live = [i for i in range(EPISODES) if not episodes[i].ended]
        draws = rng.random((len(live), player.domain.sizes.draws))
        infos = [episodes[i].info for i in live]
        texts, decided = player.act([slots[i] for i in live], infos, draws, with_values=True)
        decisions.append(decided)
        for i, text in zip(live, texts, strict=True):
            observation, _, terminated, _, info = episodes[i].step(text)
            assert info["format_valid"]
            assert info["action_valid"]
            if not terminated:
                slots[i].observe(observation, info)
    return decisions


def test_replaying_gives_the_probabilities_that_were_sampled_from(
    history: list[Decisions],
) -> None:
    together = Decisions.concatenate(history)
    assert 2 * EPISODES <= together.composed.sum() + EPISODES < len(together.composed)
    turns = np.random.default_rng(1).permutation(len(together.boundary))[:40]
    with torch.no_grad():
        now = replay(make_player().network, together, turns)
    np.testing.assert_allclose(now.log_action, together.log_action[turns], atol=1e-4)
    np.testing.assert_allclose(now.log_subgoal, together.log_subgoal[now.planned], atol=1e-5)
    np.testing.assert_allclose(now.value_switch, together.values[turns, 2], atol=1e-5)
    assert now.entropies["entropy_word"].item() > 0.5


def test_the_probability_of_a_query_is_that_of_all_its_words(history: list[Decisions]) -> None:
    first = history[0]
    assert first.composed.all()
    # A search is the only action on the first page, so only the words have a probability.
    with torch.no_grad():
        scores = make_player().network.spell(*_spelled(first))
    probability = torch.sigmoid(scores).numpy()
    by_word = np.where(first.word_choice, probability, 1.0 - probability)
    for turn in range(EPISODES):
        own = first.spelled.owner == turn
        assert first.log_action[turn] == pytest.approx(np.log(by_word[own]).sum(), abs=1e-4)


def _spelled(decisions: Decisions):  # type: ignore[no-untyped-def]
    from hiper_agents.compact.network import Choices

    return (*decisions.after.tensors(), Choices.of(decisions.spelled))


def test_an_empty_draw_says_the_most_likely_word(source: TaskSource) -> None:
    player = make_player(word_bias=-3.0)
    episode = Episode(source.open(0), 50)
    slot = player.open(episode.info, episode.observation)
    (text,), decided = player.act([slot], [episode.info], None)
    assert not decided.word_choice.any()
    query = text.partition("search[")[2].partition("]")[0]
    assert query in {word.word for word in slot.memory.words}
    assert decided.log_action[0] > -0.1 * len(decided.word_choice)


def test_a_demonstrated_query_is_spelled_with_its_words(source: TaskSource) -> None:
    player = make_player()
    episode = Episode(source.open(0), 50)
    slot = player.open(episode.info, episode.observation)
    words = [word.word for word in slot.memory.words[3:6]]
    script = [Instruction(Subgoal("find"), f"search[{' '.join(words)}]")]
    (text,), decided = player.act([slot], [episode.info], None, script=script)
    assert decided.composed.all()
    spoken = text.partition("search[")[2].partition("]")[0].split()
    assert set(words) <= set(spoken)
    assert np.flatnonzero(decided.word_choice)[:1] == [3]


def test_words_have_a_step_size_of_their_own() -> None:
    network = make_player().network
    config = PPOConfig(learning_rate=0.5, critic_learning_rate=0.25, word_learning_rate=0.125)
    groups = make_optimizer(network, config).param_groups
    assert [group["lr"] for group in groups] == [0.5, 0.25, 0.125]
    count = sum(len(group["params"]) for group in groups)
    assert count == len(list(network.parameters()))
    assert network.embed_words.weight in set(groups[2]["params"])


def test_a_run_resumes_exactly_and_is_an_agent(tmp_path: Path) -> None:
    train(SMALL, tmp_path / "whole")
    train(replace(SMALL, iterations=1), tmp_path / "halves")
    trainer = train(SMALL, tmp_path / "halves", resume=True)
    one, other = (load_policy(tmp_path / name)[0].state_dict() for name in ("whole", "halves"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert read_checkpoint(tmp_path / "whole")["domain"] == "webshop"
    samples = trainer.samples()
    assert len(samples) == len(set(trainer.source.task_types))
    assert samples[0]["turns"][0]["action"].startswith("search[")
    result = evaluate(
        make_agent(tmp_path / "whole"), "HiPER-WebShop-v0", split="generated", episodes=4
    )
    assert result["invalid_action_rate"] == result["format_error_rate"] == 0.0
    (tmp_path / "whole" / "checkpoint.json").write_text(
        json.dumps({**read_checkpoint(tmp_path / "whole"), "domain": "alfworld"})
    )
    with pytest.raises(CheckpointError, match="vocabulary of ALFWorld"):
        load_policy(tmp_path / "whole")


def test_it_imitates_the_expert(tmp_path: Path) -> None:
    config = replace(SMALL, warm_start=150, iterations=0, max_turns=40)
    train(config, tmp_path / "run")
    assert read_checkpoint(tmp_path / "run")["warm_start"] == 150
    result = evaluate(
        make_agent(tmp_path / "run"), "HiPER-WebShop-v0", split="generated", episodes=40
    )
    assert result["mean_score"] > 0.3


def test_it_learns_from_the_reward_alone(tmp_path: Path) -> None:
    config = replace(SMALL, iterations=14, episodes=48, max_turns=12)
    train(config, tmp_path / "run")
    lines = (tmp_path / "run" / METRICS_FILE).read_text().splitlines()
    score = [json.loads(line)["score"] for line in lines]
    assert np.mean(score[-3:]) > np.mean(score[:3]) + 0.15
