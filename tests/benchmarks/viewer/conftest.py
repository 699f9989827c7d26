"""Study folders of real play on generated houses, and a browser to read their pages in."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.leaderboard.figures import costs_of, result_of, row_of, timing_of
from benchmarks.leaderboard.panels import make_panel
from benchmarks.leaderboard.schema import AgentSpec, Panel, Sitting, Study
from benchmarks.leaderboard.store import StudyFolder
from benchmarks.leaderboard.trajectories import TrajectoryRecorder, details_json
from benchmarks.viewer import write_view
from hiper_agents.environments import make_env
from hiper_envs.core import Episode, HierarchicalTextEnv
from hiper_envs.tags import render

from .browsing import Reader

ENV = "HiPER-ALFWorld-v0"
MAX_TURNS = 14
TASKS = 6

#: What a page must show and never do: each is told apart by the name that it would set.
HOSTILE = (
    "<script>window.hurt = 1</script>",
    "</script><script>window.hurt = 2</script>",
    "<!-- <script> ",
    '<img src=x onerror="window.hurt = 3">',
    "<svg onload='window.hurt = 4'>]]>&lt;b&gt;\u2028\u202e",
)

Told = tuple[str, dict[str, Any] | None]
Player = Callable[[Mapping[str, Any], int, random.Random], Told | None]
MakeStudy = Callable[..., Path]


def expert(info: Mapping[str, Any], turn: int, chance: random.Random) -> Told:
    """The oracle, with a thought, three values and tokens."""
    text = render(
        info["expert_action"], subgoal=info["reference_subgoal"], switch=info["reference_boundary"]
    )
    values = [round(chance.random(), 3) for _ in range(3)]
    told = {
        "values": values,
        "prompt_tokens": 200 + turn,
        "output_tokens": 20,
        "model": {"n": turn},
    }
    return f"<think>Turn {turn}: what is next?</think>{text}", told


def hostile(info: Mapping[str, Any], turn: int, chance: random.Random) -> Told:
    """Markup wherever an agent can put it: thoughts, subgoals, actions, malformed text, details."""
    evil = HOSTILE[turn % len(HOSTILE)]
    told = {"values": [0.1, 0.2], "said": evil, evil: {evil: [evil]}}
    if turn % 4 == 3:
        return f"{evil}<action>", told
    action = chance.choice(info["admissible_actions"]) if turn % 4 == 1 else f"say {evil}"
    return f"I think {evil}" + render(action, subgoal=f"find {evil}", switch=turn % 3 == 0), told


def quitter(info: Mapping[str, Any], turn: int, chance: random.Random) -> Told | None:
    """Plays plain actions at random, and fails at its fourth turn."""
    return None if turn == 3 else (chance.choice(info["admissible_actions"]), None)


def mixed(info: Mapping[str, Any], turn: int, chance: random.Random) -> Told | None:
    """Another player every task."""
    number = int(info["task_id"].rpartition("/")[2])
    return (expert, hostile, quitter)[number % 3](info, turn, chance)


@pytest.fixture(scope="session")
def env() -> HierarchicalTextEnv:
    return make_env(ENV, "generated", reference=True)


@pytest.fixture(scope="session")
def panel() -> Panel:
    return make_panel(
        "generated-few",
        "A few generated houses",
        ENV,
        "generated",
        env_options={"max_turns": MAX_TURNS},
        data_version="made up",
        syntax="any",
        tasks=TASKS,
    )


def _play(env: HierarchicalTextEnv, player: Player, panel: Panel, place: int, seed: int) -> bytes:
    chance = random.Random(f"{seed}/{place}")
    episode = Episode(env.source.open(env.source.index(panel.tasks[place].task_id)), MAX_TURNS)
    recorder = TrajectoryRecorder(episode, place, seed)
    while not episode.ended:
        before = (episode.observation, episode.info)
        told = player(episode.info, episode.turns, chance)
        if told is None:
            return recorder.finish("RuntimeError: no more\n" + HOSTILE[0]).json()
        reward = episode.play(told[0])
        recorder.add(before, told[0], reward, episode.info, 0.25, details_json(told[1]))
    return recorder.finish().json()


@pytest.fixture(scope="session")
def make_study(
    env: HierarchicalTextEnv, panel: Panel, tmp_path_factory: pytest.TempPathFactory
) -> MakeStudy:
    """Plays a study; `unplayed` episodes at the end are left out, and with them the result."""

    def make(
        player: Player, *, seeds: Sequence[int] = (0, 1), unplayed: int = 0, label: str = "someone"
    ) -> Path:
        files = StudyFolder(tmp_path_factory.mktemp("study") / "played")
        study = Study(
            agent=AgentSpec(name="someone", label=label),
            panel=panel.name,
            panel_sha256=panel.sha256,
            seeds=tuple(seeds),
        )
        files.write("study.json", study)
        files.write("panel.json", panel)
        places = [(seed, place) for seed in seeds for place in range(len(panel.tasks))]
        for seed, place in places[: len(places) - unplayed]:
            files.add_trajectories(seed, [_play(env, player, panel, place, seed)])
        sitting = Sitting(
            started="2026-01-01T00:00:00Z",
            command="none",
            commit=None,
            versions={"python": "3"},
            machine={},
            num_envs=1,
            timeout=60.0,
        )
        files.add_sitting(sitting)
        if not unplayed:
            played = list(files.trajectories())
            rows = [row_of(each) for each in played]
            files.write("result.json", result_of(study, panel, rows, [sitting]))
            files.write("costs.json", costs_of([timing_of(each) for each in played], [sitting]))
        return files.path

    return make


@pytest.fixture(scope="session")
def mixed_study(make_study: MakeStudy) -> Path:
    return make_study(mixed, label=HOSTILE[1])


@pytest.fixture(scope="session")
def expert_study(make_study: MakeStudy) -> Path:
    return make_study(expert, seeds=(1, 2), label="the expert")


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """The folder of a training run, as `hiper train` leaves it, with two sample episodes."""
    folder = tmp_path / "run"
    folder.mkdir()
    turns = [
        {
            "observation": f"Room {index}. {HOSTILE[index]}",
            "subgoal": "find a mug" if index < 2 else "heat the mug",
            "option_id": int(index >= 2),
            "boundary": index in (0, 2),
            "switch": index == 2,
            "action": f"go to desk {index}",
            "values": [0.1 * index, 0.5, 0.25],
        }
        for index in range(4)
    ]
    samples = [
        {
            "task_id": f"t/{won}",
            "task": "Heat a mug.",
            "task_type": "heat",
            "won": won,
            "turns": turns,
        }
        for won in (True, False)
    ]
    config = {"agent": "compact", "estimator": "hae", "env": "Made-v0", "seed": 3}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.jsonl").write_text(json.dumps({"iteration": 1, "success": 0.5}) + "\n")
    (folder / "samples.json").write_text(json.dumps(samples))
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.chromium.close()


@pytest.fixture
def reader(browser: Reader) -> Reader:
    browser.resize(1280, 900)
    return browser


@pytest.fixture(scope="session")
def pages(
    mixed_study: Path, expert_study: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {
        "mixed": write_view(mixed_study, out=folder / "mixed.html"),
        "expert": write_view(expert_study, out=folder / "expert.html"),
        "two": write_view(mixed_study, expert_study, out=folder / "two.html"),
    }
