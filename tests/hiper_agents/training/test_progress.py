"""The live display and its plain form."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from hiper_agents.training.progress import TrainingProgress

METRICS: dict[str, Any] = {
    "iteration": 12,
    "seconds": 60.0,
    "episodes": 1536,
    "turns": 40123,
    "success": 0.214,
    "return": 0.25,
    "mean_turns": 41.0,
    "options": 6.2,
    "option_length": 6.6,
    "turns_per_second": 5012.4,
    "success_by_type": {"pick_and_place_simple": 0.3, "look_at_obj_in_light": 1.0},
}


class Clock:
    """A clock that goes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def plain(width: int = 200) -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=width)


def terminal(width: int = 100) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, _environ={"TERM": "xterm"})


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def shown(progress: TrainingProgress, width: int = 100) -> str:
    console = Console(file=io.StringIO(), force_terminal=False, width=width)
    console.print(progress.render())
    return written(console)


def test_plain_lines_are_ten_seconds_apart() -> None:
    console, clock = plain(), Clock()
    with TrainingProgress(10.0, None, console, clock=clock) as progress:
        for iteration in range(1, 26):
            clock.now += 1.0
            progress.update({"iteration": iteration, "seconds": float(iteration)})
    lines = written(console).splitlines()
    assert [line.split(" | ")[0] for line in lines] == [
        "iteration 1",
        "iteration 11",
        "iteration 21",
        "iteration 25",
    ]
    assert lines[1] == "iteration 11 | 0:11 min, 9:49 min left"


def test_the_last_line_is_not_repeated() -> None:
    console = plain()
    with TrainingProgress(None, None, console, clock=Clock()) as progress:
        progress.update(METRICS)
    (line,) = written(console).splitlines()
    assert line == (
        "iteration 12 | 1:00 min | success 21.4 % | return 0.25 | options 6.2 | "
        "turns an episode 41 | turns/s 5,012 | episodes 1,536 | turns 40,123"
    )


def test_long_lines_are_not_broken_and_markup_is_text() -> None:
    console = plain(width=30)
    with TrainingProgress(None, None, console, clock=Clock()) as progress:
        progress.update(METRICS)
    assert len(written(console).splitlines()) == 1


def test_nothing_is_written_before_the_first_iteration() -> None:
    console = plain()
    with TrainingProgress(1.0, None, console, clock=Clock()):
        pass
    assert written(console) == ""


def test_an_error_passes_after_the_last_line() -> None:
    console = plain()

    def stopped() -> None:
        with TrainingProgress(1.0, None, console, clock=Clock()) as progress:
            progress.update({"iteration": 1, "seconds": 1.0})
            progress.update({"iteration": 2, "seconds": 2.0})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert "iteration 2" in written(console)


def test_time_left_by_minutes_goes_on_between_updates() -> None:
    clock = Clock()
    with TrainingProgress(2.0, None, plain(), clock=clock) as progress:
        assert progress.left == 120.0
        clock.now += 6.0
        progress.update({"iteration": 1, "seconds": 5.0})
        clock.now += 10.0
        assert progress.elapsed == 15.0
        assert progress.left == 105.0
        assert progress.share == 15.0 / 120.0
        clock.now += 1000.0
        assert progress.left == 0.0
        assert progress.share == 1.0


def test_time_left_by_iterations_uses_the_pace_of_this_sitting() -> None:
    clock = Clock()
    with TrainingProgress(None, 120, plain(), clock=clock) as progress:
        assert progress.left is None
        clock.now += 2.0
        # A resumed run: the 100 iterations of before took 500 s, on a slower machine.
        progress.update({"iteration": 101, "seconds": 502.0})
        clock.now += 2.0
        progress.update({"iteration": 102, "seconds": 504.0})
        assert progress.left == pytest.approx(18 * 2.0)
        assert progress.share == 102 / 120


def test_time_left_by_turns_uses_the_pace_of_the_whole_run() -> None:
    clock = Clock()
    progress = TrainingProgress(None, None, plain(), turns=10_000, clock=clock)
    assert (progress.left, progress.share) == (None, 0.0)
    progress.update({"iteration": 3, "seconds": 20.0, "turns": 4000})
    assert progress.left == pytest.approx(30.0)
    assert progress.share == pytest.approx(0.4)
    clock.now += 5.0
    assert progress.left == pytest.approx(25.0)
    progress.update({"iteration": 4, "seconds": 60.0, "turns": 12_000})
    assert (progress.left, progress.share) == (0.0, 1.0)


def test_the_smaller_budget_counts() -> None:
    clock = Clock()
    with TrainingProgress(1.0, 1000, plain(), clock=clock) as progress:
        clock.now += 2.0
        progress.update({"iteration": 1, "seconds": 2.0})
        assert progress.left == 58.0


def test_the_display_shows_every_figure() -> None:
    progress = TrainingProgress(10.0, None, plain(), clock=Clock())
    progress.update(METRICS)
    text = shown(progress)
    for expected in (
        "iteration 12 · 1:00 min, 9:00 min left",
        "21.4 %",
        "pick and place simple",
        "30.0 %",
        "100.0 %",
        "6.2",
        "6.6",
        "41",
        "5,012",
        "1,536",
        "40,123",
    ):
        assert expected in text, expected


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_the_display_fits(width: int) -> None:
    progress = TrainingProgress(10.0, 5, plain(), clock=Clock())
    progress.update(METRICS)
    assert max(map(len, shown(progress, width).splitlines())) <= width


@pytest.mark.parametrize(
    "metrics",
    [{}, {"success": None, "iteration": "x"}, {"success": float("nan"), "success_by_type": [1]}],
)
def test_missing_metrics_are_dashes(metrics: dict[str, Any]) -> None:
    progress = TrainingProgress(None, None, plain(), clock=Clock())
    progress.update(metrics)
    assert "success" in shown(progress)
    assert " - " in shown(progress)
    assert "nan" not in shown(progress)


def test_a_terminal_keeps_the_last_state_and_gets_its_cursor_back() -> None:
    console = terminal()
    with TrainingProgress(10.0, None, console) as progress:
        progress.update({**METRICS, "success": 0.1})
        progress.update(METRICS)
    text = written(console)
    assert "21.4 %" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_updates_do_not_redraw() -> None:
    console = terminal()
    with TrainingProgress(None, 5000, console) as progress:
        for iteration in range(2000):
            progress.update({**METRICS, "iteration": iteration})
    # Two thousand drawings of ten lines would be more than a megabyte.
    assert len(written(console)) < 200_000
