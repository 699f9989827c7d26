import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from hiper_agents.llm.tiny import VOCABULARY, _trained, make_tiny

RESPONSE = "<switch>SWITCH</switch><subgoal>find a mug</subgoal><action>go to desk 1</action>"


@pytest.fixture(scope="module")
def tiny():
    return make_tiny()


def test_same_seed_same_weights_and_the_global_generator_is_left_alone(tiny):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    again, _ = make_tiny()
    assert torch.equal(torch.rand(3), expected)
    other, _ = make_tiny(seed=1)
    first = tiny[0].state_dict()
    assert all(torch.equal(first[name], tensor) for name, tensor in again.state_dict().items())
    name = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(first[name], other.state_dict()[name])


def test_tokenizer_is_the_same_however_often_it_is_trained():
    # Hash tables of the trainer are seeded anew at every call.
    assert _trained.__wrapped__() == _trained()


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="utf-8")))
def test_every_text_survives_encoding(tiny, text):
    _, tokenizer = tiny
    ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    assert tokenizer.decode(ids) == text
    assert not set(ids) & set(tokenizer.all_special_ids)


def test_tokens_are_words_of_the_games_and_not_bytes(tiny):
    _, tokenizer = tiny
    assert len(tokenizer) == VOCABULARY
    ids = tokenizer.encode("go to countertop 1")
    assert len(ids) <= 6
    assert len(tokenizer.encode(RESPONSE)) < len(RESPONSE) / 3


def test_chat_template_ends_where_the_answer_begins(tiny):
    text = tiny[1].apply_chat_template(
        [{"role": "user", "content": "hello"}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"


def test_sizes(tiny):
    model, tokenizer = make_tiny(layers=3, hidden=32)
    assert (model.config.num_hidden_layers, model.config.hidden_size) == (3, 32)
    logits = model(torch.tensor([tokenizer.encode("look")])).logits
    assert logits.shape[-1] == VOCABULARY
    assert logits.std() > 0.3  # not the nearly uniform distribution of usual initial weights
    with pytest.raises(ValueError, match="multiple of 8"):
        make_tiny(hidden=20)


def test_saved_and_loaded_like_any_model(tiny, tmp_path):
    model, tokenizer = tiny
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, use_safetensors=True)
    loaded_tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    ids = tokenizer.encode(RESPONSE)
    assert loaded_tokenizer.encode(RESPONSE) == ids
    assert loaded_tokenizer.chat_template == tokenizer.chat_template
    with torch.no_grad():
        batch = torch.tensor([ids])
        assert torch.equal(model(batch).logits, loaded(batch).logits)
