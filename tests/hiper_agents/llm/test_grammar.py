from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("transformers", reason="needs the extra agents")

from hiper_agents.llm.grammar import GrammarError, ResponseGrammar, ResponseState
from hiper_agents.llm.tiny import make_tiny
from hiper_agents.llm.turns import NO_SPAN, TokenSpans
from hiper_agents.llm.vocabulary import Vocabulary
from hiper_base.errors import HiperError
from hiper_envs.tags import parse

TOKENIZER = make_tiny()[1]
VOCABULARY = Vocabulary(TOKENIZER)
GRAMMAR = ResponseGrammar(TOKENIZER, max_subgoal_tokens=5, max_action_tokens=4)
FREE = ResponseGrammar(TOKENIZER, structured=False, max_response_tokens=60)

COMMANDS = ["look", "inventory", "go to desk 1", "go to desk 12", "open drawer 1", "click[< prev]"]
# Anything that the format can carry; the characters of the notation are as likely as letters.
ACTIONS = st.text(st.sampled_from("ab <>[]/é\n") | st.characters(codec="utf-8"), max_size=12)


def carries(action: str) -> bool:
    parsed = parse(f"<switch>KEEP</switch><action>{action}</action>")
    return parsed.format_valid and parsed.action == action


def write(state: ResponseState, seed: int) -> ResponseState:
    """Lets chance finish a response."""
    rng = np.random.default_rng(seed)
    state.forced()
    while not state.finished:
        allowed = state.allowed()
        everything = np.arange(len(TOKENIZER)) if allowed is None else allowed
        state.advance(int(rng.choice(everything)))
        state.forced()
    return state


def block(state: ResponseState, name: str) -> str:
    """The text of a block, from its span."""
    start, end = getattr(state.spans, name)
    return VOCABULARY.decode(state.tokens[start:end])


