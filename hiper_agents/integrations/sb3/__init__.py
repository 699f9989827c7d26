"""Stable-Baselines3 with options: `HierarchicalPPO`, its rollout buffers and its policies.

    from hiper_agents.integrations.sb3 import HierarchicalPPO, NumericFeatures

    env = NumericFeatures(gym.make("HiPER-ALFWorld-v0", reference=True), options="reference")
    model = HierarchicalPPO("CandidatePolicy", env).learn(100_000)

Everything is a subclass of Stable-Baselines3's own classes. Needs the extra `sb3`.
"""

from hiper_agents.integrations.numeric_features import NumericFeatures
from hiper_agents.integrations.option_actions import (
    FixedLengthOptions,
    FlatOptionActions,
    OptionActions,
)
from hiper_base.errors import MissingDependencyError

try:
    from hiper_agents.integrations.sb3.boundaries import MarkBoundaries, OptionBoundaryError
    from hiper_agents.integrations.sb3.buffers import (
        HAEDictRolloutBuffer,
        HAERolloutBuffer,
        HAERolloutBufferSamples,
    )
    from hiper_agents.integrations.sb3.candidates import CandidatePolicy
    from hiper_agents.integrations.sb3.hierarchical_ppo import HierarchicalPPO
    from hiper_agents.integrations.sb3.policies import (
        CnnPolicy,
        HierarchicalActorCriticPolicy,
        MlpPolicy,
        MultiInputPolicy,
    )
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        f'HierarchicalPPO needs {error.name}, which comes with: pip install "hiper-gym[sb3]"'
    ) from error

__all__ = [
    "CandidatePolicy",
    "CnnPolicy",
    "FixedLengthOptions",
    "FlatOptionActions",
    "HAEDictRolloutBuffer",
    "HAERolloutBuffer",
    "HAERolloutBufferSamples",
    "HierarchicalActorCriticPolicy",
    "HierarchicalPPO",
    "MarkBoundaries",
    "MlpPolicy",
    "MultiInputPolicy",
    "NumericFeatures",
    "OptionActions",
    "OptionBoundaryError",
]
