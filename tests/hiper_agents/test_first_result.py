from __future__ import annotations

import pytest

from hiper_agents.agent import AgentError, make_agent
from hiper_agents.evaluation import evaluate


def test_it_buys_the_first_result_in_three_turns() -> None:
    agent = make_agent("first-result")
    result = evaluate(agent, "HiPER-WebShop-v0", "generated", episodes=20, reference=False)
    assert result["mean_turns"] == 3.0
    assert result["truncated_rate"] == result["invalid_action_rate"] == 0.0
    assert 0.0 < result["mean_score"] < 1.0


def test_a_search_without_results_goes_back() -> None:
    agent = make_agent("first-result")
    info = {"task": "", "admissible_actions": ("click[back to search]", "click[next >]")}
    assert agent.act([""], [info]) == ["click[back to search]"]
    assert agent.act([""], [{"task": "", "admissible_actions": ()}]) == ["click[buy now]"]


def test_elsewhere_it_says_what_it_is_for() -> None:
    with pytest.raises(AgentError, match="for WebShop"):
        evaluate(make_agent("first-result"), "HiPER-ALFWorld-v0", "generated", episodes=1)