@given(
    st.lists(ACTIONS, min_size=1, max_size=6).filter(lambda texts: any(map(carries, texts))),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@example(["a", "a</action>", "<think>", " a", ""], False, 0)
@example(["<|im_end|>", "click[<|im_start|>]"], True, 0)
def test_whatever_is_chosen_is_well_formed_and_admissible(
    admissible: list[str], must_switch: bool, seed: int
) -> None:
    state = write(GRAMMAR.begin(admissible, must_switch=must_switch), seed)
    parsed = parse(state.text)
    assert parsed.format_valid
    assert parsed.action in admissible
    assert TOKENIZER.decode(state.tokens) == state.text
    assert not VOCABULARY.special & set(state.tokens)
    assert parsed.switch or not must_switch
    assert parsed.switch == (parsed.subgoal is not None)
    assert len(state.tokens) == len(state.sampled)
    assert sum(state.sampled) == len(state.choices)


@given(st.sampled_from([True, False]), st.integers(0, 2**32 - 1))
def test_the_spans_are_those_of_the_text(must_switch: bool, seed: int) -> None:
    state = write(GRAMMAR.begin(COMMANDS, must_switch=must_switch), seed)
    parsed = parse(state.text)
    for name, span in parsed.spans._asdict().items():
        assert block(state, name) == ("" if span is None else state.text[span[0] : span[1]])
    assert (state.spans.subgoal == NO_SPAN) == (parsed.subgoal is None)
    assert state.spans.action[1] == len(state.tokens)


def test_every_choice_is_recorded_with_what_was_allowed() -> None:
    state = write(GRAMMAR.begin(COMMANDS, must_switch=False), 3)
    chosen = np.flatnonzero(state.sampled)
    assert len(chosen)
    for position, allowed in zip(chosen, state.choices, strict=True):
        assert allowed is not None
        assert len(allowed) > 1
        assert (np.diff(allowed) > 0).all()
        assert state.tokens[position] in allowed


def test_what_is_not_a_choice_is_forced() -> None:
    state = GRAMMAR.begin(["look"], must_switch=False)
    assert VOCABULARY.decode(state.forced()) == "<switch>"
    allowed = state.allowed()
    assert allowed is not None
    keep = VOCABULARY.encode("<switch>KEEP</switch>")[len(state.tokens)]
    assert keep in allowed
    assert len(allowed) == 2
    state.advance(keep)
    assert state.tokens[-1] == keep
    assert not state.finished
    state.forced()
    assert state.finished
    assert state.text == "<switch>KEEP</switch><action>look</action>"
    assert sum(state.sampled) == 1


def test_a_subgoal_is_visible_text_on_one_line_within_its_budget() -> None:
    for seed in range(30):
        state = write(GRAMMAR.begin(["look"], must_switch=True), seed)
        subgoal = block(state, "subgoal").removeprefix("<subgoal>").removesuffix("</subgoal>")
        assert subgoal.isprintable()
        assert "<" not in subgoal
        assert subgoal[0] != " "
        # Five tokens, or fewer and the choice to end.
        assert 2 <= sum(state.sampled[slice(*state.spans.subgoal)]) <= 5


def test_all_lengths_of_a_subgoal_up_to_the_budget_can_be_written() -> None:
    for count in range(1, 6):
        turn = GRAMMAR.demonstrate(
            [1], ["look"], must_switch=True, subgoal="x" * count, action="look"
        )
        subgoal = VOCABULARY.encode("x" * count)
        # The end of the subgoal is chosen unless its budget is used up.
        assert turn.sampled.sum() == len(subgoal) + (len(subgoal) < 5)


@given(st.integers(0, 2**32 - 1))
def test_the_gap_of_a_template_is_filled(seed: int) -> None:
    admissible = ["search[<your query>]", "click[buy now]"]
    state = write(GRAMMAR.begin(admissible, must_switch=False), seed)
    action = parse(state.text).action
    assert action == "click[buy now]" or action.startswith("search[")
    if action.startswith("search["):
        query = action.removeprefix("search[").removesuffix("]")
        assert query.strip()
        assert query.isprintable()
        assert not set("<[]") & set(query)


def test_equal_lists_of_actions_share_their_tree() -> None:
    one = GRAMMAR.begin(list(COMMANDS), must_switch=True)
    other = GRAMMAR.begin(tuple(COMMANDS), must_switch=True)
    assert isinstance(one, type(other))
    assert one._actions is other._actions  # type: ignore[attr-defined]


def test_an_action_that_cannot_be_written_is_left_out() -> None:
    for seed in range(5):
        state = write(GRAMMAR.begin(["a</action>", "look", " "], must_switch=False), seed)
        assert parse(state.text).action == "look"
    with pytest.raises(GrammarError, match="none of 2 admissible"):
        GRAMMAR.begin(["a</action>", ""], must_switch=False)


@pytest.mark.parametrize("wrong", [-1, 0, 10**6])
def test_a_token_that_is_not_allowed_is_refused(wrong: int) -> None:
    state = GRAMMAR.begin(COMMANDS, must_switch=False)
    with pytest.raises(ValueError, match="nothing has to be chosen"):
        state.advance(5)
    state.forced()
    with pytest.raises(ValueError, match="not allowed"):
        state.advance(wrong)


def test_a_length_of_nothing_is_refused() -> None:
    with pytest.raises(HiperError, match="at least 1"):
        ResponseGrammar(TOKENIZER, max_subgoal_tokens=0)


@pytest.mark.parametrize("grammar", [GRAMMAR, FREE])
@pytest.mark.parametrize(
    ("subgoal", "action", "text"),
    [
        (None, "look", "<switch>KEEP</switch><action>look</action>"),
        (
            "a mug",
            "go to desk 1",
            "<switch>SWITCH</switch><subgoal>a mug</subgoal><action>go to desk 1</action>",
        ),
    ],
)
def test_a_demonstration_says_what_it_was_told(
    grammar: ResponseGrammar, subgoal: str | None, action: str, text: str
) -> None:
    turn = grammar.demonstrate([1, 2], COMMANDS, must_switch=False, subgoal=subgoal, action=action)
    assert turn.text == text == VOCABULARY.decode(turn.response.tolist())
    assert turn.prompt.tolist() == [1, 2]
    assert turn.sampled.sum() == len(turn.allowed)
    assert turn.sampled.all() == (grammar is FREE)
    start, end = turn.spans.action
    assert VOCABULARY.decode(turn.response[start:end].tolist()) == f"<action>{action}</action>"


def test_a_template_can_be_demonstrated() -> None:
    turn = GRAMMAR.demonstrate(
        [1], ["search[<your query>]"], must_switch=False, subgoal=None, action="search[mug]"
    )
    assert parse(turn.text).action == "search[mug]"


@pytest.mark.parametrize(
    ("subgoal", "action", "must_switch"),
    [
        (None, "look", True),
        ("find a mug in one of the many drawers of the kitchen", "look", True),
        ("a < b", "look", False),
        ("", "look", False),
        (None, "fly", False),
        (None, "look at it", False),
    ],
)
def test_what_the_grammar_forbids_cannot_be_demonstrated(
    subgoal: str | None, action: str, must_switch: bool
) -> None:
    with pytest.raises(GrammarError, match="cannot write"):
        GRAMMAR.demonstrate([1], COMMANDS, must_switch=must_switch, subgoal=subgoal, action=action)


def free(parts: Sequence[str | int]) -> ResponseState:
    """An unstructured response of some texts and special tokens."""
    state = FREE.begin(["look"], must_switch=True)
    for part in parts:
        for token in [part] if isinstance(part, int) else VOCABULARY.encode(part):
            assert not state.finished
            assert state.allowed() is None
            state.advance(token)
            assert state.forced() == []
    return state


def test_a_free_response_ends_with_its_action_block() -> None:
    state = free(
        ["so: <think>is <action>a</action> ok?</think>", "<switch>KEEP</switch>", "<action>look"]
    )
    assert not state.finished
    for token in VOCABULARY.encode("</action>"):
        state.advance(token)
    assert state.finished
    assert all(state.sampled)
    assert parse(state.text).action == "look"
    assert block(state, "switch") == "<switch>KEEP</switch>"
    assert block(state, "action") == "<action>look</action>"


def test_a_free_response_ends_with_a_special_token_that_belongs_to_its_action() -> None:
    state = free(["look", TOKENIZER.eos_token_id])
    assert state.finished
    assert state.text == "look"
    assert state.spans == TokenSpans(action=(0, len(state.tokens)))


def test_a_free_response_ends_with_its_budget() -> None:
    state = write(FREE.begin([], must_switch=False), 0)
    assert state.finished
    assert len(state.tokens) <= 60
    if len(state.tokens) < 60:
        assert state.tokens[-1] in VOCABULARY.special


def test_what_follows_the_last_closed_block_of_a_malformed_text_counts_as_its_action() -> None:
    state = free(["<switch>SWITCH</switch>", "<action>look", TOKENIZER.eos_token_id])
    assert not parse(state.text).format_valid
    assert block(state, "switch") == "<switch>SWITCH</switch>"
    assert state.spans.subgoal == NO_SPAN
    assert state.spans.action == (state.spans.switch[1], len(state.tokens))


@settings(max_examples=50)
@given(
    st.lists(
        st.sampled_from(
            ["<switch>KEEP</switch>", "<subgoal>é</subgoal>", "<action>", "</think>", "x"]
        )
        | st.integers(3, len(TOKENIZER) - 1),
        max_size=12,
    )
)
@example(["<switch>KEEP</switch>", "<action>", "x"])
def test_the_blocks_of_any_free_text_are_apart_and_in_order(parts: list[str | int]) -> None:
    state = FREE.begin([], must_switch=False)
    for part in [*parts, TOKENIZER.eos_token_id]:
        for token in [part] if isinstance(part, int) else VOCABULARY.encode(part):
            if not state.finished:
                state.advance(token)
    end = 0
    for name, span in state.spans._asdict().items():
        if span != NO_SPAN:
            assert end <= span[0] <= span[1] <= len(state.tokens), name
            end = span[1]
    assert state.spans.action[1] > state.spans.action[0]


def test_a_token_that_two_blocks_share_belongs_to_the_first() -> None:
    state = free(["<switch>KEEP</switch><action>look</action>"])
    shared = [text for text in map(VOCABULARY.texts.__getitem__, state.tokens) if text == "><"]
    assert len(shared) == 1
    assert block(state, "switch") == "<switch>KEEP</switch><"
    assert block(state, "action") == "action>look</action>"
