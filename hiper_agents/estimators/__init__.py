"""Advantage estimators: functions from a batch of turns to advantages, looked up by name.

    >>> import numpy as np
    >>> from hiper_agents.estimators import TurnBatch, get_estimator
    >>> zeros, flags = np.zeros(2), np.zeros(2, dtype=bool)
    >>> batch = TurnBatch(
    ...     reward=np.array([0.0, 10.0]), terminated=np.array([False, True]), truncated=flags,
    ...     boundary=np.array([True, False]), value_low=zeros, value_high=zeros,
    ...     value_switch=zeros, trajectory_id=np.array([0, 0]), turn=np.array([0, 1]),
    ...     group_id=np.array([0, 0]), state_key=np.array([7, 8]),
    ... )
    >>> get_estimator("hae")(batch, gamma=0.9).low
    array([ 9., 10.])

An estimator is a plain function; `register_estimator` gives it a name, and a package can publish
one through the entry-point group `hiper.estimators`. This package knows nothing about tokens,
networks or losses.
"""

from hiper_agents.estimators import (
    archer,
    gae,
    gear,
    gigpo,
    grpo,
    hae,
    reinforce_pp,
    rloo,
    strata,
)
from hiper_agents.estimators.advantages import Advantages, whiten
from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.needs import Needs
from hiper_agents.estimators.registry import (
    ENTRY_POINT_GROUP,
    Estimator,
    EstimatorError,
    UnknownEstimatorError,
    get_estimator,
    list_estimators,
    register_estimator,
)

__all__ = [
    "ENTRY_POINT_GROUP",
    "Advantages",
    "Estimator",
    "EstimatorError",
    "Needs",
    "TurnBatch",
    "UnknownEstimatorError",
    "archer",
    "gae",
    "gear",
    "get_estimator",
    "gigpo",
    "grpo",
    "hae",
    "list_estimators",
    "register_estimator",
    "reinforce_pp",
    "rloo",
    "strata",
    "whiten",
]
