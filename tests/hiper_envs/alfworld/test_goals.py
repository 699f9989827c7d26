"""Recognising goals by their structure."""

from __future__ import annotations

import json

import pytest

from hiper_envs.alfworld.goals import (
    CHAIN,
    Arranged,
    Carrying,
    Clause,
    Holding,
    Lit,
    Member,
    Placed,
    UnsupportedGoalError,
    from_record,
    read_goal,
    task_type_of,
    to_record,
)
from hiper_envs.alfworld.pddl import read_expression

IN_DESK = "(objecttype ?o mugtype) (receptacletype ?r desktype) (inreceptacle ?o ?r)"
TWO = (
    "(exists (?o1 - object) (and (objecttype ?o1 cdtype) (receptacletype ?r safetype) "
    "(inreceptacle ?o1 ?r) (exists (?o2 - object) (and {distinct} (objecttype ?o2 cdtype) "
    "(receptacletype ?r safetype) (inreceptacle ?o2 ?r)))))"
)
LAMP = (
    "(exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and "
    "(objecttype ?ot desklamptype) (toggleable ?ot) (istoggled ?ot) (receptacleatlocation ?r ?l) "
    "(atlocation ?a ?l) (inreceptacle ?ot ?r)))"
)
HELD = "(exists (?o - object ?a - agent) (and (objecttype ?o cdtype) (holds ?a ?o)))"


def goal(text: str) -> object:
    return read_goal(read_expression(f"(and {text})"))


@pytest.mark.parametrize(
    ("text", "clauses", "task_type"),
    [
        (
            f"(exists (?r - receptacle) (exists (?o - object) (and {IN_DESK})))",
            (Placed(1, "mug", "desk", ""),),
            "pick_and_place_simple",
        ),
        (
            f"(exists (?r - receptacle) (and {IN_DESK} (heatable ?o) (ishot ?o)))",
            (Placed(1, "mug", "desk", "hot"),),
            "pick_heat_then_place_in_recep",
        ),
        (
            f"(exists (?r - receptacle) (and {IN_DESK} (coolable ?o) (iscool ?o)))",
            (Placed(1, "mug", "desk", "cool"),),
            "pick_cool_then_place_in_recep",
        ),
        (
            f"(exists (?r - receptacle) (and {IN_DESK} (cleanable ?o) (isclean ?o)))",
            (Placed(1, "mug", "desk", "clean"),),
            "pick_clean_then_place_in_recep",
        ),
        (
            TWO.format(distinct="(not (= ?o1 ?o2))"),
            (Placed(2, "cd", "safe", ""),),
            "pick_two_obj_and_place",
        ),
        (f"{LAMP} {HELD}", (Lit("desklamp"), Holding("cd")), "look_at_obj_in_light"),
    ],
)
def test_the_six_task_types(text: str, clauses: object, task_type: str) -> None:
    read = goal(text)
    assert read == clauses
    assert task_type_of(read) == task_type  # type: ignore[arg-type]


MIXED = (
    "(exists (?r - receptacle) (and (receptacletype ?r shelftype) "
    "(exists (?a - object) (and (inreceptacle ?a ?r) (objecttype ?a cuptype) (cleanable ?a) "
    "(isclean ?a) (heatable ?a) (ishot ?a) {more})) "
    "(exists (?c - object) (and (inreceptacle ?c ?r) (objecttype ?c eggtype)))))"
)
SAME = "(exists (?b - object) (and (inreceptacle ?b ?r) (objecttype ?b cuptype) (not (= ?a ?b))))"
CLEAN_HELD = HELD.replace("(holds", "(cleanable ?o) (isclean ?o) (holds")
CUP, HOT_CUP, EGG = Member("cup", ()), Member("cup", ("clean", "hot")), Member("egg", ())


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        (MIXED.format(more=""), (Arranged("shelf", (HOT_CUP, EGG)),)),
        (MIXED.format(more=SAME), (Arranged("shelf", (CUP, HOT_CUP, EGG)),)),
        (
            f"{MIXED.format(more='')} {LAMP} {CLEAN_HELD}",
            (Arranged("shelf", (HOT_CUP, EGG)), Lit("desklamp"), Carrying("cd", ("clean",))),
        ),
        (f"{LAMP} {CLEAN_HELD}", (Lit("desklamp"), Carrying("cd", ("clean",)))),
        (
            TWO.format(distinct="(not (= ?o1 ?o2))") + MIXED.format(more=""),
            (Placed(2, "cd", "safe", ""), Arranged("shelf", (HOT_CUP, EGG))),
        ),
    ],
)
def test_goals_of_chains(text: str, clauses: object) -> None:
    read = goal(text)
    assert read == clauses
    assert task_type_of(read) == CHAIN  # type: ignore[arg-type]
    assert [from_record(json.loads(json.dumps(to_record(c)))) for c in read] == list(read)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    [
        MIXED.format(more=SAME.replace("(not (= ?a ?b))", "")),
        MIXED.format(more="(issliced ?a)"),
        MIXED.format(more="(coolable ?a)"),
        MIXED.format(more="(not (= ?a ?c))"),
        HELD.replace("(holds", "(isclean ?o) (holds"),
        HELD.replace("(holds", "(receptacletype ?r desktype) (holds"),
        "(exists (?o - object) (and (objecttype ?o mugtype)))",
        "(exists (?o - object) (and (inreceptacle ?o ?r)))",
        f"(exists (?o - object) (and {IN_DESK} (issliced ?o)))",
        f"(exists (?o - object) (or {IN_DESK}))",
        f"(forall (?o - object) (and {IN_DESK}))",
        TWO.format(distinct=""),
    ],
)
def test_other_goals_are_refused_rather_than_approximated(text: str) -> None:
    with pytest.raises(UnsupportedGoalError):
        goal(text)


@pytest.mark.parametrize(
    "clauses", [(), (Holding("cd"),), (Lit("desklamp"), Holding("cd"), Placed(1, "cd", "bed", ""))]
)
def test_a_combination_that_no_task_type_has(clauses: tuple[Clause, ...]) -> None:
    with pytest.raises(UnsupportedGoalError, match="no task type"):
        task_type_of(clauses)
