"""Files of a study: what is damaged is named, and nothing else is ever raised."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.leaderboard.schema import SCHEMA_VERSION, Trajectory, digest_of
from benchmarks.leaderboard.schema_files import MODELS, SCHEMAS, json_schema
from benchmarks.leaderboard.store import StudyError, StudyFolder


def test_files_come_back(study: Path, tmp_path: Path) -> None:
    files, copy = StudyFolder(study), StudyFolder(tmp_path / "copy")
    copy.write("study.json", files.study())
    copy.write("panel.json", files.panel())
    assert copy.exists
    assert not copy.is_finished
    assert (copy.study(), copy.panel()) == (files.study(), files.panel())
    for trajectory in files.trajectories():
        text = trajectory.model_dump_json().encode()
        copy.add_trajectories(trajectory.seed, [text])
    assert list(copy.trajectories()) == list(files.trajectories())
    for sitting in (*files.sittings(), *files.sittings()):
        copy.add_sitting(sitting)
    assert copy.sittings() == (*files.sittings(), *files.sittings())


@pytest.mark.parametrize("name", ["study", "panel", "result", "costs"])
def test_what_is_missing_or_damaged_is_named(study: Path, name: str) -> None:
    files, path = StudyFolder(study), study / f"{name}.json"
    text = path.read_text()
    for broken, problem in [
        (text.replace('"schema_version": 1', '"schema_version": 2'), "schema_version"),
        (text.replace("{", '{"surprise": 1,', 1), "surprise"),
        (text[:-20], "Invalid JSON"),
        ("", "Invalid JSON"),
    ]:
        path.write_text(broken)
        with pytest.raises(StudyError, match=problem):
            getattr(files, name)()
    path.unlink()
    with pytest.raises(StudyError, match="cannot read"):
        getattr(files, name)()


def test_numbers_that_are_none_are_refused(study: Path) -> None:
    path = study / "costs.json"
    path.write_text(
        path.read_text().replace('"turns_per_second": ', '"turns_per_second": NaN, "x": ')
    )
    with pytest.raises(StudyError):
        StudyFolder(study).costs()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_an_episode_or_an_error(study: Path, content: bytes, packed: bool) -> None:
    files = StudyFolder(study)
    files.log_path(0).write_bytes(gzip.compress(content) if packed else content)
    assert bool(files.log(0).problems) == bool(content or packed)
    with pytest.raises(StudyError, match="has no episode 0"):
        files.trajectory(0, 0)


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = StudyFolder(study)
    files.log_path(0).write_bytes(gzip.compress(b" " * 2**20))
    monkeypatch.setattr("benchmarks.leaderboard.store.MAX_FILE", 2**18)
    with pytest.raises(StudyError, match="larger than any file"):
        files.trajectory(0, 0)


def test_a_piece_of_an_episode_at_the_end_of_a_log_goes(study: Path) -> None:
    files = StudyFolder(study)
    path = files.log_path(0)
    before, whole = path.read_bytes(), list(files.trajectories())
    path.write_bytes(before + before[:100])
    assert files.log(0).problems == [f"is damaged at byte {len(before)}: it is cut short"]
    assert list(files.trajectories()) == whole
    files.tidy(0)
    assert path.read_bytes() == before
    assert files.log(0).problems == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(0, 5), max_size=12), st.sets(st.integers(0, 5)))
def test_a_tidy_log_has_every_episode_once_in_order(
    study: Path, order: list[int], kept: set[int]
) -> None:
    files = StudyFolder(study)
    copy = StudyFolder(study.parent / "copy")
    copy.log_path(0).unlink(missing_ok=True)
    for place, position in enumerate(order):
        played = files.trajectory(0, position).model_copy(update={"env_seconds": float(place)})
        copy.add_trajectories(0, [played.model_dump_json().encode()])
    copy.tidy(0, kept)
    log = copy.log(0)
    assert list(log.members) == sorted(kept & set(order))
    assert log.problems == []
    for position in log.members:
        last = max(place for place, each in enumerate(order) if each == position)
        assert log.trajectory(position).env_seconds == last


@pytest.mark.parametrize("name", sorted(MODELS))
def test_committed_schemas_are_those_of_the_models(name: str) -> None:
    path = SCHEMAS / f"{name}-v{SCHEMA_VERSION}.json"
    assert digest_of(json_schema(name)) == digest_of(json.loads(path.read_text()))


def test_real_files_follow_the_committed_schemas(study: Path) -> None:
    def check(kind: str, text: bytes | str) -> None:
        schema = json.loads((SCHEMAS / f"{kind}-v{SCHEMA_VERSION}.json").read_text())
        jsonschema.validate(json.loads(text), schema)

    for kind in ("study", "panel", "result", "costs"):
        check(kind, (study / f"{kind}.json").read_text())
    check("sitting", (study / "sittings.jsonl").read_text().splitlines()[0])
    lines = gzip.decompress(StudyFolder(study).log_path(0).read_bytes()).splitlines()
    check("trajectory", lines[0])
    Trajectory.model_validate_json(lines[0])
