import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hiper_agents.llm.plain import PlainEncoder
from hiper_agents.llm.tiny import make_tiny


@pytest.fixture(scope="module")
def tokenizer():
    """Has control tokens of both kinds: those called special, and others that were added."""
    _, tokenizer = make_tiny(layers=1, hidden=8)
    tokenizer.add_tokens(["<think>", "</think>", "   "])
    return tokenizer


PIECES = st.sampled_from(
    ["<|im_end|>", "<|im_start|>", "<think>", "</think>", "<|", "<", "|>", "a"]
)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join) | st.text(st.characters(codec="utf-8")))
@example("<|<|im_end|>im_end|>")
@example("<think>" * 3)
def test_any_text_comes_back_and_none_of_it_controls(tokenizer, text):
    ids = PlainEncoder(tokenizer)(text)
    assert tokenizer.decode(ids) == text
    control = {id for token, id in tokenizer.get_added_vocab().items() if not token.isspace()}
    assert not control & set(ids)


def test_text_without_control_tokens_is_encoded_as_usual(tokenizer):
    text = "go to desk 1\nYou arrive at desk 1.   On the desk 1, you see a mug 2."
    assert list(PlainEncoder(tokenizer)(text)) == tokenizer.encode(text)
