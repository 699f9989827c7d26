"""Evaluation on an environment small enough to know every number, and on ALFWorld."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from hiper_agents.agent import AgentError, make_agent
from hiper_agents.agents import RandomAgent
from hiper_agents.evaluation import evaluate
from hiper_agents.provenance import git_commit, versions, write_json
from hiper_base.errors import DataNotFoundError, HiperError, UnknownSplitError
from hiper_envs.core import HierarchicalTextEnv, OpenTask, TaskInfo, WorldState

CORRIDOR = "Corridor-v0"
TASKS = 10
LIMIT = 6


class Corridor:
    """A world that is won after `length` steps east."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.left = length

    def reset(self) -> WorldState:
        self.left = self.length
        return self._state()

    def step(self, action: str) -> WorldState:
        self.left -= action == "east"
        return self._state()

    def _state(self) -> WorldState:
        won = self.left == 0
        return WorldState(f"{self.left} to go", ("east", "wait"), float(won), won, won, float(won))


class Oracle:
    """Says east; its subgoal changes two steps before the end."""

    def __init__(self) -> None:
        self.left = 0

    def observe(self, observation: str, action: str = "", admissible: Sequence[str] = ()) -> None:
        self.left = int(observation.split()[0])

    expert_action = "east"

    @property
    def subgoal(self) -> str:
        return "arrive" if self.left <= 2 else "walk"

    @property
    def boundary(self) -> bool:
        return self.left == 2


class Corridors:
    """Task i has length i: task 0 is won by no one, since its end lies behind."""

    sha256 = "0" * 64

    def __init__(self, reference: bool) -> None:
        self.reference = reference

    def __len__(self) -> int:
        return TASKS

    def index(self, task_id: str) -> int:
        return int(task_id.removeprefix("corridor/"))

    def open(self, index: int) -> OpenTask:
        kind = "short" if index < 5 else "long"
        info = TaskInfo(f"corridor/{index}", "go east", kind, "all")
        return OpenTask(info, Corridor(index), Oracle() if self.reference else None)


class ShortCorridors(Corridors):
    """Knows which ends can be reached, and what finds the nouns of its titles."""

    noun_tagger = "made_up"

    def is_reachable(self, index: int) -> bool:
        return 0 < index <= LIMIT


class CorridorEnv(HierarchicalTextEnv):
    def __init__(
        self,
        split: str = "all",
        reference: bool = False,
        reachable: bool = False,
        extra: Any = None,
    ) -> None:
        if split != "all":
            raise UnknownSplitError(f"unknown split {split!r}")
        source = ShortCorridors(reference) if reachable else Corridors(reference)
        super().__init__(source, max_turns=LIMIT)


@pytest.fixture(autouse=True)
def corridor() -> Iterator[None]:
    gym.register(CORRIDOR, entry_point=CorridorEnv)
    yield
    del gym.registry[CORRIDOR]


