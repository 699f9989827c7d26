"""The task source of chains: ids, splits, dials."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from hiper_base.errors import DataError, UnknownSplitError, UnknownTaskError
from hiper_envs.alfworld.chain_tasks import SIZES, TASK_TYPES, ChainDials, ChainTasks
from hiper_envs.alfworld.chains import TRANSFORMS, parse_chain

DIALS = ChainDials(subtasks=3)


@pytest.mark.parametrize("split", SIZES)
def test_ids_and_positions(split: str) -> None:
    tasks = ChainTasks(split, DIALS)
    assert len(tasks) == len(tasks.task_types) == SIZES[split]
    assert tasks.task_id(123) == f"long-k3/{split}/000123"
    assert tasks.index(tasks.task_id(123)) == 123
    assert Counter(tasks.task_types) == dict.fromkeys(TASK_TYPES, SIZES[split] // 5)


def test_an_id_says_what_its_task_is_made_from() -> None:
    ids = [
        ChainTasks("valid", ChainDials(*dials)).task_id(5)
        for dials in ((4, 0, 0), (4, 6, 0), (4, 0, 9), (4, 6, 9))
    ]
    assert ids == [
        "long-k4/valid/000005",
        "long-k4-n6/valid/000005",
        "long-k4-d9/valid/000005",
        "long-k4-n6-d9/valid/000005",
    ]


def test_a_task_is_what_its_id_says() -> None:
    tasks = ChainTasks("valid", DIALS, reference=True)
    for index in range(10):
        task = tasks.open(index)
        chain = parse_chain(task.info.task)
        assert chain is not None
        assert task.info.task_type == tasks.task_types[index]
        assert (task.info.task_id, task.info.split) == (tasks.task_id(index), "valid")
        ending = task.info.task_type.removeprefix("chain_")
        last = chain.subtasks[-1]
        assert ending == (last.transform if ending in TRANSFORMS else last.verb)
        assert task.reference is not None
        assert task.world.reset().extra_info == {"subtasks": 3, "subtasks_done": 0}


def test_splits_have_no_task_in_common() -> None:
    def contents(split: str) -> set[Any]:
        tasks = ChainTasks(split, ChainDials(5))
        games = [tasks.game(index) for index in range(50)]
        return {(game.task, game.object_names, game.receptacle_contents) for game in games}

    train, valid = contents("train"), contents("valid")
    assert len(train) == len(valid) == 50
    assert not train & valid


def test_generated_means_train() -> None:
    assert ChainTasks("generated", DIALS).task_id(0) == "long-k3/train/000000"


def test_games_are_shared_whatever_the_reward_does() -> None:
    late = ChainTasks("valid", ChainDials(3, reward_delay=7))
    assert late.game(3) is ChainTasks("valid", DIALS).game(3)
    more = ChainTasks("valid", ChainDials(3, distractors=7))
    assert more.game(3).task == late.game(3).task
    assert more.game(3) is not late.game(3)


def test_some_types_only() -> None:
    tasks = ChainTasks("valid", DIALS, task_types="chain_look")
    assert set(tasks.task_types) == {"chain_look"}
    assert (len(tasks), tasks.task_id(1)) == (200, "long-k3/valid/000009")
    with pytest.raises(UnknownTaskError, match="200 chains"):
        tasks.index("long-k3/valid/000000")
    with pytest.raises(DataError, match="unknown task type 'chain_slice'"):
        ChainTasks("valid", DIALS, task_types=["chain_slice"])


def test_the_hash_tells_tasks_apart() -> None:
    hashes = {
        ChainTasks("valid", ChainDials(1)).sha256,
        ChainTasks("valid", ChainDials(2)).sha256,
        ChainTasks("valid", ChainDials(1, distractors=3)).sha256,
        ChainTasks("valid", ChainDials(1, reward_delay=3)).sha256,
        ChainTasks("train", ChainDials(1)).sha256,
        ChainTasks("valid", ChainDials(1), task_types=["chain_put"]).sha256,
    }
    assert len(hashes) == 6
    assert ChainTasks("valid", ChainDials(1)).sha256 in hashes


@pytest.mark.parametrize("task_id", ["", "long-k3/train/000001", "long-k3/valid/1", "generated/3"])
def test_unknown_ids_name_the_known_ones(task_id: str) -> None:
    with pytest.raises(UnknownTaskError, match="from 'long-k3/valid/000000'"):
        ChainTasks("valid", DIALS).index(task_id)


@pytest.mark.parametrize(
    "dials",
    [
        {"subtasks": 0},
        {"subtasks": 9},
        {"subtasks": "4"},
        {"subtasks": 2.0},
        {"distractors": -1},
        {"distractors": 61},
        {"reward_delay": -1},
    ],
)
def test_dials_have_ranges(dials: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=f"{next(iter(dials))} must be a whole number"):
        ChainDials(**dials)


def test_unknown_splits_and_engines_are_refused() -> None:
    with pytest.raises(UnknownSplitError, match="there are: train, valid, generated"):
        ChainTasks("valid_seen", DIALS)
    with pytest.raises(ValueError, match="unknown backend 'unity'"):
        ChainTasks("train", DIALS, backend="unity")
