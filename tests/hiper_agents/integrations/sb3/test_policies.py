from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from hiper_agents.integrations import OptionActions
from hiper_agents.integrations.option_actions import OptionActionsError
from hiper_agents.integrations.sb3 import CnnPolicy, MlpPolicy, MultiInputPolicy
from hiper_agents.integrations.sb3.buffers import HIGH, LOW, SWITCH
from hiper_agents.integrations.sb3.policies import Heads

BOX = spaces.Box(0.0, 1.0, (2,), np.float32)
MASKED = spaces.Dict(
    x=BOX,
    switch_mask=spaces.MultiBinary(2),
    subgoal_mask=spaces.MultiBinary(3),
    action_mask=spaces.MultiBinary([4, 5]),
)


def make(observation_space: Any, action_space: Any, **kwargs: Any) -> MlpPolicy:
    th.manual_seed(0)
    kind = MultiInputPolicy if isinstance(observation_space, spaces.Dict) else MlpPolicy
    return kind(observation_space, action_space, lambda _: 1e-3, **kwargs)


def observe(batch: int, space: Any = BOX, **fixed: Any) -> Any:
    """Random observations, with the given rows instead where they are given."""
    space.seed(0)
    drawn = [space.sample() for _ in range(batch)]
    if not isinstance(space, spaces.Dict):
        return th.as_tensor(np.stack(drawn))
    shown = {key: th.as_tensor(np.stack([one[key] for one in drawn])) for key in space.spaces}
    for key, value in fixed.items():
        tensor = th.as_tensor(value, dtype=shown[key].dtype)
        shown[key] = tensor.expand_as(shown[key]).clone()
    return shown


@pytest.mark.parametrize(
    ("space", "parts"),
    [
        (spaces.Discrete(4), 1),
        (spaces.MultiDiscrete([2, 3, 4]), 1),
        (spaces.MultiBinary(3), 1),
        (spaces.Box(-1.0, 1.0, (2,)), 1),
        (OptionActions(subgoals=3, actions=5), 3),
    ],
)
def test_a_decision_looked_at_again_is_the_same(space: Any, parts: int) -> None:
    policy, obs = make(BOX, space), observe(7)
    actions, values, log_prob = policy(obs)
    assert actions.shape == (7, *space.shape)
    assert values.shape == (7, 3)
    assert log_prob.shape == (7, parts)
    again = policy.evaluate_actions(obs, actions)
    assert th.allclose(again[0], values)
    assert th.allclose(again[1], log_prob)
    assert again[2].shape == (7, parts)
    assert th.allclose(policy.predict_values(obs), values[:, [SWITCH]])


def test_only_the_low_value_knows_what_was_decided() -> None:
    policy, obs = make(BOX, OptionActions(subgoals=3, actions=5)), observe(1)
    chosen = th.tensor([[1, 0, 0], [1, 2, 0], [0, 0, 0], [0, 2, 0]])
    values, log_prob, _ = policy.evaluate_actions(obs.expand(4, 2), chosen)
    assert values[0, LOW] != values[1, LOW]
    # On KEEP the drawn subgoal is ignored.
    assert values[2, LOW] == values[3, LOW] != values[0, LOW]
    assert log_prob[2, 2] == log_prob[3, 2] != log_prob[0, 2]
    for head in (HIGH, SWITCH):
        assert len(set(values[:, head].tolist())) == 1


def test_options_begin_long() -> None:
    policy = make(BOX, OptionActions(subgoals=3, actions=5), keep_bias=4.0)
    actions, _, log_prob = policy(observe(2000))
    switches = actions[:, 0] == 1
    assert switches.float().mean() < 0.05
    # As SB3 begins: every subgoal and action about equally likely.
    assert th.allclose(log_prob[:, 1], th.tensor(math.log(1 / 3)), atol=0.05)
    assert th.allclose(log_prob[:, 2], th.tensor(math.log(1 / 5)), atol=0.05)


