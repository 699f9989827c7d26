"""Rollout buffers of Stable-Baselines3 that know options, with the advantages of this package.

They are SB3's own buffers with a column that says where options begin and columns for two further
heads. Advantages come from `hiper_agents.estimators`, by default HAE. A rollout is cut after
`n_steps`, in the middle of episodes and options; `turn_batch` says how an estimator is told so.
Nothing here knows policies or losses.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch as th
from numpy.typing import ArrayLike, NDArray
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.type_aliases import TensorDict

from hiper_agents.estimators import TurnBatch, get_estimator
from hiper_base.errors import HiperError

__all__ = [
    "HIGH",
    "LOW",
    "SWITCH",
    "HAEDictRolloutBuffer",
    "HAERolloutBuffer",
    "HAERolloutBufferSamples",
    "RolloutError",
]

LOW, HIGH, SWITCH = range(3)
"""Columns of a policy's values: V_L, V_H and V_T."""


class RolloutError(HiperError, ValueError):
    """An estimator asks for more than the rollouts of Stable-Baselines3 can give."""


class HAERolloutBufferSamples(NamedTuple):
    """A minibatch of B turns. The first six fields are SB3's, and are those of the action."""

    observations: th.Tensor | TensorDict
    actions: th.Tensor
    """[B, size of an action]"""
    old_values: th.Tensor
    """[B] V_L; V_T with a flat estimator. So are all that follow: [B]."""
    old_log_prob: th.Tensor
    advantages: th.Tensor
    returns: th.Tensor
    old_values_high: th.Tensor
    old_values_switch: th.Tensor
    old_log_prob_subgoal: th.Tensor
    old_log_prob_switch: th.Tensor
    advantages_high: th.Tensor
    advantages_switch: th.Tensor
    returns_high: th.Tensor
    returns_switch: th.Tensor
    boundaries: th.Tensor
    """bool: the turn began an option."""
    episode_starts: th.Tensor
    """bool: the turn is the first of its episode."""


_FLOATS = (
    "values_high",
    "values_switch",
    "log_probs_subgoal",
    "log_probs_switch",
    "advantages_high",
    "advantages_switch",
    "returns_high",
    "returns_switch",
)


