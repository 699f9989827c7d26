"""Recorded episodes: whole, parsed, digested, and safe against whatever agents write."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.leaderboard.schema import Panel, Trajectory
from benchmarks.leaderboard.trajectories import (
    TrajectoryRecorder,
    blocks_of,
    clean_details,
    details_json,
    trajectory_digest,
)
from hiper_agents.environments import make_env
from hiper_envs.core import Episode
from hiper_envs.tags import parse

_TAGS = ("switch", "subgoal", "action", "think")
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.lists(
    st.sampled_from(
        ["SWITCH", "look", *(f"<{slash}{tag}>" for slash in ("", "/") for tag in _TAGS)]
    ),
    max_size=14,
).map("".join)

_ENV = make_env("HiPER-ALFWorld-v0", "generated")


def recorded(outputs: list[str], details: Any = None, failure: str = "") -> Trajectory:
    episode = Episode(_ENV.source.open(0), len(outputs))
    recorder = TrajectoryRecorder(episode, 0, 5)
    for output in outputs:
        shown = (episode.observation, episode.info)
        reward = episode.play(output)
        recorder.add(shown, output, reward, episode.info, 0.5, details_json(details))
    recording = recorder.finish(failure)
    trajectory = Trajectory.model_validate_json(recording.json())
    assert trajectory.outcome == recording.outcome
    return trajectory


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_any_text_is_recorded_as_it_is(outputs: list[str]) -> None:
    trajectory = recorded(outputs)
    assert [turn.output for turn in trajectory.turns] == outputs
    assert trajectory.sha256 == trajectory_digest(trajectory)
    again = Trajectory.model_validate_json(trajectory.model_dump_json())
    assert trajectory_digest(again) == trajectory.sha256


@given(TEXTS)
def test_blocks_are_those_of_the_parser(output: str) -> None:
    thought, switch, subgoal = blocks_of(output)
    parsed = parse(output)
    if parsed.format_valid:
        assert (switch, subgoal) == (parsed.switch, parsed.subgoal)
        assert "<action>" not in thought or "<think>" in output
    else:
        assert (thought, switch, subgoal) == ("", False, None)


def test_admissible_actions_are_kept_once() -> None:
    trajectory = recorded(["look", "inventory", "look", "go to nowhere 1"])
    assert len(trajectory.admissible) < 4
    assert all("look" in actions for actions in trajectory.admissible)


def test_times_details_and_failures_do_not_change_the_digest() -> None:
    plain = recorded(["look", "look"])
    told = recorded(["look", "look"], {"values": [1.0, 2.0, 3.0]})
    assert told.turns[0].details == {"values": [1.0, 2.0, 3.0]}
    assert told.sha256 == plain.sha256 == trajectory_digest(told)
    assert recorded(["look", "look"], failure="a").sha256 != plain.sha256
    assert (
        recorded(["look", "look"], failure="a").sha256
        == recorded(["look", "look"], failure="b").sha256
    )


def test_a_failed_episode_scores_nothing() -> None:
    trajectory = recorded(["look"], failure="it hung")
    assert (trajectory.outcome, trajectory.won, trajectory.score) == ("failed", False, 0.0)
    assert trajectory.failure == "it hung"


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(), inner, max_size=3),
)


@given(st.dictionaries(st.text() | st.integers(), JSON_LIKE, max_size=4))
def test_whatever_an_agent_tells_can_be_written(details: dict[Any, Any]) -> None:
    cleaned = clean_details(details)
    assert json.loads(json.dumps(cleaned, allow_nan=False)) == cleaned
    json.dumps(cleaned, ensure_ascii=False).encode()
    assert isinstance(json.loads(details_json(details)), dict)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text() | st.integers(), PLAIN, max_size=4))
def test_the_usual_details_are_written_as_they_would_be_cleaned(details: dict[Any, Any]) -> None:
    assert json.loads(details_json(details)) == clean_details(details)


def test_what_a_benchmark_adds_to_info_is_kept(panel: Panel) -> None:
    env = make_env("HiPER-WebShop-v0", "generated", max_turns=3)
    episode = Episode(env.source.open(0), 3)
    recorder = TrajectoryRecorder(episode, 0, 0)
    while not episode.ended:
        shown = (episode.observation, episode.info)
        reward = episode.play(f"search[{'a' * (episode.turns + 1)}]")
        recorder.add(shown, "search[a]", reward, episode.info, 0.0)
    trajectory = Trajectory.model_validate_json(recorder.finish().json())
    assert trajectory.turns[-1].info.extra == {
        key: value for key, value in episode.info.items() if key.startswith(("r_", "title_"))
    }
