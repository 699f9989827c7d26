from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import obs_as_tensor

import hiper_envs  # noqa: F401  (registers the environments)
from hiper_agents.integrations.numeric_features import ACHIEVES
from hiper_agents.integrations.sb3 import CandidatePolicy, HierarchicalPPO, NumericFeatures

SMALL: dict[str, Any] = {"n_steps": 16, "batch_size": 16, "n_epochs": 1, "device": "cpu"}


def make(options: Any = "reference", env_id: str = "HiPER-ALFWorld-v0") -> NumericFeatures:
    reference = options == "reference"
    env = gym.make(env_id, split="generated", reference=reference, disable_env_checker=True)
    return NumericFeatures(env, options, max_actions=40)


def observe(env: NumericFeatures, policy: Any) -> Any:
    observation, _ = env.reset(seed=0)
    return policy.obs_to_tensor(observation)[0]


@pytest.mark.parametrize("env_id", ["HiPER-ALFWorld-v0", "HiPER-WebShop-v0"])
@pytest.mark.parametrize("options", ["none", "reference", "learned"])
def test_it_trains_on_any_options(options: str, env_id: str, tmp_path: Path) -> None:
    venv = make_vec_env(lambda: make(options, env_id), 2, seed=0)
    model = HierarchicalPPO("CandidatePolicy", venv, seed=0, **SMALL)
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    model.learn(32)
    unmoved = [n for n, v in model.policy.state_dict().items() if th.equal(v, before[n])]
    # In a shop, all that a subgoal permits mostly does what it names, and the bias cancels.
    assert set(unmoved) <= {"action_net.achieve_bias"}
    model.save(tmp_path / "model")
    loaded = HierarchicalPPO.load(tmp_path / "model")
    observation = venv.reset()
    chosen = [each.predict(observation, deterministic=True)[0] for each in (model, loaded)]
    assert np.array_equal(*chosen)


def test_an_action_is_scored_by_its_row_and_not_by_its_place() -> None:
    env = make()
    policy = HierarchicalPPO("CandidatePolicy", env, seed=0, **SMALL).policy
    obs = observe(env, policy)
    scores = policy.get_distribution(obs).distribution.logits
    order = th.randperm(40, generator=th.Generator().manual_seed(0))
    shuffled = {
        **obs,
        "moves": obs["moves"].reshape(1, 40, -1)[:, order].reshape(1, -1),
        "move_types": obs["move_types"][:, order],
        "action_mask": obs["action_mask"][:, order],
    }
    again = policy.get_distribution(shuffled).distribution.logits
    assert len(set(scores[0].tolist())) > 2
    assert th.allclose(again, scores[:, order], atol=1e-6)


def test_what_the_subgoal_names_is_likely_at_first() -> None:
    env = make("learned")
    policy = HierarchicalPPO("CandidatePolicy", env, seed=0, **SMALL).policy
    observation, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    seen = False
    for _ in range(200):
        rows = observation["moves"].reshape(40, -1)
        permitted = observation["action_mask"][0] > 0
        achieves = (rows[:, ACHIEVES] > 0) & permitted
        if achieves.any() and (permitted & ~achieves).any() and observation["subgoal_mask"][0]:
            seen = True
            chances = probabilities(policy, observation, switch=1, subgoal=0)
            others = chances[permitted & ~achieves]
            assert chances[achieves].min() == pytest.approx(others.max() * np.exp(3.0), rel=0.2)
        action = np.array([0, 0, rng.choice(np.flatnonzero(env.action_masks()[-40:]))])
        observation, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            observation, _ = env.reset()
    assert seen


def test_a_new_subgoal_changes_what_is_done_and_its_value() -> None:
    env = make("learned")
    policy = HierarchicalPPO("CandidatePolicy", env, seed=0, **SMALL).policy
    obs = observe(env, policy)
    obs["action_mask"] = th.ones_like(obs["action_mask"])
    pair = {key: value.expand(2, *value.shape[1:]) for key, value in obs.items()}
    with th.no_grad():
        for parameter in policy.action_net.executor.out.parameters():
            parameter.add_(0.5)
        chosen = th.tensor([[1, 0, 0], [1, 1, 0]])
        values, log_prob, _ = policy.evaluate_actions(pair, chosen)
    assert not th.isclose(values[0, 0], values[1, 0])
    assert th.allclose(values[0, 1:], values[1, 1:])
    assert not th.isclose(log_prob[0, 2], log_prob[1, 2])


def test_its_settings_are_saved(tmp_path: Path) -> None:
    env = make()
    policy = HierarchicalPPO(
        "CandidatePolicy", env, policy_kwargs={"hidden": 24, "achieve_bias": 1.0}, **SMALL
    ).policy
    policy.save(str(tmp_path / "policy.pt"))
    loaded = CandidatePolicy.load(str(tmp_path / "policy.pt"))
    assert (loaded.hidden, loaded.embedding, loaded.achieve_bias) == (24, 16, 1.0)
    obs = observe(env, policy)
    assert th.equal(loaded.predict_values(obs), policy.predict_values(obs))


def probabilities(policy: Any, observation: Any, switch: int, subgoal: int) -> np.ndarray:
    """Of every action once switch and subgoal are decided, [40]."""
    obs = obs_as_tensor({key: value[None] for key, value in observation.items()}, policy.device)
    many = {key: value.expand(40, *value.shape[1:]) for key, value in obs.items()}
    chosen = th.tensor([[switch, subgoal, action] for action in range(40)])
    with th.no_grad():
        return policy.evaluate_actions(many, chosen)[1][:, 2].exp().numpy()