def test_what_is_masked_out_is_never_chosen() -> None:
    policy = make(MASKED, OptionActions(subgoals=3, actions=5), keep_bias=0.0)
    rows = [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    obs = observe(400, MASKED, switch_mask=[1, 1], subgoal_mask=[1, 1, 0], action_mask=rows)
    for deterministic in (False, True):
        actions, _, log_prob = policy(obs, deterministic=deterministic)
        switch, subgoal, action = actions.unbind(1)
        assert set(subgoal.tolist()) <= {0, 1}
        row = th.where(switch == 1, subgoal, 3)
        assert bool(th.tensor(rows)[row, action].all())
        assert th.isfinite(log_prob).all()
    _, _, entropy = policy.evaluate_actions(obs, policy(obs)[0])
    assert th.allclose(entropy[:, 1], th.tensor(math.log(2)), atol=0.01)


def test_a_forced_switch_has_probability_one() -> None:
    policy = make(MASKED, OptionActions(subgoals=3, actions=5))
    full = np.ones((4, 5))
    obs = observe(50, MASKED, switch_mask=[0, 1], subgoal_mask=[1, 1, 1], action_mask=full)
    actions, _, log_prob = policy(obs)
    assert bool((actions[:, 0] == 1).all())
    assert th.equal(log_prob[:, 0], th.zeros(50))


def test_a_plain_action_obeys_its_mask() -> None:
    space = spaces.Dict(x=BOX, action_mask=spaces.MultiBinary(4))
    policy = make(space, spaces.Discrete(4))
    obs = observe(300, space, action_mask=[0, 1, 0, 1])
    actions, _, _ = policy(obs)
    assert set(actions.tolist()) == {1, 3}
    assert set(policy.get_distribution(obs).sample().tolist()) == {1, 3}
    numbers = {key: value.numpy() for key, value in obs.items()}
    assert set(policy.predict(numbers)[0].tolist()) == {1, 3}
    several = make(
        spaces.Dict(x=BOX, action_mask=spaces.MultiBinary(5)), spaces.MultiDiscrete([2, 3])
    )
    shown = observe(100, several.observation_space, action_mask=[0, 1, 1, 0, 1])
    assert set(map(tuple, several(shown)[0].tolist())) == {(1, 0), (1, 2)}


@pytest.mark.parametrize(
    ("key", "shape", "action_space", "message"),
    [
        ("action_mask", 3, spaces.Discrete(4), r"shape \(3,\).*fits Discrete\(4\) is \(4,\)"),
        ("action_mask", 4, spaces.Box(0.0, 1.0, (4,)), "is none"),
        ("switch_mask", 2, spaces.Discrete(4), "is none"),
        ("action_mask", [3, 5], OptionActions(3, 5), r"is \(5,\) or \(4, 5\)"),
    ],
)
def test_masks_that_do_not_fit_are_refused(
    key: str, shape: Any, action_space: Any, message: str
) -> None:
    space = spaces.Dict({"x": BOX, key: spaces.MultiBinary(shape)})
    with pytest.raises(OptionActionsError, match=message):
        make(space, action_space)


def test_three_decisions_have_no_single_distribution() -> None:
    policy = make(BOX, OptionActions(subgoals=3, actions=5))
    with pytest.raises(NotImplementedError, match="no single distribution"):
        policy.get_distribution(observe(1))


def test_a_policy_is_saved_with_its_settings(tmp_path: Any) -> None:
    policy, obs = make(BOX, OptionActions(subgoals=3, actions=5), keep_bias=1.5), observe(9)
    policy.save(str(tmp_path / "policy.pt"))
    loaded = MlpPolicy.load(str(tmp_path / "policy.pt"))
    assert loaded.keep_bias == 1.5
    assert isinstance(loaded.action_net, Heads)
    assert th.equal(loaded(obs, deterministic=True)[0], policy(obs, deterministic=True)[0])


def test_images_are_seen() -> None:
    space = spaces.Box(0, 255, (3, 36, 36), np.uint8)

    policy = CnnPolicy(space, OptionActions(2, 2), lambda _: 1e-3)
    actions, values, _ = policy(th.as_tensor(np.stack([space.sample() for _ in range(2)])))
    assert actions.shape == (2, 3)
    assert values.shape == (2, 3)