class Walker:
    """Goes east, and records what it was asked."""

    name = "walker"

    def __init__(self) -> None:
        self.tasks: list[list[str]] = []
        self.seen: list[list[tuple[str, str]]] = []

    def reset(self, tasks: Sequence[TaskInfo]) -> None:
        self.tasks.append([task.task_id for task in tasks])

    def act(self, observations: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> list[str]:
        ids = [info["task_id"] for info in infos]
        self.seen.append(list(zip(ids, observations, strict=True)))
        return ["east"] * len(observations)


def test_every_task_once_with_exact_figures() -> None:
    agent = Walker()
    result = evaluate(agent, CORRIDOR, "all", num_envs=4, seed=3, mode="sampled")
    assert agent.tasks == [
        [f"corridor/{i}" for i in chunk] for chunk in (range(4), range(4, 8), range(8, 10))
    ]
    # Lengths 1 to 6 are reached within the limit of 6 steps; 0, 7, 8 and 9 are not.
    assert (result["n"], result["success_rate"]) == (10, 0.6)
    assert result["per_task_type"] == {
        "long": {"success_rate": 0.4, "n": 5},
        "short": {"success_rate": 0.8, "n": 5},
    }
    assert result["mean_turns_solved"] == 3.5
    assert result["mean_turns"] == (21 + 24) / 10
    assert result["truncated_rate"] == 0.4
    assert result["options"]["mean_per_episode"] == 1
    identity = {key: result[key] for key in ("agent", "env", "split", "seed", "mode")}
    assert identity == {
        "agent": "walker",
        "env": CORRIDOR,
        "split": "all",
        "seed": 3,
        "mode": "sampled",
    }
    assert (result["panel_sha256"], result["panel_size"]) == ("0" * 64, 10)
    assert result["versions"] == versions()
    json.dumps(result, allow_nan=False)


def test_slots_stay_in_place_after_their_episode() -> None:
    agent = Walker()
    evaluate(agent, CORRIDOR, "all", num_envs=4)
    second_chunk = [turn for turn in agent.seen if turn[0][0] == "corridor/4"]
    assert [turn[0][1] for turn in second_chunk] == [f"{left} to go" for left in (4, 3, 2, 1, 1, 1)]
    assert all([name for name, _ in turn] == agent.tasks[1] for turn in second_chunk)


@pytest.mark.parametrize("num_envs", [1, 3, 64])
def test_the_batch_size_does_not_change_the_result(num_envs: int) -> None:
    timing = ("seconds", "steps_per_second", "num_envs")

    def figures(size: int) -> dict[str, Any]:
        result = evaluate(RandomAgent(seed=1), CORRIDOR, "all", num_envs=size)
        return {key: value for key, value in result.items() if key not in timing}

    assert figures(num_envs) == figures(10)


def test_the_expert_agrees_with_itself() -> None:
    result = evaluate(make_agent("expert"), CORRIDOR, "all")
    assert result["success_rate"] == 0.6
    agreement = result["options"]["boundary_agreement"]
    # A corridor of length 2 begins at its boundary, which is turn 0; those of 3 to 6 have one.
    assert (agreement["agent_boundaries"], agreement["oracle_boundaries"]) == (4, 4)
    assert (agreement["precision"], agreement["recall"], agreement["f1"]) == (1, 1, 1)


def test_without_reference() -> None:
    result = evaluate(Walker(), CORRIDOR, "all", reference=False)
    assert result["options"]["boundary_agreement"] is None
    assert "reference" not in result["env_kwargs"]


def test_a_benchmark_that_knows_which_tasks_can_be_won() -> None:
    kwargs = {"reachable": True}
    result = evaluate(Walker(), CORRIDOR, "all", num_envs=4, env_kwargs=kwargs)
    assert (result["success_rate"], result["mean_score"]) == (0.6, 0.6)
    assert result["mean_score_se"] == pytest.approx(0.024**0.5)
    assert result["reachable"] == {
        "n": 6,
        "success_rate": 1.0,
        "success_rate_se": 0.0,
        "mean_score": 1.0,
        "mean_score_se": 0.0,
    }
    assert result["noun_tagger"] == "made_up"


def test_a_benchmark_that_does_not() -> None:
    result = evaluate(Walker(), CORRIDOR, "all")
    assert result["reachable"] is None
    assert "noun_tagger" not in result


def test_an_environment_of_no_family_plays_its_own_default_split() -> None:
    result = evaluate(Walker(), CORRIDOR)
    assert (result["requested_split"], result["split"]) == (None, "all")


def test_arguments_that_json_cannot_hold_are_named(tmp_path: Path) -> None:
    def nouns(title: str) -> list[str]:
        return []

    for given, kept in [(nouns, "nouns"), (tmp_path, str(tmp_path)), (("a", 1), ("a", 1))]:
        result = evaluate(Walker(), CORRIDOR, "all", env_kwargs={"extra": given})
        assert result["env_kwargs"]["extra"] == kept
        json.dumps(result, allow_nan=False)


class TestEpisodes:
    def test_fewer_are_drawn_with_the_seed(self) -> None:
        def drawn(seed: int) -> list[str]:
            agent = Walker()
            assert evaluate(agent, CORRIDOR, "all", episodes=4, seed=seed)["n"] == 4
            return agent.tasks[0]

        assert drawn(0) == drawn(0)
        assert len(set(drawn(0))) == 4
        assert len({tuple(drawn(seed)) for seed in range(5)}) > 1

    def test_more_go_round_again(self) -> None:
        agent = Walker()
        assert evaluate(agent, CORRIDOR, "all", episodes=25, num_envs=25)["n"] == 25
        ids = agent.tasks[0]
        assert sorted(ids[:10]) == sorted(ids[10:20]) == sorted({*ids})
        assert len({*ids[20:]}) == 5

    def test_progress_is_reported(self) -> None:
        calls: list[tuple[int, int, int]] = []
        evaluate(Walker(), CORRIDOR, "all", num_envs=4, on_episode=lambda *call: calls.append(call))
        assert [done for done, _, _ in calls] == list(range(1, 11))
        assert calls[-1] == (10, 10, 6)


class TestErrors:
    @pytest.mark.parametrize("kwargs", [{"episodes": 0}, {"num_envs": 0}])
    def test_nothing_to_play(self, kwargs: dict[str, int]) -> None:
        with pytest.raises(HiperError, match="at least one"):
            evaluate(Walker(), CORRIDOR, "all", **kwargs)  # type: ignore[arg-type]

    def test_unknown_environment(self) -> None:
        with pytest.raises(HiperError, match="cannot make Nowhere-v0"):
            evaluate(Walker(), "Nowhere-v0", "all")

    def test_an_argument_that_the_environment_lacks(self) -> None:
        with pytest.raises(HiperError, match=r"cannot make Corridor-v0: .*backend"):
            evaluate(Walker(), CORRIDOR, "all", env_kwargs={"backend": "native"})

    def test_an_environment_without_options(self) -> None:
        class Flat(gym.Env[int, int]):
            def __init__(self, split: str, reference: bool) -> None: ...

        gym.register("Flat-v0", entry_point=Flat)
        try:
            with pytest.raises(HiperError, match="not a hierarchical text environment: Flat"):
                evaluate(Walker(), "Flat-v0", "all")
        finally:
            del gym.registry["Flat-v0"]

    def test_unknown_split(self) -> None:
        with pytest.raises(UnknownSplitError, match="'most'"):
            evaluate(Walker(), CORRIDOR, "most")

    def test_an_agent_that_raises_is_named_with_the_task(self) -> None:
        class Fails(Walker):
            name = "fails"

            def act(self, observations: Sequence[str], infos: Any) -> list[str]:
                if len(self.seen) == 2:
                    raise KeyError("a bug")
                return super().act(observations, infos)

        with pytest.raises(AgentError, match=r"fails failed at turn 2 .*corridor/.*'a bug'"):
            evaluate(Fails(), CORRIDOR, "all")

    @pytest.mark.parametrize("answer", [["east"], ["east"] * 9 + [3], []])
    def test_an_agent_that_breaks_the_protocol(self, answer: list[Any]) -> None:
        class Breaks(Walker):
            def act(self, observations: Sequence[str], infos: Any) -> list[str]:
                return answer

        with pytest.raises(AgentError, match="one str for each of 10 slots"):
            evaluate(Breaks(), CORRIDOR, "all")


class TestProvenance:
    def test_commit_is_that_of_the_checkout(self) -> None:
        commit = git_commit()
        if commit is None:
            pytest.skip("the tests do not run from a git checkout")
        assert len(commit.removesuffix("-dirty")) == 40

    def test_write_json_is_atomic(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "result.json"
        write_json(path, {"n": 1})
        with pytest.raises(TypeError):
            write_json(path, {"n": object()})
        assert json.loads(path.read_text()) == {"n": 1}
        assert [file.name for file in path.parent.iterdir()] == ["result.json"]


def test_alfworld_with_the_expert(no_data: Path) -> None:
    result = evaluate(make_agent("expert"), split="generated", episodes=12)
    assert result["success_rate"] == 1.0
    assert len(result["panel_sha256"]) == 64
    assert result["options"]["contains_named_action"] == 1.0
    assert result["options"]["boundary_agreement"]["f1"] == 1.0
    assert 2 <= result["options"]["mean_per_episode"] <= 8


def test_alfworld_without_data_says_which_tasks_it_played(no_data: Path) -> None:
    result = evaluate(make_agent("random"), episodes=3)
    assert (result["requested_split"], result["split"]) == ("valid_seen", "generated")


def test_a_split_that_is_named_is_never_replaced(no_data: Path) -> None:
    with pytest.raises(DataNotFoundError):
        evaluate(make_agent("random"), split="valid_seen", episodes=3)


def test_alfworld_published_games(real_data: Path) -> None:
    result = evaluate(make_agent("expert"), split="valid_seen")
    assert result["n"] == result["panel_size"] == 140
    assert result["success_rate"] >= 0.95
    assert result["invalid_action_rate"] == 0.0


def test_webshop_with_the_expert(no_data: Path) -> None:
    result = evaluate(make_agent("expert"), "HiPER-WebShop-v0", episodes=12)
    assert (result["requested_split"], result["split"]) == ("test", "generated")
    assert 0.5 < result["success_rate"] <= result["mean_score"] <= 1.0
    assert result["reachable"]["n"] <= result["n"] == 12
    assert result["noun_tagger"] in ("spacy", "textblob")
    assert result["options"]["contains_named_action"] > 0.9
    json.dumps(result, allow_nan=False)


def test_webshop_with_the_random_agent_searches_for_words_of_the_task(no_data: Path) -> None:
    result = evaluate(make_agent("random"), "HiPER-WebShop-v0", "generated", episodes=8)
    assert result["invalid_action_rate"] == 0.0
    assert result["mean_turns"] < result["max_turns"]


@pytest.mark.usefixtures("webshop_data")
def test_webshop_published_goals() -> None:
    result = evaluate(make_agent("random"), "HiPER-WebShop-v0")
    assert (result["requested_split"], result["split"]) == ("test", "test")
    assert result["n"] == result["panel_size"] == 500
    assert result["reachable"]["n"] == 480
