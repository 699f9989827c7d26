"""`hiper play` with a person whose lines are known beforehand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from rich.console import Console

import hiper_envs  # noqa: F401  (registers the environments)
from hiper_agents.agent import AgentError
from hiper_agents.agents.human import HumanAgent, OptionTimeline, PlayerQuitError, readable
from hiper_agents.cli.play import score_lines
from hiper_envs.core import TaskInfo

TASK = TaskInfo("toy/0", "put a mug in desk.", "toy", "toy")
ACTIONS = ("go to desk 1", "look")


def info(**changes: Any) -> dict[str, Any]:
    values = {
        "admissible_actions": ACTIONS,
        "action": "",
        "action_valid": True,
        "format_error": "",
        "subgoal": "",
        "option_id": -1,
        "option_step": 0,
        "option_boundary": False,
    }
    return {**values, **changes}


Player = Callable[..., HumanAgent]


@pytest.fixture
def player() -> Player:
    """Makes an agent whose person types these lines, and then leaves."""

    def make(*lines: str) -> HumanAgent:
        rest = iter(lines)

        def read(prompt: str) -> str:
            try:
                return next(rest)
            except StopIteration:
                raise EOFError from None

        agent = HumanAgent(Console(record=True, width=100, file=open(os.devnull, "w")), read)  # noqa: SIM115
        agent.reset([TASK])
        return agent

    return make


class TestHumanAgent:
    @pytest.mark.parametrize(
        ("lines", "action"),
        [
            (["1"], "go to desk 1"),
            (["  2 "], "look"),
            (["look"], "look"),
            (["fly away"], "fly away"),
            (["", "?", "2"], "look"),
            (["3", "0", "1"], "go to desk 1"),
            ([":dance", "2"], "look"),
            ([":subgoal", "2"], "look"),
            ([":help", "2"], "look"),
            (
                [":subgoal find a mug", "2"],
                "<switch>SWITCH</switch><subgoal>find a mug</subgoal><action>look</action>",
            ),
            (
                ["<switch>KEEP</switch><action>look</action>"],
                "<switch>KEEP</switch><action>look</action>",
            ),
        ],
    )
    def test_reads_a_line(self, player: Player, lines: list[str], action: str) -> None:
        assert player(*lines).act(["text"], [info()]) == [action]

    def test_a_subgoal_is_begun_once(self, player: Player) -> None:
        agent = player(":subgoal find a mug", "look", "look")
        assert agent.act(["text"], [info()]) != ["look"]
        assert agent.act(["text"], [info(action="look", option_boundary=True)]) == ["look"]

    @pytest.mark.parametrize("lines", [[":quit"], [":q"], []])
    def test_leaves(self, player: Player, lines: list[str]) -> None:
        with pytest.raises(PlayerQuitError, match="stopped by the player"):
            player(*lines).act(["text"], [info()])

    def test_plays_one_episode_at_a_time(self, player: Player) -> None:
        with pytest.raises(AgentError, match="one episode at a time, not 2"):
            player().reset([TASK, TASK])

    def test_shows_world_text_as_it_is(self, player: Player) -> None:
        """Square brackets are markup to rich, and text to us."""
        agent = player("1")
        agent.act(["[bold]you see[/] nothing"], [info()])
        text = agent.console.export_text()
        assert "[bold]you see[/] nothing" in text
        assert " 1 go to desk 1" in text
        assert " 2 look" in text


SEARCH_PAGE = ("search[<your query>]",)
ITEM_PAGE = ("click[< prev]", "click[buy now]", "click[10]", "click[red]")


class TestShop:
    @pytest.mark.parametrize(
        ("actions", "lines", "action"),
        [
            (SEARCH_PAGE, ["1", "red shirt"], "search[red shirt]"),
            (SEARCH_PAGE, ["1", "", "1", "hat"], "search[hat]"),
            (SEARCH_PAGE, ["search[<your query>]", "hat"], "search[hat]"),
            (SEARCH_PAGE, ["search[hat]"], "search[hat]"),
            (SEARCH_PAGE, ["red shirt"], "search[red shirt]"),
            (
                SEARCH_PAGE,
                [":subgoal find a product", "hat"],
                "<switch>SWITCH</switch><subgoal>find a product</subgoal>"
                "<action>search[hat]</action>",
            ),
            (ITEM_PAGE, ["2"], "click[buy now]"),
            (ITEM_PAGE, ["Buy Now"], "click[buy now]"),
            (ITEM_PAGE, ["< Prev"], "click[< prev]"),
            (ITEM_PAGE, ["<action>red</action>"], "<action>red</action>"),
            (ITEM_PAGE, ["click[red]"], "click[red]"),
            (ITEM_PAGE, ["10", "3"], "click[10]"),  # a number is that of an action
            (ITEM_PAGE, ["blue"], "blue"),
            ((*ITEM_PAGE, "hold[red]"), ["red"], "red"),  # two could be meant
        ],
    )
    def test_reads_a_line(
        self, player: Player, actions: tuple[str, ...], lines: list[str], action: str
    ) -> None:
        assert player(*lines).act(["text"], [info(admissible_actions=actions)]) == [action]

    def test_leaves_when_the_input_ends_at_the_query(self, player: Player) -> None:
        with pytest.raises(PlayerQuitError):
            player("1").act(["text"], [info(admissible_actions=SEARCH_PAGE)])

    def test_marks_of_buttons_become_styles(self) -> None:
        page = "Page 1\n[button] Next > [button_]\n  [clicked button] red [clicked button_]\nend"
        text = readable(page)
        assert text.plain == "Page 1\nNext >\n  red\nend"
        assert [text.plain[span.start : span.end] for span in text.spans] == ["Next >", "red"]

    def test_parts_of_a_page_get_a_line_each(self) -> None:
        assert readable(" Shop [SEP] Next > [SEP] [bold]").plain == "Shop\nNext >\n[bold]"


def test_timeline() -> None:
    timeline = OptionTimeline()
    timeline.update(info(option_boundary=True, option_id=0, subgoal="find a mug"))
    timeline.update(info(option_id=0, subgoal="find a mug"))
    timeline.update(info(option_boundary=True, option_id=1, subgoal="heat the mug"))
    assert timeline.options == [("find a mug", 2), ("heat the mug", 1)]
    assert timeline.renderable().plain == "0 find a mug ▇▇  1 heat the mug ▇  "


def play(
    *lines: str, arguments: str = "", more: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hiper_agents.cli.main", "play", "--split", "generated"]
    return subprocess.run(
        [*command, *arguments.split(), *more],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120", "PYTHONUTF8": "1"},
    )


def test_piped_commands_solve_a_task(no_data: Path) -> None:
    env = gym.make("HiPER-ALFWorld-v0", split="generated", reference=True)
    _, now = env.reset(seed=3)
    task_id, lines, ended = now["task_id"], [], False
    while not ended:
        if now["reference_boundary"]:
            lines.append(f":subgoal {now['reference_subgoal']}")
        # By number: what is on the screen must be what the environment gets.
        lines.append(str(now["admissible_actions"].index(now["expert_action"]) + 1))
        _, _, terminated, truncated, now = env.step(now["expert_action"])
        ended = terminated or truncated
    done = play(*lines, arguments=f"--task-id {task_id}")
    assert (done.returncode, done.stderr) == (0, "")
    assert task_id in done.stdout
    assert f"Solved in {sum(line.isdecimal() for line in lines)} steps; return 1." in done.stdout


def test_leaving_is_no_error(no_data: Path) -> None:
    done = play("look", "?", ":quit", arguments="--seed 1")
    assert done.returncode == 0
    assert "stopped after 1 steps" in done.stdout
    assert "Traceback" not in done.stderr


def test_unknown_task(no_data: Path) -> None:
    done = play(arguments="--task-id generated/nowhere")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("hiper: error: ")


def test_a_purchase_is_shown_with_its_score(no_data: Path) -> None:
    env = gym.make("HiPER-WebShop-v0", split="generated")
    _, now = env.reset(seed=4)
    lines = ["1", now["task"]]
    _, _, _, _, now = env.step(f"search[{now['task']}]")
    product = next(text for text in now["admissible_actions"] if text.startswith("click[g"))
    env.step(product)
    _, _, _, _, now = env.step("click[buy now]")
    lines += [product, "buy now"]
    done = play(*lines, arguments=f"--env HiPER-WebShop-v0 --task-id {now['task_id']}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "[button]" not in done.stdout
    for line in score_lines(now):
        assert line[:100] in done.stdout
    assert f"return {now['score']:g}." in done.stdout


def test_lines_of_a_score() -> None:
    scored = {
        "score": 0.6,
        "r_type": 1.0,
        "r_att": 0.5,
        "r_option": None,
        "r_price": False,
        "matched_attributes": ("soft",),
        "matched_options": (),
    }
    assert score_lines(scored) == [
        "score 0.6; the kind of product is a factor of 1",
        "  attributes: 50 % (soft)",
        "  product options: none wanted",
        "  price: above the limit",
    ]
    assert score_lines({"score": 1.0}) == []
    assert score_lines({"subtasks": 4, "subtasks_done": 3}) == ["3 of 4 subtasks hold"]


def test_long_tasks_are_played_with_options_of_their_environment() -> None:
    arguments = [
        *("--env", "HiPER-ALFWorldLong-v0", "--env-options", '{"subtasks": 2, "max_turns": 1}'),
        *("--task-id", "long-k2/train/000007"),
    ]
    done = play("look", more=arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Not solved in 1 steps; return 0." in done.stdout
    assert "0 of 2 subtasks hold" in done.stdout
