"""Plays a study's recorded actions again and computes its figures again.

What is checked: the panel is the one of that name, every episode is there, every turn reads as the
environment says it does, and result and costs are those of the episodes. What cannot be: whether
the agent that is named wrote the actions, and what it told of its values, tokens, times and
versions. The environment is the judge, so verification needs the panel's data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmarks.leaderboard.figures import (
    FiguresError,
    Timing,
    costs_of,
    result_of,
    row_of,
    timing_of,
)
from benchmarks.leaderboard.panels import (
    PanelError,
    differences,
    load_panel,
    panel_digest,
    panel_names,
)
from benchmarks.leaderboard.schema import EpisodeRow, Panel, Study, Trajectory
from benchmarks.leaderboard.store import StudyError, StudyFolder
from benchmarks.leaderboard.trajectories import TrajectoryRecorder, trajectory_digest
from hiper_agents.environments import make_env
from hiper_envs.core import Episode, HierarchicalTextEnv

__all__ = ["Finding", "verify_study"]

OnEpisode = Callable[[int, int], None]

_SHOWN = 120
_NOT_REPLAYED = {"turns", "failure", "seconds", "env_seconds", "sha256"}


@dataclass(frozen=True)
class Finding:
    """Something in a study folder that is not as it should be.

    Attributes:
        file: Where, relative to the folder.
        what: What of it.
        expected: What replaying or computing gives; "" where that says nothing.
        found: What the file says.
    """

    file: str
    what: str
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        shown = f": expected {self.expected}, found {self.found}" if self.expected else ""
        return f"{self.file}: {self.what}{shown}"


def verify_study(
    folder: str | Path, *, panel: Panel | None = None, on_episode: OnEpisode | None = None
) -> list[Finding]:
    """Checks a finished study against its panel and the environment.

    Args:
        folder: The study folder.
        panel: The panel that it should be of; by default the package's of that name.
        on_episode: Called after every episode with the episodes done and to do.

    Returns:
        What is wrong; nothing if all of it is right.

    Raises:
        HiperError: There is no study, or no data to play its panel with.
    """
    files = StudyFolder(folder)
    if not files.exists:
        raise StudyError(f"{files.path} is no study folder: it has no study.json")
    try:
        study, theirs = files.study(), files.panel()
    except StudyError as error:
        return [Finding("study.json or panel.json", str(error))]
    found = list(_of_panel(study, theirs, panel))
    if found:
        return found
    env = make_env(theirs.env, theirs.split, **dict[str, Any](theirs.env_options))
    try:
        here = tuple(differences(theirs, env))
    except PanelError as error:
        return [Finding("study.json", f"cannot be played again here: {error}")]
    if here != study.differences:
        found.append(_differs("study.json", "differences", list(here), list(study.differences)))
    rows: list[EpisodeRow] = []
    timings: list[Timing] = []
    total = len(study.seeds) * len(theirs.tasks)
    for seed in study.seeds:
        for position in range(len(theirs.tasks)):
            try:
                trajectory = files.trajectory(seed, position)
            except StudyError as error:
                found.append(Finding(_name(files, seed), f"episode {position}: {error}"))
                continue
            of_episode = _of_trajectory(trajectory, seed, position, theirs, env)
            found += [
                replace(each, file=_name(files, seed), what=f"episode {position}: {each.what}")
                for each in of_episode
            ]
            rows.append(row_of(trajectory))
            timings.append(timing_of(trajectory))
            if on_episode is not None:
                on_episode(len(rows), total)
    found += _surplus(files, study, theirs)
    found += _of_figures(files, study, theirs, rows, timings)
    return found


def _of_panel(study: Study, theirs: Panel, panel: Panel | None) -> Iterator[Finding]:
    if theirs.sha256 != panel_digest(theirs):
        yield _differs("panel.json", "digest", panel_digest(theirs), theirs.sha256)
    if (study.panel, study.panel_sha256) != (theirs.name, theirs.sha256):
        yield _differs(
            "study.json",
            "panel",
            [theirs.name, theirs.sha256],
            [study.panel, study.panel_sha256],
        )
    if panel is None:
        if theirs.name not in panel_names():
            yield Finding("panel.json", f"no panel is called {theirs.name!r}; give its manifest")
            return
        panel = load_panel(theirs.name)
    if theirs != panel:
        ours, dumped = panel.model_dump(mode="json"), theirs.model_dump(mode="json")
        yield from _unlike("panel.json", ours, dumped)


def _of_trajectory(
    trajectory: Trajectory,
    seed: int,
    position: int,
    panel: Panel,
    env: HierarchicalTextEnv,
) -> Iterator[Finding]:
    """Plays an episode again and compares all that it can show; in no file as yet."""
    name = ""
    task_id = panel.tasks[position].task_id
    place = [seed, position, task_id]
    theirs = [trajectory.seed, trajectory.position, trajectory.task_id]
    if place != theirs:
        yield _differs(name, "seed, position, task", place, theirs)
        return
    if trajectory.sha256 != trajectory_digest(trajectory):
        yield _differs(name, "digest", trajectory_digest(trajectory), trajectory.sha256)
    if len(trajectory.seconds) != len(trajectory.turns):
        yield _differs(name, "times", len(trajectory.turns), len(trajectory.seconds))
    episode = Episode(env.source.open(env.source.index(task_id)), panel.max_turns)
    failed = trajectory.outcome == "failed"
    if failed != bool(trajectory.failure):
        yield _differs(name, "failure", "a reason" if failed else "none", trajectory.failure)
    recorder = TrajectoryRecorder(episode, position, seed)
    for turn in trajectory.turns:
        if episode.ended:
            yield _differs(name, "turns", episode.turns, len(trajectory.turns))
            return
        shown = (episode.observation, episode.info)
        reward = episode.play(turn.output)
        recorder.add(shown, turn.output, reward, episode.info, 0.0)
    if failed == episode.ended:
        state = "over" if episode.ended else "going on"
        yield _differs(name, "outcome", f"an episode that is {state}", trajectory.outcome)
        return
    ours = json.loads(recorder.finish("failed" if failed else "").json())
    dumped = trajectory.model_dump(mode="json")
    yield from _unlike(name, ours, dumped, leave_out=_NOT_REPLAYED)
    for number, (mine, other) in enumerate(zip(ours["turns"], dumped["turns"], strict=True)):
        unlike = list(_unlike(name, mine, other, f"turn {number}: ", leave_out={"details"}))
        if unlike:
            # What follows a changed turn is mostly changed as well.
            yield from unlike
            return


def _surplus(files: StudyFolder, study: Study, panel: Panel) -> Iterator[Finding]:
    """What there is among the trajectories besides one line for each episode, in order."""
    known = {files.log_path(seed): seed for seed in study.seeds}
    for path in sorted((files.path / "trajectories").rglob("*")):
        name = str(path.relative_to(files.path))
        if path not in known:
            yield Finding(name, "belongs to no seed of this study")
            continue
        log = files.log(known[path])
        for problem in log.problems:
            yield Finding(name, problem)
        for position in sorted(log.members):
            if position >= len(panel.tasks):
                yield Finding(name, f"episode {position} belongs to no task of the panel")


def _of_figures(
    files: StudyFolder,
    study: Study,
    panel: Panel,
    rows: list[EpisodeRow],
    timings: list[Timing],
) -> Iterator[Finding]:
    """Compares the result and the costs with those of the episodes."""
    try:
        sittings = files.sittings()
        pairs: list[tuple[str, BaseModel, Callable[[], BaseModel]]] = [
            ("result.json", result_of(study, panel, rows, sittings), files.result),
            ("costs.json", costs_of(timings, sittings), files.costs),
        ]
    except (FiguresError, StudyError) as error:
        yield Finding("result.json", f"cannot be computed: {error}")
        return
    for name, ours, read in pairs:
        try:
            theirs = read()
        except StudyError as error:
            yield Finding(name, f"missing or damaged: {error}")
            continue
        yield from _unlike(name, ours.model_dump(mode="json"), theirs.model_dump(mode="json"))


def _unlike(
    file: str,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    prefix: str = "",
    leave_out: frozenset[str] | set[str] = frozenset(),
) -> Iterator[Finding]:
    """The fields that differ, by their path in the file."""
    for key in dict.fromkeys([*ours, *theirs]):
        if key in leave_out:
            continue
        mine, other = ours.get(key), theirs.get(key)
        if isinstance(mine, dict) and isinstance(other, dict):
            yield from _unlike(file, mine, other, f"{prefix}{key}.")
        elif mine != other:
            place = f"{prefix}{key}"
            if isinstance(mine, list) and isinstance(other, list) and len(mine) == len(other):
                at = next(i for i, (a, b) in enumerate(zip(mine, other, strict=True)) if a != b)
                place, mine, other = f"{place}[{at}]", mine[at], other[at]
            yield _differs(file, place, mine, other)


def _differs(file: str, what: str, expected: object, found: object) -> Finding:
    return Finding(file, what, _short(expected), _short(found))


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _name(files: StudyFolder, seed: int) -> str:
    return str(files.log_path(seed).relative_to(files.path))
