from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("transformers", reason="needs the extra agents")

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from hiper_agents.llm.tiny import make_tiny
from hiper_agents.llm.vocabulary import TokenizerError, Vocabulary

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


def metaspace_tokenizer() -> PreTrainedTokenizerBase:
    """A tokenizer that puts a space before every text, and takes one away when it decodes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))],
    )
    tokenizer.train_from_iterator(["<switch>KEEP</switch><action>go to desk 1</action>"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(make_tiny()[1])


@given(TEXT)
@example("<|im_end|>")
@example(" two  spaces ")
@example("")
def test_tokens_stand_for_exactly_the_text(vocabulary: Vocabulary, text: str) -> None:
    tokens = vocabulary.encode(text)
    assert vocabulary.decode(tokens) == text
    assert not vocabulary.special & set(tokens)


@given(TEXT, TEXT)
def test_parts_can_be_put_together(vocabulary: Vocabulary, one: str, other: str) -> None:
    tokens = [*vocabulary.encode(one), *vocabulary.encode(other)]
    assert vocabulary.decode(tokens) == one + other
    assert vocabulary.tokenizer.decode(tokens) == one + other


def test_the_texts_of_ids_are_those_that_decoding_gives(vocabulary: Vocabulary) -> None:
    assert len(vocabulary.texts) == len(vocabulary) == len(vocabulary.tokenizer)
    assert vocabulary.texts[:3] == ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    for token in range(0, len(vocabulary), 7):
        assert vocabulary.texts[token] == vocabulary.decode([token])


def test_only_whole_characters_of_plain_texts_are_selected(vocabulary: Vocabulary) -> None:
    ids = vocabulary.ids(lambda text: True)
    broken = {token for token, text in enumerate(vocabulary.texts) if "\ufffd" in text}
    assert len(broken) >= 100  # bytes that are no characters
    assert ids.tolist() == sorted(set(range(3, len(vocabulary))) - broken)
    assert not vocabulary.ids(lambda text: False).size


def test_a_tokenizer_that_puts_a_space_before_a_text_is_made_not_to() -> None:
    tokenizer = metaspace_tokenizer()
    assert tokenizer.decode(tokenizer.encode("desk")) == "desk"
    vocabulary = Vocabulary(tokenizer)
    parts = ["<action>", "go", " to", "desk 1", "é"]
    tokens = [token for part in parts for token in vocabulary.encode(part)]
    assert vocabulary.decode(tokens) == "".join(parts)


def test_a_text_that_the_tokenizer_changes_is_refused() -> None:
    tokenizer = make_tiny()[1]
    tokenizer.backend_tokenizer.normalizer = normalizers.NFC()
    vocabulary = Vocabulary(tokenizer)
    assert vocabulary.decode(vocabulary.encode("\u00e9")) == "\u00e9"
    with pytest.raises(TokenizerError, match="does not reproduce 'e\u0301'"):
        vocabulary.encode("e\u0301")
