from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_envs.options import OptionTracker


class Step(NamedTuple):
    switch: bool
    subgoal: str | None
    reward: float


steps = st.lists(
    st.builds(
        Step,
        st.booleans(),
        st.none() | st.sampled_from(["a", "b"]),
        st.sampled_from([0.0, 0.25, 1.0]),
    ),
    min_size=1,
    max_size=12,
)


def report(tracker: OptionTracker) -> tuple[bool, int, float]:
    return tracker.closed, tracker.closed_length, tracker.closed_return


def test_before_the_first_step_no_option_runs() -> None:
    tracker = OptionTracker()
    assert (tracker.subgoal, tracker.option_id, tracker.option_step) == ("", -1, 0)
    assert not tracker.boundary
    assert report(tracker) == (False, 0, 0.0)


@pytest.mark.parametrize("switch", [True, False])
def test_the_first_step_begins_an_option_either_way(switch: bool) -> None:
    tracker = OptionTracker()
    tracker.step(switch=switch, subgoal="find a mug", reward=0.0, ended=False)
    assert tracker.boundary
    assert (tracker.subgoal, tracker.option_id, tracker.option_step) == ("find a mug", 0, 0)
    assert report(tracker) == (False, 0, 0.0)


def test_a_worked_episode() -> None:
    tracker = OptionTracker()
    tracker.step(switch=True, subgoal="a", reward=0.5, ended=False)
    tracker.step(switch=False, subgoal=None, reward=0.25, ended=False)
    assert (tracker.option_id, tracker.option_step, tracker.boundary) == (0, 1, False)

    tracker.step(switch=True, subgoal="b", reward=1.0, ended=False)
    assert (tracker.subgoal, tracker.option_id, tracker.option_step) == ("b", 1, 0)
    assert report(tracker) == (True, 2, 0.75)

    tracker.step(switch=False, subgoal=None, reward=0.0, ended=False)
    assert report(tracker) == (False, 0, 0.0)

    tracker.step(switch=False, subgoal=None, reward=2.0, ended=True)
    assert (tracker.option_id, tracker.option_step) == (1, 2)
    assert report(tracker) == (True, 3, 3.0)


def test_a_subgoal_beside_keep_does_not_replace_the_running_one() -> None:
    tracker = OptionTracker()
    tracker.step(switch=True, subgoal="a", reward=0.0, ended=False)
    tracker.step(switch=False, subgoal="b", reward=0.0, ended=False)
    assert tracker.subgoal == "a"


def test_switching_to_the_same_subgoal_is_a_new_option() -> None:
    tracker = OptionTracker()
    tracker.step(switch=True, subgoal="a", reward=0.0, ended=False)
    tracker.step(switch=True, subgoal="a", reward=0.0, ended=False)
    assert (tracker.option_id, tracker.boundary) == (1, True)


def test_a_switch_on_the_last_step_reports_the_new_option() -> None:
    tracker = OptionTracker()
    tracker.step(switch=True, subgoal="a", reward=0.5, ended=False)
    tracker.step(switch=True, subgoal="b", reward=1.0, ended=True)
    assert (tracker.subgoal, tracker.boundary) == ("b", True)
    assert report(tracker) == (True, 1, 1.0)


@given(steps)
def test_the_reports_partition_the_episode(episode: list[Step]) -> None:
    tracker = OptionTracker()
    lengths: list[int] = []
    returns: list[float] = []
    ages: list[int] = []
    for number, step in enumerate(episode, start=1):
        before = tracker.option_step + 1, tracker.option_id
        last = number == len(episode)
        tracker.step(switch=step.switch, subgoal=step.subgoal, reward=step.reward, ended=last)
        ages.append(tracker.option_step)
        assert tracker.closed == (last or (tracker.boundary and number > 1))
        if tracker.closed:
            if last and tracker.boundary and number > 1:
                # Two options close at once. The report is about the newer one; the length of the
                # other follows from the step before.
                lengths.append(before[0])
                returns.append(sum(s.reward for s in episode[: number - 1]) - sum(returns))
            lengths.append(tracker.closed_length)
            returns.append(tracker.closed_return)
    assert sum(lengths) == len(episode)
    assert sum(returns) == pytest.approx(sum(step.reward for step in episode))
    assert len(lengths) == tracker.option_id + 1 == ages.count(0)


def test_reset_forgets() -> None:
    tracker = OptionTracker()
    tracker.step(switch=True, subgoal="a", reward=1.0, ended=True)
    tracker.reset()
    assert (tracker.subgoal, tracker.option_id, report(tracker)) == ("", -1, (False, 0, 0.0))
