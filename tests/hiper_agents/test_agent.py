"""Finding agents by name, plug-in, and run folder; and the built-in ones."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hiper_agents.agent import Agent, AgentError, agent_names, make_agent
from hiper_agents.agents import ExpertAgent, RandomAgent
from hiper_base.errors import MissingDependencyError
from hiper_envs.core import TaskInfo
from hiper_envs.tags import parse


def task(name: str) -> TaskInfo:
    return TaskInfo(name, "put a mug in desk.", "pick_and_place_simple", "generated")


ACTIONS = tuple(f"go to desk {number}" for number in range(1, 7))


def play(agent: Agent, names: list[str], steps: int = 20) -> dict[str, list[str]]:
    """What the agent does in one batch, by task id."""
    agent.reset([task(name) for name in names])
    taken: dict[str, list[str]] = {name: [] for name in names}
    for _ in range(steps):
        actions = agent.act(["text"] * len(names), [{"admissible_actions": ACTIONS}] * len(names))
        for name, action in zip(names, actions, strict=True):
            taken[name].append(action)
    return taken


class TestRandomAgent:
    def test_is_uniform_over_the_admissible_actions(self) -> None:
        counts = Counter(play(RandomAgent(), ["a"], steps=6000)["a"])
        assert counts.keys() == set(ACTIONS)
        # 1000 expected of each; the standard deviation is 29.
        assert all(abs(count - 1000) < 150 for count in counts.values())

    def test_does_not_depend_on_the_batch(self) -> None:
        together = play(RandomAgent(seed=5), ["a", "b", "c"])
        agent = RandomAgent(seed=5)
        apart = {**play(agent, ["c"]), **play(agent, ["a"]), **play(agent, ["b"])}
        assert together == apart

    def test_seeds_and_tasks_differ_but_not_what_was_played_before(self) -> None:
        agent = RandomAgent(seed=0)
        first, second = play(agent, ["a"])["a"], play(agent, ["a"])["a"]
        other = play(RandomAgent(seed=1), ["a", "b"])
        assert first == second
        assert len({tuple(x) for x in (first, other["a"], other["b"])}) == 3

    def test_fills_in_words_of_the_task_in_their_order(self) -> None:
        info = {"admissible_actions": ("search[<your query>]",), "task": "a soft red-ish shirt, 2"}
        words = ["a", "soft", "red-ish", "shirt", "2"]
        agent = RandomAgent()
        agent.reset([task("a")])
        lengths = set()
        for _ in range(200):
            (action,) = agent.act(["text"], [info])
            query = action.removeprefix("search[").removesuffix("]").split()
            assert query == [word for word in words if word in query]
            lengths.add(len(query))
        assert lengths == {1, 2, 3, 4, 5}

    def test_fills_in_something_where_the_task_has_no_words(self) -> None:
        agent = RandomAgent()
        agent.reset([task("a")])
        info = {"admissible_actions": ("search[<your query>]",), "task": "..."}
        assert agent.act(["text"], [info]) == ["search[query]"]

    def test_known_values(self) -> None:
        """The same draws on every machine and in every process."""
        assert play(RandomAgent(seed=0), ["a"], steps=8)["a"] == [ACTIONS[i] for i in KNOWN_DRAWS]


KNOWN_DRAWS = (4, 1, 0, 4, 4, 5, 2, 1)


class TestExpertAgent:
    info: dict[str, Any] = {  # noqa: RUF012
        "expert_action": "take mug 1 from desk 1",
        "reference_subgoal": "find a mug",
        "reference_boundary": True,
    }

    def test_switches_at_a_boundary(self) -> None:
        (text,) = ExpertAgent().act(["text"], [self.info])
        parsed = parse(text)
        assert parsed.format_valid
        assert parsed.switch
        assert (parsed.subgoal, parsed.action) == ("find a mug", "take mug 1 from desk 1")

    def test_keeps_elsewhere(self) -> None:
        (text,) = ExpertAgent().act(["text"], [{**self.info, "reference_boundary": False}])
        parsed = parse(text)
        assert parsed.format_valid
        assert not parsed.switch
        assert parsed.action == "take mug 1 from desk 1"

    def test_needs_the_reference(self) -> None:
        with pytest.raises(AgentError, match="reference=True"):
            ExpertAgent().act(["text"], [{"admissible_actions": ACTIONS}])


@pytest.mark.parametrize("name", ["random", "expert", "human"])
def test_built_in_agents_follow_the_protocol(name: str) -> None:
    agent = make_agent(name, seed=0, greedy=True, device="cpu")
    assert isinstance(agent, Agent)
    assert name in agent_names()


def test_unknown_name_lists_the_known_ones() -> None:
    known = "api, compact, expert, first-result, human, llm, random"
    with pytest.raises(AgentError, match=f"unknown agent 'nobody'.*{known}"):
        make_agent("nobody")


def test_unknown_argument() -> None:
    with pytest.raises(AgentError, match="random takes no argument temperature"):
        make_agent("random", temperature=2)


PLUGIN = """
class Echo:
    def __init__(self, word="look"):
        self.word = word
    def reset(self, tasks): ...
    def act(self, observations, infos):
        return [self.word] * len(observations)

not_callable = 3

def makes_no_agent():
    return object()
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution, as far as Python's metadata goes, that provides agents."""
    (tmp_path / "echo_plugin.py").write_text(PLUGIN)
    (tmp_path / "broken_plugin.py").write_text("import a_module_that_is_not_there")
    info = tmp_path / "hiper_echo-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hiper-echo\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[hiper.agents]\n"
        "echo = echo_plugin:Echo\n"
        "random = echo_plugin:Echo\n"
        "constant = echo_plugin:not_callable\n"
        "empty = echo_plugin:makes_no_agent\n"
        "broken = broken_plugin:Agent\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("echo_plugin", None)


