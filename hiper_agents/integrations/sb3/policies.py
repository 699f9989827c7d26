"""Policies of `HierarchicalPPO`: SB3's actor-critic policies with three values.

`value_net`, SB3's own, is V_T: the value of a state before anything is decided in it, and what
`predict_values` returns. `value_high_net` is V_H, the value of a state in which an option begins.
`value_low_net` is V_L, the value once switch and subgoal are decided. An action is a plain one, of
any space that PPO takes, or one of `OptionActions`: then switch, subgoal and action are decided in
this order, each knowing those before it. The module knows nothing about advantages or losses.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    Distribution,
    MultiCategoricalDistribution,
)
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import CombinedExtractor, NatureCNN
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor, nn
from torch.distributions import Categorical

from hiper_agents.integrations.option_actions import (
    ACTION_MASK,
    SUBGOAL_MASK,
    SWITCH_MASK,
    OptionActions,
    check_masks,
)

__all__ = [
    "CnnPolicy",
    "Heads",
    "HierarchicalActorCriticPolicy",
    "MlpPolicy",
    "MultiInputPolicy",
    "OptionHeads",
    "Turn",
    "even",
    "mask_of",
    "switch_layer",
]

_NEVER = -1e8
"""Logit of what is masked out; its probability is exactly 0."""


class Turn(NamedTuple):
    """What a policy decides in B states. P is 1, or 3 (switch, subgoal, action)."""

    actions: Tensor
    """[B, ...] as the action space has them."""
    log_prob: Tensor
    """[B, P]"""
    entropy: Tensor
    """[B, P]"""
    decided: Tensor
    """[B, D] what V_L is told of switch and subgoal; D is 0 with plain actions."""


class Heads(nn.Module):
    """Logits of the decisions of a turn, from the actor's latent features [B, latent].

    Attributes:
        decided_dim: D, how many numbers tell the later decisions of a turn about the earlier ones.
    """

    decided_dim: int = 0

    def switch(self, latent: Tensor) -> Tensor:
        """[B, 2] logits of KEEP and SWITCH."""
        raise NotImplementedError

    def subgoal(self, latent: Tensor, obs: PyTorchObs) -> Tensor:
        """[B, subgoals] logits."""
        raise NotImplementedError

    def decided(self, obs: PyTorchObs, switch: Tensor, subgoal: Tensor) -> Tensor:
        """[B, D] the new subgoal, or 0 on KEEP: the observation shows the one that goes on."""
        raise NotImplementedError

    def action(self, latent: Tensor, obs: PyTorchObs, decided: Tensor) -> Tensor:
        """[B, actions] logits."""
        raise NotImplementedError


class OptionHeads(Heads):
    """One layer for the switch, one for the subgoal, two for the action.

    Args:
        latent: Size of the latent features.
        space: The actions.
        keep_bias: Initial logit of KEEP, against 0 of SWITCH.
    """

    def __init__(self, latent: int, space: OptionActions, keep_bias: float) -> None:
        super().__init__()
        self.decided_dim = space.subgoals
        self.switch_net = switch_layer(latent, keep_bias)
        self.subgoal_net = even(nn.Linear(latent, space.subgoals))
        self.action_net = nn.Sequential(
            nn.Linear(latent + self.decided_dim, latent),
            nn.Tanh(),
            even(nn.Linear(latent, space.actions)),
        )

    def switch(self, latent: Tensor) -> Tensor:
        """[B, 2] logits of KEEP and SWITCH."""
        return cast("Tensor", self.switch_net(latent))

    def subgoal(self, latent: Tensor, obs: PyTorchObs) -> Tensor:
        """[B, subgoals] logits."""
        return cast("Tensor", self.subgoal_net(latent))

    def decided(self, obs: PyTorchObs, switch: Tensor, subgoal: Tensor) -> Tensor:
        """[B, subgoals] one-hot, or 0 on KEEP."""
        return nn.functional.one_hot(subgoal, self.decided_dim) * switch[:, None].float()

    def action(self, latent: Tensor, obs: PyTorchObs, decided: Tensor) -> Tensor:
        """[B, actions] logits."""
        return cast("Tensor", self.action_net(th.cat([latent, decided], 1)))


def even(layer: nn.Linear) -> nn.Linear:
    """Begins with about equal outputs, as SB3 begins with about equally likely actions."""
    nn.init.orthogonal_(layer.weight, gain=0.01)
    nn.init.zeros_(layer.bias)
    return layer


def switch_layer(latent: int, keep_bias: float) -> nn.Linear:
    """Logits of KEEP and SWITCH, at first `keep_bias` and 0."""
    layer = even(nn.Linear(latent, 2))
    with th.no_grad():
        layer.bias[0] = keep_bias
    return layer


class HierarchicalActorCriticPolicy(ActorCriticPolicy):
    """SB3's `ActorCriticPolicy` with three values and, for `OptionActions`, three decisions.

    Masks in the observation (`hiper_agents.integrations.option_actions`) are obeyed.

    Args:
        observation_space: Observation space.
        action_space: Action space.
        lr_schedule: Learning rate by the progress that remains.
        *args: As for SB3's policy.
        keep_bias: Initial logit of KEEP with `OptionActions`: options begin long rather than two
            turns short.
        **kwargs: As for SB3's policy.

    Raises:
        OptionActionsError: If a mask in the observation does not fit the action space.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *args: Any,
        keep_bias: float = 4.0,
        **kwargs: Any,
    ) -> None:
        check_masks(observation_space, action_space)
        self.keep_bias = keep_bias
        super().__init__(observation_space, action_space, lr_schedule, *args, **kwargs)

    def forward(
        self, obs: PyTorchObs, deterministic: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Decides B turns.

        Args:
            obs: Observations.
            deterministic: Whether to take the most likely choices.

        Returns:
            Actions [B, ...]; V_L, V_H and V_T [B, 3]; log-probabilities [B, P].
        """
        latent_pi, latent_vf = self._latents(obs)
        turn = self._decide(latent_pi, obs, deterministic=deterministic)
        return turn.actions, self._values(latent_vf, turn.decided), turn.log_prob

    def evaluate_actions(self, obs: PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Looks at decisions again.

        Args:
            obs: Observations of B turns.
            actions: What was decided in them, [B, ...].

        Returns:
            V_L, V_H and V_T [B, 3]; log-probabilities [B, P]; entropies [B, P].
        """
        latent_pi, latent_vf = self._latents(obs)
        turn = self._decide(latent_pi, obs, actions)
        return self._values(latent_vf, turn.decided), turn.log_prob, turn.entropy

    def predict_values(self, obs: PyTorchObs) -> Tensor:
        """V_T of the observations, [B, 1]."""
        return cast("Tensor", self.value_net(self._latents(obs)[1]))

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """The distribution of a plain action.

        Raises:
            NotImplementedError: If actions are `OptionActions`: their parts depend on each other.
        """
        if isinstance(self.action_space, OptionActions):
            raise NotImplementedError("switch, subgoal and action have no single distribution")
        return self._distribution(self._latents(obs)[0], obs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), "keep_bias": self.keep_bias}

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        heads = self._make_heads()
        if heads is not None:
            self.action_net = heads
        latent = self.mlp_extractor.latent_dim_vf
        self.value_low_net = nn.Linear(latent + (0 if heads is None else heads.decided_dim), 1)
        self.value_high_net = nn.Linear(latent, 1)
        if self.ortho_init:
            self.init_weights(self.value_low_net)
            self.init_weights(self.value_high_net)
        self.optimizer = self.optimizer_class(
            self.parameters(),
            lr=lr_schedule(1),  # type: ignore[call-arg]  # unknown to the base class, as SB3 notes
            **self.optimizer_kwargs,
        )

    def _make_heads(self) -> Heads | None:
        """The module that takes the place of SB3's `action_net`; None to leave it."""
        if not isinstance(self.action_space, OptionActions):
            return None
        return OptionHeads(self.mlp_extractor.latent_dim_pi, self.action_space, self.keep_bias)

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        latent_pi, _ = self._latents(observation)
        return self._decide(latent_pi, observation, deterministic=deterministic).actions

    def _latents(self, obs: PyTorchObs) -> tuple[Tensor, Tensor]:
        features = self.extract_features(obs)
        if isinstance(features, tuple):
            actor, critic = features
            return self.mlp_extractor.forward_actor(actor), self.mlp_extractor.forward_critic(
                critic
            )
        return cast("tuple[Tensor, Tensor]", self.mlp_extractor(features))

    def _values(self, latent_vf: Tensor, decided: Tensor) -> Tensor:
        low = self.value_low_net(th.cat([latent_vf, decided], 1))
        return th.cat([low, self.value_high_net(latent_vf), self.value_net(latent_vf)], 1)

    def _decide(
        self,
        latent: Tensor,
        obs: PyTorchObs,
        actions: Tensor | None = None,
        deterministic: bool = False,
    ) -> Turn:
        """Decides, or takes the given decisions for its own."""
        if isinstance(self.action_space, OptionActions):
            return self._decide_option(latent, obs, actions, deterministic)
        distribution = self._distribution(latent, obs)
        if actions is None:
            actions = distribution.get_actions(deterministic=deterministic)
        log_prob, entropy = distribution.log_prob(actions), distribution.entropy()
        if entropy is None:
            entropy = -log_prob  # no closed form: SB3 takes this sample of it
        shaped = actions.reshape((-1, *cast("tuple[int, ...]", self.action_space.shape)))
        return Turn(shaped, log_prob[:, None], entropy[:, None], latent.new_zeros(len(latent), 0))

    def _decide_option(
        self, latent: Tensor, obs: PyTorchObs, actions: Tensor | None, deterministic: bool
    ) -> Turn:
        heads = self.action_net
        assert isinstance(heads, Heads)
        taken = (None, None, None) if actions is None else actions.long().unbind(1)
        logits = heads.switch(latent)
        switch = _choose(logits, mask_of(obs, SWITCH_MASK), taken[0], deterministic)
        logits = heads.subgoal(latent, obs)
        subgoal = _choose(logits, mask_of(obs, SUBGOAL_MASK), taken[1], deterministic)
        decided = heads.decided(obs, switch.value, subgoal.value)
        mask = mask_of(obs, ACTION_MASK)
        if mask is not None and mask.dim() > 2:
            # The row of the new subgoal, or the last one for the option that goes on.
            row = th.where(switch.value == 1, subgoal.value, mask.shape[1] - 1)
            mask = mask[th.arange(len(row), device=row.device), row]
        action = _choose(heads.action(latent, obs, decided), mask, taken[2], deterministic)
        values, log_probs, entropies = zip(switch, subgoal, action, strict=True)
        return Turn(th.stack(values, 1), th.stack(log_probs, 1), th.stack(entropies, 1), decided)

    def _distribution(self, latent: Tensor, obs: PyTorchObs) -> Distribution:
        """The distribution of a plain action, without what is masked out."""
        mask = mask_of(obs, ACTION_MASK)
        if mask is None:
            return self._get_action_dist_from_latent(latent)
        return self._from_logits(self.action_net(latent), mask)

    def _from_logits(self, logits: Tensor, mask: Tensor | None) -> Distribution:
        assert isinstance(self.action_dist, (CategoricalDistribution, MultiCategoricalDistribution))
        if mask is not None:
            logits = logits.masked_fill(~mask, _NEVER)
        return self.action_dist.proba_distribution(action_logits=logits)


