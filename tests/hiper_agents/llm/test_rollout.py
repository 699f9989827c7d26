"""Playing whole episodes with a language model: what is stored, and what it is rewarded for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hiper_agents.buffer import OptionRolloutBuffer
from hiper_agents.environments import make_env
from hiper_agents.llm.assembly import make_player, make_policy
from hiper_agents.llm.config import AgentConfig, FormatConfig, RewardConfig
from hiper_agents.llm.prompts import PromptConfig
from hiper_agents.llm.responder import GenerationConfig
from hiper_agents.llm.rollout import Rollout, collect
from hiper_base.errors import HiperError
from hiper_envs.tags import parse

AGENT = AgentConfig(model="tiny", device="cpu", prompt=PromptConfig(template="compact"))
TASKS = [0, 0, 5, 5, 2]


def played(
    reward: RewardConfig, *, structured: bool = True, num_envs: int = 3
) -> tuple[OptionRolloutBuffer, Rollout]:
    config = replace(AGENT, format=FormatConfig(structured=structured, max_response_tokens=12))
    player = make_player(make_policy(config).policy, config, GenerationConfig())
    buffer = OptionRolloutBuffer()
    source = make_env("HiPER-ALFWorld-v0", "generated").source
    rollout = collect(
        player,
        source,
        TASKS,
        np.array([0, 0, 1, 1, 2]),
        buffer,
        np.random.default_rng(0),
        num_envs=num_envs,
        max_turns=4,
        reward=reward,
    )
    return buffer, rollout


def test_every_episode_is_whole_though_environments_are_fewer(no_data: Path) -> None:
    buffer, rollout = played(RewardConfig())
    batch = buffer.batch()
    assert len(batch) == len(rollout.turns) == rollout.episodes.turns.sum()
    ended = batch.terminated | batch.truncated
    assert sorted(batch.trajectory_id[ended].tolist()) == list(range(len(TASKS)))
    np.testing.assert_array_equal(np.bincount(batch.trajectory_id), rollout.episodes.turns)
    options = np.bincount(batch.trajectory_id, weights=batch.boundary)
    np.testing.assert_array_equal(options, rollout.episodes.options)
    assert dict(zip(batch.trajectory_id.tolist(), batch.group_id.tolist(), strict=True)) == {
        0: 0,
        1: 0,
        2: 1,
        3: 1,
        4: 2,
    }
    # The rows and the turns are in one order: what a response says is what the buffer holds.
    said = [parse(turn.text).switch for turn in rollout.turns]
    np.testing.assert_array_equal(batch.boundary, said)
    spans = buffer.action_span[: len(buffer)].tolist()
    assert spans == [list(turn.spans.action) for turn in rollout.turns]
    assert rollout.figures["malformed"] == rollout.figures["inadmissible"] == 0.0
    assert rollout.figures["policy_seconds"] > 0.0
    assert set(rollout.episodes.task_types) <= set(
        make_env("HiPER-ALFWorld-v0", "generated").source.task_types
    )


@pytest.mark.parametrize("num_envs", [1, 5])
def test_an_episode_is_the_same_beside_any_others(no_data: Path, num_envs: int) -> None:
    def episodes(rollout: tuple[OptionRolloutBuffer, Rollout]) -> dict[int, list[str]]:
        buffer, played_turns = rollout
        found: dict[int, list[str]] = {number: [] for number in range(len(TASKS))}
        for number, turn in zip(buffer.trajectory_id, played_turns.turns, strict=False):
            found[int(number)].append(turn.text)
        return found

    expected = episodes(played(RewardConfig()))
    assert len({tuple(texts) for texts in expected.values()}) == len(TASKS)
    assert episodes(played(RewardConfig(), num_envs=num_envs)) == expected


def test_keeping_an_option_costs(no_data: Path) -> None:
    buffer, rollout = played(RewardConfig(keep_penalty=0.5))
    batch = buffer.batch()
    assert not rollout.episodes.won.any(), "a random model that solves tasks spoils this test"
    assert 0 < batch.boundary.sum() < len(batch)
    np.testing.assert_allclose(batch.reward, np.where(batch.boundary, 0.0, -0.5))


def test_or_in_proportion_to_the_share_of_an_episode(no_data: Path) -> None:
    buffer, rollout = played(RewardConfig(keep_penalty=3.5, keep_per="episode"))
    batch = buffer.batch()
    keeps = np.bincount(batch.trajectory_id, weights=~batch.boundary)
    paid = np.bincount(batch.trajectory_id, weights=batch.reward)
    np.testing.assert_allclose(paid, -3.5 * keeps / rollout.episodes.turns)
    assert (batch.reward[batch.boundary] == 0.0).all()


def test_free_text_of_a_model_that_has_learned_nothing_is_malformed_or_inadmissible(
    no_data: Path,
) -> None:
    buffer, rollout = played(RewardConfig(keep_penalty=0.0), structured=False)
    figures = rollout.figures
    assert figures["malformed"] + figures["inadmissible"] == pytest.approx(1.0)
    np.testing.assert_allclose(buffer.reward[: len(buffer)], -0.1)
    assert figures["chosen_tokens"] == figures["response_tokens"]


def test_a_penalty_is_not_a_reward() -> None:
    with pytest.raises(HiperError, match="keep_penalty"):
        RewardConfig(keep_penalty=-1.0)
    with pytest.raises(HiperError, match="keep_per"):
        RewardConfig(keep_per="year")  # type: ignore[arg-type]
