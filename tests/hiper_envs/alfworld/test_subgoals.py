"""Tests of the subgoal vocabulary and of primitive commands taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_envs.alfworld.subgoals import KINDS, Action, Subgoal, parse, parse_action

WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)


@st.composite
def subgoals(draw: st.DrawFn) -> Subgoal:
    kind = draw(st.sampled_from(KINDS))
    return Subgoal(kind, draw(WORDS), draw(WORDS) if kind == "put" else "")


@given(subgoals())
def test_parse_inverts_text(subgoal: Subgoal) -> None:
    assert parse(subgoal.text) == subgoal


@given(st.text() | st.from_regex(r"(find an?|clean the|put the|use the) .*"))
def test_parse_accepts_any_string(text: str) -> None:
    subgoal = parse(text)
    if subgoal is not None:
        assert parse(subgoal.text) == subgoal


@pytest.mark.parametrize(
    ("subgoal", "text"),
    [
        (Subgoal("find", "mug"), "find a mug"),
        (Subgoal("find", "apple"), "find an apple"),
        (Subgoal("clean", "mug"), "clean the mug"),
        (Subgoal("heat", "mug"), "heat the mug"),
        (Subgoal("cool", "mug"), "cool the mug"),
        (Subgoal("put", "mug", "cabinet"), "put the mug in the cabinet"),
        (Subgoal("use", "desklamp"), "use the desklamp"),
    ],
)
def test_text(subgoal: Subgoal, text: str) -> None:
    assert subgoal.text == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Find a apple.", "find an apple"),
        ("  put the mug   on the desk ", "put the mug in the desk"),
        ("USE THE DESKLAMP", "use the desklamp"),
    ],
)
def test_parse_forgives_small_variations(text: str, canonical: str) -> None:
    subgoal = parse(text)
    assert subgoal is not None
    assert subgoal.text == canonical


@pytest.mark.parametrize(
    "text", ["", "find mug", "find the mug", "put the mug", "heat a mug", "find a mug 1", "look"]
)
def test_parse_refuses_other_texts(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("kind", "object_type", "receptacle_type"),
    [
        ("throw", "mug", ""),
        ("find", "", ""),
        ("find", "Mug", ""),
        ("find", "mug 1", ""),
        ("put", "mug", ""),
        ("find", "mug", "desk"),
    ],
)
def test_meaningless_subgoals_are_refused(
    kind: str, object_type: str, receptacle_type: str
) -> None:
    with pytest.raises(ValueError, match=r"subgoal|type"):
        Subgoal(kind, object_type, receptacle_type)


@pytest.mark.parametrize(
    ("subgoal", "action", "achieved"),
    [
        ("find a mug", "take mug 1 from desk 2", True),
        ("find a mug", "take cup 1 from desk 2", False),
        ("find a mug", "move mug 1 to desk 2", False),
        ("clean the mug", "clean mug 1 with sinkbasin 1", True),
        ("heat the mug", "heat mug 1 with microwave 1", True),
        ("heat the mug", "cool mug 1 with fridge 1", False),
        ("cool the mug", "cool mug 2 with fridge 1", True),
        ("put the mug in the cabinet", "move mug 1 to cabinet 3", True),
        ("put the mug in the cabinet", "move mug 1 to desk 1", False),
        ("put the mug in the cabinet", "open cabinet 3", False),
        ("use the desklamp", "use desklamp 1", True),
        ("use the desklamp", "examine desklamp 1", False),
        ("use the desklamp", "anything at all", False),
    ],
)
def test_achieved_by(subgoal: str, action: str, achieved: bool) -> None:
    parsed = parse(subgoal)
    assert parsed is not None
    assert parsed.achieved_by(action) is achieved


@pytest.mark.parametrize(
    ("command", "action"),
    [
        ("look", Action("look")),
        ("inventory", Action("inventory")),
        ("help", Action("help")),
        ("go to desk 12", Action("go to", "", "", "desk 12", "desk")),
        ("open drawer 1", Action("open", "", "", "drawer 1", "drawer")),
        ("close drawer 1", Action("close", "", "", "drawer 1", "drawer")),
        ("use desklamp 1", Action("use", "desklamp 1", "desklamp")),
        ("examine mug 1", Action("examine", "mug 1", "mug")),
        ("take mug 1 from desk 2", Action("take", "mug 1", "mug", "desk 2", "desk")),
        ("move mug 1 to desk 2", Action("move", "mug 1", "mug", "desk 2", "desk")),
        ("heat egg 1 with microwave 1", Action("heat", "egg 1", "egg", "microwave 1", "microwave")),
        ("slice egg 1 with knife 2", Action("slice", "egg 1", "egg", "knife 2", "knife")),
    ],
)
def test_parse_action(command: str, action: Action) -> None:
    assert parse_action(command) == action


@pytest.mark.parametrize(
    "command", ["", "take mug 1 to desk 2", "put mug 1 in desk 2", "go to desk", "look around"]
)
def test_parse_action_refuses_what_is_no_command(command: str) -> None:
    assert parse_action(command) is None


@given(st.text())
def test_parse_action_accepts_any_string(command: str) -> None:
    action = parse_action(command)
    assert action is None or action.verb in command
