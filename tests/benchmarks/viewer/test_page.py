"""The page stands alone, holds what was played, and damaged folders are named."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.leaderboard.packing import pack
from benchmarks.leaderboard.schema import Panel, Trajectory
from benchmarks.leaderboard.store import StudyError, StudyFolder
from benchmarks.viewer import render_view, write_view
from benchmarks.viewer.credit import advantages_of
from benchmarks.viewer.page import _pack
from hiper_agents.training.report.markup import element

from .conftest import HOSTILE, TASKS, MakeStudy, quitter
from .pages import data_of, tags_of

Damage = Callable[[StudyFolder], object]


@pytest.fixture
def copied(mixed_study: Path, tmp_path: Path) -> StudyFolder:
    """A study that a test may spoil."""
    return StudyFolder(shutil.copytree(mixed_study, tmp_path / "copied"))


def test_every_episode_is_there_as_it_was_played(mixed_study: Path) -> None:
    index, *contents = data_of(render_view(mixed_study))
    played = list(StudyFolder(mixed_study).trajectories())
    assert len(index["rows"]) == len(contents) == len(played) == 2 * TASKS
    assert {row["outcome"] for row in index["rows"]} == {"won", "truncated", "failed"}
    for row, content, trajectory in zip(index["rows"], contents, played, strict=True):
        assert (row["seed"], row["position"]) == (str(trajectory.seed), trajectory.position)
        assert row["failure"] == trajectory.failure
        assert sum(turns for _, turns, _ in row["bands"]) == len(trajectory.turns)
        assert len(row["bands"]) == sum(t.info.option_boundary for t in trajectory.turns)
        assert content["final"] == trajectory.final_observation
        for shown, turn in zip(content["turns"], trajectory.turns, strict=True):
            assert shown["observation"] == turn.observation
            assert shown["output"] == turn.output
            assert shown["thought"] == turn.thought
            assert shown["format_error"] == turn.info.format_error
            actions = content["admissible"][shown["admissible"]]
            assert tuple(actions) == trajectory.admissible[turn.admissible]


def test_advantages_are_those_of_the_estimator(mixed_study: Path) -> None:
    _, *contents = data_of(render_view(mixed_study))
    with_values = 0
    for content, trajectory in zip(contents, StudyFolder(mixed_study).trajectories(), strict=True):
        turns = trajectory.turns
        told = [turn.details or {} for turn in turns]
        if not all(len(details.get("values", ())) == 3 for details in told):  # type: ignore[arg-type]
            assert all(turn["advantages"] is None for turn in content["turns"])
            continue
        with_values += 1
        expected = advantages_of(
            [tuple(details["values"]) for details in told],  # type: ignore[arg-type, misc]
            [turn.reward for turn in turns],
            [turn.info.option_boundary for turn in turns],
            terminated=trajectory.terminated,
            truncated=trajectory.truncated,
        )
        assert [tuple(turn["advantages"]) for turn in content["turns"]] == expected
    assert with_values


def test_no_text_of_a_run_is_markup(mixed_study: Path, run_folder: Path) -> None:
    for folder in (mixed_study, run_folder):
        page = render_view(folder)
        for evil in HOSTILE:
            assert evil not in page
        parser = tags_of(page)
        names = [tag for tag, _ in parser.found]
        assert not {"img", "iframe", "object", "embed", "link", "base"} & set(names)
        running = [a for tag, a in parser.found if tag == "script" and "type" not in a]
        assert len(running) == 1
        for _, attributes in parser.found:
            assert not [name for name in attributes if name.startswith("on")]
            assert not {"src", "href", "style"} & set(attributes)


def test_only_the_page_s_own_script_and_style_may_run(mixed_study: Path) -> None:
    page = render_view(mixed_study)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'; ")
    for name in ("style", "script"):
        (own,) = re.findall(f"<{name}>(.*?)</{name}>", page, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy[1]
        assert "unsafe" not in policy[1]
    assert "innerHTML" not in own
    assert "http:" not in own.replace("http://www.w3.org/2000/svg", "")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters()) | st.sampled_from(HOSTILE),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    )
)  # fmt: skip
def test_what_is_packed_cannot_leave_its_element(value: Any) -> None:
    packed = _pack(value)
    assert re.fullmatch(r"[A-Za-z0-9+/]+=*", packed)
    page = element("script", packed, type="text/plain", id="data-0")
    assert data_of(page) == [value]


def test_equal_runs_give_equal_pages(mixed_study: Path) -> None:
    assert render_view(mixed_study) == render_view(mixed_study)


def test_a_finished_study_says_how_well_it_did(expert_study: Path) -> None:
    page, figures = render_view(expert_study), StudyFolder(expert_study).result().figures
    assert f"{100 * figures.success.mean:.1f} % ± {100 * figures.success.se:.1f}" in page
    low, high = figures.success.interval.low, figures.success.interval.high
    assert f"{100 * low:.1f} to {100 * high:.1f} %" in page
    assert "Unfinished" not in page


def test_an_unfinished_study_is_shown_as_far_as_it_is(make_study: MakeStudy) -> None:
    page = render_view(make_study(quitter, unplayed=3))
    index, *contents = data_of(page)
    assert len(index["rows"]) == len(contents) == 2 * TASKS - 3
    assert f"Unfinished: {2 * TASKS - 3} of {2 * TASKS} episodes." in page


def test_a_study_without_episodes_is_an_error(make_study: MakeStudy) -> None:
    with pytest.raises(StudyError, match="has no episodes to show yet"):
        render_view(make_study(quitter, seeds=(0,), unplayed=TASKS))


def test_a_seed_and_a_number_of_episodes_can_be_chosen(mixed_study: Path) -> None:
    page = render_view(mixed_study, seed=1, max_episodes=2)
    rows = data_of(page)[0]["rows"]
    assert [(row["seed"], row["position"]) for row in rows] == [("1", 0), ("1", 1)]
    assert f"This page has 2 of the {2 * TASKS} episodes" in page
    with pytest.raises(StudyError, match="no episodes of seed 9"):
        render_view(mixed_study, seed=9)
    with pytest.raises(StudyError, match="at least 1"):
        render_view(mixed_study, max_episodes=0)


def test_differences_from_the_panel_are_said_first(copied: StudyFolder) -> None:
    study = copied.study().model_copy(update={"differences": ("task 3 <b>is</b> another",)})
    copied.write("study.json", study)
    page = render_view(copied.path)
    assert "Not ranked" in page
    assert "task 3 &lt;b&gt;is&lt;/b&gt; another" in page


def test_two_runs_share_their_tasks(mixed_study: Path, expert_study: Path) -> None:
    page = render_view(mixed_study, expert_study, max_episodes=4)
    rows = data_of(page)[0]["rows"]
    tasks = {run: {row["id"] for row in rows if row["run"] == run} for run in (0, 1)}
    assert tasks[0] == tasks[1]
    assert len(tasks[0]) == 4
    assert {row["seed"] for row in rows if row["run"] == 1} == {"1", "2"}


def test_two_runs_without_a_common_task_are_an_error(mixed_study: Path, run_folder: Path) -> None:
    with pytest.raises(StudyError, match="no task in common"):
        render_view(mixed_study, run_folder)


def test_the_samples_of_a_training_run(run_folder: Path) -> None:
    page = render_view(run_folder)
    index, *contents = data_of(page)
    assert [row["outcome"] for row in index["rows"]] == ["won", "not won"]
    assert [row["seed"] for row in index["rows"]] == ["3", "3"]
    assert index["rows"][0]["bands"] == [["find a mug", 2, 0], ["heat the mug", 2, 1]]
    assert contents[0]["turns"][1]["values"] == [0.1, 0.5, 0.25]
    assert "no advantages" in page


def test_samples_with_rewards_have_advantages(run_folder: Path) -> None:
    path = run_folder / "samples.json"
    samples = json.loads(path.read_text())
    for sample, end in zip(samples, ("terminated", "truncated"), strict=True):
        sample.update({"terminated": False, "truncated": False, end: True})
        for place, turn in enumerate(sample["turns"]):
            turn["reward"] = float(sample["won"] and place == len(sample["turns"]) - 1)
    path.write_text(json.dumps(samples))
    page = render_view(run_folder)
    index, *contents = data_of(page)
    assert [row["outcome"] for row in index["rows"]] == ["won", "truncated"]
    turns = contents[0]["turns"]
    assert [turn["reward"] for turn in turns] == [0.0, 0.0, 0.0, 1.0]
    # The last turn's: the reward less what the low critic expected.
    assert turns[-1]["advantages"][0] == pytest.approx(1.0 - turns[-1]["values"][0])
    assert "no advantages" not in page


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["task_id", "won", "truncated", "turns", "subgoal", "boundary", "values", "reward"]
        ),
        inner,
        max_size=6,
    ),
))  # fmt: skip
def test_samples_may_hold_anything(samples: Any) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_text("{}")
        (folder / "samples.json").write_text(json.dumps(samples))
        if not (isinstance(samples, list) and any(isinstance(each, dict) for each in samples)):
            with pytest.raises(StudyError, match="no sample episodes"):
                write_view(folder)
            return
        index, *contents = data_of(write_view(folder).read_text())
        assert len(index["rows"]) == len(contents) == sum(isinstance(e, dict) for e in samples)


def test_the_page_goes_where_it_is_told(
    mixed_study: Path, tmp_path: Path, run_folder: Path
) -> None:
    out = write_view(mixed_study, out=tmp_path / "pages" / "page.html")
    assert out.read_text(encoding="utf-8") == render_view(mixed_study)
    assert write_view(run_folder) == run_folder / "view.html"
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="cannot write"):
        write_view(mixed_study, out=tmp_path / "file" / "page.html")


def test_a_packed_study_is_played_again(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(quitter, seeds=(0,))
    packed = pack(study, tmp_path / study.name)
    assert data_of(render_view(packed)) == data_of(render_view(study))


def test_a_packed_study_needs_its_data(
    make_study: MakeStudy, tmp_path: Path, no_data: Path
) -> None:
    packed = StudyFolder(pack(make_study(quitter, seeds=(0,)), tmp_path / "packed"))
    packed.write("panel.json", packed.panel().model_copy(update={"split": "valid_seen"}))
    with pytest.raises(StudyError, match="cannot be played again"):
        render_view(packed.path)


def _log(files: StudyFolder) -> Path:
    return files.log_path(0)


def _replace(files: StudyFolder, text: bytes) -> None:
    files.add_trajectories(0, [text])
    files.tidy(0)


def _changed(files: StudyFolder, **changes: Any) -> None:
    trajectory: Trajectory = files.trajectory(0, 1).model_copy(update=changes)
    _replace(files, trajectory.model_dump_json().encode())


DAMAGES: dict[str, tuple[Damage, str]] = {
    "cut short": (
        lambda f: _log(f).write_bytes(_log(f).read_bytes()[:-20]),
        r"seed-0\.jsonl\.gz is damaged",
    ),
    "no gzip": (lambda f: _log(f).write_bytes(b"{}"), r"seed-0\.jsonl\.gz is damaged"),
    "no trajectory": (
        lambda f: _replace(f, b'{"position": 1}'),
        r"seed-0\.jsonl\.gz is not a trajectory file",
    ),
    "another seed": (lambda f: _changed(f, seed=1), "holds seed 1, .* instead of seed 0"),
    "another place": (lambda f: _changed(f, position=2), "position 2, .* instead of"),
    "another task": (lambda f: _changed(f, task_id="x"), "task 'x' instead of"),
    "no such actions": (
        lambda f: _changed(f, admissible=()),
        "turn 1 has admissible actions no. 0, but there are only 0 lists",
    ),
    "study": (lambda f: (f.path / "study.json").write_text("{"), "study.json is not a study file"),
    "panel": (lambda f: (f.path / "panel.json").unlink(), "cannot read .*panel.json"),
    "result": (lambda f: (f.path / "result.json").write_text("[]"), "result.json is not a result"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_study_is_named(copied: StudyFolder, name: str) -> None:
    damage, message = DAMAGES[name]
    damage(copied)
    with pytest.raises(StudyError, match=message):
        render_view(copied.path)


def test_other_folders_are_no_runs(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="is not a folder"):
        render_view(tmp_path / "nothing")
    with pytest.raises(StudyError, match="neither a study folder"):
        render_view(tmp_path)
    (tmp_path / "samples.json").write_text("[]")
    with pytest.raises(StudyError, match="is not a run folder"):
        render_view(tmp_path)


def test_numbers_that_scripts_cannot_hold_stay_what_they_are(
    copied: StudyFolder, panel: Panel
) -> None:
    turn = copied.trajectory(0, 0).turns[0]
    huge = 10**400 + 1
    details = {"values": [1e308, 1e308, huge], "prompt_tokens": huge, "count": huge}
    changed = turn.model_copy(update={"details": details, "reward": 1e308})
    trajectory = copied.trajectory(0, 0).model_copy(update={"turns": (changed,)})
    _replace(copied, trajectory.model_dump_json().encode())
    shown = data_of(render_view(copied.path))[1]["turns"][0]
    assert (shown["values"], shown["advantages"], shown["tokens"]) == (None, None, [None, None])
    assert dict(shown["more"])["count"] == str(huge)