@pytest.mark.usefixtures("plugin")
class TestPlugins:
    def test_is_found_by_name(self) -> None:
        assert "echo" in agent_names()
        assert make_agent("echo", seed=1, word="inventory").act(["x"], [{}]) == ["inventory"]

    def test_does_not_replace_a_built_in_agent(self) -> None:
        assert isinstance(make_agent("random"), RandomAgent)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("broken", r"'broken' from hiper-echo 1\.2 .*No module named 'a_module_that_is_not_t"),
            ("constant", r"'constant' from hiper-echo 1\.2 .*not callable: int"),
            ("empty", r"'empty' from hiper-echo 1\.2 .*object is not an Agent"),
        ],
    )
    def test_a_broken_one_is_named_with_its_cause(self, name: str, message: str) -> None:
        with pytest.raises(AgentError, match=message):
            make_agent(name)


DEVELOPED = """
from pathlib import Path
import hiper_agents.agents.random

class Plain(hiper_agents.agents.random.RandomAgent):
    pass

class Curious(Plain):
    def __init__(self, env, level=1):
        super().__init__()
        self.env, self.level = env, level

class Agents:
    plain = Plain

word = "look"

def fails():
    raise RuntimeError("no luck")
"""


@pytest.fixture
def developed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules that can be imported and belong to no distribution."""
    package = tmp_path / "in_development"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "agents.py").write_text(DEVELOPED)
    (package / "broken.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "in_development"]:
        del sys.modules[name]


@pytest.mark.usefixtures("developed")
class TestPlacesInModules:
    def test_is_found_without_a_package(self) -> None:
        agent = make_agent("in_development.agents:Plain", seed=3, device="cpu", env="X-v0")
        assert type(agent).__name__ == "Plain"
        assert isinstance(make_agent("in_development.agents:Agents.plain"), RandomAgent)
        assert isinstance(make_agent("hiper_agents.agents.random:RandomAgent"), RandomAgent)

    def test_is_told_what_it_plays_where_it_asks(self) -> None:
        agent = make_agent("in_development.agents:Curious", seed=3, env="X-v0", level=2)
        assert (agent.env, agent.level) == ("X-v0", 2)  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        ("place", "message"),
        [
            ("in_dev:Agent", r"cannot import in_dev of agent 'in_dev:Agent'.*No module named"),
            ("in_development.none:Agent", "cannot import in_development.none .*No module named"),
            ("in_development.broken:Agent", "cannot import .*ZeroDivisionError: division by zero"),
            ("in_development.agents:None_", "'in_development.agents' has no attribute 'None_'"),
            ("in_development.agents:Agents.x", "cannot find agent .*'Agents' has no attribute 'x'"),
            ("in_development.agents:word", "'in_development.agents:word' is not callable: str"),
            ("in_development.agents:Path", "is not an Agent"),
        ],
    )
    def test_what_is_wrong_with_it_is_said(self, place: str, message: str) -> None:
        with pytest.raises(AgentError, match=message):
            make_agent(place)

    def test_an_argument_that_it_does_not_take(self) -> None:
        with pytest.raises(AgentError, match="takes no argument temperature"):
            make_agent("in_development.agents:Plain", temperature=2)

    @pytest.mark.parametrize("spec", ["a:", ":b", "a b:c", "1a:b", "a:b:c", "a.:b", "a:b()"])
    def test_nothing_else_is_taken_for_a_place(self, spec: str) -> None:
        with pytest.raises(AgentError, match="unknown agent"):
            make_agent(spec)

    def test_a_place_wins_over_a_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "in_development.agents:Plain").mkdir()
        monkeypatch.chdir(tmp_path)
        assert isinstance(make_agent("in_development.agents:Plain"), RandomAgent)
        with pytest.raises(AgentError, match="not a run folder"):
            make_agent("./in_development.agents:Plain")


class TestRunFolders:
    def test_a_folder_without_checkpoint(self, tmp_path: Path) -> None:
        with pytest.raises(AgentError, match=r"not a run folder .*checkpoint\.json"):
            make_agent(tmp_path)

    @pytest.mark.parametrize("text", ["", "[1, 2]", "{}", "not JSON"])
    def test_a_damaged_checkpoint(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "checkpoint.json").write_text(text)
        with pytest.raises(AgentError, match="does not say which agent"):
            make_agent(str(tmp_path))

    @pytest.mark.parametrize("kind", ["os:system", "nobody", 3, None])
    def test_only_known_kinds_are_loaded(self, tmp_path: Path, kind: object) -> None:
        (tmp_path / "checkpoint.json").write_text(json.dumps({"agent": kind}))
        with pytest.raises(AgentError, match="unknown kind"):
            make_agent(tmp_path)

    def test_a_missing_extra_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on a machine without torch: None in sys.modules makes its import fail."""
        (tmp_path / "checkpoint.json").write_text(json.dumps({"agent": "compact"}))
        monkeypatch.setitem(sys.modules, "hiper_agents.compact.agent", None)
        with pytest.raises(MissingDependencyError, match=r"pip install 'hiper-gym\[compact\]'"):
            make_agent(tmp_path)

    def test_a_name_wins_over_a_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "random").mkdir()
        monkeypatch.chdir(tmp_path)
        assert isinstance(make_agent("random"), RandomAgent)
        with pytest.raises(AgentError, match="not a run folder"):
            make_agent("./random")
