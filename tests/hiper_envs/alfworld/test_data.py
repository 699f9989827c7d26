"""Task sets: order, hashes, selection, and precise errors."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hiper_base.errors import (
    DataError,
    DataNotFoundError,
    GameFormatError,
    UnknownSplitError,
    UnknownTaskError,
)
from hiper_envs.alfworld.data import SPLITS, load_tasks
from hiper_envs.alfworld.game import TASK_TYPES, parse_game
from hiper_envs.alfworld.generator import generate_game

Files = Mapping[str, bytes]
Write = Callable[..., Path]


def task_id(member: str) -> str:
    return member.removeprefix("json_2.1.1/").removesuffix("/game.tw-pddl")


class TestStored:
    def test_tasks_are_sorted_and_hashed(self, files: Files, write_zip: Write) -> None:
        path = write_zip(dict(reversed(list(files.items()))))
        tasks = load_tasks("train")
        names = sorted(name for name in files if "/train/" in name)
        assert [task.task_id for task in tasks] == [task_id(name) for name in names]
        digest = hashlib.sha256()
        for name in names:
            digest.update(f"{task_id(name)} {hashlib.sha256(files[name]).hexdigest()}\n".encode())
        assert tasks.sha256 == digest.hexdigest()
        assert {task.source for task in tasks} == {str(path)}
        assert [task.member for task in tasks] == names
        assert {task.split for task in tasks} == {"train"}
        assert sorted(task.task_type for task in tasks) == sorted(TASK_TYPES)

    def test_the_hash_is_of_the_content_and_not_of_the_place(
        self, files: Files, write_zip: Write, write_tree: Write, root: Path
    ) -> None:
        write_zip(files)
        packed = load_tasks("train").sha256
        (root / "alfworld" / "games.zip").unlink()
        write_tree(files)
        assert load_tasks("train").sha256 == packed
        name = sorted(files)[0]
        write_tree({name: files[name] + b" "})
        assert load_tasks("train").sha256 != packed

    def test_games_and_their_files(self, files: Files, write_zip: Write) -> None:
        write_zip(files)
        tasks = load_tasks("valid_seen")
        for position, task in enumerate(tasks):
            data = json.loads(files[task.member])
            assert tasks.data(position) == tasks.data(task.task_id) == data
            assert tasks.game(position) is tasks.game(task.task_id)
            assert tasks.game(position) == parse_game(data, "file")
            assert tasks.position(task.task_id) == position
        assert list(tasks.games()) == [tasks.game(0), tasks.game(1)]

    def test_splits_may_lie_in_different_sources(
        self,
        files: Files,
        write_zip: Write,
        write_tree: Write,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        upstream = tmp_path_factory.mktemp("upstream")
        write_zip({name: raw for name, raw in files.items() if "/train/" in name})
        write_tree({n: r for n, r in files.items() if "/valid_seen/" in n}, upstream)
        with pytest.raises(DataNotFoundError):
            load_tasks("valid_seen")
        monkeypatch.setenv("ALFWORLD_DATA", str(upstream))
        assert len(load_tasks("valid_seen")) == 2
        assert len(load_tasks("train")) == 6

    def test_an_explicit_root(self, files: Files, write_zip: Write, tmp_path: Path) -> None:
        other = tmp_path / "other"
        (other / "alfworld").mkdir(parents=True)
        write_zip(files, folder=other / "alfworld")
        assert len(load_tasks("train", root=other)) == len(load_tasks("train", root=str(other)))
        with pytest.raises(DataNotFoundError):
            load_tasks("train")

    def test_identical_games_count_once(
        self, files: Files, write_zip: Write, write_tree: Write
    ) -> None:
        write_zip(files, "a.zip")
        alone = load_tasks("train").sha256
        write_zip(files, "b.zip")
        write_tree(files)
        assert len(load_tasks("train")) == 6
        assert load_tasks("train").sha256 == alone

    def test_sources_that_disagree_are_both_named(self, files: Files, write_zip: Write) -> None:
        name = sorted(files)[0]
        first = write_zip(files, "a.zip")
        second = write_zip({name: files[name] + b" "}, "b.zip")
        with pytest.raises(DataError, match="differs between") as caught:
            load_tasks("train")
        for part in (task_id(name), str(first), str(second)):
            assert part in str(caught.value)
        assert len(load_tasks("valid_seen")) == 2

    def test_upstreams_exclusions(self, files: Files, write_zip: Write) -> None:
        name, raw = sorted(files.items())[0]
        unsolvable = raw.replace(b'"solvable": true', b'"solvable": false')
        write_zip({**files, name: unsolvable, name.replace("Thing", "AppleSliced"): raw})
        tasks = load_tasks("train")
        assert len(tasks) == 5
        assert task_id(name) not in [task.task_id for task in tasks]

    def test_one_object_for_all_who_ask(self, files: Files, write_zip: Write) -> None:
        write_zip(files)
        assert load_tasks("train") is load_tasks("train")
        assert load_tasks("train") is not load_tasks("train", task_types=TASK_TYPES[:2])

    def test_a_slice_is_a_task_set(self, files: Files, write_zip: Write) -> None:
        write_zip(files)
        tasks = load_tasks("train")
        part = tasks[1:4]
        assert list(part) == [tasks[1], tasks[2], tasks[3]]
        assert part.game(0) is tasks.game(1)
        assert part.sha256 != tasks.sha256
        with pytest.raises(IndexError):
            part.game(3)

    def test_it_crosses_processes(self, files: Files, write_zip: Write) -> None:
        write_zip(files)
        tasks = load_tasks("train")
        for twin in (copy.deepcopy(tasks), pickle.loads(pickle.dumps(tasks))):  # noqa: S301
            assert list(twin) == list(tasks)
            assert twin.sha256 == tasks.sha256
            assert twin.game(2) == tasks.game(2)
            assert twin.data(2) == tasks.data(2)


class TestTypes:
    def test_selection(self, files: Files, write_zip: Write) -> None:
        write_zip(files)
        for kind in TASK_TYPES:
            (task,) = load_tasks("train", task_types=[kind])
            assert task.task_type == kind
            assert list(load_tasks("train", task_types=kind)) == [task]
        assert len(load_tasks("train", task_types=set(TASK_TYPES[:4]))) == 4
        counts = load_tasks("train").task_type_counts
        assert list(counts.items()) == [(kind, 1) for kind in TASK_TYPES]

    @pytest.mark.parametrize("split", ["train", "generated"])
    def test_unknown_types_and_none(self, files: Files, write_zip: Write, split: str) -> None:
        write_zip(files)
        with pytest.raises(DataError, match=r"unknown task type 'sing'.*look_at_obj_in_light"):
            load_tasks(split, task_types=["look_at_obj_in_light", "sing"])
        with pytest.raises(DataError, match="no task type was given"):
            load_tasks(split, task_types=[])

    def test_a_type_without_tasks(self, files: Files, write_zip: Write) -> None:
        write_zip(files)
        with pytest.raises(DataError, match="'valid_seen' has no tasks of type pick_two_obj"):
            load_tasks("valid_seen", task_types=["pick_two_obj_and_place"])


class TestErrors:
    @pytest.mark.parametrize("split", ["", "test", "Train", "valid_seen/", "json_2.1.1"])
    def test_an_unknown_split(self, split: str) -> None:
        with pytest.raises(UnknownSplitError) as caught:
            load_tasks(split)
        assert all(known in str(caught.value) for known in SPLITS)

    @pytest.mark.usefixtures("root")
    def test_no_data_says_where_and_how(self, root: Path) -> None:
        with pytest.raises(DataNotFoundError) as caught:
            load_tasks("train")
        for part in (str(root / "alfworld"), "hiper data download", "https://", "'generated'"):
            assert part in str(caught.value)

    def test_another_split_is_there(self, files: Files, write_zip: Write) -> None:
        write_zip(files)
        with pytest.raises(DataNotFoundError, match=r"found there: train, valid_seen\)"):
            load_tasks("valid_unseen")

    def test_an_unknown_task(self, files: Files, write_zip: Write) -> None:
        write_zip(files)
        tasks = load_tasks("train")
        near = tasks[3].task_id[:-1]
        for open_task in (tasks.position, tasks.game, tasks.data):
            with pytest.raises(UnknownTaskError) as caught:
                open_task(near)
            assert repr(near) in str(caught.value)
            assert repr(tasks[3].task_id) in str(caught.value)

    def test_an_older_action_syntax(self, files: Files, write_zip: Write) -> None:
        name, raw = sorted(files.items())[0]
        path = write_zip({**files, name: raw.replace(b"move {o} to {r}", b"put {o} in/on {r}")})
        with pytest.raises(GameFormatError) as caught:
            load_tasks("train")
        for part in (str(path), name, "move X to Y", "0.4.2", "hiper data download"):
            assert part in str(caught.value)

    def test_code_in_a_grammar_is_not_run(
        self, files: Files, write_zip: Write, tmp_path: Path
    ) -> None:
        mark = tmp_path / "executed"
        name, raw = sorted(files.items())[0]
        data = json.loads(raw)
        code = f"{{__import__('pathlib').Path('{mark}').touch()}}"
        data["grammar"] = data["grammar"].replace("You open the", f"You open {code} the")
        assert code in data["grammar"]
        write_zip({name: json.dumps(data).encode()})
        with pytest.raises(GameFormatError, match="grammar"):
            load_tasks("train")
        assert not mark.exists()

    @pytest.mark.parametrize(
        ("raw", "message"),
        [(b'{"gram', "not valid JSON"), (b"[]", "JSON object"), (b"{}", "pddl_domain")],
    )
    def test_a_bad_file_is_named_and_spoils_only_its_split(
        self, files: Files, write_zip: Write, raw: bytes, message: str
    ) -> None:
        first, second = sorted(files)[:2]
        path = write_zip({**files, first: raw, second: raw})
        with pytest.raises(GameFormatError, match=message) as caught:
            load_tasks("train")
        assert str(path) in str(caught.value)
        assert first in str(caught.value)
        assert "1 more" in str(caught.value)
        assert len(load_tasks("valid_seen")) == 2

    def test_a_truncated_archive(self, files: Files, write_zip: Write) -> None:
        path = write_zip(files)
        path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(DataError, match=r"games\.zip: not a complete zip archive"):
            load_tasks("train")


@pytest.mark.usefixtures("root")
class TestGenerated:
    def test_ids_are_seeds_and_types_take_turns(self) -> None:
        tasks = load_tasks("generated")
        assert len(tasks) == 1000
        assert [task.task_id for task in tasks[:12]] == [f"generated/{n}" for n in range(12)]
        for position in (0, 7, 999):
            data = tasks.data(position)
            assert data == generate_game(position)
            assert tasks.game(position) == parse_game(data, "generated")
            assert tasks.game(position).task_type == tasks[position].task_type
            assert tasks.game(position) is tasks.game(f"generated/{position}")

    def test_a_range_of_seeds(self) -> None:
        tasks = load_tasks("generated", seed=5000, num=7)
        assert [task.task_id for task in tasks] == [f"generated/{n}" for n in range(5000, 5007)]
        assert tasks.data(2) == generate_game(5002)
        lamps = load_tasks("generated", task_types="look_at_obj_in_light", num=12)
        assert [task.task_id for task in lamps] == ["generated/1", "generated/7"]

    def test_the_hash_is_of_the_content(self) -> None:
        assert load_tasks("generated", num=3).sha256 == load_tasks("generated", num=9)[:3].sha256
        assert load_tasks("generated", num=3).sha256 != load_tasks("generated", num=4).sha256

    @pytest.mark.parametrize("arguments", [{"seed": -1}, {"num": 0}])
    def test_impossible_ranges(self, arguments: dict[str, int]) -> None:
        with pytest.raises(DataError, match="seed >= 0 and num >= 1"):
            load_tasks("generated", **arguments)

    def test_an_unknown_task(self) -> None:
        with pytest.raises(UnknownTaskError, match=r"'generated/1000'.*most similar.*generated/"):
            load_tasks("generated").game("generated/1000")


class TestPublished:
    """The real games; the hashes pin the order and the content of the published splits."""

    @pytest.mark.parametrize(
        ("split", "count", "digest"),
        [("train", 3553, "83a6e791af0f3dde"), ("valid_seen", 140, "1243f5d953c752e7")],
    )
    def test_the_splits(self, real_data: Path, split: str, count: int, digest: str) -> None:
        tasks = load_tasks(split, root=real_data)
        assert len(tasks) == count
        assert tasks.sha256.startswith(digest)
        for position in range(0, count, 200):
            task = tasks[position]
            assert tasks.game(position).task_type == task.task_type
            assert tasks.game(position) == parse_game(tasks.data(position), task.task_id)
