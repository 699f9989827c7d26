from __future__ import annotations

import pytest

from hiper_agents.families import FAMILIES, family_of
from hiper_envs.alfworld.chain_tasks import SPLITS as CHAIN_SPLITS
from hiper_envs.alfworld.data import SPLITS as ALFWORLD_SPLITS
from hiper_envs.webshop.tasks import SPLITS as WEBSHOP_SPLITS


@pytest.mark.parametrize(
    ("env_id", "prefix"),
    [
        ("HiPER-ALFWorld-v0", "HiPER-ALFWorld"),
        ("HiPER-ALFWorldLong-v0", "HiPER-ALFWorldLong"),
        ("HiPER-WebShop-v0", "HiPER-WebShop"),
        ("HiPER-WebShopBrowser-v0", "HiPER-WebShop"),
        ("hiper_envs:HiPER-WebShop-v0", "HiPER-WebShop"),
        ("Corridor-v0", ""),
        ("NotHiPER-WebShop-v0", ""),
    ],
)
def test_family_of(env_id: str, prefix: str) -> None:
    assert family_of(env_id).prefix == prefix


def test_an_environment_of_no_family_keeps_its_own_defaults() -> None:
    family = family_of("Corridor-v0")
    assert (family.train_split, family.eval_split, family.split_without_data) == (None, None, None)
    assert family.named_action is None


@pytest.mark.parametrize(
    ("env_id", "subgoal", "action", "is_named"),
    [
        ("HiPER-ALFWorld-v0", "find a mug", "take mug 1 from desk 1", True),
        ("HiPER-ALFWorld-v0", "find a mug", "look", False),
        ("HiPER-ALFWorldLong-v0", "use the desklamp", "use desklamp 1", True),
        ("HiPER-WebShop-v0", "buy B012345678", "click[buy now]", True),
        ("HiPER-WebShop-v0", "choose the options", "click[buy now]", False),
        ("HiPER-WebShop-v0", "find a mug", "click[buy now]", False),
    ],
)
def test_subgoals_are_read_by_their_own_benchmark(
    env_id: str, subgoal: str, action: str, is_named: bool
) -> None:
    named_action = family_of(env_id).named_action
    assert named_action is not None
    assert named_action(subgoal, action) == is_named


def test_every_split_exists() -> None:
    splits = {
        "HiPER-ALFWorld": ALFWORLD_SPLITS,
        "HiPER-ALFWorldLong": CHAIN_SPLITS,
        "HiPER-WebShop": WEBSHOP_SPLITS,
    }
    for family in FAMILIES:
        named = {family.train_split, family.eval_split, family.split_without_data}
        assert named - {None} <= set(splits[family.prefix])


def test_long_tasks_need_no_data_to_fall_back_on() -> None:
    """A chain is generated anyway: asking for a split never gives other tasks."""
    family = family_of("HiPER-ALFWorldLong-v0")
    assert (family.train_split, family.eval_split) == ("train", "valid")
    assert family.split_without_data is None
