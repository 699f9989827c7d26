from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import SyncVectorEnv

import hiper_envs  # noqa: F401  (registers the ids)
from hiper_base.errors import DataNotFoundError, UnknownSplitError, UnknownTaskError

ENV_ID = "HiPER-WebShop-v0"
FINAL_KEYS = {
    *("r_type", "r_att", "r_option", "r_price", "title_score"),
    *("matched_attributes", "matched_options", "purchased", "noun_tagger"),
}


@pytest.fixture
def make() -> Callable[..., Any]:
    def make(**kwargs: Any) -> Any:
        return gym.make(ENV_ID, **{"split": "generated", **kwargs})

    return make


def buy_first(env: Any, query: str) -> tuple[float, dict[str, Any]]:
    """Searches, and buys the first result."""
    _, _, _, _, info = env.step(f"search[{query}]")
    first = next(a for a in info["admissible_actions"] if a.startswith("click[g"))
    env.step(first)
    _, reward, terminated, _, info = env.step("click[Buy Now]")
    assert terminated
    return reward, info


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gymnasium_accepts_the_environment(make: Callable[..., Any]) -> None:
    check_env(make().unwrapped, skip_render_check=True)


def test_the_last_info_has_the_parts_of_the_score(make: Callable[..., Any]) -> None:
    env = make()
    _, info = env.reset(seed=3)
    assert info["admissible_actions"] == ("search[<your query>]",)
    assert not FINAL_KEYS & set(info)
    reward, info = buy_first(env, info["task"])
    assert set(info) >= FINAL_KEYS
    assert reward == info["score"]
    assert info["won"] == (reward == 1.0)


def test_own_product_with_its_options_scores_one(make: Callable[..., Any]) -> None:
    env = make()
    source = env.unwrapped.source
    for index in range(0, len(source), 97):
        goal = source.goals[index]
        product = source.store[goal.product]
        env.reset(options={"task_id": goal.goal_id})
        _, _, _, _, info = env.step(f"search[{product.title}]")
        click = f"click[{product.asin.lower()}]"
        while click not in info["admissible_actions"]:
            _, _, _, _, info = env.step("click[next >]")
        env.step(click)
        for _, value in goal.options:
            env.step(f"click[{value}]")
        _, reward, _, _, info = env.step("click[buy now]")
        assert source.is_reachable(index)
        assert (reward, info["won"]) == (1.0, True)


@pytest.mark.parametrize(
    ("action", "valid"),
    [
        ("click[back to search]", True),
        ("click[NEXT >]", True),
        ("click[search]", False),
        ("click[nothing]", False),
        (" click[next >]", False),
        ("next >", False),
        # It works, as upstream, but the results page has no search bar.
        ("search[mug]", False),
    ],
)
def test_what_is_admissible_on_a_results_page(
    make: Callable[..., Any], action: str, valid: bool
) -> None:
    env = make()
    env.reset(seed=0)
    _, _, _, _, info = env.step("search[shirt]")
    assert info["action_valid"]
    observation, _, _, _, info = env.step(action)
    assert info["action_valid"] is valid
    assert info["format_valid"]
    assert info["action"] == action
    if action.startswith("search"):
        assert "Page 1" in observation


def test_tags_carry_actions_with_brackets(make: Callable[..., Any]) -> None:
    env = make()
    env.reset(seed=0)
    env.step("search[shirt]")
    text = "<switch>SWITCH</switch><subgoal>see more</subgoal><action>click[next >]</action>"
    observation, _, _, _, info = env.step(text)
    assert (info["subgoal"], info["action"], info["action_valid"]) == (
        *("see more", "click[next >]"),
        True,
    )
    env.step("<action>click[< prev]</action>")
    assert "Page 2" in observation


def test_same_seed_same_texts(make: Callable[..., Any]) -> None:
    def play() -> list[str]:
        env = make(observation_mode="text_rich")
        rng = np.random.default_rng(5)
        observation, info = env.reset(seed=11)
        texts = [observation]
        for _ in range(30):
            choices = info["admissible_actions"]
            action = choices[rng.integers(len(choices))].replace("<your query>", info["task"])
            observation, _, terminated, _, info = env.step(action)
            texts += [observation, *info["admissible_actions"]]
            if terminated:
                observation, info = env.reset()
        return texts

    assert play() == play()


def test_a_copy_goes_on_in_mid_episode(make: Callable[..., Any]) -> None:
    env = make().unwrapped
    env.reset(seed=2)
    env.step("search[lamp]")
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):  # noqa: S301
        assert twin.step("click[next >]")[0].startswith("Instruction: [SEP]")
        assert twin.source.store is env.source.store


def test_the_batched_environment_gives_the_same_as_single_ones(make: Callable[..., Any]) -> None:
    batched = gym.make_vec(ENV_ID, num_envs=3, split="generated")
    single = SyncVectorEnv([make] * 3)
    ours, theirs = batched.reset(seed=4), single.reset(seed=4)
    script = ["search[soft cotton shirt]", None, "click[buy now]", "search[mug]"]
    for action in script:
        assert ours[0] == theirs[0]
        assert set(ours[-1]) == set(theirs[-1])
        for key, column in ours[-1].items():
            assert column.tolist() == theirs[-1][key].tolist(), key
        listed = ours[-1]["admissible_actions"]
        texts = [action or actions[2 + i] for i, actions in enumerate(listed)]
        ours, theirs = batched.step(texts), single.step(texts)
    assert batched.metadata["autoreset_mode"] == single.metadata["autoreset_mode"]


def test_unknown_names_are_refused(make: Callable[..., Any]) -> None:
    with pytest.raises(UnknownSplitError, match="train, test, generated"):
        make(split="valid_seen")
    with pytest.raises(ValueError, match="synthetic, human"):
        make(goals="robots")
    with pytest.raises(ValueError, match="text, text_rich"):
        make(observation_mode="html")
    with pytest.raises(UnknownTaskError):
        make().reset(options={"task_id": "generated/1000"})


def test_without_data_the_tasks_are_generated(no_data: Path) -> None:
    with pytest.warns(UserWarning, match="falls back to split='generated'"):
        env = gym.make(ENV_ID)
    _, info = env.reset(seed=0)
    assert info["split"] == "generated"
    with pytest.raises(DataNotFoundError, match="HIPER_DATA"):
        gym.make(ENV_ID, split="test")


def test_splits_of_the_published_goals(webshop_recordings: Path) -> None:
    sizes = {
        split: len(gym.make(ENV_ID, split=split).unwrapped.source) for split in ("train", "test")
    }
    assert sizes == {"train": 6410, "test": 500}
    train = gym.make(ENV_ID).unwrapped
    assert train.source.index("synthetic/500") == 0
    with pytest.raises(UnknownTaskError, match="is in split 'test'"):
        train.reset(options={"task_id": "synthetic/499"})
    human = gym.make(ENV_ID, split="test", goals="human")
    assert human.reset(options={"task_id": "human/12"})[1]["split"] == "test"
    with pytest.raises(DataNotFoundError, match="no human goal"):
        gym.make(ENV_ID, split="train", goals="human")
