"""`CandidatePolicy`: the policy for `NumericFeatures`, which scores what there is to choose from.

Which actions and subgoals there are differs from turn to turn, so a fixed layer would have to learn
each place in the list by itself. Here one small network looks at every row and gives it a score.
The module knows nothing about texts or benchmarks.
"""

from __future__ import annotations

from typing import Any, cast

import torch as th
from gymnasium import spaces
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, TensorDict
from torch import Tensor, nn

from hiper_agents.integrations.numeric_features import (
    ACHIEVES,
    CANDIDATE_TYPES,
    CANDIDATES,
    MOVE_TYPES,
    MOVES,
    STATE,
    STATE_TYPES,
    SUBGOAL,
    SUBGOAL_TYPES,
)
from hiper_agents.integrations.option_actions import ACTION_MASK, OptionActions
from hiper_agents.integrations.sb3.policies import (
    Heads,
    HierarchicalActorCriticPolicy,
    even,
    mask_of,
    switch_layer,
)

__all__ = ["CandidateHeads", "CandidatePolicy", "SituationExtractor"]


class SituationExtractor(BaseFeaturesExtractor):
    """State and running subgoal as one vector, type numbers embedded; the rows are left out.

    Args:
        observation_space: Of `NumericFeatures`.
        embedding: Size of a type's embedding.
    """

    def __init__(self, observation_space: spaces.Dict, embedding: int = 16) -> None:
        present = observation_space.spaces
        numbers = [key for key in (STATE, SUBGOAL) if key in present]
        types = [key for key in (STATE_TYPES, SUBGOAL_TYPES) if key in present]
        shapes = [cast("tuple[int, ...]", present[key].shape) for key in numbers]
        words = [cast("spaces.MultiDiscrete", present[key]).nvec for key in types]
        size = sum(shape[0] for shape in shapes) + embedding * sum(map(len, words))
        super().__init__(observation_space, size)
        self._numbers, self._types = numbers, types
        if words:
            self.embed = nn.Embedding(int(words[0][0]), embedding)

    def forward(self, observations: TensorDict) -> Tensor:
        """[B, features_dim]."""
        parts = [observations[key].float() for key in self._numbers]
        parts += [self.embed(observations[key].long()).flatten(1) for key in self._types]
        return th.cat(parts, 1)


class RowScorer(nn.Module):
    """Scores the n rows of an observation in the context of their turn.

    Args:
        context: Numbers of a context.
        space: The observations.
        rows: Key of the rows' numbers.
        types: Key of their types; rows may have none.
        count: n.
        hidden: Width of the hidden layer.
        embedding: Size of a type's embedding.
    """

    def __init__(
        self,
        context: int,
        space: spaces.Dict,
        rows: str,
        types: str,
        *,
        count: int,
        hidden: int,
        embedding: int,
    ) -> None:
        super().__init__()
        self._rows, self._types, self._count = rows, types, count
        size = cast("tuple[int]", space[rows].shape)[0] // count
        self.embed: nn.Embedding | None = None
        if types in space.spaces:
            words = cast("spaces.MultiDiscrete", space[types]).nvec
            self.embed = nn.Embedding(int(words[0]), embedding)
            size += len(words) // count * embedding
        self.context = nn.Linear(context, hidden)
        self.row = nn.Linear(size, hidden, bias=False)
        self.out = even(nn.Linear(hidden, 1))

    def rows(self, obs: TensorDict) -> Tensor:
        """[B, n, hidden]."""
        numbers = obs[self._rows].float()
        parts = [numbers.reshape(len(numbers), self._count, -1)]
        if self.embed is not None:
            words = self.embed(obs[self._types].long())
            parts.append(words.reshape(len(numbers), self._count, -1))
        return cast("Tensor", self.row(th.cat(parts, 2)))

    def forward(self, context: Tensor, rows: Tensor) -> Tensor:
        """[B, n] scores in contexts [B, context] of what `rows` returned."""
        return cast("Tensor", self.out(th.relu(rows + self.context(context)[:, None])).squeeze(2))


