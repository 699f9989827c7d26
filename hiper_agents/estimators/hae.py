"""Hierarchical Advantage Estimation: one advantage each for switching, subgoal and action.

Source: HiPER (arXiv 2602.16165). An option's turns form a segment; the low head looks as far as
the end of its segment, the high head from boundary to boundary. It knows nothing about what the
subgoals say.
"""

from __future__ import annotations

import numpy as np

from hiper_agents.estimators.advantages import Advantages
from hiper_agents.estimators.batch import TurnBatch
from hiper_agents.estimators.registry import check_unit_interval, register_estimator
from hiper_agents.estimators.segments import FloatArray, SegmentLayout, backward_recursion


@register_estimator("hae")
def hae(
    batch: TurnBatch,
    *,
    gamma: float = 1.0,
    lam_low: float = 1.0,
    lam_high: float = 0.95,
    bootstrap_truncated: bool = True,
    boundary_bootstrap: bool = True,
) -> Advantages:
    """Estimates the advantages of the low, high and switch heads.

    V_L, V_H and V_T are the values of the heads, s_k the state at the k-th boundary, n_k the
    length of the segment that begins there, d the terminal flag:

    - low: `A_L(t) = delta(t) + gamma lam_low A_L(t + 1)`, cut at the end of the segment, with
      `delta(t) = r(t) + gamma V' - V_L(t)`. V' is V_L(t + 1) inside a segment and V_H of the next
      boundary at its end.
    - switch: `A_T(t) = G(t) - V_T(t)`, with `G(t) = r(t) + gamma G(t + 1)` inside a segment and
      `r(t) + gamma V_H(s_{k+1})` at its end.
    - high: `A_H(k) = delta(k) + gamma^{n_k} lam_high (1 - d) A_H(k + 1)`, with
      `delta(k) = R_k + gamma^{n_k} (1 - d) V_H(s_{k+1}) - V_H(s_k)` and R_k the discounted reward
      of the segment. R_k and its bootstrap together are G at the boundary.

    Past a terminal turn every value is 0. Past a truncated one, V' is V_L(t) of that turn and
    V_H(s_{k+1}) is V_H(s_k), or both are 0 without `bootstrap_truncated`.

    Args:
        batch: N turns of whole trajectories.
        gamma: Discount a turn, in [0, 1].
        lam_low: Decay of the low head's trace a turn, in [0, 1].
        lam_high: Decay of the high head's trace an option, in [0, 1].
        bootstrap_truncated: Whether a truncated end is worth the last value, or 0.
        boundary_bootstrap: Whether the low head's V' at the end of a segment that another one
            follows is V_H of the next boundary, or 0. An ablation: with 0, an action is worth only
            the reward within its own option. The other heads do not read it.

    Returns:
        Advantages and value targets. `high` is 0 outside boundary turns, where no subgoal was
        chosen; `returns_high` is there V_H itself. `returns_low` and `returns_high` are
        advantage plus value, `returns_switch` is G.

    Raises:
        ValueError: If gamma, lam_low or lam_high is outside [0, 1].
    """
    check_unit_interval(gamma=gamma, lam_low=lam_low, lam_high=lam_high)
    layout = batch.layout
    reward = layout.sort(batch.reward)
    value_low = layout.sort(batch.value_low)
    value_high = layout.sort(batch.value_high)[layout.starts]
    # Per segment: does a next one follow, and if not, does the last value stand in for it?
    last = layout.trajectory_end[layout.ends]
    bootstrapped = last & ~layout.sort(batch.terminated)[layout.ends] & bootstrap_truncated

    after_high = np.where(bootstrapped, value_high, _following(value_high, last))
    next_option = after_high if boundary_bootstrap else 0.0
    after_low = np.where(bootstrapped, value_low[layout.ends], next_option)

    low = _low(layout, reward, value_low, after_low, gamma, lam_low)
    returns_switch = _segment_returns(layout, reward, after_high, gamma)
    delta_high = returns_switch[layout.starts] - value_high
    decay_high = np.where(last, 0.0, np.power(gamma, layout.lengths) * lam_high)
    high = np.zeros_like(reward)
    high[layout.starts] = backward_recursion(delta_high, decay_high, len(delta_high))

    low, high = layout.unsort(low), layout.unsort(high)
    returns_switch = layout.unsort(returns_switch)
    return Advantages(
        low=low,
        high=high,
        switch=returns_switch - batch.value_switch,
        returns_low=low + batch.value_low,
        returns_high=high + batch.value_high,
        returns_switch=returns_switch,
    )


def _following(value: FloatArray, last: np.ndarray) -> FloatArray:
    """The next segment's value [K], 0 behind the last segment of a trajectory."""
    following = np.zeros_like(value)
    following[:-1] = value[1:]
    following[last] = 0.0
    return following


def _low(
    layout: SegmentLayout,
    reward: FloatArray,
    value: FloatArray,
    after: FloatArray,
    gamma: float,
    lam: float,
) -> FloatArray:
    """A_L of the ordered turns [N]; `after` [K] is the value behind the end of each segment."""
    value_next = np.zeros_like(value)
    value_next[:-1] = value[1:]
    value_next[layout.ends] = after
    delta = reward + gamma * value_next - value
    decay = np.where(layout.segment_end, 0.0, gamma * lam)
    return backward_recursion(delta, decay, layout.longest)


def _segment_returns(
    layout: SegmentLayout, reward: FloatArray, after: FloatArray, gamma: float
) -> FloatArray:
    """G of the ordered turns [N]; `after` [K] is the value behind the end of each segment."""
    reward = reward.copy()
    reward[layout.ends] += gamma * after
    return backward_recursion(reward, np.where(layout.segment_end, 0.0, gamma), layout.longest)
