"""Turns that leave their strategy: what is asked, of whom, and what the answer says."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch

from hiper_agents.llm.plan_judge import PlanJudge
from hiper_agents.llm.policy import LanguagePolicy
from hiper_agents.llm.prompts import PromptConfig, PromptWriter
from hiper_agents.llm.turns import TurnTokens, TurnView

VIEW = TurnView("find a mug.", "A room.", "", 0, 0, ["look"], strategy="search the shelves")
ACTIONS = ["look", "go to shelf 1", "open drawer 2", "inventory", "take mug 1 from shelf 1"]


@pytest.fixture(scope="module")
def policy(learning: ModuleType) -> LanguagePolicy:
    policy: LanguagePolicy = learning.tiny_policy()
    return policy


@pytest.fixture(scope="module")
def writer(policy: LanguagePolicy) -> PromptWriter:
    return PromptWriter(policy.tokenizer, PromptConfig(template="compact"))


@pytest.fixture
def turns(learning: ModuleType) -> list[TurnTokens]:
    first = learning.first_turns(1)[0]
    return [replace(first, text=f"<switch>KEEP</switch><action>{act}</action>") for act in ACTIONS]


def test_the_question_tells_the_strategy_and_the_action(
    policy: LanguagePolicy, writer: PromptWriter, turns: list[TurnTokens]
) -> None:
    question = PlanJudge(policy, writer, 512).question(VIEW, turns[1])
    assert question is not None
    text = policy.tokenizer.decode(question.prompt.tolist())
    assert text.index("Strategy: search the shelves\n") < text.index("You chose: go to shelf 1. ")
    assert "Yes or No" in text
    assert len(question.response) == 0


def test_the_verdict_is_the_likelier_answer_of_the_frozen_start(
    learning: ModuleType, policy: LanguagePolicy, writer: PromptWriter, turns: list[TurnTokens]
) -> None:
    judge = PlanJudge(policy, writer, 512)
    questions = [judge.question(VIEW, turn) for turn in turns]

    def gaps() -> list[float]:
        """How much likelier No is than Yes, in one plain pass for each question."""
        first = {
            word: policy.tokenizer.encode(word, add_special_tokens=False)[0]
            for word in ("Yes", "yes", "No", "no")
        }
        found = []
        for question in questions:
            assert question is not None
            with torch.no_grad(), policy.reference():
                hidden = learning.hidden_states(policy, question.prompt.tolist())[-1]
                chances = policy.logits(hidden).double().softmax(0)
            yes, no = (
                sum(chances[first[w]] for w in pair) for pair in (("Yes", "yes"), ("No", "no"))
            )
            found.append(float(no - yes))
        return found

    plain = gaps()
    assert judge.judge(questions).tolist() == [gap > 0 for gap in plain]
    # What has been learned since does not judge.
    learning.stirred(policy)
    assert judge.judge(questions).tolist() == [gap > 0 for gap in plain]


@pytest.mark.parametrize("inclined", [False, True])
def test_a_model_that_is_inclined_to_say_no_finds_all_turns_off_plan(
    learning: ModuleType, turns: list[TurnTokens], inclined: bool
) -> None:
    policy: LanguagePolicy = learning.tiny_policy()
    writer = PromptWriter(policy.tokenizer, PromptConfig(template="compact"))
    judge = PlanJudge(policy, writer, 512)
    questions = [judge.question(VIEW, turn) for turn in turns]
    said = policy.tokenizer.encode("No" if inclined else "Yes", add_special_tokens=False)[0]
    head = policy.model.get_output_embeddings()
    with torch.no_grad(), policy.reference():
        for question in questions:
            assert question is not None
            hidden = learning.hidden_states(policy, question.prompt.tolist())[-1]
            head.weight[said] += 4.0 * hidden / hidden.norm()
    assert judge.judge(questions).tolist() == [inclined] * len(turns)


def test_a_turn_without_an_action_leaves_nothing(
    policy: LanguagePolicy, writer: PromptWriter, turns: list[TurnTokens]
) -> None:
    judge = PlanJudge(policy, writer, 512)
    nothing = judge.question(VIEW, replace(turns[0], text="<action>"))
    assert nothing is None
    assert judge.judge([nothing]).tolist() == [False]
    assert judge.judge([]).tolist() == []
    question = judge.question(VIEW, turns[0])
    both = judge.judge([nothing, question, nothing])
    assert both.tolist() == [False, *judge.judge([question]).tolist(), False]
    assert both.dtype == np.bool_
