"""The sampled study: it finds what is wrong, leaves alone what is right, and agrees with sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.exact.batches import Columns, Scores, flat_value
from benchmarks.exact.claims import moments
from benchmarks.exact.gradient import gradient, values
from benchmarks.exact.inference import hotelling, spread
from benchmarks.exact.policy import Policy, skilled_policy
from benchmarks.exact.process import Process, errands
from benchmarks.exact.rollouts import sample
from benchmarks.exact.study import Cell, Sampling, cells, draw_estimates, measure
from benchmarks.exact.variants import Variant, available, core_variants
from hiper_agents.estimators import (
    Advantages,
    TurnBatch,
    get_estimator,
    list_estimators,
    register_estimator,
    registry,
)

SMALL = Sampling(batches=300, episodes=32)


@pytest.fixture
def wrong() -> Iterator[Variant]:
    """HAE whose low head counts a turn's reward half as much again."""

    @register_estimator("wrong")
    def wrong(batch: TurnBatch, **settings: Any) -> Advantages:
        right = get_estimator("hae")(batch, **settings)
        return replace(right, low=right.low + 0.5 * batch.reward)

    yield Variant("wrong", "wrong", {"lam_low": 1.0, "lam_high": 1.0})
    registry._registry.pop("wrong")


def cell(variants: tuple[Variant, ...]) -> Cell:
    return Cell("horizon", 12, stages=2, subgoals=2, horizon=12, delay=1, variants=variants)


def rows_of(*variants: Variant, sampling: Sampling = SMALL) -> dict[str, dict[str, Any]]:
    gae = Variant("gae", "gae", {"lam_low": 1.0})
    measured = measure(cell((gae, *variants)), sampling, index=0)
    return {row["variant"]: row for row in measured["rows"]}


def test_an_estimator_that_is_wrong_on_purpose_is_found(wrong: Variant) -> None:
    rows = rows_of(wrong, *core_variants()[1:])
    assert rows["wrong"]["test"]["p"] < 1e-6
    assert rows["wrong"]["p_by_head"]["low"] < 1e-6
    assert rows["wrong"]["p_by_head"]["high"] > 0.001
    for name in ("gae", "hae", "hae, lam 1", "gae per head"):
        assert rows[name]["test"]["p"] > 0.001
        assert rows[name]["p_direction"] > 0.001


def test_a_scale_is_a_bias_but_no_bias_of_direction() -> None:
    @register_estimator("half", flat=True)
    def half(batch: TurnBatch, **settings: Any) -> Advantages:
        advantage = 0.5 * get_estimator("gae")(batch, **settings).low
        return Advantages(*[advantage] * 6)

    try:
        row = rows_of(Variant("half", "half"))["half"]
    finally:
        registry._registry.pop("half")
    assert row["test"]["p"] < 1e-6
    assert row["p_direction"] > 0.001
    assert row["cosine"] > 0.98
    low, high = row["bias_along_gradient"]["interval_99"]
    assert low < -0.5 < high
    assert row["variance_ratio"]["total"]["value"] == pytest.approx(0.25)
    gae = rows_of()["gae"]
    assert row["episodes_for_signal"] == pytest.approx(gae["episodes_for_signal"], rel=1e-6)


def test_sampled_and_listed_episodes_agree() -> None:
    process = errands(stages=2, subgoals=2, horizon=4, success=0.4)
    policy = skilled_policy(process, np.random.default_rng(0))
    variants = core_variants()
    listed = moments(process, policy, variants)
    sampling = Sampling(batches=300, episodes=64)
    drawn = draw_estimates(process, policy, variants, sampling, np.random.SeedSequence(1))
    for variant in variants:
        exact, estimates = listed[variant.name], drawn[variant.name]
        found = spread(estimates)
        assert abs(found.value * 64 - exact.traces()["total"]) < 5 * found.se * 64
        off = (estimates.mean(0) - exact.mean) / np.maximum(estimates.std(0), 1e-12)
        assert np.abs(off).max() * np.sqrt(300) < 5.0


def test_the_study_is_the_same_again_and_not_with_another_seed() -> None:
    hae = core_variants()[1]
    few = Sampling(batches=60, episodes=32)
    assert rows_of(hae, sampling=few) == rows_of(hae, sampling=few)
    assert rows_of(hae, sampling=few) != rows_of(hae, sampling=replace(few, seed=1))


def test_every_registered_estimator_is_measured_or_left_out_for_a_reason() -> None:
    others, left_out = available()
    core = core_variants()
    measured = {variant.estimator for variant in (*core, *others)}
    assert measured | left_out.keys() == set(list_estimators())
    assert not measured & left_out.keys()
    assert all(left_out.values())
    for one in cells(others, quick=True):
        names = [variant.name for variant in one.variants]
        assert len(set(names)) == len(names)


def test_other_estimators_run_on_the_columns_that_they_need() -> None:
    others, _ = available()
    rows = rows_of(*others, sampling=Sampling(batches=60, episodes=64))
    assert rows["rloo"]["test"]["p"] > 0.001
    # Dividing by a deviation changes the length, not only by noise.
    assert rows["grpo"]["test"]["p"] < 1e-6
    # Exact Q and V leave only the policy's own noise.
    assert rows["archer"]["variance_ratio"]["total"]["value"] < 0.5