class CandidateHeads(Heads):
    """Scores actions and, with `OptionActions`, subgoals by their rows.

    Args:
        latent: Size of the latent features.
        observation_space: Of `NumericFeatures`.
        action_space: Likewise.
        hidden: Width of the hidden layers.
        embedding: Size of a type's embedding.
        keep_bias: Initial logit of KEEP, against 0 of SWITCH.
        achieve_bias: Initial logit of an action that does what a subgoal names.
    """

    def __init__(
        self,
        latent: int,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        *,
        hidden: int,
        embedding: int,
        keep_bias: float,
        achieve_bias: float,
    ) -> None:
        super().__init__()
        self.achieve_bias = nn.Parameter(th.tensor(achieve_bias))
        sizes = {"hidden": hidden, "embedding": embedding}
        if isinstance(action_space, OptionActions):
            self.actions, self.decided_dim = action_space.actions, hidden
            self.switch_net = switch_layer(latent, keep_bias)
            self.planner = RowScorer(
                latent,
                observation_space,
                CANDIDATES,
                CANDIDATE_TYPES,
                count=action_space.subgoals,
                **sizes,
            )
        else:
            self.actions = int(cast("spaces.Discrete", action_space).n)
        context = latent + self.decided_dim
        self.executor = RowScorer(
            context, observation_space, MOVES, MOVE_TYPES, count=self.actions, **sizes
        )

    def switch(self, latent: Tensor) -> Tensor:
        """[B, 2] logits of KEEP and SWITCH."""
        return cast("Tensor", self.switch_net(latent))

    def subgoal(self, latent: Tensor, obs: PyTorchObs) -> Tensor:
        """[B, subgoals] logits."""
        return cast("Tensor", self.planner(latent, self.planner.rows(cast("TensorDict", obs))))

    def decided(self, obs: PyTorchObs, switch: Tensor, subgoal: Tensor) -> Tensor:
        """[B, hidden] the row of the new subgoal, or 0 on KEEP."""
        rows = self.planner.rows(cast("TensorDict", obs))
        chosen = rows[th.arange(len(rows), device=rows.device), subgoal]
        return th.tanh(chosen) * switch[:, None]

    def action(self, latent: Tensor, obs: PyTorchObs, decided: Tensor) -> Tensor:
        """[B, actions] logits."""
        observed = cast("TensorDict", obs)
        rows = self.executor.rows(observed)
        scores: Tensor = self.executor(th.cat([latent, decided], 1), rows)
        achieves = observed[MOVES].reshape(len(scores), self.actions, -1)[:, :, ACHIEVES]
        return scores + self.achieve_bias * achieves


class CandidatePolicy(HierarchicalActorCriticPolicy):
    """Scores the rows that `NumericFeatures` shows, instead of having an output for each place.

    Args:
        *args: As for `HierarchicalActorCriticPolicy`.
        hidden: Width of the layers that score rows.
        embedding: Size of a type's embedding.
        achieve_bias: Initial logit of an action that does what a subgoal names: an option begins by
            being meant.
        **kwargs: As for `HierarchicalActorCriticPolicy`.
    """

    def __init__(
        self,
        *args: Any,
        hidden: int = 64,
        embedding: int = 16,
        achieve_bias: float = 3.0,
        **kwargs: Any,
    ) -> None:
        self.hidden, self.embedding, self.achieve_bias = hidden, embedding, achieve_bias
        kwargs.setdefault("features_extractor_class", SituationExtractor)
        kwargs.setdefault("features_extractor_kwargs", {"embedding": embedding})
        super().__init__(*args, **kwargs)

    def extract_features(  # type: ignore[override]  # SB3's own policies say so too
        self, obs: PyTorchObs, features_extractor: BaseFeaturesExtractor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """As SB3's, but types stay numbers, to be embedded, rather than becoming one-hot."""
        if self.share_features_extractor:
            return cast("Tensor", (features_extractor or self.features_extractor)(obs))
        return self.pi_features_extractor(obs), self.vf_features_extractor(obs)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        own = ("hidden", "embedding", "achieve_bias")
        return {
            **super()._get_constructor_parameters(),
            **{name: getattr(self, name) for name in own},
        }

    def _make_heads(self) -> Heads:
        return CandidateHeads(
            self.mlp_extractor.latent_dim_pi,
            cast("spaces.Dict", self.observation_space),
            self.action_space,
            hidden=self.hidden,
            embedding=self.embedding,
            keep_bias=self.keep_bias,
            achieve_bias=self.achieve_bias,
        )

    def _distribution(self, latent: Tensor, obs: PyTorchObs) -> Distribution:
        heads = self.action_net
        assert isinstance(heads, Heads)
        logits = heads.action(latent, obs, latent.new_zeros(len(latent), 0))
        return self._from_logits(logits, mask_of(obs, ACTION_MASK))
