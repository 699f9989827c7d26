from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from hiper_agents.integrations.errands import Errands
from hiper_agents.integrations.sb3 import (
    HAEDictRolloutBuffer,
    HAERolloutBuffer,
    HierarchicalPPO,
    MarkBoundaries,
    OptionBoundaryError,
)
from hiper_base.errors import MissingDependencyError

SMALL: dict[str, Any] = {"n_steps": 32, "batch_size": 32, "n_epochs": 2, "device": "cpu"}


def parameters(model: Any) -> dict[str, th.Tensor]:
    return {name: value.clone() for name, value in model.policy.state_dict().items()}


def collect(model: HierarchicalPPO) -> Any:
    """One rollout of a model that has not learned anything yet."""
    _, callback = model._setup_learn(10_000)
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
    return model.rollout_buffer


def test_with_gae_and_plain_actions_it_is_sb3s_ppo(corridor: Any) -> None:
    venvs = [make_vec_env(corridor, 3, seed=1) for _ in range(2)]
    settings = {**SMALL, "seed": 0, "ent_coef": 0.01, "clip_range_vf": 0.3}
    theirs = PPO("MlpPolicy", venvs[0], **settings)
    ours = HierarchicalPPO("MlpPolicy", venvs[1], estimator="gae", **settings)
    shared = parameters(theirs)
    ours.policy.load_state_dict(shared, strict=False)
    for model in (theirs, ours):
        set_random_seed(7)
        model.learn(3 * 32 * 4)
    learned, reference = parameters(ours), parameters(theirs)
    for name, value in reference.items():
        assert th.allclose(learned[name], value, atol=1e-5), name
        assert not th.equal(value, shared[name]), f"{name} has not been trained"


def test_every_part_learns_from_its_own_advantage() -> None:
    model = HierarchicalPPO(
        "MultiInputPolicy", Errands(), normalize_advantage=False, vf_coef=0.0, seed=0, **SMALL
    )
    buffer = collect(model)
    heads = {"switch": "advantages_switch", "subgoal": "advantages_high", "action": "advantages"}
    for part, own in heads.items():
        for name in heads.values():
            getattr(buffer, name)[:] = 1.0 if name == own else 0.0
        data = next(buffer.get(None))
        model.policy.optimizer.zero_grad()
        model._loss(data, 0.2, None, _Logs())[0].backward()
        for head in heads:
            net = getattr(model.policy.action_net, f"{head}_net")
            moved = any(bool(p.grad is not None and p.grad.any()) for p in net.parameters())
            assert moved == (head == part), (part, head)


def test_a_subgoal_learns_at_boundaries_and_a_switch_after_the_first_turn() -> None:
    model = HierarchicalPPO("MultiInputPolicy", Errands(), seed=0, **SMALL)
    data = next(collect(model).get(None))
    _, log_prob, entropy = model.policy.evaluate_actions(data.observations, data.actions)
    parts = {part.suffix: part for part in model._parts(data, log_prob, entropy)}
    assert 0 < data.boundaries.sum() < 32
    assert th.equal(parts["_subgoal"].advantages, data.advantages_high[data.boundaries])
    assert th.equal(parts["_switch"].advantages, data.advantages_switch[~data.episode_starts])
    assert th.equal(parts[""].advantages, data.advantages)
    # Nothing has been learned since the rollout: the ratios are 1.
    for part in parts.values():
        assert th.allclose(part.log_prob, part.old_log_prob, atol=1e-5)


def test_boundaries_are_those_of_the_infos(corridor: Any) -> None:
    model = HierarchicalPPO("MlpPolicy", make_vec_env(corridor, 2, seed=0), **SMALL)
    buffer = collect(model)
    turn = np.zeros(2, int)
    for step in range(32):
        turn = np.where(buffer.episode_starts[step] > 0, 0, turn)
        assert buffer.boundaries[step].tolist() == (turn % 2 == 0).tolist()
        turn = turn + 1


def test_behind_a_time_limit_lies_the_value_of_the_last_observation() -> None:
    class Endless(gym.Env[Any, Any]):
        observation_space = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
        action_space = gym.spaces.Discrete(2)

        def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
            self.turn = 0
            return np.zeros(1, np.float32), {}

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            self.turn += 1
            shown = np.full(1, self.turn / 4, np.float32)
            return shown, 0.0, False, self.turn == 4, {"option_boundary": self.turn == 1}

    settings = {**SMALL, "n_steps": 8, "batch_size": 8}
    model = HierarchicalPPO("MlpPolicy", Endless(), gamma=0.5, seed=0, **settings)
    buffer = collect(model)
    value = model.policy.predict_values(th.ones(1, 1)).item()
    assert buffer.rewards[[3, 7], 0] == pytest.approx(0.5 * value)
    assert buffer.returns_switch[:4, 0] == pytest.approx(value * 0.5 ** np.arange(4, 0, -1))