@pytest.fixture
def setting() -> tuple[Process, Policy]:
    process = errands(stages=3, subgoals=3, horizon=9, success=0.4)
    return process, skilled_policy(process, np.random.default_rng(0))


def test_a_batch_holds_each_heads_value_before_its_decision(
    setting: tuple[Process, Policy],
) -> None:
    process, policy = setting
    rollouts, value = sample(process, policy, 64, np.random.default_rng(0)), values(*setting)
    columns = Columns(rollouts, policy, value, value)
    own, flat = columns.batch(flat=False), columns.batch(flat=True, group_size=32, strategies=4)
    for i in range(0, len(rollouts), 7):
        t, s, g = (int(c[i]) for c in (rollouts.turn, rollouts.state, rollouts.subgoal))
        before = value.switch[t, s, rollouts.running[i]] if t else value.high[t, s]
        assert own.value_low[i] == value.low[t, s, g]
        assert own.value_high[i] == value.high[t, s]
        assert own.value_switch[i] == flat.value_low[i] == flat_value(rollouts, value)[i] == before
    assert own.truncated.sum() == (rollouts.last & ~rollouts.terminated).sum() > 0
    assert len(np.unique(own.group_id)) == 64
    assert len(np.unique(flat.group_id)) == 2
    assert flat.strategy_id is not None
    assert len(np.unique(flat.strategy_id)) == 8


def test_columns_for_some_estimators_mean_what_they_should(
    setting: tuple[Process, Policy],
) -> None:
    process, policy = setting
    rollouts, value = sample(process, policy, 64, np.random.default_rng(0)), values(*setting)
    twin = value.perturbed(0.5, np.random.default_rng(1))
    batch = Columns(rollouts, policy, value, twin).batch(flat=True)
    assert batch.divergence is not None
    plan = value.low[rollouts.turn, rollouts.state].argmax(-1)
    on_plan = rollouts.subgoal == plan
    assert 0 < on_plan.sum() < len(on_plan)
    assert (batch.divergence[on_plan] < 1e-12).all()
    assert (batch.divergence[~on_plan] > 1e-3).all()
    assert batch.q_value is not None
    rows = (rollouts.turn, rollouts.state, rollouts.subgoal, rollouts.action)
    np.testing.assert_array_equal(batch.q_value, np.minimum(value.action[rows], twin.action[rows]))


def test_the_estimate_sums_advantage_times_score(setting: tuple[Process, Policy]) -> None:
    process, policy = setting
    rollouts = sample(process, policy, 8, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    advantages = Advantages(*(rng.normal(size=len(rollouts)) for _ in range(6)))
    scores = Scores(rollouts, policy, rollouts.episode // 4, 2, discount=0.9)
    naive = {head: np.zeros((2, *getattr(policy, head).shape)) for head in policy.blocks}
    for i in range(len(rollouts)):
        s, g, a = (int(c[i]) for c in (rollouts.state, rollouts.subgoal, rollouts.action))
        decided = [("low", (s, g), a)]
        if rollouts.switch[i]:
            decided.append(("high", (s,), g))
        if rollouts.turn[i]:
            decided.append(("switch", (s, int(rollouts.running[i])), int(rollouts.switch[i])))
        for head, node, choice in decided:
            score = -policy.probability[head][node]
            score[choice] += 1.0
            weight = 0.9 ** int(rollouts.turn[i]) * getattr(advantages, head)[i]
            naive[head][(rollouts.episode[i] // 4, *node)] += weight * score
    expected = np.concatenate([table.reshape(2, -1) for table in naive.values()], axis=1)
    np.testing.assert_allclose(scores.estimate(advantages), expected, atol=1e-12)


def test_one_critic_that_errs_serves_all_its_variants() -> None:
    # The same wrong values for GAE and HAE, or they could not be compared.
    process = errands(stages=2, subgoals=2, horizon=8, success=0.4)
    policy = skilled_policy(process, np.random.default_rng(0))
    twice = (Variant("a", "hae", error=1.0), Variant("b", "hae", error=1.0), Variant("c", "hae"))
    found = draw_estimates(
        process, policy, twice, Sampling(batches=8, episodes=32), np.random.SeedSequence(0)
    )
    np.testing.assert_array_equal(found["a"], found["b"])
    assert (found["a"] != found["c"]).any()


def test_the_test_of_the_whole_gradient_does_not_need_many_batches() -> None:
    process = cell(()).process()
    policy = skilled_policy(process, np.random.default_rng(0))
    gae = core_variants()[:1]
    found = draw_estimates(process, policy, gae, SMALL, np.random.SeedSequence(3))["gae"]
    exact = gradient(process, policy)
    rng = np.random.default_rng(0)
    assert hotelling((found - exact) @ rng.normal(size=(len(exact), 6))).p > 0.001
    assert hotelling((found - 0.5 * exact) @ rng.normal(size=(len(exact), 6))).p < 1e-6
