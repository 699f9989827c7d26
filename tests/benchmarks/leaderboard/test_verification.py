"""Verification: right studies pass, and whatever is changed in one is found and named."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.leaderboard.packing import is_packed, pack, unpack, whole
from benchmarks.leaderboard.panels import panel_digest
from benchmarks.leaderboard.running import Player, run_study
from benchmarks.leaderboard.schema import Panel, Trajectory
from benchmarks.leaderboard.store import StudyError, StudyFolder
from benchmarks.leaderboard.trajectories import trajectory_digest
from benchmarks.leaderboard.verification import verify_study

LOG = "trajectories/seed-1.jsonl.gz"
POSITION = 3


def edit(path: Path, change: Callable[[Any], object]) -> None:
    """Changes a file, or an episode in a log, as someone would who knows the format."""
    packed = path.suffix == ".gz"
    content = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    lines = content.splitlines(keepends=True) if packed else [content]
    place = POSITION if packed else 0
    value = json.loads(lines[place])
    change(value)
    lines[place] = json.dumps(value).encode() + b"\n"
    path.write_bytes(b"".join(map(gzip.compress, lines)) if packed else lines[0])


def edit_with_digest(path: Path, change: Callable[[Any], object]) -> None:
    """The same for a trajectory, whose digest is then made to fit."""
    edit(path, change)

    def fit(value: Any) -> None:
        value["sha256"] = trajectory_digest(Trajectory.model_validate(value))

    edit(path, fit)


def longest(value: Any) -> Any:
    return value["turns"][-1]


def other_output(value: Any) -> None:
    value["turns"][2]["output"] = "inventory"


def other_malformed_output(value: Any) -> None:
    value["turns"][2]["output"] = "<action>"


TAMPERINGS: dict[str, tuple[str, Callable[[Any], object]]] = {
    "an action": (LOG, other_output),
    "an output that does nothing": (LOG, other_malformed_output),
    "an observation": (LOG, lambda v: v["turns"][1].update(observation="You win.")),
    "the last observation": (LOG, lambda v: v.update(final_observation="You win.")),
    "an admissible action": (LOG, lambda v: v["admissible"][0].append("win")),
    "which actions were admissible": (LOG, lambda v: v["turns"][1].update(admissible=0)),
    "a reward": (LOG, lambda v: longest(v).update(reward=1.0)),
    "a subgoal": (LOG, lambda v: v["turns"][0]["info"].update(subgoal="win")),
    "a switch": (LOG, lambda v: v["turns"][0].update(switch=True)),
    "a thought": (LOG, lambda v: v["turns"][0].update(thought="I know")),
    "the success": (LOG, lambda v: v.update(won=True, outcome="won", score=1.0)),
    "the outcome": (LOG, lambda v: v.update(outcome="failed", failure="unlucky")),
    "the score": (LOG, lambda v: v.update(score=0.5)),
    "the task": (LOG, lambda v: v.update(task="do nothing")),
    "which task": (LOG, lambda v: v.update(task_id="generated/1")),
    "the seed": (LOG, lambda v: v.update(seed=0)),
    "the end": (LOG, lambda v: (v["turns"].pop(), v["seconds"].pop())),
    "one turn more": (LOG, lambda v: (v["turns"].append(longest(v)), v["seconds"].append(0))),
    "the times": (LOG, lambda v: v["seconds"].append(0.5)),
}


@pytest.mark.parametrize("what", sorted(TAMPERINGS))
@pytest.mark.parametrize("way", [edit, edit_with_digest])
def test_a_changed_episode_is_found(
    study: Path, panel: Panel, what: str, way: Callable[..., None]
) -> None:
    file, change = TAMPERINGS[what]
    way(study / file, change)
    found = verify_study(study, panel=panel)
    assert found
    if what != "an output that does nothing" or way is edit:
        assert file in {finding.file for finding in found}


FIGURES: dict[str, tuple[str, Callable[[Any], object]]] = {
    "success": ("result.json", lambda v: v["figures"]["success"].update(mean=0.9)),
    "a row": ("result.json", lambda v: v["episodes"][0].update(won=True)),
    "a digest": ("result.json", lambda v: v["episodes"][0].update(sha256="0" * 64)),
    "a label": ("result.json", lambda v: v["agent"].update(label="HiPER")),
    "a version": ("result.json", lambda v: v["versions"].update(python=["4.0"])),
    "ranked": ("result.json", lambda v: v.update(ranked=False)),
    "seconds": ("costs.json", lambda v: v["agent_seconds"].update(mean=0.001)),
    "the panel's name": ("study.json", lambda v: v.update(panel="alfworld-valid-seen")),
    "the panel's digest": ("study.json", lambda v: v.update(panel_sha256="0" * 64)),
    "a seed": ("study.json", lambda v: v.update(seeds=[0, 2])),
    "differences": ("study.json", lambda v: v.update(differences=["another house"])),
    "the manifest's tasks": ("panel.json", lambda v: v["tasks"].pop()),
    "the manifest's limit": ("panel.json", lambda v: v.update(max_turns=500)),
}


@pytest.mark.parametrize("what", sorted(FIGURES))
def test_a_changed_figure_or_manifest_is_found(study: Path, panel: Panel, what: str) -> None:
    file, change = FIGURES[what]
    edit(study / file, change)
    assert verify_study(study, panel=panel)


def test_an_edited_manifest_with_a_fitting_digest_is_found(study: Path, panel: Panel) -> None:
    shorter = panel.model_copy(update={"tasks": panel.tasks[:-1]})
    shorter = shorter.model_copy(update={"sha256": panel_digest(shorter)})
    (study / "panel.json").write_text(shorter.model_dump_json())
    edit(study / "study.json", lambda v: v.update(panel_sha256=shorter.sha256))
    found = {finding.what for finding in verify_study(study, panel=panel)}
    assert found == {"tasks", "sha256"}


def test_missing_damaged_and_foreign_files_are_found(study: Path, panel: Panel) -> None:
    files = StudyFolder(study)
    files.tidy(1, set(range(6)) - {POSITION})
    broken = files.log_path(0)
    broken.write_bytes(broken.read_bytes()[:-20])
    files.log_path(2).write_bytes(b"")
    found = list(map(str, verify_study(study, panel=panel)))
    assert f"{LOG}: episode 3: {study / LOG} has no episode 3" in found
    assert any(
        "seed-0.jsonl.gz: is damaged at byte" in each and "cut short" in each for each in found
    )
    assert any("seed-0.jsonl.gz: episode 5: " in each for each in found)
    assert "trajectories/seed-2.jsonl.gz: belongs to no seed of this study" in found
    assert any("2 of 12 episodes are missing" in each for each in found)


def test_an_episode_that_is_there_twice_or_of_no_task_is_found(study: Path, panel: Panel) -> None:
    files = StudyFolder(study)
    trajectory = files.trajectory(1, POSITION)
    surplus = [trajectory, trajectory.model_copy(update={"position": 6})]
    files.add_trajectories(1, [each.model_dump_json().encode() for each in surplus])
    found = list(map(str, verify_study(study, panel=panel)))
    assert found == [
        f"{LOG}: has episode 3 twice, or out of its place",
        f"{LOG}: episode 6 belongs to no task of the panel",
    ]


def test_a_missing_result_is_found(study: Path, panel: Panel) -> None:
    (study / "result.json").unlink()
    assert [finding.file for finding in verify_study(study, panel=panel)] == ["result.json"]


def test_episodes_of_another_panel_are_found(panel: Panel, study: Path, tmp_path: Path) -> None:
    turned = panel.model_copy(update={"tasks": panel.tasks[::-1]})
    turned = turned.model_copy(update={"sha256": panel_digest(turned)})
    other = tmp_path / "turned"
    run_study(other, Player("random"), turned, seeds=(0, 1))
    assert verify_study(other, panel=turned) == []
    assert verify_study(other, panel=panel)
    shutil.rmtree(study / "trajectories")
    shutil.copytree(other / "trajectories", study / "trajectories")
    found = verify_study(study, panel=panel)
    assert sum("seed, position, task" in finding.what for finding in found) == 12


def test_a_panel_of_ones_own_has_to_be_given(study: Path) -> None:
    (finding,) = verify_study(study)
    assert "no panel is called 'tiny'" in str(finding)


def test_what_is_no_study_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no study folder"):
        verify_study(tmp_path)


def test_a_packed_study_comes_back_to_the_byte(study: Path, panel: Panel, tmp_path: Path) -> None:
    packed = pack(study, tmp_path / "packed")
    assert is_packed(packed)
    assert not list(packed.rglob("00003*"))
    text = gzip.decompress((packed / "outputs.jsonl.gz").read_bytes()).decode()
    assert "You are in the middle of a room" not in text
    with whole(packed) as unpacked:
        for path in sorted(study.rglob("*")):
            if path.is_file() and path.name != "lock":
                assert (unpacked / path.relative_to(study)).read_bytes() == path.read_bytes()
        assert verify_study(unpacked, panel=panel) == []
    assert not unpacked.exists()


def test_details_and_failures_are_packed_too(
    agents_here: str, panel: Panel, tmp_path: Path
) -> None:
    run_study(tmp_path / "a", Player(f"{agents_here}:Raises"), panel, seeds=[0])
    unpack(pack(tmp_path / "a", tmp_path / "b"), tmp_path / "c")
    for path in sorted((tmp_path / "a").rglob("*.gz")):
        assert (tmp_path / "c" / path.relative_to(tmp_path / "a")).read_bytes() == path.read_bytes()


def lines(change: Callable[[list[Any]], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        values = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        change(values)
        text = "\n".join(json.dumps(value) for value in values)
        path.write_bytes(gzip.compress(text.encode()))

    return apply


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lines(lambda v: v[0]["outputs"].append("look")), "not equally many"),
        (
            lines(lambda v: (v[0]["outputs"].append("look"), v[0]["seconds"].append(0))),
            "after the episode's end",
        ),
        (
            lines(lambda v: (v[0]["outputs"].pop(), v[0]["seconds"].pop())),
            "do not reach the episode's end",
        ),
        (lines(lambda v: v[0].update(seed=9)), "belong to no episode"),
        (lambda path: path.write_bytes(b"nothing"), "damaged"),
    ],
)
def test_damaged_packed_studies_are_refused(
    study: Path, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    packed = pack(study, tmp_path / "packed")
    change(packed / "outputs.jsonl.gz")
    with pytest.raises(StudyError, match=message), whole(packed):
        pass


def test_other_outputs_in_a_packed_study_are_found(
    study: Path, panel: Panel, tmp_path: Path
) -> None:
    packed = pack(study, tmp_path / "packed")
    lines(lambda v: v[4]["outputs"].__setitem__(0, "inventory"))(packed / "outputs.jsonl.gz")
    with whole(packed) as unpacked:
        assert "episodes[4]" in {finding.what for finding in verify_study(unpacked, panel=panel)}


def test_an_unfinished_study_cannot_be_packed(study: Path, tmp_path: Path) -> None:
    (study / "result.json").unlink()
    with pytest.raises(StudyError, match="no finished study"):
        pack(study, tmp_path / "packed")
