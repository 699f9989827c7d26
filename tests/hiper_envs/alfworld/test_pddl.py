"""Reading PDDL problems."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_envs.alfworld.pddl import PddlSyntaxError, read_expression, read_problem

PROBLEM = """
(define (problem p) (:domain d)
  (:objects A - object)
  (:init (inReceptacle Mug_1 Desk_1) ; a comment (with brackets)
         (atLocation agent1 loc_1) (= (total-cost) 0))
  (:goal (and (exists (?o - object) (holds ?a ?o)))))
"""


def test_facts_and_goal_are_lower_case_tuples() -> None:
    facts, goal = read_problem(PROBLEM)
    assert facts[:2] == [("inreceptacle", "mug_1", "desk_1"), ("atlocation", "agent1", "loc_1")]
    assert goal == ("and", ("exists", ("?o", "-", "object"), ("holds", "?a", "?o")))


def test_nested_lists_keep_their_order() -> None:
    assert read_expression("(a (b c) ((d)) e) ignored") == ("a", ("b", "c"), (("d",),), "e")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a (b)", "never closed"),
        ("a", "expected '\\('"),
        ("(" * 60, "nest more than"),
        ("", "never closed"),
    ],
)
def test_malformed_expressions_are_named(text: str, message: str) -> None:
    with pytest.raises(PddlSyntaxError, match=message):
        read_expression(text)


@pytest.mark.parametrize("text", ["", "(:goal (and))", "(:goal a) (:init)", "(:init) (:goal)"])
def test_problems_without_their_sections_are_refused(text: str) -> None:
    with pytest.raises(PddlSyntaxError):
        read_problem(text)


@given(st.text(alphabet="(): ;abgoalinit\n", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(PddlSyntaxError):
        facts, _ = read_problem(text)
        assert all(isinstance(fact, tuple) for fact in facts)
