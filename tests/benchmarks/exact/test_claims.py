"""HAE's two claims where every episode can be listed, so that nothing is left to chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.exact.claims import census, counterexamples, moments
from benchmarks.exact.conditions import conditions
from benchmarks.exact.gradient import gradient
from benchmarks.exact.policy import HEADS, Policy, random_policy
from benchmarks.exact.process import Process, random_process, unrolled
from benchmarks.exact.variants import Variant, core_variants


def some(seed: int, *, once: bool = False) -> tuple[Process, Policy]:
    rng = np.random.default_rng(seed)
    process = random_process(rng, states=2, actions=2, subgoals=2, horizon=3)
    process = unrolled(process) if once else process
    return process, random_policy(process, rng, 1.5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_with_exact_values_hae_and_gae_are_unbiased(seed: int, low: float, high: float) -> None:
    process, policy = some(seed)
    lams = {"lam_low": low, "lam_high": high}
    variants = (Variant("hae", "hae", lams), Variant("gae", "gae", lams))
    for one in moments(process, policy, variants).values():
        np.testing.assert_allclose(one.mean, gradient(process, policy), atol=1e-12)


def test_a_flat_estimator_that_is_given_v_low_is_biased() -> None:
    # V_L knows the subgoal: what the choice was worth is taken off before it can be credited.
    process, policy = some(0)
    wrong = Variant("gae", "gae", {"lam_low": 1.0}, "action")
    bias = moments(process, policy, [wrong])["gae"].mean - gradient(process, policy)
    exact = gradient(process, policy)
    assert np.abs(bias[policy.blocks["low"]]).max() < 1e-12
    for head in ("switch", "high"):
        own = policy.blocks[head]
        assert np.linalg.norm(bias[own]) > 0.1 * np.linalg.norm(exact[own])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_hae_has_no_larger_advantages_than_flat_gae(seed: int) -> None:
    # Given what a head decides on, an advantage has mean 0 before the decision: its square is its
    # variance.
    found = moments(*some(seed), core_variants())
    for head in HEADS:
        for name in ("hae", "hae, lam 1"):
            assert found[name].advantage[head] <= found["gae"].advantage[head] * (1 + 1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_used_once_each_parameter_has_no_more_variance_under_hae(seed: int) -> None:
    found = moments(*some(seed, once=True), core_variants())
    slack = 1e-12 + found["gae per head"].variance * 1e-9
    assert (found["hae, lam 1"].variance <= found["gae per head"].variance + slack).all()


def test_moments_are_those_of_all_episodes() -> None:
    # One turn, and one decision that matters: to win, one time in four.
    process = Process(
        start=np.ones(1),
        transition=np.array([[[0.0, 1.0], [0.0, 1.0]]]),
        reward=np.array([[[0.0, 0.0], [0.0, 1.0]]]),
        subgoals=1,
        horizon=1,
    )
    policy = Policy(np.zeros((1, 1, 2)), np.zeros((1, 1)), np.log([[[0.75, 0.25]]]))
    one = moments(process, policy, [Variant("gae", "gae")])["gae"]
    # Advantage times the losing action's score, 1(lose) - 3/4, when it is taken and when not.
    lose, win = -0.25 * 0.25, 0.75 * -0.75
    mean = 0.75 * lose + 0.25 * win
    np.testing.assert_allclose(one.mean[policy.blocks["low"]], [mean, -mean])
    variance = 0.75 * lose**2 + 0.25 * win**2 - mean**2
    np.testing.assert_allclose(one.variance[policy.blocks["low"]], [variance, variance])
    assert one.advantage["low"] == pytest.approx(0.75 * 0.25**2 + 0.25 * 0.75**2)
    assert one.traces()["total"] == pytest.approx(2 * variance)


def test_the_counterexamples_are_what_they_say() -> None:
    found = counterexamples()
    baseline = found["baseline"]
    assert baseline["hae"]["low"] > 1.5 * baseline["gae"]["low"]
    assert baseline["hae"]["low"] == pytest.approx(baseline["gae per head"]["low"])
    tries, p = found["second try"], 0.2
    assert tries["gae"]["total"] == pytest.approx(tries["gae per head"]["total"])
    # By hand: removing the noise behind the boundary takes 2 p^3 (1 - p)^2, and its covariance
    # with the second turn's estimate gives back 4 p^2 (1 - p)^2 (1 - 2 p).
    excess = 2 * p**2 * (1 - p) ** 2 * (2 - 5 * p)
    assert tries["hae"]["total"] - tries["gae"]["total"] == pytest.approx(excess)


def test_the_census_counts_what_it_lists() -> None:
    found = census(6, seed=1)
    assert found["processes"] == 6
    assert max(found["largest_bias"].values()) < 1e-12
    ratios = found["totals"]["hae, lam 1 / gae"]
    assert len(ratios) == 6
    told = found["ratios"]["hae, lam 1 / gae"]["total"]
    assert (told["min"], told["max"]) == (min(ratios), max(ratios))
    assert told["share_above_1"] == pytest.approx(np.mean(np.array(ratios) > 1.0))


def test_every_condition_matters_and_only_where_it_should() -> None:
    found = {(row["case"], row["variant"]): row["relative_bias"] for row in conditions(0)}
    kept = [bias for (case, _), bias in found.items() if case == "exact values"]
    assert len(kept) == 5
    assert max(bias["total"] for bias in kept) < 1e-10
    wrong = "the critic errs by 1"
    # Without bootstrapping, a wrong value is only a baseline.
    assert found[wrong, "gae"]["total"] < 1e-10
    assert found[wrong, "hae, lam 1"]["high"] < 1e-10
    assert found[wrong, "hae, lam 1"]["low"] > 0.01
    assert found[wrong, "hae"]["high"] > 1e-4
    assert found[wrong, "gae, lam 0.5"]["total"] > 0.01
    assert found["the critic is not told the turn", "gae"]["total"] < 1e-10
    assert found["the critic is not told the turn", "hae"]["low"] > 0.01
    assert found["values stand in at the step limit", "hae"]["total"] > 0.01
    assert found["an option's end is worth nothing", "hae"]["low"] > 0.01
    assert found["an option's end is worth nothing", "hae"]["high"] < 1e-10
    assert found["a flat estimator is given V_L", "gae"]["switch"] > 0.1
    assert found["discount 0.9, turn t weighs 0.9^t", "hae"]["total"] < 1e-10
    assert found["discount 0.9, all turns weigh the same", "hae"]["total"] > 0.01
