"""Bridges to other people's trainers: numeric views of the environments, and Stable-Baselines3.

The modules of this package need nothing but Gymnasium and numpy; each trainer has a package of its
own, imported when it is asked for, which names the extra that installs it.
"""

from hiper_agents.integrations.numeric_features import NumericFeatures
from hiper_agents.integrations.option_actions import (
    FixedLengthOptions,
    FlatOptionActions,
    OptionActions,
)

__all__ = ["FixedLengthOptions", "FlatOptionActions", "NumericFeatures", "OptionActions"]
