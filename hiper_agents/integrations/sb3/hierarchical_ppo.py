"""`HierarchicalPPO`: PPO of Stable-Baselines3 with options, three values and HAE.

Any Gymnasium environment will do whose `info` says after each step whether it began an option
(`option_boundary`). With a plain action, PPO's advantage is A_L, which looks as far as the end of
the option and there to V_H; V_H and V_T are trained beside it. With `OptionActions` the switch
takes A_T, the subgoal A_H and the action A_L, each with its own ratio and clipping over its own
turns (HiPER, arXiv 2602.16165). Everything else is SB3's: the module knows neither how advantages
are estimated nor what networks look like.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, TypeVar, cast

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.ppo.ppo import PPO
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (SB3's name for it)

from hiper_agents.integrations.option_actions import OptionActions
from hiper_agents.integrations.sb3.boundaries import mark_boundaries
from hiper_agents.integrations.sb3.buffers import (
    HIGH,
    LOW,
    SWITCH,
    HAEDictRolloutBuffer,
    HAERolloutBuffer,
    HAERolloutBufferSamples,
)
from hiper_agents.integrations.sb3.candidates import CandidatePolicy
from hiper_agents.integrations.sb3.policies import (
    CnnPolicy,
    HierarchicalActorCriticPolicy,
    MlpPolicy,
    MultiInputPolicy,
)

__all__ = ["HierarchicalPPO"]

SelfHierarchicalPPO = TypeVar("SelfHierarchicalPPO", bound="HierarchicalPPO")


class HierarchicalPPO(PPO):
    """PPO with options. Arguments that are not listed are those of SB3's `PPO`.

    Args:
        policy: "MlpPolicy", "CnnPolicy", "MultiInputPolicy", "CandidatePolicy" (for
            `NumericFeatures`), or a subclass of `HierarchicalActorCriticPolicy`.
        env: Environment, or the id of one. Its actions are plain ones, or `OptionActions`.
        gae_lambda: Decay of the low head's trace, a turn.
        lam_high: Decay of the high head's trace, an option.
        estimator: Name of the advantage estimator; see `HAERolloutBuffer`. With "gae" and plain
            actions this is SB3's `PPO`.
        estimator_settings: Further keyword arguments of the estimator.
        ent_coef: Weight of the entropy of the action, and of the subgoal.
        ent_coef_switch: Weight of the switch's entropy. It stands apart because entropy pulls
            options towards a length of two turns.
        **kwargs: Further arguments of `PPO`.

    Example:
        >>> import gymnasium as gym
        >>> from hiper_agents.integrations import FixedLengthOptions
        >>> env = FixedLengthOptions(gym.make("CartPole-v1"), length=10)
        >>> model = HierarchicalPPO("MlpPolicy", env, n_steps=64, seed=0).learn(128)
        >>> observation, _ = env.reset(seed=0)
        >>> action, _ = model.predict(observation)
        >>> env.action_space.contains(action)
        True
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": MlpPolicy,
        "CnnPolicy": CnnPolicy,
        "MultiInputPolicy": MultiInputPolicy,
        "CandidatePolicy": CandidatePolicy,
    }
    policy: HierarchicalActorCriticPolicy
    rollout_buffer: HAERolloutBuffer

    def __init__(
        self,
        policy: str | type[HierarchicalActorCriticPolicy],
        env: GymEnv | str,
        learning_rate: float | Schedule = 3e-4,
        *,
        gae_lambda: float = 0.95,
        lam_high: float = 0.95,
        estimator: str = "hae",
        estimator_settings: Mapping[str, Any] | None = None,
        ent_coef: float = 0.0,
        ent_coef_switch: float = 0.0,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            policy,
            env,
            learning_rate,
            gae_lambda=gae_lambda,
            ent_coef=ent_coef,
            _init_setup_model=False,
            **kwargs,
        )
        self.lam_high = lam_high
        self.estimator = estimator
        self.estimator_settings = dict(estimator_settings or {})
        self.ent_coef_switch = ent_coef_switch
        if _init_setup_model:
            self._setup_model()

    def learn(
        self: SelfHierarchicalPPO,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "HierarchicalPPO",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> SelfHierarchicalPPO:
        """Learns for a number of steps; see SB3's `PPO.learn`.

        Raises:
            OptionBoundaryError: If an environment does not say where options begin.
        """
        return super().learn(
            total_timesteps,
            callback,
            log_interval,
            tb_log_name,
            reset_num_timesteps,
            progress_bar,
        )

    def train(self) -> None:
        """Updates the policy on the rollout in the buffer, as `PPO.train` does."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        clip_range = self._scheduled(self.clip_range)
        clip_range_vf = None if self.clip_range_vf is None else self._scheduled(self.clip_range_vf)
        self._log_rollout()
        logs: dict[str, list[float]] = defaultdict(list)
        for epoch in range(self.n_epochs):
            continue_training = True
            for data in self.rollout_buffer.get(self.batch_size):
                loss, approx_kl = self._loss(data, clip_range, clip_range_vf, logs)
                if self.target_kl is not None and approx_kl > 1.5 * self.target_kl:
                    self.logger.record("train/stopped_in_epoch", epoch)
                    continue_training = False
                    break
                self.policy.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
                self.policy.optimizer.step()
            self._n_updates += 1
            if not continue_training:
                break

        for name, values in logs.items():
            self.logger.record(f"train/{name}", np.mean(values))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", clip_range)
        if hasattr(self.policy, "log_std"):
            self.logger.record("train/std", th.exp(self.policy.log_std).mean().item())

    def _setup_model(self) -> None:
        if self.rollout_buffer_class is None:
            is_dict = isinstance(self.observation_space, spaces.Dict)
            self.rollout_buffer_class = HAEDictRolloutBuffer if is_dict else HAERolloutBuffer
        self.rollout_buffer_kwargs = {
            **self.rollout_buffer_kwargs,
            "lam_high": self.lam_high,
            "estimator": self.estimator,
            "estimator_settings": self.estimator_settings,
        }
        super()._setup_model()

    def _update_info_buffer(
        self, infos: list[dict[str, Any]], dones: np.ndarray | None = None
    ) -> None:
        # SB3 hands over the infos here, once a step, right before it adds the step to the buffer.
        super()._update_info_buffer(infos, dones)
        mark_boundaries(self.rollout_buffer, infos)

    def _loss(
        self,
        data: HAERolloutBufferSamples,
        clip_range: float,
        clip_range_vf: float | None,
        logs: dict[str, list[float]],
    ) -> tuple[Tensor, float]:
        """PPO's loss of a minibatch, summed over the parts of the action and over the values.

        Returns:
            The loss, and the largest KL divergence of a part from what was played.
        """
        actions = data.actions
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        values, log_prob, entropy = self.policy.evaluate_actions(data.observations, actions)
        loss, largest_kl = values.new_zeros(()), 0.0
        for part in self._parts(data, log_prob, entropy):
            part_loss, approx_kl = self._policy_loss(part, clip_range, logs)
            loss = loss + part_loss
            largest_kl = max(largest_kl, approx_kl)
        for head in self._heads(data, values):
            predicted = head.values
            if clip_range_vf is not None:
                change = head.values - head.old_values
                predicted = head.old_values + th.clamp(change, -clip_range_vf, clip_range_vf)
            value_loss = F.mse_loss(head.returns, predicted)
            loss = loss + self.vf_coef * value_loss
            logs[f"value_loss{head.suffix}"].append(value_loss.item())
        logs["loss"].append(loss.item())
        return loss, largest_kl

    def _policy_loss(
        self, part: _Part, clip_range: float, logs: dict[str, list[float]]
    ) -> tuple[Tensor, float]:
        """PPO's clipped loss of one part with its entropy, and its KL divergence so far."""
        advantages = part.advantages
        if self.normalize_advantage and len(advantages) > 1:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        log_ratio = part.log_prob - part.old_log_prob
        ratio = th.exp(log_ratio)
        policy_loss_1 = advantages * ratio
        policy_loss_2 = advantages * th.clamp(ratio, 1 - clip_range, 1 + clip_range)
        policy_loss = -th.min(policy_loss_1, policy_loss_2).mean()
        entropy_loss = -part.entropy.mean()
        with th.no_grad():
            clip_fraction = ((ratio - 1).abs() > clip_range).float().mean().item()
            approx_kl = ((ratio - 1) - log_ratio).mean().item()
        logs[f"policy_gradient_loss{part.suffix}"].append(policy_loss.item())
        logs[f"entropy_loss{part.suffix}"].append(entropy_loss.item())
        logs[f"clip_fraction{part.suffix}"].append(clip_fraction)
        logs[f"approx_kl{part.suffix}"].append(approx_kl)
        return policy_loss + part.ent_coef * entropy_loss, approx_kl

    def _parts(
        self, data: HAERolloutBufferSamples, log_prob: Tensor, entropy: Tensor
    ) -> Iterator[_Part]:
        """The parts of the action, each at the turns at which it decided something.

        A subgoal counts where an option began. At the first turn of an episode an option begins
        whatever the switch says.
        """
        yield _Part(
            "",
            log_prob[:, -1],
            data.old_log_prob,
            data.advantages,
            entropy[:, -1],
            self.ent_coef,
        )
        if not isinstance(self.action_space, OptionActions):
            return
        begun, asked = data.boundaries, ~data.episode_starts
        if begun.any():
            yield _Part(
                "_subgoal",
                log_prob[begun, 1],
                data.old_log_prob_subgoal[begun],
                data.advantages_high[begun],
                entropy[begun, 1],
                self.ent_coef,
            )
        if asked.any():
            yield _Part(
                "_switch",
                log_prob[asked, 0],
                data.old_log_prob_switch[asked],
                data.advantages_switch[asked],
                entropy[asked, 0],
                self.ent_coef_switch,
            )

    def _heads(self, data: HAERolloutBufferSamples, values: Tensor) -> Iterator[_Head]:
        """The values, each at the turns for which it has a target.

        A flat estimator has one: that of the state before anything is decided, V_T.
        """
        if self.rollout_buffer.estimator.flat:
            yield _Head("", values[:, SWITCH], data.old_values, data.returns)
            return
        yield _Head("", values[:, LOW], data.old_values, data.returns)
        yield _Head("_switch", values[:, SWITCH], data.old_values_switch, data.returns_switch)
        begun = data.boundaries
        if begun.any():
            yield _Head(
                "_high", values[begun, HIGH], data.old_values_high[begun], data.returns_high[begun]
            )

    def _log_rollout(self) -> None:
        buffer = self.rollout_buffer
        variance = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        self.logger.record("train/explained_variance", variance)
        begun = buffer.boundaries
        if begun.any():
            self.logger.record("rollout/option_len_mean", begun.size / begun.sum())
            variance = explained_variance(buffer.values_high[begun], buffer.returns_high[begun])
            self.logger.record("train/explained_variance_high", variance)

    def _scheduled(self, value: Any) -> float:
        return float(cast("Schedule", value)(self._current_progress_remaining))


class _Part(NamedTuple):
    """A part of the action at its own turns, [b]."""

    suffix: str
    log_prob: Tensor
    old_log_prob: Tensor
    advantages: Tensor
    entropy: Tensor
    ent_coef: float


class _Head(NamedTuple):
    """A value at its own turns, [b]."""

    suffix: str
    values: Tensor
    old_values: Tensor
    returns: Tensor
