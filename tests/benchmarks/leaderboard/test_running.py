"""Studies: played whole, stopped and gone on with, by agents that work and agents that do not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.leaderboard.panels import PanelError
from benchmarks.leaderboard.running import Player, Progress, checkpoint_digest, run_study
from benchmarks.leaderboard.schema import Panel
from benchmarks.leaderboard.store import StudyError, StudyFolder
from benchmarks.leaderboard.verification import verify_study
from hiper_base.errors import BusyError, HiperError
from hiper_base.files import holding, write_text

REASONS = {
    "Raises": "ValueError: no idea <script>",
    "Hangs": "no answer within 2 seconds",
    "Dies": f"the agent's process ended: killed by signal {int(signal.SIGKILL)}",
    "Numbers": "act returned int instead of str",
    "Surrogates": "act returned text with a lone surrogate, which is not Unicode",
    "TooFew": "act returned 0 answers for 1 slots",
    "FailsAtReset": "RuntimeError: not this one",
    "TellsForever": "no answer within 2 seconds",
    "TellsNothing": "KeyError: 'values'",
}


def test_a_study_holds_all_that_happened(study: Path, panel: Panel) -> None:
    files = StudyFolder(study)
    result = files.result()
    assert [(row.seed, row.position) for row in result.episodes] == [
        (seed, position) for seed in (0, 1) for position in range(6)
    ]
    assert [row.task_id for row in result.episodes[:6]] == [task.task_id for task in panel.tasks]
    assert result.ranked
    assert result.figures.episodes == 12
    trajectory = files.trajectory(1, 3)
    assert len(trajectory.turns) == len(trajectory.seconds) <= 8
    for turn in trajectory.turns:
        assert turn.output in trajectory.admissible[turn.admissible]
        assert turn.info.action == turn.output
    assert files.costs().total_seconds > 0.0
    assert [sitting.num_envs for sitting in files.sittings()] == [4]
    assert verify_study(study, panel=panel) == []


def test_what_an_agent_tells_is_recorded(walked: Path) -> None:
    result = StudyFolder(walked).result()
    assert result.agent.label == "Wally"
    assert result.about == {"model": "none", "weights": "{1, 2}"}
    assert result.figures.output_tokens == 2 * result.figures.turns
    turns = StudyFolder(walked).trajectory(0, 0).turns
    assert turns[0].details == {
        "values": [0.25, None, 1.0],
        "prompt_tokens": 7,
        "output_tokens": 2,
    }
    assert [turn.switch for turn in turns[:4]] == [True, False, False, True]
    assert [turn.thought for turn in turns[:4]] == ["", "on", "on", ""]
    assert [turn.subgoal for turn in turns[:4]] == ["walk 0", None, None, "walk 3"]
    assert turns[2].info.subgoal == "walk 0"


@pytest.mark.parametrize("agent", sorted(REASONS))
def test_an_agent_that_fails_costs_one_episode(
    agents_here: str, panel: Panel, walked: Path, tmp_path: Path, agent: str
) -> None:
    player = Player(f"{agents_here}:{agent}")
    result = run_study(tmp_path, player, panel, seeds=[0], timeout=2.0)
    good = StudyFolder(walked).result()
    assert [row.outcome == "failed" for row in result.episodes] == [
        False,
        False,
        True,
        False,
        False,
        False,
    ]
    assert StudyFolder(tmp_path).trajectory(0, 2).failure == REASONS[agent]
    for mine, others in zip(result.episodes, good.episodes, strict=True):
        assert mine == others or mine.position == 2
    assert verify_study(tmp_path, panel=panel) == []


@pytest.mark.parametrize("num_envs", [1, 2])
@pytest.mark.parametrize("agent", ["Raises", "Dies"])
def test_batches_that_were_ordered_before_a_failure_are_played(
    agents_here: str, panel: Panel, walked: Path, tmp_path: Path, agent: str, num_envs: int
) -> None:
    player = Player(f"{agents_here}:{agent}")
    result = run_study(tmp_path, player, panel, seeds=[0], num_envs=num_envs)
    assert StudyFolder(tmp_path).trajectory(0, 2).failure == REASONS[agent]
    good = StudyFolder(walked).result()
    for mine, others in zip(result.episodes, good.episodes, strict=True):
        assert (mine == others) == (mine.position != 2)
    assert verify_study(tmp_path, panel=panel) == []


def test_an_agent_may_have_its_own_kind_of_text(
    agents_here: str, panel: Panel, walked: Path, tmp_path: Path
) -> None:
    result = run_study(tmp_path, Player(f"{agents_here}:OwnText"), panel, seeds=[0])
    assert result.episodes == StudyFolder(walked).result().episodes


def test_failed_episodes_are_played_again_when_asked(
    agents_here: str, panel: Panel, tmp_path: Path
) -> None:
    cure = tmp_path / "cure"
    player = Player(f"{agents_here}:MendsItself", {"cure": str(cure)})
    folder = tmp_path / "study"
    assert run_study(folder, player, panel, seeds=[0]).figures.outcomes["failed"] == 1
    cure.touch()
    assert run_study(folder, player, panel, seeds=[0]).figures.outcomes["failed"] == 1
    seen: list[int] = []
    mended = run_study(
        folder,
        player,
        panel,
        seeds=[0],
        retry_failed=True,
        on_progress=lambda progress: seen.append(progress.done),
    )
    assert mended.figures.outcomes["failed"] == 0
    assert seen == [5, 6]
    assert verify_study(folder, panel=panel) == []


def test_a_killed_study_goes_on_to_the_same_result(
    agents_here: str, panel: Panel, tmp_path: Path
) -> None:
    manifest = tmp_path / "panel.json"
    write_text(manifest, panel.model_dump_json())
    command = [sys.executable, "-m", "hiper_agents.cli.main", "leaderboard", "run"]
    command += ["--agent", f"{agents_here}:Walker", "--panel", str(manifest), "--seeds", "2"]
    command += ["--agent-options", json.dumps({"slow": 0.1}), "--num-envs", "2"]
    paths = [os.path.dirname(__file__), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def begin(folder: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*command, "--out", str(folder)], env=environment, stdout=subprocess.DEVNULL
        )

    def count(folder: Path) -> int:
        files = StudyFolder(folder)
        return sum(len(files.log(seed).members) for seed in (0, 1))

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert begin(whole).wait() == 0
    for enough in (1, 5, 9):
        with begin(broken) as process:
            while count(broken) < enough and process.poll() is None:
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
        assert not (broken / "result.json").exists()
        time.sleep(0.5)  # the agent's process ends with it, at its own pace
        assert count(broken) < 12
    assert begin(broken).wait() == 0
    assert (broken / "result.json").read_bytes() == (whole / "result.json").read_bytes()
    assert len(StudyFolder(broken).sittings()) == 4
    assert verify_study(broken, panel=panel) == []


def test_a_finished_study_is_not_played_again(study: Path, panel: Panel) -> None:
    before = (study / "result.json").read_bytes()
    seen: list[Progress] = []
    run_study(study, Player("random"), panel, seeds=(0, 1), on_progress=seen.append)
    assert len(seen) == 1
    assert (study / "result.json").read_bytes() == before
    assert len(StudyFolder(study).sittings()) == 1


def test_a_lost_result_is_made_again(study: Path, panel: Panel) -> None:
    before = (study / "result.json").read_bytes()
    (study / "result.json").unlink()
    run_study(study, Player("random"), panel, seeds=(0, 1))
    assert (study / "result.json").read_bytes() == before


def test_damaged_episodes_are_played_again(study: Path, panel: Panel) -> None:
    before = (study / "result.json").read_bytes()
    files = StudyFolder(study)
    files.log_path(0).write_bytes(b"\x1f\x8b")
    with files.log_path(1).open("r+b") as log:
        log.truncate(log.seek(0, os.SEEK_END) - 20)
    run_study(study, Player("random"), panel, seeds=(0, 1))
    assert (study / "result.json").read_bytes() == before
    assert verify_study(study, panel=panel) == []


def test_a_folder_keeps_its_study(study: Path, panel: Panel) -> None:
    with pytest.raises(StudyError, match=r"another study \(it differs in: seeds\)"):
        run_study(study, Player("random"), panel, seeds=(0, 1, 2))
    with pytest.raises(StudyError, match=r"differs in: agent"):
        run_study(study, Player("expert"), panel, seeds=(0, 1))


def test_one_process_plays_a_study(panel: Panel, tmp_path: Path) -> None:
    with holding(tmp_path / "lock"), pytest.raises(BusyError, match="another process"):
        run_study(tmp_path, Player("random"), panel)


def test_tasks_that_differ_are_played_and_not_ranked(panel: Panel, tmp_path: Path) -> None:
    from benchmarks.leaderboard.panels import panel_digest

    other = panel.model_copy(update={"source_sha256": "0" * 64})
    other = other.model_copy(update={"sha256": panel_digest(other)})
    result = run_study(tmp_path, Player("random"), other, seeds=[0])
    assert not result.ranked
    assert "the instructions are the same, and something else is not" in result.differences[0]


@pytest.mark.parametrize(
    ("player", "message"),
    [
        (Player("nobody"), "unknown agent 'nobody'"),
        (Player("random", {"wisdom": 3}), "takes no argument wisdom"),
        (Player("strange_agents:impossible"), "no weights"),
    ],
)
def test_an_agent_that_cannot_be_made_stops_the_study(
    agents_here: str, panel: Panel, tmp_path: Path, player: Player, message: str
) -> None:
    with pytest.raises(HiperError, match=message):
        run_study(tmp_path, player, panel, seeds=[0])
    assert not list(tmp_path.glob("trajectories/*/*"))


def test_settings_that_make_no_sense_are_refused(panel: Panel, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="seeds, each once"):
        run_study(tmp_path, Player("random"), panel, seeds=[1, 1])
    with pytest.raises(StudyError, match="0 episodes at a time"):
        run_study(tmp_path, Player("random"), panel, num_envs=0)
    with pytest.raises(StudyError, match="cannot be written down"):
        run_study(tmp_path, Player("random", {"seed": {1j}}), panel)


def test_tasks_that_are_not_here_are_named(panel: Panel, tmp_path: Path) -> None:
    gone = panel.tasks[0].model_copy(update={"task_id": "generated/999999"})
    with pytest.raises(PanelError, match="the data lack tasks of tiny: generated/999999"):
        run_study(tmp_path, Player("random"), panel.model_copy(update={"tasks": (gone,)}))


def test_a_checkpoint_has_a_digest(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").write_text('{"agent": "compact"}')
    (tmp_path / "a.safetensors").write_bytes(b"weights")
    (tmp_path / "metrics.csv").write_text("1")
    before = checkpoint_digest(tmp_path)
    (tmp_path / "metrics.csv").write_text("2")
    assert checkpoint_digest(tmp_path) == before
    (tmp_path / "a.safetensors").write_bytes(b"other weights")
    assert checkpoint_digest(tmp_path) != before
    assert Player(str(tmp_path)).spec().name == tmp_path.name
