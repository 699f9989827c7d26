"""Study folders of the leaderboard, finished or not, as the viewer shows them.

What a folder holds is shown as it stands: whether it is true is for verification to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.leaderboard.schema import Figures, Interval, Panel, Result, Study, Trajectory, Turn
from benchmarks.leaderboard.store import StudyError, StudyFolder
from benchmarks.viewer.credit import advantages_of, values_in
from benchmarks.viewer.model import Episode, Head, Kinds, Place, Tile, bands_of, plural
from hiper_agents.training.curves import number, percent, shown

__all__ = ["StudyRun"]

_SHOWN_DETAILS = frozenset({"values", "prompt_tokens", "output_tokens"})


class StudyRun:
    """A study folder.

    Args:
        path: The folder.
        kinds: Colours, shared with other runs of the page.

    Raises:
        StudyError: The study, its panel or its result is damaged.
    """

    def __init__(self, path: Path, kinds: Kinds) -> None:
        self._folder = StudyFolder(path)
        self._kinds = kinds
        self.study: Study = self._folder.study()
        self.panel: Panel = self._folder.panel()
        self.places: list[Place] = list(self._present())

    def head(self) -> Head:
        """Who played what, and how well."""
        study, panel = self.study, self.panel
        seeds = len(study.seeds)
        finished = self._folder.is_finished
        result = self._folder.result() if finished else None
        expected = seeds * len(panel.tasks)
        notes = [] if finished else [f"Unfinished: {len(self.places):,} of {expected:,} episodes."]
        if study.differences:
            notes.append("Not ranked, for the tasks are not those of the panel.")
            notes += study.differences
        return Head(
            kind="study",
            folder=self._folder.path.resolve().name,
            label=study.agent.label,
            facts=[
                panel.title,
                plural(len(panel.tasks), "task"),
                plural(seeds, "seed"),
                study.agent.mode,
                f"at most {panel.max_turns} turns",
            ],
            tiles=list(_tiles(result.figures)) if result else [],
            notes=notes,
            about=list(self._about(result)),
        )

    def episode(self, place: Place) -> Episode:
        """One episode.

        Raises:
            StudyError: Its file is damaged, or is that of another episode.
        """
        trajectory = self._folder.trajectory(place.seed, place.position)
        found = Place(trajectory.seed, trajectory.position, trajectory.task_id)
        path = self._folder.log_path(place.seed)
        if found != place:
            raise StudyError(f"{path} holds {_name(found)} instead of {_name(place)}")
        for index, turn in enumerate(trajectory.turns):
            if turn.admissible >= len(trajectory.admissible):
                raise StudyError(
                    f"{path}: {_name(place)}: turn {index + 1} has admissible actions no. "
                    f"{turn.admissible}, but there are only {len(trajectory.admissible)} lists"
                )
        return Episode(_row(trajectory, self._kinds), _content(trajectory))

    def _present(self) -> Iterator[Place]:
        tasks = self.panel.tasks
        for seed in dict.fromkeys(self.study.seeds):
            log = self._folder.log(seed)
            if log.problems and self._folder.is_finished:
                raise StudyError(f"{log.path} {log.problems[0]}")
            for position in sorted(log.members):
                if position < len(tasks):
                    yield Place(seed, position, tasks[position].task_id)

    def _about(self, result: Result | None) -> Iterator[tuple[str, str]]:
        study, panel = self.study, self.panel
        yield "agent", study.agent.name
        yield from _named("agent", study.agent.options)
        yield "panel", f"{panel.name} ({panel.sha256[:12]})"
        yield "environment", f"{panel.env}, {panel.split}"
        yield "data", panel.data_version
        yield "seeds", ", ".join(map(str, study.seeds))
        if result is not None:
            yield from _named("about", result.about)
            yield "commit", ", ".join(result.commits)
            yield from ((name, ", ".join(found)) for name, found in result.versions.items())


def _tiles(figures: Figures) -> Iterator[Tile]:
    success = figures.success
    won = f"{shown(figures.turns_won)} when won" if figures.turns_won is not None else ""
    yield Tile(
        "success",
        f"{100 * success.mean:.1f} % ± {100 * success.se:.1f}",
        f"standard error over {plural(figures.episodes, 'episode')}",
    )
    yield Tile(
        "95 % interval",
        _range(success.interval),
        "resampled tasks and Wilson's, together" if success.wilson else "of resampled tasks",
    )
    if (figures.score.mean, figures.score.se) != (success.mean, success.se):
        yield Tile("score", shown(figures.score.mean), f"± {shown(figures.score.se)}")
    yield Tile("turns an episode", shown(figures.turns), won)
    yield Tile("options an episode", shown(figures.options))
    yield Tile(
        "inadmissible actions",
        percent(figures.invalid_action_rate),
        f"malformed: {percent(figures.format_error_rate)}",
    )
    if figures.output_tokens is not None:
        yield Tile(
            "tokens an episode",
            shown(figures.output_tokens),
            f"and {shown(figures.prompt_tokens)} read",
        )


def _range(interval: Interval) -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"


def _row(trajectory: Trajectory, kinds: Kinds) -> dict[str, Any]:
    infos = [turn.info for turn in trajectory.turns]
    return {
        "seed": str(trajectory.seed),
        "position": trajectory.position,
        "id": trajectory.task_id,
        "task": trajectory.task,
        "type": trajectory.task_type,
        "outcome": trajectory.outcome,
        "failure": trajectory.failure,
        "score": trajectory.score,
        "turns": len(infos),
        "bands": bands_of(((info.subgoal, info.option_boundary) for info in infos), kinds),
    }


def _content(trajectory: Trajectory) -> dict[str, Any]:
    turns = trajectory.turns
    values = [values_in((turn.details or {}).get("values")) for turn in turns]
    found = advantages_of(
        values,
        [turn.reward for turn in turns],
        [turn.info.option_boundary for turn in turns],
        terminated=trajectory.terminated,
        truncated=trajectory.truncated and not trajectory.terminated,
    )
    seconds: list[float | None] = [*trajectory.seconds, *[None] * len(turns)]
    return {
        "admissible": trajectory.admissible,
        "final": trajectory.final_observation,
        "env_seconds": trajectory.env_seconds,
        "turns": [
            {
                **_turn(turn),
                "values": values[index],
                "advantages": _finite(found[index]),
                "seconds": seconds[index],
            }
            for index, turn in enumerate(turns)
        ],
    }


def _turn(turn: Turn) -> dict[str, Any]:
    info, details = turn.info, turn.details or {}
    more = [*_named("", {k: v for k, v in details.items() if k not in _SHOWN_DETAILS})]
    return {
        "observation": turn.observation,
        "admissible": turn.admissible,
        "output": turn.output,
        "thought": turn.thought,
        "switch": turn.switch,
        "subgoal": turn.subgoal,
        "action": info.action,
        "action_valid": info.action_valid,
        "format_valid": info.format_valid,
        "format_error": info.format_error,
        "running": info.subgoal,
        "option_step": info.option_step,
        "closed": [info.closed_option_length, info.closed_option_return]
        if info.option_closed
        else None,
        "reward": turn.reward,
        "score": info.score,
        "tokens": [number(details.get(name)) for name in ("prompt_tokens", "output_tokens")],
        "more": [*more, *_named("info", info.extra)],
    }


def _finite(triple: tuple[float, float | None, float] | None) -> list[float | None] | None:
    return None if triple is None else [number(value) for value in triple]


def _named(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values as texts; numbers of scripts could not hold every number of a file."""
    for name, value in values.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield f"{prefix} {name}".strip(), text


def _name(place: Place) -> str:
    return f"seed {place.seed}, position {place.position}, task {place.task_id!r}"
