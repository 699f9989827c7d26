from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env

import hiper_envs  # noqa: F401  (registers the environments)
from hiper_agents.compact.domain import DomainError
from hiper_agents.integrations import NumericFeatures, OptionActions
from hiper_agents.integrations.numeric_features import ACHIEVES, NumericFeaturesError
from hiper_envs.alfworld.subgoals import parse_action

OPTIONS = ("none", "reference", "learned")
ALFWORLD, WEBSHOP = "HiPER-ALFWorld-v0", "HiPER-WebShop-v0"


def make(options: Any = "none", env_id: str = ALFWORLD, **kwargs: Any) -> NumericFeatures:
    more = {"observation_mode": "text_rich"} if env_id == WEBSHOP else {}
    env = gym.make(
        env_id,
        split="generated",
        reference=options == "reference",
        disable_env_checker=True,
        **more,
    )
    return NumericFeatures(env, options, **kwargs)


def draw(observation: dict[str, Any], rng: np.random.Generator) -> Any:
    """A random choice of what the masks permit; where a subgoal can be achieved, it is."""
    mask = observation["action_mask"]
    if mask.ndim == 1:
        return rng.choice(np.flatnonzero(mask))
    switch = rng.choice(np.flatnonzero(observation["switch_mask"]))
    subgoals = np.flatnonzero(observation["subgoal_mask"])
    subgoal = rng.choice(subgoals) if len(subgoals) else 0
    permitted = mask[subgoal if switch else -1] > 0
    achieving = permitted & (observation["moves"].reshape(len(permitted), -1)[:, ACHIEVES] > 0)
    action = rng.choice(np.flatnonzero(achieving if achieving.any() else permitted))
    return np.array([switch, subgoal, action])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("env_id", [ALFWORLD, WEBSHOP])
@pytest.mark.parametrize("options", OPTIONS)
def test_sb3_finds_nothing_wrong_with_it(options: str, env_id: str) -> None:
    check_env(make(options, env_id))


@pytest.mark.parametrize("env_id", [ALFWORLD, WEBSHOP])
@pytest.mark.parametrize("options", OPTIONS)
def test_what_the_masks_permit_is_admissible(options: str, env_id: str) -> None:
    env, rng = make(options, env_id), np.random.default_rng(0)
    for seed in range(3):
        observation, info = env.reset(seed=seed)
        ended = False
        while not ended:
            assert observation in env.observation_space
            assert env.action_masks().shape == (int(np.sum(getattr(env.action_space, "nvec", 64))),)
            observation, _, terminated, truncated, info = env.step(draw(observation, rng))
            assert info["action_valid"], info["action"]
            assert info["actions_left_out"] == 0
            ended = terminated or truncated
        assert info["is_success"] == info["won"]


@pytest.mark.parametrize("options", ["none", "reference"])
def test_the_experts_actions_are_among_those_shown(options: str) -> None:
    env = NumericFeatures(gym.make(ALFWORLD, split="generated", reference=True), options)  # type: ignore[arg-type]
    won = 0
    for seed in range(12):
        _, info = env.reset(seed=seed)
        ended = False
        while not ended:
            assert info["expert_action"] in env.commands
            place = env.commands.index(info["expert_action"])
            _, _, terminated, truncated, info = env.step(place)
            ended = terminated or truncated
        won += info["won"]
    assert won == 12


def test_options_of_the_reference_are_those_of_the_oracle() -> None:
    env = make("reference")
    observation, info = env.reset(seed=1)
    begun = []
    for _ in range(30):
        wanted, begins = info["reference_subgoal"], info["reference_boundary"]
        assert observation["subgoal"].any()
        place = env.commands.index(info["expert_action"])
        observation, _, terminated, _, info = env.step(place)
        assert (info["option_boundary"], info["subgoal"]) == (begins, wanted)
        begun.append(info["option_boundary"])
        if terminated:
            break
    assert info["won"]
    assert sum(begun) > 1


