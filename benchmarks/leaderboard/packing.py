"""Studies without the environment's texts: small enough to keep, and free of the data.

A packed folder has `outputs.jsonl.gz` instead of trajectories: what the agent wrote, turn by turn.
Environments are deterministic, so playing that again gives the trajectories back, to the byte; that
they are the same ones is seen by their digests in the result. Packing needs no data, unpacking
does.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.leaderboard.schema import PackedEpisode, Panel, Study, Trajectory
from benchmarks.leaderboard.store import StudyError, StudyFolder, parse, unpacked
from benchmarks.leaderboard.trajectories import TrajectoryRecorder, details_json
from hiper_agents.environments import make_env
from hiper_base.files import replacing
from hiper_envs.core import Episode, HierarchicalTextEnv

__all__ = ["OUTPUTS_FILE", "is_packed", "pack", "unpack", "whole"]

OUTPUTS_FILE = "outputs.jsonl.gz"
_PLAIN_FILES = ("study.json", "panel.json", "sittings.jsonl", "result.json", "costs.json")


def is_packed(folder: str | Path) -> bool:
    """Whether a folder holds a packed study."""
    return (Path(folder) / OUTPUTS_FILE).is_file()


def pack(folder: str | Path, out: str | Path) -> Path:
    """Writes a packed copy of a finished study.

    Args:
        folder: The study folder.
        out: The folder of the copy.

    Raises:
        StudyError: The study is not finished, or damaged.
    """
    files, target = StudyFolder(folder), Path(out)
    if not files.is_finished:
        raise StudyError(f"{files.path} holds no finished study")
    lines = b"".join(_packed(each).model_dump_json().encode() + b"\n" for each in _all(files))
    target.mkdir(parents=True, exist_ok=True)
    with replacing(target / OUTPUTS_FILE) as temporary:
        temporary.write_bytes(gzip.compress(lines, mtime=0))
    _copy(files.path, target)
    return target


def unpack(folder: str | Path, out: str | Path) -> Path:
    """Plays a packed study again into a study folder.

    Args:
        folder: The packed folder.
        out: The folder of the study.

    Raises:
        StudyError: The packed study is damaged, or its outputs do not fit their tasks.
        HiperError: There are no data for its panel.
    """
    source, files = StudyFolder(folder), StudyFolder(out)
    study, panel = source.study(), source.panel()
    env = make_env(panel.env, panel.split, **dict[str, Any](panel.env_options))
    for episode in _read(source.path / OUTPUTS_FILE):
        files.add_trajectories(episode.seed, [_replayed(episode, study, panel, env)])
    for seed in study.seeds:
        files.tidy(seed)
    _copy(source.path, files.path)
    return files.path


@contextmanager
def whole(folder: str | Path) -> Iterator[Path]:
    """Gives a study folder with its trajectories: the same one, or an unpacked copy for a while."""
    if not is_packed(folder):
        yield Path(folder)
        return
    with TemporaryDirectory(prefix="hiper-study-") as temporary:
        # Under its own name, which pages show.
        yield unpack(folder, Path(temporary) / Path(folder).resolve().name)


def _all(files: StudyFolder) -> Iterator[Trajectory]:
    study, panel = files.study(), files.panel()
    for seed in study.seeds:
        for position in range(len(panel.tasks)):
            yield files.trajectory(seed, position)


def _packed(trajectory: Trajectory) -> PackedEpisode:
    details = [turn.details for turn in trajectory.turns]
    return PackedEpisode(
        seed=trajectory.seed,
        position=trajectory.position,
        outputs=tuple(turn.output for turn in trajectory.turns),
        details=tuple(details) if any(details) else None,
        failure=trajectory.failure,
        seconds=trajectory.seconds,
        env_seconds=trajectory.env_seconds,
    )


def _read(path: Path) -> Iterator[PackedEpisode]:
    for line in unpacked(path).splitlines():
        yield parse(line, PackedEpisode, path)


def _replayed(packed: PackedEpisode, study: Study, panel: Panel, env: HierarchicalTextEnv) -> bytes:
    where = f"seed {packed.seed}, position {packed.position}"
    if packed.seed not in study.seeds or packed.position >= len(panel.tasks):
        raise StudyError(f"the outputs of {where} belong to no episode of the study")
    counts = {len(packed.outputs), len(packed.seconds)}
    details = packed.details or (None,) * len(packed.outputs)
    if len(counts | {len(details)}) > 1:
        raise StudyError(f"{where}: outputs, times and details are not equally many")
    task = env.source.open(env.source.index(panel.tasks[packed.position].task_id))
    episode = Episode(task, panel.max_turns)
    recorder = TrajectoryRecorder(episode, packed.position, packed.seed)
    recorder.env_seconds = packed.env_seconds
    for output, seconds, told in zip(packed.outputs, packed.seconds, details, strict=True):
        if episode.ended:
            raise StudyError(f"{where}: there are outputs after the episode's end")
        shown = (episode.observation, episode.info)
        reward = episode.play(output)
        recorder.add(shown, output, reward, episode.info, seconds, details_json(told))
    if not episode.ended and not packed.failure:
        raise StudyError(f"{where}: the outputs do not reach the episode's end")
    return recorder.finish(packed.failure).json()


def _copy(source: Path, target: Path) -> None:
    for name in _PLAIN_FILES:
        with replacing(target / name) as temporary:
            shutil.copyfile(source / name, temporary)
