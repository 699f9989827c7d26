from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiper_envs.tags import Spans, parse, render

TAGS = [
    f"<{slash}{name}>" for name in ("switch", "subgoal", "action", "think") for slash in ("", "/")
]
PIECES = [*TAGS, "KEEP", "SWITCH", "look", " ", "\n", "<", "<switch", "find a mug"]

free_text = st.text(alphabet=st.characters(codec="utf-8"), max_size=20)
markup = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
# What a block can carry: any text without a tag in it and without white space around it.
content = free_text.map(str.strip).filter(lambda text: text and not any(t in text for t in TAGS))
actions = st.one_of(
    st.tuples(st.just(True), content, content),
    st.tuples(st.just(False), st.none() | content, content),
)


def test_switch_with_all_blocks() -> None:
    text = "<switch>SWITCH</switch><subgoal>find a mug</subgoal><action>go to desk 1</action>"
    parsed = parse(text)
    assert parsed[:5] == (True, "find a mug", "go to desk 1", True, "")
    switch, subgoal, action = (text[slice(*span)] for span in parsed.spans if span)
    assert switch == "<switch>SWITCH</switch>"
    assert subgoal == "<subgoal>find a mug</subgoal>"
    assert action == "<action>go to desk 1</action>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("go to desk 1", (False, None, "go to desk 1")),
        ("  look\n", (False, None, "  look\n")),
        ("is 3 < 4 > 2 an action?", (False, None, "is 3 < 4 > 2 an action?")),
        ("<b>bold</b>", (False, None, "<b>bold</b>")),
        ("<action>look</action>", (False, None, "look")),
        ("<switch>KEEP</switch><action>look</action>", (False, None, "look")),
        ("<switch> KEEP\n</switch>\n<action> look </action>", (False, None, "look")),
        ("<subgoal>a</subgoal><action>look</action>", (False, "a", "look")),
        ("<switch>KEEP</switch><subgoal>a</subgoal><action>b</action>", (False, "a", "b")),
        ("<switch>KEEP</switch><subgoal> </subgoal><action>b</action>", (False, None, "b")),
        ("<think>hm</think><action>look</action> done", (False, None, "look")),
        ("so <action>click[<b>]</action>", (False, None, "click[<b>]")),
        (
            "<think>I <switch>KEEP</switch> <action> nothing</think>"
            "<switch>SWITCH</switch> then <subgoal>a\nb</subgoal> and <action>look</action>",
            (True, "a\nb", "look"),
        ),
    ],
)
def test_well_formed(text: str, expected: tuple[bool, str | None, str]) -> None:
    parsed = parse(text)
    assert parsed[:3] == expected
    assert parsed.format_valid
    assert parsed.format_error == ""


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "empty action"),
        (" \n", "empty action"),
        ("<action> </action>", "empty action"),
        ("<switch>KEEP</switch>", "no <action> block"),
        ("<think>hm</think> look", "no <action> block"),
        ("<switch>SWITCH</switch><action>a</action>", "SWITCH without a subgoal"),
        ("<switch>SWITCH</switch><subgoal> </subgoal><action>a</action>", "without a subgoal"),
        ("<switch>STAY</switch><action>a</action>", "unknown switch word 'STAY'"),
        ("<switch>keep</switch><action>a</action>", "unknown switch word 'keep'"),
        ("<switch></switch><action>a</action>", "unknown switch word ''"),
        ("<action>a</action><action>b</action>", "more than one <action> block"),
        ("<subgoal>a</subgoal><subgoal>a</subgoal><action>b</action>", "more than one <subgoal>"),
        ("<action>a", "<action> is not closed"),
        ("<think>hm <action>a</action>", "<think> is not closed"),
        ("a</action>", "</action> without <action>"),
        ("</think><action>a</action>", "</think> without <think>"),
        ("<action><subgoal>a</subgoal></action>", "<subgoal> inside <action>"),
        ("<action>a<think>b</think></action>", "<think> inside <action>"),
        ("<switch>KEEP<action>a</action>", "<action> inside <switch>"),
        ("<subgoal>a</action>", "</action> inside <subgoal>"),
        ("<action><action>a</action></action>", "<action> inside <action>"),
        ("<action>a</action><switch>KEEP</switch>", "out of order"),
        ("<switch>KEEP</switch><action>a</action><subgoal>b</subgoal>", "out of order"),
    ],
)
def test_malformed(text: str, error: str) -> None:
    parsed = parse(text)
    assert not parsed.format_valid
    assert error in parsed.format_error
    assert parsed[:3] == (False, None, "")
    assert parsed.spans == Spans()


@given(actions)
def test_parse_is_the_inverse_of_render(parts: tuple[bool, str | None, str]) -> None:
    switch, subgoal, action = parts
    text = render(action, switch=switch, subgoal=subgoal)
    parsed = parse(text)
    assert parsed[:5] == (switch, subgoal, action, True, "")
    again = render(parsed.action, switch=parsed.switch, subgoal=parsed.subgoal)
    assert again == text


@given(actions, content, content, content)
def test_text_between_the_blocks_is_free(
    parts: tuple[bool, str | None, str], before: str, between: str, after: str
) -> None:
    switch, subgoal, action = parts
    bare = render(action, switch=switch, subgoal=subgoal)
    text = before + bare.replace("</switch><", f"</switch>{between}<", 1) + after
    parsed = parse(text)
    assert parsed[:5] == parse(bare)[:5]


@given(markup | free_text)
def test_parse_never_raises(text: str) -> None:
    parsed = parse(text)
    assert parsed.format_valid == (parsed.format_error == "")
    assert parsed.format_valid == bool(parsed.action)
    assert parsed.format_valid == (parsed.spans.action is not None)


@given(actions, st.sampled_from(["", " ", "\n"]))
def test_the_short_cut_agrees_with_the_scan(
    parts: tuple[bool, str | None, str], space: str
) -> None:
    switch, subgoal, action = parts
    subgoal = subgoal and f"{space}{subgoal}"
    text = render(f"{action}{space}", switch=switch, subgoal=subgoal)
    scanned = parse(f" {text}")  # the space in front makes it not canonical
    shift = [None if span is None else (span[0] - 1, span[1] - 1) for span in scanned.spans]
    assert parse(text) == scanned._replace(spans=Spans(*shift))


@given(markup)
def test_spans_hold_the_contents_in_order(text: str) -> None:
    parsed = parse(text)
    spans = [span for span in parsed.spans if span is not None]
    assert spans == sorted(spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    if parsed.format_valid:
        assert parsed.spans.action is not None
        assert parsed.action in text[slice(*parsed.spans.action)]
    if parsed.subgoal is not None:
        assert parsed.spans.subgoal is not None
        assert parsed.subgoal in text[slice(*parsed.spans.subgoal)]


@given(st.booleans(), st.none() | markup, markup)
def test_render_cannot_smuggle_in_another_action(
    switch: bool, subgoal: str | None, action: str
) -> None:
    parsed = parse(render(action, switch=switch, subgoal=subgoal))
    if parsed.format_valid:
        assert parsed[:3] == (switch, (subgoal or "").strip() or None, action.strip())