def test_a_learned_option_lasts_until_it_is_achieved_or_dropped() -> None:
    env, rng = make("learned"), np.random.default_rng(0)
    outcomes = set()
    for seed in range(6):
        observation, _ = env.reset(seed=seed)
        assert observation["switch_mask"].tolist() == [0, 1]
        running = ""
        for _ in range(40):
            action = draw(observation, rng)
            forced = not observation["switch_mask"][0]
            names = env.subgoals
            rows = observation["moves"].reshape(env.max_actions, -1)
            achieves = bool(rows[action[2], ACHIEVES])
            observation, _, terminated, _, info = env.step(action)
            begins = bool(action[0])
            assert info["option_boundary"] == begins
            running = names[action[1]] if begins else running
            assert info["subgoal"] == running
            assert begins or not forced
            if terminated:
                break
            # What the subgoal names has been done: another one has to be chosen.
            if achieves:
                assert observation["switch_mask"].tolist() == [0, 1]
                outcomes.add("achieved")
            elif observation["switch_mask"][0]:
                assert running not in env.subgoals
                outcomes.add("running")
    assert outcomes == {"achieved", "running"}


def test_each_subgoal_permits_its_own_actions() -> None:
    env = make("learned")
    observation, _ = env.reset(seed=2)
    rng = np.random.default_rng(1)
    for _ in range(25):
        for place, name in enumerate(env.subgoals):
            kind, _, rest = name.partition(" ")
            for index in np.flatnonzero(observation["action_mask"][place]):
                command = parse_action(env.commands[index])
                assert command is not None
                if command.verb in ("take", "move", "clean", "heat", "cool", "use"):
                    verb = {"find": "take", "put": "move"}.get(kind, kind)
                    assert command.verb == verb
                    assert command.object_type in rest
        observation, _, terminated, truncated, _ = env.step(draw(observation, rng))
        if terminated or truncated:
            break


def test_agents_that_obey_no_mask_lose_a_turn_and_nothing_else() -> None:
    for options, action in (("none", 63), ("learned", np.array([0, 23, 63]))):
        env = make(options)
        env.reset(seed=0)
        _, _, terminated, _, info = env.step(action)
        assert not info["action_valid"]
        assert not terminated
        assert info["option_boundary"]


def test_what_does_something_has_a_place_first() -> None:
    env, roomy = make(max_actions=6), make()
    rng = np.random.default_rng(0)
    observation, _ = env.reset(seed=0)
    roomy.reset(seed=0)
    for _ in range(40):
        place = int(draw(observation, rng))
        assert env.commands == roomy.commands[: len(env.commands)]
        observation, _, _, truncated, info = env.step(place)
        roomy.step(place)
        assert info["actions_left_out"] == len(roomy.commands) - len(env.commands)
        flags = observation["moves"].reshape(6, -1)[:, ACHIEVES]
        assert (np.diff(flags) <= 0).all()
        if truncated:
            break


def test_the_same_seed_shows_the_same() -> None:
    first, second = make("learned"), make("learned")
    shown = [env.reset(seed=5)[0] for env in (first, second)]
    rng = np.random.default_rng(0)
    for _ in range(20):
        action = draw(shown[0], rng)
        shown = [env.step(action)[0] for env in (first, second)]
        for key, value in shown[0].items():
            assert np.array_equal(value, shown[1][key]), key


def test_a_reference_has_to_be_there() -> None:
    env = NumericFeatures(gym.make(ALFWORLD, split="generated"), "reference")
    with pytest.raises(NumericFeaturesError, match="reference=True"):
        env.reset(seed=0)


def test_other_environments_and_other_options_are_refused() -> None:
    with pytest.raises(NumericFeaturesError, match="known: none, reference, learned"):
        make("oracle")
    with pytest.raises(DomainError, match="cannot read 'CartPole-v1'"):
        NumericFeatures(gym.make("CartPole-v1"))


def test_plain_ppo_and_maskable_ppo_run() -> None:
    small: dict[str, Any] = {"n_steps": 16, "batch_size": 16, "n_epochs": 1, "device": "cpu"}
    PPO("MultiInputPolicy", make(max_actions=40), **small).learn(16)
    for options in ("none", "learned"):
        env = make(options, max_actions=40)
        model = MaskablePPO("MultiInputPolicy", env, **small).learn(16)
        observation, _ = env.reset(seed=0)
        action, _ = model.predict(observation, action_masks=env.action_masks())
        parts = np.split(
            env.action_masks(), np.cumsum(getattr(env.action_space, "nvec", [40]))[:-1]
        )
        for part, choice in zip(parts, np.atleast_1d(action), strict=True):
            assert part[choice]
    assert isinstance(env.action_space, OptionActions)