MlpPolicy = HierarchicalActorCriticPolicy


class CnnPolicy(HierarchicalActorCriticPolicy):
    """`HierarchicalActorCriticPolicy` for images."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("features_extractor_class", NatureCNN)
        super().__init__(*args, **kwargs)


class MultiInputPolicy(HierarchicalActorCriticPolicy):
    """`HierarchicalActorCriticPolicy` for dicts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("features_extractor_class", CombinedExtractor)
        super().__init__(*args, **kwargs)


class _Choice(NamedTuple):
    value: Tensor
    log_prob: Tensor
    entropy: Tensor


def _choose(
    logits: Tensor, mask: Tensor | None, taken: Tensor | None, deterministic: bool
) -> _Choice:
    """Chooses a column in each row [B, n] of logits, or takes the given choices for its own."""
    if mask is not None:
        logits = logits.masked_fill(~mask, _NEVER)
    distribution = Categorical(logits=logits)
    if taken is None:
        taken = logits.argmax(1) if deterministic else distribution.sample()
    return _Choice(taken, distribution.log_prob(taken), distribution.entropy())


def mask_of(obs: PyTorchObs, key: str) -> Tensor | None:
    """[B, ...] bool: what can be chosen; None where the observation does not say."""
    return obs[key] > 0.5 if isinstance(obs, dict) and key in obs else None
