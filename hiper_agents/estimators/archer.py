"""ArCHer's turn advantage: what an off-policy critic expects of the action, less of the state.

Source: ArCHer (arXiv 2402.19446), section 3: a critic of whole utterances, with two Q and two V and
targets that follow softly, trained off-policy, gives the advantage that the policy's tokens are
trained with. The critic is trained elsewhere. This module knows nothing about options.
"""

from __future__ import annotations

from typing import cast

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.needs import Needs
from hiper_agents.estimators.registry import register_estimator
from hiper_agents.estimators.segments import FloatArray


@register_estimator("archer", flat=True, needs=Needs(critic_warm_up=2, columns=("q_value",)))
def archer(
    batch: TurnBatch,
    *,
    gamma: float = 1.0,
    lam_low: float = 1.0,
    lam_high: float = 0.95,
    bootstrap_truncated: bool = True,
) -> Advantages:
    """Estimates one advantage a turn: `A(t) = Q(s_t, a_t) - V(s_t)`.

    Q is `q_value`, the lower of the critic's two; V is `value_low`, the same critic's value of the
    state. Rewards are not read: they have gone into Q, `Q(s_t, a_t) = r(t) + gamma V(s_{t+1})`
    where the critic is right.

    Args:
        batch: N turns of whole trajectories, with `q_value`.
        gamma: Not read; the critic was trained with one.
        lam_low: Not read; every estimator accepts it.
        lam_high: Not read.
        bootstrap_truncated: Not read; the critic was trained with or without.

    Returns:
        One array for `low`, `high` and `switch`, and one for all returns: Q, which is A + V, and
        what V learns to expect.

    Raises:
        EstimatorError: If there is no `q_value`.
    """
    q_value = cast("FloatArray", batch.q_value)
    advantage = q_value - batch.value_low
    return Advantages(advantage, advantage, advantage, q_value, q_value, q_value)
