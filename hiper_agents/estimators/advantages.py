"""`Advantages`, what an estimator returns, and the whitening of its heads.

It knows nothing about how advantages are estimated, nor about the tokens they are spread over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.segments import BoolArray, FloatArray

# A spread this small beside the advantages themselves is rounding, not information.
_ROUNDING = 1e-8


@dataclass(frozen=True, eq=False)
class Advantages:
    """Advantages and value targets of N turns, for three heads, in the order of the batch.

    A flat method has one advantage a turn: `low`, `high` and `switch` are then the same array
    object, not merely equal ones.

    Attributes:
        low: Advantage of the primitive action, float64 [N].
        high: Advantage of the subgoal, float64 [N]; 0 outside boundary turns if hierarchical.
        switch: Advantage of the decision to keep or switch, float64 [N].
        returns_low: Target of the low head's value, float64 [N].
        returns_high: Target of the high head's value, float64 [N].
        returns_switch: Target of the switch head's value, float64 [N].
    """

    low: FloatArray
    high: FloatArray
    switch: FloatArray
    returns_low: FloatArray
    returns_high: FloatArray
    returns_switch: FloatArray

    @property
    def flat(self) -> bool:
        """Whether the three heads share one advantage."""
        return self.low is self.high and self.low is self.switch


def whiten(advantages: Advantages, batch: TurnBatch) -> Advantages:
    """Gives each head's advantages mean 0 and standard deviation 1 over the head's own turns.

    The low and switch heads act at every turn, the high head at boundary turns; elsewhere its
    advantage stays as it is. One shared advantage is whitened once and stays shared. A single
    turn, or advantages that are equal up to rounding, have no scale and become 0: nothing was
    better than expected. Returns stay as they are.
    """
    everywhere = np.ones(len(batch), dtype=bool)
    low = _whiten(advantages.low, everywhere)
    if advantages.flat:
        return replace(advantages, low=low, high=low, switch=low)
    high = _whiten(advantages.high, batch.boundary)
    return replace(advantages, low=low, high=high, switch=_whiten(advantages.switch, everywhere))


def standardised(values: FloatArray) -> FloatArray:
    """Values [n] less their mean, over their standard deviation; 0 if equal up to rounding."""
    if not len(values):
        return values.copy()
    deviation = values.std()
    if deviation > _ROUNDING * np.abs(values).max():
        return np.asarray((values - values.mean()) / deviation)
    return np.zeros_like(values)


def _whiten(advantage: FloatArray, own: BoolArray) -> FloatArray:
    whitened = advantage.copy()
    whitened[own] = standardised(advantage[own])
    return whitened