@pytest.mark.parametrize("masked", [False, True])
def test_it_learns_when_to_switch_what_to_want_and_what_to_do(masked: bool) -> None:
    venv = make_vec_env(Errands, 16, seed=0, env_kwargs={"masked": masked})
    model = HierarchicalPPO(
        "MultiInputPolicy",
        venv,
        learning_rate=1e-2,
        n_steps=32,
        batch_size=256,
        n_epochs=5,
        seed=0,
        device="cpu",
    )
    assert evaluate_policy(model, venv, 32)[0] < 1.8
    model.learn(5 * 32 * 16)
    assert evaluate_policy(model, venv, 32)[0] > 2.7


def test_the_same_seed_learns_the_same() -> None:
    runs = []
    for seed in (3, 3, 4):
        venv = make_vec_env(Errands, 2, seed=seed)
        model = HierarchicalPPO("MultiInputPolicy", venv, seed=seed, **SMALL).learn(128)
        runs.append(parameters(model)["value_net.weight"])
    assert th.equal(runs[0], runs[1])
    assert not th.equal(runs[0], runs[2])


def test_a_saved_model_plays_and_learns_on(tmp_path: Path) -> None:
    model = HierarchicalPPO(
        "MultiInputPolicy", Errands(), lam_high=0.5, ent_coef_switch=0.25, seed=0, **SMALL
    ).learn(64)
    model.save(tmp_path / "model")
    loaded = HierarchicalPPO.load(tmp_path / "model", env=Errands())
    observation, _ = Errands().reset(seed=0)
    assert loaded.predict(observation, deterministic=True)[0].tolist() == (
        model.predict(observation, deterministic=True)[0].tolist()
    )
    assert (loaded.lam_high, loaded.ent_coef_switch, loaded.estimator) == (0.5, 0.25, "hae")
    assert isinstance(loaded.rollout_buffer, HAEDictRolloutBuffer)
    assert loaded.rollout_buffer.lam_high == 0.5
    before = parameters(loaded)["value_net.weight"]
    loaded.learn(64, reset_num_timesteps=False)
    assert loaded.num_timesteps == 128
    assert not th.equal(parameters(loaded)["value_net.weight"], before)


def test_sb3s_tools_work_with_it(corridor: Any, tmp_path: Path) -> None:
    def make() -> Any:
        return Monitor(corridor())

    venv = VecNormalize(DummyVecEnv([make, make]))
    evaluation = VecNormalize(DummyVecEnv([make]), training=False)
    callbacks = [
        CheckpointCallback(32, str(tmp_path / "checkpoints")),
        EvalCallback(evaluation, eval_freq=32, n_eval_episodes=2, verbose=0),
    ]
    model = HierarchicalPPO("MlpPolicy", venv, tensorboard_log=str(tmp_path / "tb"), **SMALL)
    model.learn(128, callback=callbacks)
    assert len(list((tmp_path / "checkpoints").glob("*.zip"))) == 2
    assert list((tmp_path / "tb" / "HierarchicalPPO_1").glob("events*"))
    assert len(model.ep_info_buffer) > 0
    logged = model.logger.name_to_value
    assert logged["rollout/option_len_mean"] == pytest.approx(2.0, abs=0.5)
    for name in ("value_loss", "value_loss_high", "value_loss_switch", "policy_gradient_loss"):
        assert np.isfinite(logged[f"train/{name}"])


def test_a_kl_limit_ends_the_update(corridor: Any) -> None:
    def logged(target_kl: float | None) -> dict[str, Any]:
        model = HierarchicalPPO(
            "MlpPolicy", corridor(), learning_rate=0.05, target_kl=target_kl, seed=0, **SMALL
        )
        return dict(model.learn(32).logger.name_to_value)

    assert "train/stopped_in_epoch" not in logged(None)
    assert logged(1e-6)["train/stopped_in_epoch"] >= 0


def test_an_environment_that_knows_no_options_is_told_what_to_do() -> None:
    model = HierarchicalPPO("MlpPolicy", gym.make("CartPole-v1"), **SMALL)
    with pytest.raises(OptionBoundaryError, match=r"no option_boundary.*FixedLengthOptions"):
        model.learn(32)
    HierarchicalPPO("MlpPolicy", gym.make("CartPole-v1"), estimator="gae", **SMALL).learn(32)


def test_sb3s_own_ppo_can_learn_from_the_buffer(corridor: Any) -> None:
    model = PPO(
        "MlpPolicy", corridor(), rollout_buffer_class=HAERolloutBuffer, gamma=0.9, seed=0, **SMALL
    )
    model.learn(32, callback=MarkBoundaries())
    buffer = model.rollout_buffer
    assert isinstance(buffer, HAERolloutBuffer)
    assert 0 < buffer.boundaries.sum() < 32
    plain = PPO("MlpPolicy", corridor(), **SMALL)
    with pytest.raises(TypeError, match="needs rollout_buffer_class=HAERolloutBuffer"):
        plain.learn(32, callback=MarkBoundaries())


def test_without_sb3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("hiper_agents.integrations.sb3")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    monkeypatch.setitem(sys.modules, "stable_baselines3.common", None)
    monkeypatch.setitem(sys.modules, "stable_baselines3.common.callbacks", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "hiper-gym\[sb3\]"'):
        import hiper_agents.integrations.sb3  # noqa: F401


class _Logs(dict[str, list[float]]):
    def __missing__(self, key: str) -> list[float]:
        return self.setdefault(key, [])