class HAERolloutBuffer(RolloutBuffer):
    """SB3's rollout buffer with options and three heads.

    What SB3 calls `values`, `log_probs`, `advantages` and `returns` are here those of the action,
    the low head's; the arrays below are those of the other two. It can also be given to SB3's own
    `PPO`, whose one value then serves all heads, if something marks the boundaries:

        PPO("MlpPolicy", env, rollout_buffer_class=HAERolloutBuffer, callback=...)

    Args:
        buffer_size: Steps of a rollout, per environment.
        observation_space: Observation space.
        action_space: Action space.
        device: PyTorch device.
        gae_lambda: Decay of the low head's trace a turn (lam_low).
        gamma: Discount a turn.
        n_envs: Number of environments.
        lam_high: Decay of the high head's trace an option.
        estimator: Name of a registered estimator that needs neither groups nor further columns.
        estimator_settings: Further keyword arguments of the estimator.

    Raises:
        UnknownEstimatorError: If no estimator has that name.
        RolloutError: If it needs groups of rollouts, or columns that are not here.
    """

    boundaries: NDArray[np.bool_]  # [n_steps, n_envs] the step began an option
    values_high: NDArray[np.float32]  # [n_steps, n_envs] V_H
    values_switch: NDArray[np.float32]  # [n_steps, n_envs] V_T
    log_probs_subgoal: NDArray[np.float32]  # [n_steps, n_envs] 0 without option actions
    log_probs_switch: NDArray[np.float32]  # [n_steps, n_envs] likewise
    advantages_high: NDArray[np.float32]  # [n_steps, n_envs] A_H, of interest at boundaries only
    advantages_switch: NDArray[np.float32]  # [n_steps, n_envs] A_T
    returns_high: NDArray[np.float32]  # [n_steps, n_envs] targets of V_H
    returns_switch: NDArray[np.float32]  # [n_steps, n_envs] targets of V_T

    def __init__(
        self,
        *args: Any,
        lam_high: float = 0.95,
        estimator: str = "hae",
        estimator_settings: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.lam_high = lam_high
        self.estimator = get_estimator(estimator)
        self.estimator_settings = dict(estimator_settings or {})
        needs = self.estimator.needs
        if needs.group_size > 1 or needs.strategies > 1 or needs.columns:
            raise RolloutError(
                f"estimator {estimator!r} is made for groups of rollouts of one task, or needs "
                "columns that only `hiper train` provides; a rollout here has neither"
            )
        super().__init__(*args, **kwargs)

    def reset(self) -> None:
        """Empties the buffer."""
        super().reset()
        shape = (self.buffer_size, self.n_envs)
        self.boundaries = np.zeros(shape, np.bool_)
        for name in _FLOATS:
            setattr(self, name, np.zeros(shape, np.float32))

    def add(
        self,
        obs: Any,
        action: NDArray[Any],
        reward: NDArray[Any],
        episode_start: NDArray[Any],
        value: th.Tensor,
        log_prob: th.Tensor,
    ) -> None:
        """Adds one step of every environment; `mark_boundaries` comes before it.

        Args:
            obs: Observations before the step.
            action: Actions [n_envs, ...].
            reward: Rewards [n_envs]. The discounted value of a state behind a time limit is in
                them already: `collect_rollouts` of SB3 puts it there.
            episode_start: The step is the first of its episode, [n_envs].
            value: V_L, V_H and V_T of the observations, [n_envs, 3]; [n_envs] if they are one.
            log_prob: Log-probabilities of switch, subgoal and action, [n_envs, 3]; [n_envs] or
                [n_envs, 1] where an action has no such parts.
        """
        heads = value.detach().reshape(self.n_envs, -1).expand(-1, 3)
        parts = log_prob.detach().reshape(self.n_envs, -1)
        self.values_high[self.pos] = heads[:, HIGH].cpu().numpy()
        self.values_switch[self.pos] = heads[:, SWITCH].cpu().numpy()
        if parts.shape[1] > 1:
            self.log_probs_switch[self.pos] = parts[:, 0].cpu().numpy()
            self.log_probs_subgoal[self.pos] = parts[:, 1].cpu().numpy()
        # An episode begins with an option, whatever its environment says.
        self.boundaries[self.pos] |= np.asarray(episode_start, np.bool_)
        # A flat estimator's baseline must not know what was decided in the turn.
        own = heads[:, SWITCH if self.estimator.flat else LOW]
        super().add(obs, action, reward, episode_start, own, parts[:, -1])

    def mark_boundaries(self, boundaries: ArrayLike) -> None:
        """Notes in which environments [n_envs] the step that is added next began an option."""
        self.boundaries[self.pos] = boundaries

    def turn_batch(self, last_values: th.Tensor, dones: NDArray[Any]) -> TurnBatch:
        """The rollout as turns for an estimator, one environment after the other.

        The steps of an environment fall into pieces of episodes; each is a trajectory of its own.
        It ends `terminated` with its episode, or `truncated` with the rollout, and then the
        discounted value of the state behind it is added to its last reward, as SB3 does at time
        limits. The value that an estimator would make up for a truncated end is not wanted any
        more: call it with `bootstrap_truncated=False`.

        An estimator takes the first turn of a piece for a boundary. Where an option went on across
        the cut it is none: its A_H and its target of V_H belong to nothing, and no other turn's
        depend on them.

        Args:
            last_values: V_T of the observations behind the rollout, [n_envs] or [n_envs, 1]: the
                value of a state in which it is still open whether the option goes on.
            dones: The last step ended its episode, [n_envs].
        """
        is_cut = ~np.asarray(dones, np.bool_)
        starts = self.episode_starts.astype(np.bool_)
        starts[0] = True
        ends = np.concatenate([starts[1:], np.ones_like(starts[:1])])
        truncated = np.zeros_like(ends)
        truncated[-1] = is_cut
        reward = self.rewards.astype(np.float64)
        reward[-1] += self.gamma * is_cut * last_values.detach().cpu().numpy().reshape(-1)
        step = np.broadcast_to(np.arange(self.buffer_size)[:, None], starts.shape)
        piece = np.cumsum(starts.T.ravel())
        return TurnBatch(
            reward=reward.T.ravel(),
            terminated=(ends & ~truncated).T.ravel(),
            truncated=truncated.T.ravel(),
            boundary=self.boundaries.T.ravel(),
            value_low=self.values.T.ravel(),
            value_high=self.values_high.T.ravel().astype(np.float64),
            value_switch=self.values_switch.T.ravel().astype(np.float64),
            trajectory_id=piece,
            turn=(step - np.maximum.accumulate(np.where(starts, step, 0))).T.ravel(),
            group_id=piece,
            state_key=np.zeros_like(piece),
        )

    def compute_returns_and_advantage(self, last_values: th.Tensor, dones: NDArray[Any]) -> None:
        """Asks the estimator for the advantages and returns of all heads.

        Args:
            last_values: V_T of the observations behind the rollout, [n_envs] or [n_envs, 1].
            dones: The last step ended its episode, [n_envs].
        """
        found = self.estimator(
            self.turn_batch(last_values, dones),
            gamma=self.gamma,
            lam_low=self.gae_lambda,
            lam_high=self.lam_high,
            bootstrap_truncated=False,
            **self.estimator_settings,
        )
        self.advantages, self.returns = map(self._steps, (found.low, found.returns_low))
        self.advantages_high, self.returns_high = map(self._steps, (found.high, found.returns_high))
        self.advantages_switch = self._steps(found.switch)
        self.returns_switch = self._steps(found.returns_switch)

    def get(  # type: ignore[override]  # the samples have more fields
        self, batch_size: int | None = None
    ) -> Generator[HAERolloutBufferSamples, None, None]:
        """Visits every turn once, in random order.

        Args:
            batch_size: Turns in a minibatch; None for all of them.
        """
        if not self.generator_ready:
            for name in (*_FLOATS, "boundaries", "episode_starts"):
                setattr(self, name, self.swap_and_flatten(getattr(self, name)))
        yield from super().get(batch_size)  # type: ignore[misc]  # made by _get_samples

    def _get_samples(  # type: ignore[override]  # likewise
        self, batch_inds: NDArray[np.int64], env: Any = None
    ) -> HAERolloutBufferSamples:
        samples = super()._get_samples(batch_inds, env)
        more = {name: self.to_torch(getattr(self, name)[batch_inds].flatten()) for name in _FLOATS}
        return HAERolloutBufferSamples(
            **samples._asdict(),
            old_values_high=more["values_high"],
            old_values_switch=more["values_switch"],
            old_log_prob_subgoal=more["log_probs_subgoal"],
            old_log_prob_switch=more["log_probs_switch"],
            advantages_high=more["advantages_high"],
            advantages_switch=more["advantages_switch"],
            returns_high=more["returns_high"],
            returns_switch=more["returns_switch"],
            boundaries=self.to_torch(self.boundaries[batch_inds].flatten()),
            episode_starts=self.to_torch(self.episode_starts[batch_inds].flatten()) > 0.5,
        )

    def _steps(self, turns: NDArray[np.float64]) -> NDArray[np.float32]:
        """[n_envs * n_steps] turns as [n_steps, n_envs]."""
        return turns.reshape(self.n_envs, self.buffer_size).T.astype(np.float32)


class HAEDictRolloutBuffer(  # type: ignore[misc]  # both have samples of their own
    HAERolloutBuffer, DictRolloutBuffer
):
    """`HAERolloutBuffer` for observations that are dicts."""
